//! One extension that uses every hook, as a stranger may.

use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use bytes::Bytes;
use countersign_oauth_core::{
    At, AuthorizationRequest, Client, Config, Ended, Endpoint, Extension, Gathered, Grant, GrantRequest, Issue, Issued,
    Issuing, Member, Params, Refusal, Route, Scope, Server, Wanted, answer,
};
use countersign_primitives::{Acr, Amr, Id, Requirement, SignedIn, Subject, UnixTime};
use countersign_storage_memory::MemoryStore;
use countersign_storage_traits::{Batch, Expect, Key, Kind};
use http::{Method, Request, Response, StatusCode};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::kit::*;

pub(crate) const BADGE: &str = "urn:example:params:oauth:grant-type:badge";
const ENDED: Kind = Kind(200);

/// The colour of a client, from its metadata.
#[derive(Serialize, Deserialize)]
struct Colour(String);

impl Member for Colour {
    const NAME: &'static str = "paint.colour";
}

/// The coat of a request, kept with the grant.
#[derive(Serialize, Deserialize)]
struct Coat(String);

impl Member for Coat {
    const NAME: &'static str = "paint.coat";
}

/// Uses everything that an extension may.
#[derive(Debug, Clone, Default)]
pub(crate) struct Paint {
    worked: Arc<Mutex<u32>>,
    barred: Arc<Mutex<bool>>,
    /// How the hook at the end of a grant goes wrong.
    spoils: Arc<Mutex<&'static str>>,
}

#[async_trait]
impl Extension for Paint {
    fn name(&self) -> &'static str {
        "paint"
    }
    fn routes(&self, _: &Config) -> Vec<Route> {
        vec![
            Route::new(Method::GET, "/paint/{colour}", Palette).cors(),
            Route::new(Method::POST, "/paint/{colour}", Palette),
        ]
    }
    fn grants(&self) -> Vec<Arc<dyn Grant>> {
        vec![Arc::new(Badges)]
    }
    fn scopes(&self) -> Vec<Scope> {
        vec![Scope::new("paint", "Paint things")]
    }
    fn response_types(&self) -> &'static [&'static str] {
        &["code proof"]
    }
    fn metadata(&self, config: &Config, out: &mut Gathered) {
        out.add("paint_endpoint", config.issuer().url("/paint"));
    }
    fn client_members(&self) -> &'static [&'static str] {
        &["paint_colour"]
    }
    fn register(&self, _: &Config, asked: &Map<String, Value>, client: Client) -> Result<Client, Refusal> {
        match asked.get("paint_colour").map(Value::as_str) {
            None => Ok(client),
            Some(Some(colour)) => Ok(client.member(&Colour(colour.to_owned()))),
            Some(None) => Err(Refusal::invalid_request("paint_colour is a text")),
        }
    }
    async fn validate(&self, at: &At<'_>, params: &Params, request: &mut AuthorizationRequest) -> Result<(), Refusal> {
        match params.get("coat") {
            Some("none") => return Err(Refusal::invalid_request("a coat must be").cause("paint.coat", "docs/paint.md")),
            Some("double") => request.require(&Requirement::MFA, at.server.config().acr_table()),
            Some("bobs") => request.only(Subject::new("bob")),
            Some("dry") => request.set_max_age(Duration::from_secs(10)),
            _ => {}
        }
        request.set_member(&Coat(params.get("coat").unwrap_or("single").to_owned()));
        Ok(())
    }
    fn subject(&self, client: &Client, subject: &Subject) -> Option<Subject> {
        client.members().get::<Colour>().map(|colour| Subject::new(format!("{}-{subject}", colour.0)))
    }
    async fn demand(&self, _: &At<'_>, who: &SignedIn, _: Wanted<'_>) -> Result<Requirement, Refusal> {
        Ok(if who.subject().as_str() == "admin" { Requirement::PHISHING_RESISTANT } else { Requirement::NONE })
    }
    async fn admit(&self, _: &At<'_>, issuing: &Issuing<'_>) -> Result<(), Refusal> {
        if *self.barred.lock().unwrap() && issuing.scope.contains("paint") {
            let refusal = Refusal::new(StatusCode::FORBIDDEN, "paint_required", "there is no paint left");
            return Err(refusal.cause("paint.none_left", "docs/paint.md").member("paint_token", "pt_1"));
        }
        Ok(())
    }
    async fn respond(&self, _: &At<'_>, issued: &Issued<'_>, out: &mut Gathered) -> Result<(), Refusal> {
        match issued.grant.member::<Coat>() {
            Some(Coat(coat)) if coat == "reserved" => out.add("access_token", "mine"),
            Some(Coat(coat)) if coat == "broken" => return Err(Refusal::invalid_grant("the coat is broken")),
            Some(Coat(coat)) => out.add("coat", coat),
            None => {}
        }
        if issued.response_type == Some("code proof") {
            assert!(issued.access_token.is_none(), "no token by the side");
            out.add("proof", format!("of {}", issued.code.unwrap_or_default().len()));
        }
        Ok(())
    }
    async fn ended(&self, at: &At<'_>, ended: &Ended<'_>, batch: &mut Batch) -> Result<(), Refusal> {
        assert_eq!(ended.grant.client_id(), at.client.id());
        let partition = batch.partition();
        let key = |id: Id| Key::new(partition, ENDED, id);
        let spoils = *self.spoils.lock().unwrap();
        batch.put(key(Id::from_bytes([1; 16])), Expect::Absent, UnixTime::MAX, Vec::new(), "ended");
        match spoils {
            "refuses" => return Err(Refusal::invalid_request("the outbox is full")),
            "conflicts" => {
                batch.check(key(Id::from_bytes([2; 16])), Expect::Present);
            }
            "strays" => {
                batch.put(Key::root(ENDED, Id::from_bytes([3; 16])), Expect::Any, UnixTime::MAX, Vec::new(), "");
            }
            "empties" => *batch = Batch::new(partition, at.now, at.server.random())?,
            "replaces" => {
                *batch = Batch::new(partition, at.now, at.server.random())?;
                batch.put(key(Id::from_bytes([1; 16])), Expect::Any, UnixTime::MAX, Vec::new(), "ended");
            }
            _ => {}
        }
        Ok(())
    }
    async fn work(&self, _: &Server, now: UnixTime) -> Option<UnixTime> {
        *self.worked.lock().unwrap() += 1;
        Some(now.plus(Duration::from_secs(5)))
    }
}

