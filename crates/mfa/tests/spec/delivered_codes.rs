//! Codes that are sent: what they look like, what they are worth, and what they work for (NIST SP 800-63B-4 §3.1.3).

use std::sync::Arc;
use std::time::Duration;

use countersign_accounts::Accounts as _;
use countersign_mfa::{
    Answer, Budget, CodeAlphabet, CodeFormat, Countries, EmailCodes, Existing, Languages, Limits, LoginError, LoginId,
    LoginRequest, MessageBudget, Mfa, MfaConfigError, Policy, Share, SmsCodes, Step, StepError,
};
use countersign_outbound::Channel;
use countersign_primitives::{Acr, Amr, Requirement};
use countersign_storage_memory::MemoryStore;
use futures_util::future::join_all;

use crate::letterbox::{Letterbox, NUMBER, bench_with, enrolled, set_up, wrong};
use crate::support::{Bench, Login, key};

#[tokio::test]
async fn rfc8176_2_each_channel_states_what_it_is() {
    for (method, amr, to) in
        [("sms", Amr::Sms, "+49…23"), ("voice", Amr::Tel, "+49…23"), ("email", Amr::Otp, "a***@example.com")]
    {
        let (bench, letters) = enrolled(method).await;
        let mut login = bench.second("alice").await;
        let Step::Code(step) = &login.step else { panic!("{:?}", login.step) };
        assert_eq!((step.method.as_str(), step.digits, step.to.as_deref()), (method, Some(6), Some(to)));
        assert_eq!((step.may_resend, step.resend_in), (true, Some(30)));
        login.answer(&Answer::code(letters.last())).await;
        assert_eq!(login.done().signed_in.amr_values(), [Amr::Pwd, amr, Amr::Mfa]);
        assert_eq!(login.done().signed_in.acr_value(), Some(&Acr::MFA));
    }
}

#[tokio::test]
async fn nist_sp800_63b_3_1_3_a_mail_is_no_second_level() {
    for (method, reaches) in [("sms", true), ("voice", true), ("email", false)] {
        let (bench, letters) = enrolled(method).await;
        let aal2 = LoginRequest::new().requirement(Requirement::at_least(Acr::AAL2));
        let sent = letters.count();
        let mut login = bench.password(aal2.clone(), bench.browser(), "alice").await;
        let Step::Code(step) = &login.step else { panic!("{:?}", login.step) };
        if reaches {
            assert_eq!(step.method, method);
            login.answer(&Answer::code(letters.last())).await;
            assert_eq!(login.done().signed_in.acr_value(), Some(&Acr::AAL2));
            continue;
        }
        assert_eq!(
            (step.method.as_str(), step.or.len(), letters.count()),
            ("recovery_code", 0, sent),
            "no code by mail"
        );
        // Nor does a session that rests on one pass for it later.
        let mut login = bench.second("alice").await;
        login.answer(&Answer::code(letters.last())).await;
        let who = login.done().signed_in.clone();
        assert!(who.rests_on_mail());
        let stepped_up = bench.begin(aal2.who(who), bench.browser()).await;
        assert!(
            matches!(&stepped_up.step, Step::Code(step) if step.method == "recovery_code"),
            "{:?}",
            stepped_up.step
        );
    }
}

#[tokio::test]
async fn promise_10_what_mail_alone_cannot_reach_is_not_said_to_be_within_reach() {
    let builder = |key, codes| {
        let builder = Mfa::builder(MemoryStore::new(), key).factor(EmailCodes::new(Letterbox::default()));
        builder.recovery_codes(codes)
    };
    let key = key();
    let mfa = builder(&key, 0).build().await.unwrap();
    assert_eq!(mfa.acr_values(), [Acr::AAL1, Acr::MFA]);
    assert!(!mfa.reaches(&Requirement::at_least(Acr::AAL2)) && mfa.reaches(&Requirement::MFA));
    let policy = || Policy::never().group("admin", Requirement::at_least(Acr::AAL2));
    let refused = builder(&key, 0).policy(policy()).build().await;
    assert!(matches!(refused, Err(MfaConfigError::Unreachable(_))));
    assert!(builder(&key, 10).policy(policy()).build().await.is_ok(), "a printed list reaches it");
}

