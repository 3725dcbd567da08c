//! Links by mail: new passwords, verified addresses, signing in.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use countersign_accounts::{Account, Accounts as _};
use countersign_events::EventKind;
use countersign_mfa::{
    Answer, Budget, Caller, Challenge, Enrolled, Enrolment, Existing, Factor, FactorError, FirstMethod, LinkPurpose,
    LoginError, LoginRequest, MessageBudget, Method, MfaBuilder, Occasion, PasswordChangeError, PasswordHasher,
    PasswordRefused, Prompt, Step, StepError, Subjects, Verdict, VerifyEmailError,
};
use countersign_outbound::{Channel, Message, MessageSender, Purpose, SendError};
use countersign_primitives::{Acr, Amr, BoxError, Clock, Id, Requirement, SecretString, SessionId, SignedIn, Subject};
use countersign_storage_traits::Batch;
use futures_util::future::join_all;

use crate::support::{Bench, CHEAP, from};

const NEW: &str = "plum tree walks home";

/// A mailbox that keeps what it is sent; or one that is down.
#[derive(Debug, Clone, Default)]
struct Mailbox {
    mails: Arc<Mutex<Vec<(Purpose, String, String)>>>,
    down: bool,
}

#[async_trait]
impl MessageSender for Mailbox {
    async fn send(&self, message: &Message) -> Result<(), SendError> {
        if self.down {
            return Err(SendError::Busy);
        }
        let mail = (message.purpose(), message.to().to_owned(), message.text().to_owned());
        self.mails.lock().unwrap().push(mail);
        Ok(())
    }
}

impl Mailbox {
    fn count(&self) -> usize {
        self.mails.lock().unwrap().len()
    }

    /// The link in the newest mail of this purpose.
    fn link(&self, purpose: Purpose) -> String {
        let mails = self.mails.lock().unwrap();
        let (_, _, text) = mails.iter().rev().find(|mail| mail.0 == purpose).unwrap();
        let line = text.lines().find(|line| line.starts_with("https://")).unwrap();
        line.split_once("link=").unwrap().1.to_owned()
    }

    fn address(&self, purpose: Purpose) -> String {
        let mails = self.mails.lock().unwrap();
        let (_, _, text) = mails.iter().rev().find(|mail| mail.0 == purpose).unwrap();
        text.lines().find(|line| line.starts_with("https://")).unwrap().to_owned()
    }
}

/// Keeps epochs, as an authorization server does.
#[derive(Debug, Default)]
struct Epochs(Mutex<std::collections::BTreeMap<String, u64>>);

#[async_trait]
impl Subjects for Epochs {
    fn partition(&self, subject: &Subject) -> Id {
        let mut bytes = [0x5a; 16];
        for (byte, own) in bytes.iter_mut().zip(subject.as_str().bytes()) {
            *byte = own;
        }
        Id::from_bytes(bytes)
    }

    async fn epoch(&self, subject: &Subject) -> Result<u64, BoxError> {
        Ok(self.0.lock().unwrap().get(subject.as_str()).copied().unwrap_or(0))
    }

    async fn changing(
        &self,
        subject: &Subject,
        change: countersign_mfa::Changed,
        _: &mut Batch,
    ) -> Result<(), BoxError> {
        if change == countersign_mfa::Changed::PasswordChanged {
            *self.0.lock().unwrap().entry(subject.as_str().to_owned()).or_default() += 1;
        }
        Ok(())
    }
}

struct Post {
    bench: Bench,
    mailbox: Mailbox,
}

impl Post {
    async fn new() -> Self {
        Self::with(|builder| builder).await
    }