pub(crate) struct Palette;

#[async_trait]
impl Endpoint for Palette {
    async fn answer(&self, server: &Server, request: Request<Bytes>) -> Response<Bytes> {
        answer::json(StatusCode::OK, &json!({ "path": request.uri().path(), "by": server.config().issuer().as_str() }))
    }
}

/// A kiosk trades the tap of a badge for tokens.
pub(crate) struct Badges;

#[async_trait]
impl Grant for Badges {
    fn grant_type(&self) -> &str {
        BADGE
    }
    async fn redeem(&self, request: &GrantRequest<'_>) -> Result<Issue, Refusal> {
        let (serial, owner) = request.param("tap")?.split_once('-').ok_or(Refusal::invalid_grant("no such badge"))?;
        let lives = request.optional_param("lives").and_then(|lives| lives.parse().ok()).unwrap_or(60);
        let who = SignedIn::new(owner.to_owned(), request.now()).amr([Amr::Hwk]).acr(Acr::AAL1);
        let expires = request.now().plus(Duration::from_secs(lives));
        Ok(Issue::to(who).once(serial.to_owned(), expires).refreshable())
    }
}

fn metadata(id: &str, more: &Value) -> Map<String, Value> {
    let mut members = json!({ "client_id": id, "redirect_uris": [callback(id)], "grant_types": ["authorization_code", "refresh_token", BADGE] });
    members.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    members.as_object().unwrap().clone()
}

fn implied(client: Client) -> Client {
    client.consent(countersign_oauth_core::ConsentRule::Implied)
}

/// A server with this extension and a client of a colour.
fn painted() -> (Kit, Paint) {
    let paint = Paint::default();
    let kit = Kit::with(|builder| {
        let builder = builder.extension(paint.clone());
        let builder = builder.client_metadata(metadata("red", &json!({ "paint_colour": "red" })), implied);
        builder.client_metadata(metadata("plain", &json!({})), implied)
    });
    (kit, paint)
}

fn badge(tap: &str, scope: &str) -> Form {
    Form::new().with("grant_type", BADGE).with("tap", tap).with("scope", scope)
}

#[test]
fn extension_routes_are_served_with_methods_and_cors_of_their_own() {
    let (kit, _) = painted();
    let got = kit.get("/paint/red").ok();
    assert_eq!(
        (got.text("path"), got.text("by"), got.header("access-control-allow-origin")),
        ("/paint/red", ISSUER, "*")
    );
    let posted = kit.handle(request(Method::POST, "/paint/red").body(Bytes::new()).unwrap()).ok();
    // One method of a path is open to other origins, the other is not.
    assert_eq!(posted.header("access-control-allow-origin"), "");
    let preflight = kit.handle(request(Method::OPTIONS, "/paint/red").body(Bytes::new()).unwrap());
    assert_eq!(preflight.header("access-control-allow-methods"), "GET");
    assert_eq!(kit.get("/paint/red/green").status, 404);
}

