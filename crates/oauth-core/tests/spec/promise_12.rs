//! Promise 12: ending is final. Revocation, barring and deleting stop everything that this server checks from that moment.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use bytes::Bytes;
use countersign_accounts::{Account, Accounts};
use countersign_events::EventKind;
use countersign_oauth_core::{Browser, Client, ClientId, Clients, Consent, ConsentRule, Outcome};
use countersign_primitives::{BoxError, Id, SignedIn, Subject};
use http::{Method, Response};

use crate::kit::*;
use crate::rfc6749_authorize::post_consent;

pub(crate) const ALL: &str = "openid offline_access";

pub(crate) fn browser(kit: &Kit, jar: &Jar) -> Browser {
    let (parts, ()) = jar.request(Method::GET, "/").body(()).unwrap().into_parts();
    block_on(kit.server.browser(&parts)).unwrap()
}

/// A browser with a session of the kit's own.
pub(crate) fn session(kit: &Kit, id: u8, who: SignedIn) -> Jar {
    let (mut jar, mut own) = (Jar::default(), browser(kit, &Jar::default()));
    block_on(kit.server.start_session(&mut own, Id::from_bytes([id; 16]), who)).unwrap();
    jar.take(&kit.server.with_cookie(&own, Response::new(Bytes::new())));
    jar
}

pub(crate) fn signed_in(kit: &Kit, jar: &Jar) -> Option<SignedIn> {
    block_on(kit.server.signed_in(&browser(kit, jar))).unwrap()
}

#[test]
fn promise_12_revoking_a_subject_ends_codes_tokens_sessions_and_consent() {
    let kit = Kit::new();
    let mut jar = session(&kit, 1, alice(&kit));
    let form = authorization("shop", "read");
    let who = signed_in(&kit, &jar);
    let Outcome::NeedsConsent(page) = kit.authorize(&mut jar, &form, who) else { panic!() };
    redirect(post_consent(&kit, &jar, &page.action("/consent"), signed_in(&kit, &jar), Consent::allow_all()));
    let (code, tokens) = (kit.code("app", ALL), kit.tokens("app", ALL));
    let bob = SignedIn::new("bob", kit.server.now());
    let theirs = kit.redeem("app", &kit.code_for(&authorization("app", ALL), bob)).ok();

    block_on(kit.server.revoke_subject("alice")).unwrap();
    assert_eq!(kit.events(EventKind::SubjectRevoked)[0].subject().map(Subject::as_str), Some("alice"));
    kit.redeem("app", &code).is_error(400, "invalid_grant");
    assert_eq!(kit.cause(), "grant.ended");
    kit.is_dead("app", &tokens);
    assert_eq!(signed_in(&kit, &jar), None);
    assert_eq!(name(&kit.authorize(&mut jar, &form, Some(alice(&kit)))), "consent");
    kit.is_alive("app", &theirs);
    // What comes after is not touched.
    kit.is_alive("app", &kit.tokens("app", ALL));
}

#[test]
fn promise_12_a_session_that_was_read_before_the_revocation_yields_nothing_after_it() {
    let kit = Kit::new();
    let jar = session(&kit, 1, alice(&kit));
    let path = format!("/authorize?{}", authorization("app", ALL).encode());
    let (parts, ()) = jar.request(Method::GET, &path).body(()).unwrap().into_parts();
    let mut browser = browser(&kit, &jar);
    let who = block_on(kit.server.signed_in(&browser)).unwrap();
    block_on(kit.server.revoke_subject("alice")).unwrap();
    let outcome = block_on(kit.server.authorize_in(&mut browser, &parts, &Bytes::new(), who));
    assert_eq!(name(&outcome), "login");
}

#[test]
fn promise_12_requests_in_flight_at_the_revocation_yield_nothing_that_lives() {
    for round in 0..8 {
        let kit = Kit::new();
        let jar = session(&kit, round, alice(&kit));
        let before = kit.tokens("app", ALL);
        let path = format!("/authorize?{}", authorization("app", ALL).encode());
        kit.script.delay(2);
        let won = race(16, |number| {
            let (kit, jar, before, path) =
                (kit.clone(), jar.clone(), before.text("refresh_token").to_owned(), path.clone());
            async move {
                match number {
                    0 => {
                        kit.server.revoke_subject("alice").await.unwrap();
                        None
                    }
                    1..4 => Some(kit.refresh("app", &before)).filter(|answer| answer.status == 200),
                    _ => {
                        let (parts, ()) = jar.request(Method::GET, &path).body(()).unwrap().into_parts();
                        let mut browser = kit.server.browser(&parts).await.unwrap();
                        let who = kit.server.signed_in(&browser).await.unwrap();
                        let outcome = kit.server.authorize_in(&mut browser, &parts, &Bytes::new(), who).await;
                        let Outcome::Done(_) = outcome else { return None };
                        Some(kit.redeem("app", redirect(outcome).must("code"))).filter(|answer| answer.status == 200)
                    }
                }
            }
        });
        for tokens in won.into_iter().flatten().chain([before]) {
            kit.is_dead("app", &tokens);
        }
        assert_eq!(signed_in(&kit, &jar), None);
    }
}