    /// Both first factors, and a user with a verified address beside the others, who have none.
    async fn with(change: impl FnOnce(MfaBuilder<'_>) -> MfaBuilder<'_>) -> Self {
        let mailbox = Mailbox::default();
        let bench = Bench::with(|builder| {
            let builder = builder.sender(Channel::Email, mailbox.clone());
            change(builder.first_factors([FirstMethod::Password, FirstMethod::MagicLink]))
        })
        .await;
        let hash = PasswordHasher::new(bench.pool.clone()).cost(CHEAP).unwrap();
        let hash = hash.hash(&"carol-password".into()).await.unwrap();
        let carol = Account::new("u-3").username("carol").email("carol@example.com", true).password_hash(hash);
        let dave = Account::new("u-4").username("dave").email("dave@example.com", false);
        bench.users.import([carol, dave], Existing::Keep).await.unwrap();
        bench.pool.runs.store(0, std::sync::atomic::Ordering::SeqCst);
        Self { bench, mailbox }
    }

    async fn forgot(&self, name: &str) {
        self.bench.mfa.forgot_password(name, &self.bench.browser()).await.unwrap();
    }

    /// The link that a user is sent by whom a new password is asked for.
    async fn reset_link(&self, name: &str) -> String {
        self.forgot(name).await;
        self.mailbox.link(Purpose::ResetPassword)
    }

    async fn reset(&self, link: &str, password: &str) -> Result<(), PasswordChangeError> {
        self.bench.mfa.reset_password(link, &password.into(), &self.bench.browser()).await
    }

    async fn signs_in(&self, name: &str, password: &str) -> bool {
        let mut login = self.bench.begin(LoginRequest::new(), self.bench.browser()).await;
        login.answer(&Answer::password(name, password)).await;
        login.is_done()
    }

    /// A login at which a link was asked for, and the link.
    async fn magic(&self, name: &str, caller: Caller) -> (crate::support::Login<'_>, String) {
        let mut login = self.bench.begin(LoginRequest::new(), caller).await;
        login.answer(&Answer::choose("magic_link")).await;
        login.answer(&Answer::send_link(name)).await;
        (login, self.mailbox.link(Purpose::MagicLink))
    }
}

fn is_dead(result: &Result<(), PasswordChangeError>) -> bool {
    matches!(result, Err(PasswordChangeError::Link(_)))
}

#[tokio::test]
async fn a_link_by_mail_sets_a_new_password_once_and_signs_nobody_in() {
    let post = Post::new().await;
    let link = post.reset_link("carol").await;
    assert!(post.bench.mfa.is_live_link(LinkPurpose::ResetPassword, &link).await.unwrap());
    post.reset(&link, NEW).await.unwrap();
    assert!(!post.signs_in("carol", "carol-password").await);
    assert!(post.signs_in("carol", NEW).await);
    assert!(is_dead(&post.reset(&link, "another new password").await));
    assert!(!post.bench.mfa.is_live_link(LinkPurpose::ResetPassword, &link).await.unwrap());
    assert!(post.bench.heard().contains(&EventKind::PasswordChanged.name()));
    let mails = post.mailbox.mails.lock().unwrap();
    assert_eq!(mails.last().map(|mail| (mail.0, mail.1.as_str())), Some((Purpose::Notice, "carol@example.com")));
}

#[tokio::test]
async fn promise_6_asking_for_a_link_costs_the_same_and_says_the_same_for_whoever_is_named() {
    let post = Post::new().await;
    let mut costs = Vec::new();
    // With an account and an address, without an address, with one that is not verified, without an account, with an address alone.
    for name in ["carol", "alice", "dave", "nobody", "stranger@example.net"] {
        let store = &post.bench.store;
        let (commits, charges, reads) = (store.commits(), store.charges(), store.gets());
        post.forgot(name).await;
        costs.push((store.commits() - commits, store.charges() - charges, store.gets() - reads));
        let mut login = post.bench.begin(LoginRequest::new(), post.bench.browser()).await;
        login.answer(&Answer::choose("magic_link")).await;
        let (commits, charges, reads) = (store.commits(), store.charges(), store.gets());
        let step = serde_json::to_value(login.answer(&Answer::send_link(name)).await).unwrap();
        assert_eq!(
            step,
            serde_json::json!({
                "step": "magic_link", "login_hint": null, "sent": true,
                "or": [{"id": "password", "type": "password", "name": "Password"}],
            }),
            "{name}"
        );
        costs.push((store.commits() - commits, store.charges() - charges, store.gets() - reads));
    }
    let (forgot, magic): (Vec<_>, Vec<_>) = costs.chunks(2).map(|two| (two[0], two[1])).unzip();
    assert!(forgot.windows(2).all(|two| two[0] == two[1]), "{forgot:?}");
    assert!(magic.windows(2).all(|two| two[0] == two[1]), "{magic:?}");
    assert_eq!(post.bench.pool.runs.load(std::sync::atomic::Ordering::SeqCst), 0, "no password was hashed");
    // What was sent is nobody's answer: two links, and twice a note to the address that no account has.
    let mails: Vec<_> = post.mailbox.mails.lock().unwrap().iter().map(|mail| (mail.0, mail.1.clone())).collect();
    let sent = |purpose, to: &str| (purpose, to.to_owned());
    assert_eq!(
        mails,
        [
            sent(Purpose::ResetPassword, "carol@example.com"),
            sent(Purpose::MagicLink, "carol@example.com"),
            sent(Purpose::Notice, "stranger@example.net"),
            sent(Purpose::Notice, "stranger@example.net"),
        ]
    );
}

#[tokio::test]
async fn promise_6_links_are_budgeted_alike_for_known_and_unknown_names() {
    let post = Post::new().await;
    for name in ["carol", "nobody"] {
        for _ in 0..3 {
            post.forgot(name).await;
        }
        let stopped = post.bench.mfa.forgot_password(name, &post.bench.browser()).await;
        let Err(LoginError::Throttled { retry_after }) = stopped else { panic!("{stopped:?}") };
        assert_eq!(retry_after, Duration::from_secs(15 * 60), "{name}");
    }
    // A browser that signed in before has a budget of its own.
    let mut login = post.bench.begin(LoginRequest::new(), post.bench.browser()).await;
    login.answer(&Answer::password("carol", "carol-password")).await;
    let known = post.bench.browser().marks(login.done().marks.clone());
    post.bench.mfa.forgot_password("carol", &known).await.unwrap();
    // One address asks for so many, whoever they are for.
    let mut asked = 0;
    for number in 0..40 {
        let caller = from("192.0.2.7", &Default::default(), post.bench.id());
        asked += u32::from(post.bench.mfa.forgot_password(&format!("name-{number}"), &caller).await.is_ok());
    }
    assert_eq!(asked, 20);
}

/// Strangers have mails sent to addresses that they know: the budgets of messages hold, the answer is always the same, and nobody is kept
/// from codes by mail.
#[tokio::test]
async fn m32_mails_with_links_and_to_strangers_are_paid_for_and_the_answer_tells_nothing() {
    let budget = MessageBudget {
        mail_address: Budget::new(4, Duration::from_secs(3_600)),
        mail_to: Budget::new(2, Duration::from_secs(3_600)),
        ..MessageBudget::default()
    };
    let post = Post::with(|builder| builder.message_budget(budget)).await;
    let from = |address: [u8; 4]| post.bench.browser().address(address.into());
    let ask = async |name: &str, caller: Caller| post.bench.mfa.forgot_password(name, &caller).await.unwrap();
    // One address of nobody's here, typed in other ways, gets two.
    for name in ["eve@example.net", "EVE@example.net", " eve@example.net", "Eve@example.net"] {
        post.bench.clock.advance(Duration::from_secs(16 * 60)); // not held back by the budget of links
        ask(name, from([192, 0, 2, 1])).await;
    }
    let mails = post.mailbox.count();
    assert_eq!(mails, 2);
    // Whoever has asked for enough is sent no more, whoever it is for.
    let caller = [192, 0, 2, 2];
    for name in ["frank@example.net", "grace@example.net", "heidi@example.net", "ivan@example.net", "carol"] {
        ask(name, from(caller)).await;
    }
    assert_eq!(post.mailbox.count(), mails + 4);
    assert!(post.bench.heard().contains(&"message.refused"), "operators hear of it");
    ask("carol", from([192, 0, 2, 3])).await;
    assert_eq!(post.mailbox.count(), mails + 5, "her owner is not kept from it");
}

#[tokio::test]
async fn a_sender_that_is_down_changes_no_answer() {
    let post = Post::with(|builder| builder.sender(Channel::Email, Mailbox { down: true, ..Mailbox::default() })).await;
    post.forgot("carol").await;
    post.forgot("nobody").await;
    assert!(post.bench.heard().contains(&"message.failed"));
}

#[tokio::test]
async fn a_link_is_void_when_a_newer_one_was_asked_for() {
    let post = Post::new().await;
    let older = post.reset_link("carol").await;
    let newer = post.reset_link("carol").await;
    assert!(is_dead(&post.reset(&older, NEW).await));
    post.reset(&newer, NEW).await.unwrap();
}

#[tokio::test]
async fn a_link_is_void_once_the_password_has_changed_with_and_without_epochs() {
    for epochs in [false, true] {
        let post =
            Post::with(|builder| if epochs { builder.subjects(Arc::new(Epochs::default())) } else { builder }).await;
        let link = post.reset_link("carol").await;
        let mine = post.bench.browser();
        let carol: Subject = "u-3".into();
        let old: SecretString = "carol-password".into();
        post.bench.mfa.change_password(&carol, Some(&old), &NEW.into(), &mine).await.unwrap();
        assert!(is_dead(&post.reset(&link, "yet another password").await), "{epochs}");
        assert!(post.signs_in("carol", NEW).await);
    }
}

#[tokio::test]
async fn a_link_has_ten_minutes() {
    let post = Post::new().await;
    let link = post.reset_link("carol").await;
    post.bench.clock.advance(Duration::from_secs(10 * 60 - 1));
    assert!(post.bench.mfa.is_live_link(LinkPurpose::ResetPassword, &link).await.unwrap());
    post.bench.clock.advance(Duration::from_secs(1));
    assert!(is_dead(&post.reset(&link, NEW).await));
}

#[tokio::test]
async fn a_link_is_for_one_thing_and_one_user_and_cannot_be_made_up() {
    let post = Post::new().await;
    let reset = post.reset_link("carol").await;
    let (mut login, magic) = post.magic("carol", post.bench.browser()).await;
    assert!(is_dead(&post.reset(&magic, NEW).await));
    assert_eq!(login.answer(&Answer::magic_link(reset.clone())).await.error(), Some(StepError::LinkDead));
    let verified = post.bench.mfa.verify_email(&reset, &post.bench.browser()).await;
    assert!(matches!(verified, Err(VerifyEmailError::Link(_))));
    let mut mangled = reset.clone().into_bytes();
    let last = mangled.len() - 12;
    mangled[last] = if mangled[last] == b'a' { b'b' } else { b'a' };
    for made_up in ["", "x", &"y".repeat(512), std::str::from_utf8(&mangled).unwrap()] {
        assert!(is_dead(&post.reset(made_up, NEW).await), "{made_up}");
    }
    // It is the owner's password that it changes, and nobody else's.
    post.reset(&reset, NEW).await.unwrap();
    assert!(post.signs_in("alice", "alice-password").await && !post.signs_in("alice", NEW).await);
}

#[tokio::test]
async fn a_password_that_may_not_be_chosen_leaves_the_link_as_it_is() {
    let post = Post::new().await;
    let link = post.reset_link("carol").await;
    let refused = post.reset(&link, "too short").await;
    assert!(
        matches!(refused, Err(PasswordChangeError::Refused(PasswordRefused::TooShort { minimum: 15 }))),
        "{refused:?}"
    );
    let refused = post.reset(&link, "Carol.Example.Com.2026").await;
    assert!(matches!(refused, Err(PasswordChangeError::Refused(PasswordRefused::Names))), "{refused:?}");
    post.bench.pool.full.store(true, std::sync::atomic::Ordering::SeqCst);
    assert!(matches!(post.reset(&link, NEW).await, Err(PasswordChangeError::Hash(_))));
    post.bench.pool.full.store(false, std::sync::atomic::Ordering::SeqCst);
    post.reset(&link, NEW).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_sixteen_requests_that_bring_one_link_one_wins() {
    let post = Post::new().await;
    let link = post.reset_link("carol").await;
    let outcomes = join_all((0..16).map(|number| {
        let (mfa, link, caller) = (post.bench.mfa.clone(), link.clone(), post.bench.browser());
        tokio::spawn(async move {
            let password = SecretString::new(format!("plum tree walks home {number}"));
            mfa.reset_password(&link, &password, &caller).await
        })
    }))
    .await;
    let outcomes: Vec<_> = outcomes.into_iter().map(Result::unwrap).collect();
    let winners: Vec<_> = (0..16).filter(|number| outcomes[*number].is_ok()).collect();
    assert_eq!(winners.len(), 1, "{outcomes:?}");
    assert!(outcomes.iter().all(|outcome| outcome.is_ok() || is_dead(outcome)), "{outcomes:?}");
    assert!(post.signs_in("carol", &format!("plum tree walks home {}", winners[0])).await);
    // The same of links that sign in.
    let (login, link) = post.magic("carol", post.bench.browser()).await;
    let steps = join_all((0..16).map(|_| {
        let (mfa, id, caller, answer) =
            (post.bench.mfa.clone(), login.id, login.caller.clone(), Answer::magic_link(link.clone()));
        tokio::spawn(async move { mfa.answer(id, &answer, &caller).await })
    }))
    .await;
    let used = post.bench.heard().iter().filter(|name| **name == "login.succeeded").count();
    assert_eq!(used, 2, "one by the password and one by the link: {steps:?}");
}

#[tokio::test]
async fn promise_12_a_new_password_ends_logins_that_are_under_way() {
    let post = Post::with(|builder| builder.subjects(Arc::new(Epochs::default()))).await;
    let second = LoginRequest::new().requirement(Requirement::MFA);
    let login = post.bench.password(second, post.bench.browser(), "carol").await;
    assert!(matches!(login.step, Step::Enrol(_)));
    let link = post.reset_link("carol").await;
    post.reset(&link, NEW).await.unwrap();
    let step = post.bench.mfa.step(login.id, &login.caller).await;
    assert!(matches!(step, Err(LoginError::Expired)), "{step:?}");
}

#[tokio::test]
async fn promise_8_a_reset_does_not_stand_in_for_the_second_factor() {
    let post = Post::new().await;
    let (secret, _) = post.bench.enrol("carol").await;
    let link = post.reset_link("carol").await;
    post.reset(&link, NEW).await.unwrap();
    let mut login = post.bench.begin(LoginRequest::new().requirement(Requirement::MFA), post.bench.browser()).await;
    login.answer(&Answer::password("carol", NEW)).await;
    assert!(matches!(&login.step, Step::Code(step) if step.method == "totp"), "{:?}", login.step);
    assert_eq!(login.answer(&Answer::code("000000")).await.error(), Some(StepError::WrongCode));
    let code = post.bench.code(&secret);
    login.answer(&Answer::code(code)).await;
    login.done();
}

#[tokio::test]
async fn nist_sp800_63b_4_3_1_3_1_what_rests_on_a_link_in_a_mail_is_not_the_second_level() {
    let post = Post::new().await;
    let (secret, _) = post.bench.enrol("carol").await;
    let aal2 = || LoginRequest::new().requirement(Requirement::at_least(Acr::AAL2));
    let mut login = post.bench.begin(aal2(), post.bench.browser()).await;
    login.answer(&Answer::send_link("carol")).await;
    let link = post.mailbox.link(Purpose::MagicLink);
    assert!(matches!(login.answer(&Answer::magic_link(link)).await, Step::Refused(_)), "{:?}", login.step);
    // A password that was chosen by a link is a password; with the app it is the second level.
    let link = post.reset_link("carol").await;
    post.reset(&link, NEW).await.unwrap();
    let mut login = post.bench.begin(aal2(), post.bench.browser()).await;
    login.answer(&Answer::password("carol", NEW)).await;
    let code = post.bench.code(&secret);
    login.answer(&Answer::code(code)).await;
    assert_eq!(login.done().signed_in.acr_value(), Some(&Acr::AAL2));
}

#[tokio::test]
async fn a_password_is_changed_by_the_old_one_within_the_budgets_of_a_login() {
    let post = Post::new().await;
    let (carol, mine): (Subject, _) = ("u-3".into(), post.bench.browser());
    let change = async |old: &str, new: &str| {
        post.bench.mfa.change_password(&carol, Some(&old.into()), &new.into(), &mine).await
    };
    assert!(matches!(change("wrong", NEW).await, Err(PasswordChangeError::WrongPassword)));
    assert!(matches!(change("carol-password", "short").await, Err(PasswordChangeError::Refused(_))));
    change("carol-password", NEW).await.unwrap();
    assert!(post.signs_in("carol", NEW).await && !post.signs_in("carol", "carol-password").await);
    let mut guesses = 0;
    while let Err(PasswordChangeError::WrongPassword) = change("wrong", NEW).await {
        guesses += 1;
    }
    assert!(guesses <= 10, "{guesses}");
    let stopped = change("wrong", NEW).await;
    assert!(matches!(stopped, Err(PasswordChangeError::Login(LoginError::Throttled { .. }))), "{stopped:?}");
}

#[tokio::test]
async fn a_new_account_has_a_password_that_was_judged() {
    let post = Post::new().await;
    let erin = Account::new("u-5").username("erin");
    let judged = post.bench.mfa.new_password_hash(&erin, &"erinerinerinerin".into()).await;
    assert!(matches!(judged, Err(PasswordChangeError::Refused(PasswordRefused::Pattern))), "{judged:?}");
    let hash = post.bench.mfa.new_password_hash(&erin, &NEW.into()).await.unwrap();
    post.bench.users.import([erin.password_hash(hash)], Existing::Keep).await.unwrap();
    assert!(post.signs_in("erin", NEW).await);
    post.bench.mfa.set_password(&"u-5".into(), &"set by the help desk".into()).await.unwrap();
    assert!(post.signs_in("erin", "set by the help desk").await);
}

#[tokio::test]
async fn nist_sp800_63b_4_3_1_1_2_eight_characters_do_where_the_policy_asks_for_a_second_factor() {
    use countersign_mfa::Policy;

    let post = Post::with(|builder| builder.policy(Policy::never().group("staff", Requirement::MFA))).await;
    let staff = Account::new("u-6").username("frank").group("staff");
    assert_eq!(post.bench.mfa.shortest_password(&staff).await, 8);
    assert!(post.bench.mfa.new_password_hash(&staff, &"plumtree".into()).await.is_ok());
    assert_eq!(post.bench.mfa.shortest_password(&Account::new("u-7")).await, 15);
}

#[tokio::test]
async fn an_address_is_verified_by_its_own_link_alone() {
    let post = Post::new().await;
    let dave: Subject = "u-4".into();
    let verified = async || post.bench.users.by_subject(&dave).await.unwrap().unwrap().email_address().unwrap().1;
    post.bench.mfa.ask_to_verify_email(&dave, &post.bench.browser()).await.unwrap();
    let link = post.mailbox.link(Purpose::VerifyAddress);
    assert!(
        post.mailbox.address(Purpose::VerifyAddress).starts_with("https://id.example.com/verify-email?link=cs_verify_")
    );
    assert!(post.bench.mfa.is_live_link(LinkPurpose::VerifyEmail, &link).await.unwrap());
    assert!(!verified().await, "looking at a link spends nothing and verifies nothing");
    post.bench.mfa.verify_email(&link, &post.bench.browser()).await.unwrap();
    assert!(verified().await);
    let again = post.bench.mfa.verify_email(&link, &post.bench.browser()).await;
    assert!(matches!(again, Err(VerifyEmailError::Link(_))));
    // What is verified is not asked for again.
    let before = post.mailbox.count();
    post.bench.mfa.ask_to_verify_email(&dave, &post.bench.browser()).await.unwrap();
    assert_eq!(post.mailbox.count(), before);
}

#[tokio::test]
async fn a_link_to_an_address_that_was_changed_verifies_nothing() {
    let post = Post::new().await;
    let dave: Subject = "u-4".into();
    post.bench.mfa.ask_to_verify_email(&dave, &post.bench.browser()).await.unwrap();
    let link = post.mailbox.link(Purpose::VerifyAddress);
    let moved = Account::new("u-4").username("dave").email("dave@elsewhere.example", false);
    post.bench.users.import([moved], Existing::Replace).await.unwrap();
    let spent = post.bench.mfa.verify_email(&link, &post.bench.browser()).await;
    assert!(matches!(spent, Err(VerifyEmailError::Link(_))));
    assert!(!post.bench.users.by_subject(&dave).await.unwrap().unwrap().email_address().unwrap().1);
    // Nor does a link for a new password that was sent there work.
    let link = post.reset_link("carol").await;
    let moved = Account::new("u-3").username("carol").email("carol@elsewhere.example", true);
    post.bench.users.import([moved], Existing::Replace).await.unwrap();
    assert!(is_dead(&post.reset(&link, NEW).await));
}

#[tokio::test]
async fn a_magic_link_signs_in_once_in_the_login_and_browser_that_asked() {
    let post = Post::new().await;
    let (mut login, link) = post.magic("carol", post.bench.browser()).await;
    let base = format!("https://id.example.com/login/{}?link=cs_link_", login.id);
    assert!(post.mailbox.address(Purpose::MagicLink).starts_with(&base));
    // Another browser: the thief of a link, or its owner who was sent one by a thief.
    let stolen = post.bench.mfa.answer(login.id, &Answer::magic_link(link.clone()), &post.bench.browser()).await;
    assert!(matches!(stolen, Err(LoginError::OtherBrowser)), "{stolen:?}");
    let mut other = post.bench.begin(LoginRequest::new(), post.bench.browser()).await;
    assert_eq!(other.answer(&Answer::magic_link(link.clone())).await.error(), Some(StepError::LinkDead));
    // Another login of the same browser.
    let mut second = post.bench.begin(LoginRequest::new(), login.caller.clone()).await;
    assert_eq!(second.answer(&Answer::magic_link(link.clone())).await.error(), Some(StepError::LinkDead));
    login.answer(&Answer::magic_link(link.clone())).await;
    assert_eq!(login.done().signed_in.subject().as_str(), "u-3");
    let mut again = post.bench.begin(LoginRequest::new(), login.caller.clone()).await;
    assert_eq!(again.answer(&Answer::magic_link(link)).await.error(), Some(StepError::LinkDead));
}

#[tokio::test]
async fn promise_8_a_magic_link_is_one_factor_and_a_password_beside_it_no_second() {
    let post = Post::new().await;
    let (secret, _) = post.bench.enrol("carol").await;
    let mut login = post.bench.begin(LoginRequest::new().requirement(Requirement::MFA), post.bench.browser()).await;
    login.answer(&Answer::send_link("carol")).await;
    let link = post.mailbox.link(Purpose::MagicLink);
    login.answer(&Answer::magic_link(link)).await;
    assert!(matches!(&login.step, Step::Code(step) if step.method == "totp"), "{:?}", login.step);
    assert!(!login.answer(&Answer::password("carol", "carol-password")).await.name().eq("done"));
    let code = post.bench.code(&secret);
    login.answer(&Answer::code(code)).await;
    let amr: Vec<_> = login.done().signed_in.amr_values().iter().map(|amr| amr.as_str()).collect();
    assert!(amr.contains(&"mca") && amr.contains(&"otp") && amr.contains(&"mfa"), "{amr:?}");
    // A session of both steps up by the code alone, as one of password and code does.
    let who = login.done().signed_in.clone();
    let request = LoginRequest::new().requirement(Requirement::MFA).who(who);
    assert!(post.bench.begin(request, post.bench.browser()).await.is_done());
}

#[tokio::test]
async fn rfc9470_4_a_link_renews_a_session_whose_code_is_still_young() {
    let post = Post::new().await;
    let now = post.bench.clock.now();
    let ago = |seconds| now.minus(Duration::from_secs(seconds));
    let session = SessionId::from(post.bench.id());
    let who = SignedIn::new("u-3", ago(1_000))
        .amr([Amr::Pwd])
        .proof(Amr::Otp, ago(10))
        .acr(Acr::MFA)
        .session(session.clone());
    let caller = Caller::new(post.bench.id()).session(session.clone());
    let request = LoginRequest::new().since(ago(300)).who(who);
    let mut login = post.bench.begin(request, caller).await;
    login.answer(&Answer::choose("magic_link")).await;
    let Step::MagicLink(step) = &login.step else { panic!("{:?}", login.step) };
    assert_eq!((step.login_hint.as_deref(), step.sent), (Some("carol"), false));
    login.answer(&Answer::send_link("carol")).await;
    login.answer(&Answer::magic_link(post.mailbox.link(Purpose::MagicLink))).await;
    let told = &login.done().signed_in;
    assert_eq!((told.acr_value(), told.auth_time()), (Some(&Acr::MFA), ago(10)));
    assert_eq!(told.session_id(), Some(&session));
}

#[tokio::test]
async fn promise_12_a_young_code_of_a_session_from_before_a_new_password_does_not_stand_beside_it() {
    let post = Post::with(|builder| builder.subjects(Arc::new(Epochs::default()))).await;
    let link = post.reset_link("carol").await;
    let now = post.bench.clock.now();
    let ago = |seconds| now.minus(Duration::from_secs(seconds));
    let who = SignedIn::new("u-3", ago(1_000)).amr([Amr::Pwd]).proof(Amr::Otp, ago(10)).acr(Acr::MFA);
    let request = LoginRequest::new().requirement(Requirement::MFA).since(ago(300)).who(who);
    let mut login = post.bench.begin(request, post.bench.browser()).await;
    assert!(matches!(login.step, Step::Password(_)), "{:?}", login.step);
    post.reset(&link, NEW).await.unwrap();
    // A host that keeps the session all the same gets nothing of it.
    let refused = login.try_answer(&Answer::password("carol", NEW)).await.unwrap_err();
    assert_eq!(refused.id(), "login_expired");
}

#[tokio::test]
async fn only_first_factors_that_are_switched_on_are_taken() {
    let post = Post::with(|builder| builder.first_factors([FirstMethod::MagicLink])).await;
    let mut login = post.bench.begin(LoginRequest::new(), post.bench.browser()).await;
    assert!(matches!(login.step, Step::MagicLink(_)), "{:?}", login.step);
    assert!(matches!(login.answer(&Answer::password("carol", "carol-password")).await, Step::MagicLink(_)));
    let bench = Bench::new().await;
    let mut login = bench.begin(LoginRequest::new(), bench.browser()).await;
    assert!(matches!(login.answer(&Answer::send_link("alice")).await, Step::Password(step) if !step.may_reset));
    assert_eq!(login.answer(&Answer::choose("magic_link")).await.error(), Some(StepError::NoSuchChoice));
}

#[tokio::test]
async fn a_crash_between_the_commits_of_a_reset_leaves_no_session_beside_the_new_password() {
    use crate::support::Stop;

    for stop in 0..5 {
        for stop in [Stop::Before(stop), Stop::After(stop)] {
            let epochs = Arc::new(Epochs::default());
            let post = Post::with(|builder| builder.subjects(epochs.clone())).await;
            let link = post.reset_link("carol").await;
            post.bench.store.stop(Some(stop));
            let reset = post.reset(&link, NEW).await;
            post.bench.store.stop(None);
            let raised = epochs.epoch(&"u-3".into()).await.unwrap() > 0;
            let changed = post.signs_in("carol", NEW).await;
            assert!(!changed || raised, "{stop:?}: {reset:?}");
            assert!(changed || post.signs_in("carol", "carol-password").await, "{stop:?}");
            // Whatever happened, another link mends it.
            let link = post.reset_link("carol").await;
            post.reset(&link, "mended by another link").await.unwrap();
            assert!(post.signs_in("carol", "mended by another link").await, "{stop:?}");
        }
    }
}

/// Codes by mail, of which there is one.
#[derive(Debug)]
struct MailCodes;

#[async_trait]
impl Factor for MailCodes {
    fn method(&self) -> Method {
        Method::new("email", "Code by mail").amr([Amr::Otp]).channel(Channel::Email)
    }
    async fn enrol(&self, _: &Occasion<'_>) -> Result<Enrolment, FactorError> {
        Enrolment::new(Prompt::none(), &())
    }
    async fn challenge(&self, _: &Occasion<'_>, _: &Enrolled<'_>) -> Result<Challenge, FactorError> {
        Ok(Challenge::plain(Prompt::none().digits(4)))
    }
    async fn verify(
        &self,
        _: &Occasion<'_>,
        _: &Enrolled<'_>,
        _: &Challenge,
        answer: &Answer,
    ) -> Result<Verdict, FactorError> {
        Ok(Verdict::when(answer.is_code("4711")))
    }
}

#[tokio::test]
async fn promise_8_codes_by_mail_add_nothing_to_what_came_by_mail() {
    let post = Post::with(|builder| builder.factor(MailCodes)).await;
    let mfa = || LoginRequest::new().requirement(Requirement::MFA);
    // Set up beside the password, as the only factor; the recovery codes come with it.
    let mut login = post.bench.password(mfa(), post.bench.browser(), "carol").await;
    login.choose("email").await;
    login.answer(&Answer::enrol("4711")).await;
    let codes = crate::support::codes_of(&login.step);
    login.answer(&Answer::RecoveryCodes).await;
    login.done();
    let mut login = post.bench.password(mfa(), post.bench.browser(), "carol").await;
    login.answer(&Answer::code("4711")).await;
    login.done();
    // After a link by mail they do not count.
    let (mut login, link) = {
        let mut login = post.bench.begin(mfa(), post.bench.browser()).await;
        login.answer(&Answer::send_link("carol")).await;
        (login, post.mailbox.link(Purpose::MagicLink))
    };
    login.answer(&Answer::magic_link(link)).await;
    assert!(matches!(&login.step, Step::Code(step) if step.method == "recovery_code"), "{:?}", login.step);
    // Nor to a password that was chosen by one, in whatever login it is typed, until something else was proven with it.
    let link = post.reset_link("carol").await;
    post.reset(&link, NEW).await.unwrap();
    let with_new = async || {
        let mut login = post.bench.begin(mfa(), post.bench.browser()).await;
        login.answer(&Answer::password("carol", NEW)).await;
        login
    };
    let mut login = with_new().await;
    assert!(matches!(&login.step, Step::Code(step) if step.method == "recovery_code"), "{:?}", login.step);
    assert_eq!(login.answer(&Answer::code("4711")).await.error(), Some(StepError::WrongCode));
    // A change by the old password, which whoever reads the mails knows, makes it no better.
    let (carol, old): (Subject, SecretString) = ("u-3".into(), NEW.into());
    post.bench.mfa.change_password(&carol, Some(&old), &NEW.into(), &post.bench.browser()).await.unwrap();
    let mut login = with_new().await;
    assert!(matches!(&login.step, Step::Code(step) if step.method == "recovery_code"), "{:?}", login.step);
    login.answer(&Answer::code(codes[0].as_str())).await;
    login.done();
    let mut login = with_new().await;
    assert!(matches!(&login.step, Step::Code(step) if step.method == "email"), "{:?}", login.step);
    login.answer(&Answer::code("4711")).await;
    login.done();
}