#[test]
fn extension_metadata_scopes_grants_and_response_types_are_told() {
    let (kit, _) = painted();
    let metadata = kit.get("/.well-known/oauth-authorization-server").ok().json;
    assert_eq!(metadata["paint_endpoint"], "https://id.example.com/paint");
    assert_eq!(metadata["response_types_supported"], json!(["code", "code proof"]));
    assert!(metadata["grant_types_supported"].as_array().unwrap().contains(&json!(BADGE)));
    assert!(metadata["scopes_supported"].as_array().unwrap().contains(&json!("paint")));
}

#[test]
fn extension_client_members_are_read_and_others_refused() {
    let build = |metadata: Map<String, Value>, extended: bool| {
        let builder = builder(ISSUER, MemoryStore::new()).client_metadata(metadata, implied);
        let builder = if extended { builder.extension(Paint::default()) } else { builder.grant(Badges) };
        block_on(builder.build()).map(|_| ()).map_err(|error| error.to_string())
    };
    assert_eq!(build(metadata("red", &json!({ "paint_colour": "red" })), true), Ok(()));
    assert!(build(metadata("red", &json!({ "paint_colour": "red" })), false).unwrap_err().contains("paint_colour"));
    assert!(
        build(metadata("red", &json!({ "paint_colour": 7 })), true).unwrap_err().contains("paint_colour is a text")
    );
    assert!(build(metadata("red", &json!({ "varnish": true })), true).unwrap_err().contains("varnish"));
    for more in [
        json!({ "grant_types": ["password"] }),
        json!({ "response_types": ["token"] }),
        json!({ "token_endpoint_auth_method": "private_key_jwt" }),
        json!({ "token_endpoint_auth_method": "none", "client_secret": SECRET }),
        json!({ "token_endpoint_auth_method": "client_secret_basic" }),
        json!({ "client_secret": "short" }),
        json!({ "redirect_uris": ["javascript:alert(1)"] }),
        json!({ "redirect_uris": [] }),
        json!({ "redirect_uris": "https://red.example.com/cb" }),
        json!({ "scope": "unheard-of" }),
    ] {
        assert!(build(metadata("red", &more), true).is_err(), "{more}");
    }
}

#[test]
fn extension_validate_may_demand_refuse_and_keep_something_for_the_grant() {
    let (kit, _) = painted();
    let ask = |coat: &str| {
        kit.authorize(&mut Jar::default(), &authorization("plain", "paint").with("coat", coat), Some(alice(&kit)))
    };
    assert_eq!(told(ask("none")), "invalid_request");
    assert_eq!(kit.cause(), "paint.coat");
    assert_eq!(name(&ask("double")), "step up");
    assert_eq!(name(&ask("bobs")), "login");
    let answer = redirect(ask("triple"));
    let tokens = kit.redeem("plain", answer.must("code")).ok();
    assert_eq!(tokens.text("coat"), "triple");
    assert_eq!(kit.refresh("plain", tokens.text("refresh_token")).ok().text("coat"), "triple");
    kit.advance(11);
    let old = SignedIn::new("alice", START);
    assert_eq!(
        name(&kit.authorize(&mut Jar::default(), &authorization("plain", "paint").with("coat", "dry"), Some(old))),
        "login"
    );
}

#[test]
fn extension_subject_names_the_user_towards_each_client() {
    let (kit, _) = painted();
    for (client, subject) in [("red", "red-alice"), ("plain", "alice")] {
        let tokens = kit.tokens(client, "openid");
        assert_eq!(tokens.claims()["sub"], subject);
        let access = kit.access(tokens.text("access_token")).unwrap();
        assert_eq!((access.subject.as_str(), access.grant.who().unwrap().subject().as_str()), (subject, "alice"));
    }
}

#[test]
fn extension_demand_is_met_at_every_door() {
    let (kit, _) = painted();
    let admin = |acr: Acr| SignedIn::new("admin", kit.server.now()).acr(acr);
    let form = authorization("plain", "read");
    assert_eq!(name(&kit.authorize(&mut Jar::default(), &form, Some(admin(Acr::MFA)))), "step up");
    kit.redeem("plain", &kit.code_for(&form, admin(Acr::PHR))).ok();
    kit.token("plain", &badge("7-admin", "read")).is_error(400, "invalid_grant");
    assert_eq!(kit.cause(), "grant.requirement");
}