#[test]
fn promise_12_a_session_ends_by_time_by_another_user_and_in_another_browser() {
    let kit = Kit::new();
    let mut jar = session(&kit, 1, alice(&kit));
    assert_eq!(signed_in(&kit, &jar).unwrap().session_id().unwrap().as_str(), Id::from_bytes([1; 16]).to_string());
    // It lives while it is used, and at the longest for 14 days.
    for _ in 0..14 {
        assert!(signed_in(&kit, &jar).is_some());
        kit.advance(86_400 - 1);
    }
    kit.advance(14);
    assert_eq!(signed_in(&kit, &jar), None);
    let idle = session(&kit, 2, alice(&kit));
    kit.advance(86_400);
    assert_eq!(signed_in(&kit, &idle), None);
    // Another user in the same browser ends the session that was there.
    jar = session(&kit, 3, alice(&kit));
    let mut own = browser(&kit, &jar);
    let bob = SignedIn::new("bob", kit.server.now());
    block_on(kit.server.start_session(&mut own, Id::from_bytes([4; 16]), bob)).unwrap();
    assert_eq!(signed_in(&kit, &jar), None, "the old value of the cookie");
    jar.take(&kit.server.with_cookie(&own, Response::new(Bytes::new())));
    assert_eq!(signed_in(&kit, &jar).unwrap().subject().as_str(), "bob");
    assert_eq!(kit.events(EventKind::SessionEnded).len(), 1);
    // The id of a session is of no use in another browser.
    let mut other = browser(&kit, &Jar::default());
    assert!(block_on(kit.server.start_session(&mut other, Id::from_bytes([4; 16]), alice(&kit))).is_err());
}

#[test]
fn promise_12_a_session_that_was_dropped_signs_nobody_in_by_either_value_of_the_cookie() {
    let kit = Kit::new();
    let mut jar = session(&kit, 1, alice(&kit));
    let mut own = browser(&kit, &jar);
    block_on(kit.server.drop_session(&mut own)).unwrap();
    assert_eq!(signed_in(&kit, &jar), None, "the old value of the cookie");
    jar.take(&kit.server.with_cookie(&own, Response::new(Bytes::new())));
    assert_eq!(signed_in(&kit, &jar), None);
    assert_eq!(kit.events(EventKind::SessionEnded).len(), 1);
    // Its id does not come back to life.
    assert!(block_on(kit.server.start_session(&mut own, Id::from_bytes([1; 16]), alice(&kit))).is_err());
    // Where nobody is signed in there is nothing to drop.
    block_on(kit.server.drop_session(&mut browser(&kit, &Jar::default()))).unwrap();
}

/// The host's users: who is there, who is barred, and whether anybody answers.
#[derive(Clone, Default)]
pub(crate) struct Users(Arc<Mutex<(HashMap<String, bool>, bool)>>);

impl Users {
    pub(crate) fn set(&self, subject: &str, enabled: bool) {
        self.0.lock().unwrap().0.insert(subject.to_owned(), enabled);
    }
}

#[async_trait]
impl Accounts for Users {
    async fn by_login(&self, login: &str) -> Result<Option<Account>, BoxError> {
        self.by_subject(&Subject::new(login)).await
    }
    async fn by_subject(&self, subject: &Subject) -> Result<Option<Account>, BoxError> {
        let users = self.0.lock().unwrap();
        if users.1 {
            return Err("the directory does not answer".into());
        }
        let account = || Account::new(subject.clone());
        Ok(users.0.get(subject.as_str()).map(|enabled| if *enabled { account() } else { account().disabled() }))
    }
}