#[tokio::test]
async fn m22_a_code_that_was_sent_is_exactly_its_digits() {
    let (bench, letters) = bench_with(|builder| builder.limits(Limits::off())).await;
    set_up(&bench, &letters, "alice", "sms").await;
    let mut login = bench.second("alice").await;
    let code = letters.last();
    for wrong in ["", "0", &code[..5], &format!("{code}0"), "١٢٣٤٥٦"] {
        assert_eq!(login.answer(&Answer::code(wrong)).await.error(), Some(StepError::WrongCode), "{wrong:?}");
    }
    login.answer(&Answer::Resend).await;
    let code = letters.last();
    login.answer(&Answer::code(format!("{}-{}", &code[..3], &code[3..]))).await;
    assert!(login.is_done(), "what parts the digits is the user's to type");
}

#[tokio::test]
async fn length_alphabet_and_lifetime_are_each_channels_own() {
    let letters = Letterbox::default();
    let bench = Bench::with(|builder| {
        let long = CodeFormat::new(10, CodeAlphabet::Letters).unwrap();
        let mail = EmailCodes::new(letters.clone()).format(long).lifetime(Duration::from_secs(120));
        builder.factor(mail).factor(SmsCodes::new(letters.clone()).lifetime(Duration::from_secs(86_400)))
    })
    .await;
    set_up(&bench, &letters, "alice", "email").await;
    let mut login = bench.second("alice").await;
    let Step::Code(step) = &login.step else { panic!("{:?}", login.step) };
    assert_eq!(step.digits, None);
    let mail = letters.message();
    assert_eq!((mail.channel, mail.code.len()), (Channel::Email, 10));
    assert!(mail.text.contains("valid for 2 minutes") && mail.subject.unwrap().contains(&mail.code));
    bench.clock.advance(Duration::from_secs(119));
    assert!(matches!(login.answer(&Answer::code(mail.code.to_lowercase())).await, Step::Done(_)));
    set_up(&bench, &letters, "bob", "sms").await;
    let mut login = bench.second("bob").await;
    bench.clock.advance(Duration::from_secs(600));
    let late = login.answer(&Answer::code(letters.last())).await.error();
    assert_eq!(late, Some(StepError::CodeExpired), "ten minutes are the most that NIST allows");
}

#[tokio::test]
async fn a_text_message_ends_in_the_host_that_its_code_is_for_and_a_voice_spells() {
    let (bench, letters) = enrolled("sms").await;
    let _login = bench.second("alice").await;
    let sms = letters.message();
    assert_eq!(sms.text.lines().last(), Some(format!("@id.example.com #{}", sms.code).as_str()));
    let (bench, letters) = enrolled("voice").await;
    let _login = bench.second("alice").await;
    let call = letters.message();
    let digits: Vec<_> = call.code.chars().map(String::from).collect();
    assert!(call.text.contains(&digits.join(", ")), "{}", call.text);
}

#[tokio::test]
async fn messages_are_written_in_the_users_language() {
    let (bench, letters) = enrolled("sms").await;
    let german = LoginRequest::new().requirement(Requirement::MFA).languages(Languages::of("de-CH en"));
    bench.password(german, bench.browser(), "alice").await;
    assert!(letters.message().text.contains("Code"), "{}", letters.message().text);
    assert!(letters.message().text.contains("gilt"), "{}", letters.message().text);
    let account = bench.users.by_login("alice").await.unwrap().unwrap().claim("locale", "en-GB");
    bench.users.import([account], Existing::Replace).await.unwrap();
    bench.clock.advance(Duration::from_secs(30));
    let german = LoginRequest::new().requirement(Requirement::MFA).languages(Languages::of("de"));
    bench.password(german, bench.browser(), "alice").await;
    assert!(letters.message().text.contains("valid for"), "what the account says comes first");
}

#[tokio::test]
async fn promise_11_a_code_is_for_one_login_client_browser_authenticator_and_user() {
    let (bench, letters) = bench_with(|builder| builder.limits(Limits::off())).await;
    for (name, method) in [("alice", "sms"), ("bob", "sms")] {
        set_up(&bench, &letters, name, method).await;
    }
    let request = |client: &str| LoginRequest::new().requirement(Requirement::MFA).client(client);
    let mut mine = bench.password(request("Shop"), bench.browser(), "alice").await;
    let code = letters.last();
    // Another login of the same user, for the same client and for another.
    for client in ["Shop", "Bank"] {
        let mut other = bench.password(request(client), mine.caller.clone(), "alice").await;
        if letters.last() != code {
            let refused = other.answer(&Answer::code(&code)).await.error();
            assert_eq!(refused, Some(StepError::WrongCode), "{client}");
        }
    }
    // Another user.
    let mut bobs = bench.second("bob").await;
    if letters.last() != code {
        assert_eq!(bobs.answer(&Answer::code(&code)).await.error(), Some(StepError::WrongCode));
    }
    // Another browser, and a login of another name.
    assert!(bench.mfa.answer(mine.id, &Answer::code(&code), &bench.browser()).await.is_err());
    assert!(bench.mfa.answer(LoginId(bench.id()), &Answer::code(&code), &mine.caller).await.is_err());
    // Another authenticator of the same user in the same login.
    mine.choose("recovery_code").await;
    assert_eq!(mine.answer(&Answer::code(&code)).await.error(), Some(StepError::WrongCode));
}