#[test]
fn extension_admit_is_the_gate_of_every_grant_and_spends_nothing() {
    let (kit, paint) = painted();
    let (code, tokens) = (kit.code("plain", "paint"), kit.tokens("plain", "paint"));
    *paint.barred.lock().unwrap() = true;
    let refused = kit.redeem("plain", &code);
    refused.is_error(403, "paint_required");
    assert_eq!((refused.text("paint_token"), kit.cause()), ("pt_1", "paint.none_left"));
    kit.refresh("plain", tokens.text("refresh_token")).is_error(403, "paint_required");
    kit.token("plain", &badge("1-alice", "paint")).is_error(403, "paint_required");
    assert_eq!(
        told(kit.authorize(&mut Jar::default(), &authorization("plain", "paint"), Some(alice(&kit)))),
        "paint_required"
    );
    kit.token("plain", &badge("2-alice", "read")).ok();
    *paint.barred.lock().unwrap() = false;
    kit.redeem("plain", &code).ok();
    kit.refresh("plain", tokens.text("refresh_token")).ok();
    kit.token("plain", &badge("1-alice", "paint")).ok();
}

#[test]
fn extension_respond_adds_to_both_answers_and_a_response_type_of_its_own() {
    let (kit, _) = painted();
    let form = authorization("plain", "paint").with("response_type", "code proof");
    let answer = redirect(kit.authorize(&mut Jar::default(), &form, Some(alice(&kit))));
    let code = answer.must("code");
    assert_eq!(
        (answer.by, answer.must("proof"), answer.must("coat")),
        ('#', format!("of {}", code.len()).as_str(), "single")
    );
    assert!(answer.get("access_token").is_none());
    kit.redeem("plain", code).ok();
    let plain = redirect(kit.authorize(&mut Jar::default(), &authorization("plain", "paint"), Some(alice(&kit))));
    assert!(plain.get("proof").is_none() && plain.get("coat").is_none());
}

#[test]
fn promise_13_extension_a_reserved_member_fails_the_answer_and_spends_nothing() {
    let (kit, _) = painted();
    for (coat, status, error) in [("reserved", 500, "server_error"), ("broken", 400, "invalid_grant")] {
        let code = kit.code_for(&authorization("plain", "paint").with("coat", coat), alice(&kit));
        kit.redeem("plain", &code).is_error(status, error);
        kit.redeem("plain", &code).is_error(status, error);
        assert!(kit.events(countersign_events::EventKind::CodeReused).is_empty());
    }
}

#[test]
fn extension_ended_adds_to_the_batch_that_ends_a_grant() {
    for spoils in ["", "refuses", "conflicts", "strays", "empties", "replaces"] {
        let (kit, paint) = painted();
        *paint.spoils.lock().unwrap() = spoils;
        let code = kit.code("plain", "openid offline_access");
        let tokens = kit.redeem("plain", &code).ok();
        kit.redeem("plain", &code).is_error(400, "invalid_grant");
        // Whatever becomes of its share, the grant has ended.
        kit.is_dead("plain", &tokens);
        let grant = kit.events(countersign_events::EventKind::GrantEnded)[0].grant().unwrap();
        let key = Key::new(grant, ENDED, Id::from_bytes([1; 16]));
        let kept = block_on(kit.server.store().get(&[key], kit.server.now())).unwrap().remove(0);
        assert_eq!(kept.is_some(), spoils.is_empty(), "{spoils}");
        let failures = kit.events(countersign_events::EventKind::Failure).len();
        assert_eq!(failures, usize::from(!spoils.is_empty()), "{spoils}");
    }
}

#[test]
fn extension_work_is_done_and_says_when_to_call_again() {
    let (kit, paint) = painted();
    let now = kit.server.now();
    let next = block_on(kit.server.work(now)).unwrap();
    assert_eq!((next, *paint.worked.lock().unwrap()), (now.plus(Duration::from_secs(5)), 1));
    kit.script.down();
    assert!(block_on(kit.server.work(now)).is_err());
}

#[test]
fn extension_grant_serves_once_under_any_concurrency() {
    let (kit, _) = painted();
    let answers = race(64, |_| {
        let kit = kit.clone();
        async move { kit.token("plain", &badge("9-alice", "openid")) }
    });
    let (won, lost): (Vec<_>, Vec<_>) = answers.into_iter().partition(|answer| answer.status == 200);
    assert_eq!(won.len(), 1);
    lost.iter().for_each(|answer| answer.is_error(400, "invalid_grant"));
    assert_eq!((won[0].text("scope"), won[0].claims()["sub"].as_str()), ("openid", Some("alice")));
    kit.is_alive("plain", &won[0]);
    kit.token("plain", &badge("10", "read")).is_error(400, "invalid_grant");
    kit.token("plain", &badge("11-alice", "nonsense")).is_error(400, "invalid_scope");
    kit.token("plain", &badge("12-alice", "pay")).is_error(400, "invalid_grant");
    kit.token("app", &badge("13-alice", "read")).is_error(400, "unauthorized_client");
    // What has expired could not be marked as spent.
    kit.token("plain", &badge("14-alice", "read").with("lives", "0")).is_error(400, "invalid_grant");
    assert_eq!(kit.cause(), "grant.once_expired");
}