#[test]
fn promise_12_an_account_that_is_barred_or_gone_ends_what_it_gave() {
    for gone in [false, true] {
        let users = Users::default();
        users.set("alice", true);
        let kit = Kit::with(|builder| builder.accounts(Arc::new(users.clone())));
        let jar = session(&kit, 1, alice(&kit));
        let (code, tokens) = (kit.code("app", ALL), kit.tokens("app", ALL));
        if gone {
            users.0.lock().unwrap().0.clear();
        } else {
            users.set("alice", false);
        }
        kit.redeem("app", &code).is_error(400, "invalid_grant");
        kit.is_dead("app", &tokens);
        assert_eq!(signed_in(&kit, &jar), None);
        assert_eq!(name(&kit.authorize(&mut Jar::default(), &authorization("app", ALL), Some(alice(&kit)))), "login");
    }
}

#[test]
fn promise_14_a_directory_that_does_not_answer_refuses() {
    let users = Users::default();
    users.set("alice", true);
    let kit = Kit::with(|builder| builder.accounts(Arc::new(users.clone())));
    let (code, tokens) = (kit.code("app", ALL), kit.tokens("app", ALL));
    users.0.lock().unwrap().1 = true;
    kit.redeem("app", &code).is_error(503, "temporarily_unavailable");
    kit.refresh("app", tokens.text("refresh_token")).is_error(503, "temporarily_unavailable");
    assert_eq!(kit.access(tokens.text("access_token")).unwrap_err().status(), 503);
    assert_eq!(
        shown(kit.authorize(&mut Jar::default(), &authorization("app", ALL), Some(alice(&kit)))),
        "lookup.failed"
    );
    users.0.lock().unwrap().1 = false;
    kit.redeem("app", &code).ok();
    kit.is_alive("app", &tokens);
}

#[test]
fn promise_11_a_subject_that_cannot_stand_in_a_token_gets_none() {
    let kit = Kit::new();
    for subject in ["", "a\u{e4}", "a\nb", &"a".repeat(300)] {
        let who = SignedIn::new(subject.to_owned(), kit.server.now());
        assert_eq!(
            name(&kit.authorize(&mut Jar::default(), &authorization("app", ALL), Some(who))),
            "login",
            "{subject:?}"
        );
    }
}

/// The host's own table of clients: it ignores case, as some databases do.
#[derive(Clone, Default)]
pub(crate) struct Table(Arc<Mutex<HashMap<String, Arc<Client>>>>);

impl Table {
    pub(crate) fn set(&self, client: Client) {
        self.0.lock().unwrap().insert(client.id().to_owned(), Arc::new(client));
    }
}

#[async_trait]
impl Clients for Table {
    async fn find(&self, id: &ClientId) -> Result<Option<Arc<Client>>, BoxError> {
        if id.as_str() == "failing" {
            return Err("the table does not answer".into());
        }
        Ok(self.0.lock().unwrap().get(&id.as_str().to_lowercase()).map(Arc::clone))
    }
}

fn mine(instance: u8) -> Client {
    let client = Client::public("mine").redirect_uri("https://mine.example.com/cb").consent(ConsentRule::Implied);
    client.instance(Id::from_bytes([instance; 16]))
}

pub(crate) fn with_table() -> (Kit, Table) {
    let table = Table::default();
    table.set(mine(1));
    (Kit::with(|builder| builder.clients(table.clone())), table)
}

#[test]
fn promise_12_a_client_that_was_deleted_and_made_anew_revives_nothing() {
    for end in ["replaced", "deleted"] {
        let (kit, table) = with_table();
        let (code, tokens) = (kit.code("mine", ALL), kit.tokens("mine", ALL));
        let mut jar = Jar::default();
        let Outcome::NeedsLogin(ask) = kit.authorize(&mut jar, &authorization("mine", ALL), None) else { panic!() };
        if end == "deleted" {
            table.0.lock().unwrap().clear();
            kit.redeem("mine", &code).is_error(401, "invalid_client");
            kit.refresh("mine", tokens.text("refresh_token")).is_error(401, "invalid_client");
            assert_eq!(kit.access(tokens.text("access_token")).unwrap_err().cause_id(), "bearer.invalid");
        }
        table.set(mine(2));
        kit.redeem("mine", &code).is_error(400, "invalid_grant");
        kit.is_dead("mine", &tokens);
        assert_eq!(shown(kit.come_back(&mut jar, ask.return_to(), Some(alice(&kit)))), "authorize.unknown_client");
        kit.is_alive("mine", &kit.tokens("mine", ALL));
    }
}