/// The same answer so many times, each by a task of its own, over all nodes in turn.
async fn at_once(
    nodes: &[&Mfa],
    login: &Login<'_>,
    answer: &Arc<Answer>,
    times: usize,
) -> Vec<Result<Step, LoginError>> {
    let tasks = nodes.iter().cycle().take(times).map(|node| {
        let (node, id, answer, caller) = (Mfa::clone(node), login.id, Arc::clone(answer), login.caller.clone());
        tokio::spawn(async move { node.answer(id, &answer, &caller).await })
    });
    join_all(tasks).await.into_iter().map(Result::unwrap).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn promise_1_a_code_that_comes_many_times_at_once_is_one_login() {
    let (bench, letters) = enrolled("sms").await;
    let login = bench.second("alice").await;
    let answer = Arc::new(Answer::code(letters.last()));
    let before = bench.heard().iter().filter(|name| **name == "login.succeeded").count();
    let steps = at_once(&[&bench.mfa], &login, &answer, 32).await;
    assert!(steps.iter().any(|step| matches!(step, Ok(Step::Done(_)))), "{steps:?}");
    let after = bench.heard().iter().filter(|name| **name == "login.succeeded").count();
    assert_eq!(after - before, 1);
    let mut late = bench.second("alice").await;
    assert_ne!(late.answer(&answer).await.name(), "done", "spent, and another login's besides");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn promise_1_a_code_that_one_node_sent_serves_once_on_two() {
    let (bench, letters) = enrolled("sms").await;
    let other = bench.engine_with(|builder| builder.factor(SmsCodes::new(letters.clone()))).await;
    for _ in 0..4 {
        let login = bench.second("alice").await;
        let answer = Arc::new(Answer::code(letters.last()));
        let steps = at_once(&[&bench.mfa, &other], &login, &answer, 16).await;
        assert!(steps.iter().any(|step| matches!(step, Ok(Step::Done(_)))), "{steps:?}");
        bench.clock.advance(Duration::from_secs(30));
    }
    // Of resends at once one is sent, whichever node is asked.
    let login = bench.second("alice").await;
    bench.clock.advance(Duration::from_secs(30));
    let sent = letters.count();
    let steps = at_once(&[&bench.mfa, &other], &login, &Arc::new(Answer::Resend), 16).await;
    assert_eq!(letters.count(), sent + 1, "{steps:?}");
    assert!(matches!(other.answer(login.id, &Answer::code(letters.last()), &login.caller).await, Ok(Step::Done(_))));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn m24_of_many_guesses_at_once_five_are_compared() {
    let (bench, letters) = bench_with(|builder| builder.limits(Limits::off())).await;
    set_up(&bench, &letters, "alice", "sms").await;
    let login = bench.second("alice").await;
    let guess = Arc::new(Answer::code(wrong(&letters.last())));
    let steps = at_once(&[&bench.mfa], &login, &guess, 32).await;
    let of = |error| steps.iter().filter(|step| step.as_ref().unwrap().error() == Some(error)).count();
    assert_eq!((of(StepError::WrongCode), of(StepError::AttemptsSpent)), (5, 27));
}

#[tokio::test]
async fn m24_another_code_brings_the_account_no_other_guesses() {
    let (bench, letters) = enrolled("sms").await;
    let mut login = bench.second("alice").await;
    for _ in 0..2 {
        for _ in 0..5 {
            let guess = Answer::code(wrong(&letters.last()));
            assert_eq!(login.answer(&guess).await.error(), Some(StepError::WrongCode));
        }
        bench.clock.advance(Duration::from_secs(30));
        login.answer(&Answer::Resend).await;
    }
    let stopped = login.try_answer(&Answer::code(letters.last())).await;
    assert!(matches!(stopped, Err(LoginError::Throttled { .. })), "{stopped:?}");
}

#[tokio::test]
async fn m32_messages_keep_to_the_budget_and_another_way_is_open() {
    let one = MessageBudget { phone_account: Budget::new(2, Duration::from_secs(3_600)), ..MessageBudget::default() };
    let (bench, letters) = bench_with(|builder| builder.message_budget(one)).await;
    set_up(&bench, &letters, "alice", "sms").await;
    bench.second("alice").await;
    let sent = letters.count();
    bench.clock.advance(Duration::from_secs(30));
    let mut login = bench.second("alice").await;
    let Step::Code(step) = &login.step else { panic!("{:?}", login.step) };
    assert_eq!((step.error, letters.count()), (Some(StepError::TooSoon), sent));
    assert!(step.resend_in.unwrap() > 3_000 && step.or.iter().any(|way| way.method == "recovery_code"));
    assert!(matches!(login.choose("recovery_code").await, Step::Code(_)));
    assert!(bench.heard().contains(&"message.refused"));
}

#[tokio::test]
async fn m32_a_country_without_users_gets_no_code() {
    let home = MessageBudget { countries: Countries::only(["AT".parse().unwrap()]), ..MessageBudget::default() };
    let (bench, letters) = bench_with(|builder| builder.message_budget(home)).await;
    let mut login = bench.second("alice").await;
    login.choose("sms").await;
    assert_eq!(login.answer(&Answer::contact(NUMBER)).await.error(), Some(StepError::Unreachable));
    assert_eq!(letters.count(), 0);
    assert_eq!(login.answer(&Answer::enrol("000000")).await.error(), Some(StepError::WrongCode), "and opens nothing");
    assert!(matches!(login.choose("totp").await, Step::Enrol(_)));
}

#[tokio::test]
async fn m32_a_code_that_came_back_counts_once_and_one_that_did_not_stops_sending() {
    let share = Some(Share::new(50, 2));
    let budget = MessageBudget { country_share: share, share: None, ..MessageBudget::default() };
    let (bench, letters) = bench_with(|builder| builder.message_budget(budget)).await;
    set_up(&bench, &letters, "alice", "sms").await;
    for _ in 0..4 {
        let mut login = bench.second("alice").await;
        login.answer(&Answer::code(letters.last())).await;
        assert!(login.is_done(), "codes that come back stop nothing");
        bench.clock.advance(Duration::from_secs(30));
    }
    for _ in 0..2 {
        bench.second("alice").await;
        bench.clock.advance(Duration::from_secs(30));
    }
    let sent = letters.count();
    assert_eq!(bench.second("alice").await.step.error(), Some(StepError::TooSoon));
    assert_eq!(letters.count(), sent);
    assert!(bench.heard().contains(&"messages.stopped"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn m32_a_code_that_is_typed_many_times_at_once_pays_one_back() {
    let share = Some(Share::new(50, 4));
    let budget = MessageBudget { country_share: share, share: None, ..MessageBudget::default() };
    let (bench, letters) = bench_with(|builder| builder.message_budget(budget).limits(Limits::off())).await;
    set_up(&bench, &letters, "alice", "sms").await;
    for _ in 0..3 {
        bench.second("alice").await; // and never typed: 150 owed
    }
    let login = bench.second("alice").await; // 200
    let code = Arc::new(Answer::code(letters.last()));
    at_once(&[&bench.mfa], &login, &code, 5).await; // 100
    let sent = letters.count();
    for _ in 0..4 {
        bench.second("alice").await;
    }
    assert_eq!(letters.count(), sent + 2);
}

#[tokio::test]
async fn the_way_that_worked_last_comes_first() {
    let (bench, _) = enrolled("sms").await;
    let subject = bench.subject_of("alice").await;
    bench.mfa.authenticators().import_totp(&subject, "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ").await.unwrap();
    let order = |step: &Step| match step {
        Step::Choose(step) => step.authenticators.iter().map(|way| way.method.clone()).collect::<Vec<_>>(),
        other => panic!("{other:?}"),
    };
    let mut login = bench.second("alice").await;
    assert_eq!(order(&login.step), ["sms", "totp", "recovery_code"]);
    let secret = countersign_mfa_otp::TotpSecret::from_base32(
        "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ",
        countersign_mfa_otp::TotpParameters::default(),
    );
    login.choose("totp").await;
    login.answer(&Answer::code(bench.code(&secret.unwrap()))).await;
    assert!(login.is_done());
    bench.clock.advance(Duration::from_secs(30));
    assert_eq!(order(&bench.second("alice").await.step), ["totp", "sms", "recovery_code"]);
}
