//! RFC 9470 from end to end: an API says what a token lacks, and its client comes back to `/authorize` with that.

use std::time::Duration;

use countersign::otp::TotpSecret;
use countersign::tokens::{AudienceRule, Expect, JwkSet, Ring, VerifyingKeys, verify_compact};
use countersign::{Acr, AcrTable, Clock, Resource};
use http::header::WWW_AUTHENTICATE;
use http::{Response, StatusCode};
use serde_json::Value;

use crate::step_up::{alice, through};
use crate::support::{Bench, Browser, ISSUER, code_of};

const API: &str = "https://api.example.com/";

/// An API that checks JWTs by itself.
struct Api<'a> {
    bench: &'a Bench,
    acr: Option<Acr>,
    max_age: Option<u64>,
}

impl Api<'_> {
    /// The answer to a call with this token (RFC 6750 §3, RFC 9470 §3).
    async fn call(&self, token: &str) -> Response<()> {
        let keys = self.bench.browser().get("/.well-known/jwks.json").await;
        let set: JwkSet = serde_json::from_slice(keys.body()).unwrap();
        let keys = VerifyingKeys::from_set(&set);
        let Ok(verified) = verify_compact(&Ring, token, &keys, &Expect::typ("at+jwt")) else {
            return refused("invalid_token", "");
        };
        let (registered, now) = (verified.registered().unwrap(), self.bench.clock.now());
        let fits = registered.check_issuer(ISSUER).is_ok()
            && registered.check_audience(AudienceRule::Contains(API)).is_ok()
            && registered.check_expiry(now, Duration::ZERO).is_ok();
        if !fits {
            return refused("invalid_token", "");
        }
        // RFC 9068 §2.2.1
        let told: Value = verified.claims().unwrap();
        let have = told["acr"].as_str().map(Acr::new);
        let satisfies = |need| have.as_ref().is_some_and(|have| AcrTable::default().satisfies(have, need));
        let strong = self.acr.as_ref().is_none_or(satisfies);
        let since = told["auth_time"].as_u64();
        let young = self.max_age.is_none_or(|age| since.is_some_and(|at| now.as_secs() - at <= age));
        if strong && young {
            return Response::new(());
        }
        let acr = self.acr.as_ref().map(|acr| format!(", acr_values=\"{}\"", acr.as_str())).unwrap_or_default();
        let age = self.max_age.map(|age| format!(", max_age=\"{age}\"")).unwrap_or_default();
        refused("insufficient_user_authentication", &(acr + &age))
    }
}

fn refused(error: &str, more: &str) -> Response<()> {
    let challenge = format!("Bearer error=\"{error}\"{more}");
    Response::builder().status(StatusCode::UNAUTHORIZED).header(WWW_AUTHENTICATE, challenge).body(()).unwrap()
}

/// A client that calls the API, and does what its challenge says.
struct App<'a> {
    browser: Browser<'a>,
    secret: &'a TotpSecret,
}

impl App<'_> {
    /// A token for the API, and what the user was asked on the way to it.
    async fn token(&mut self, more: &str) -> (Vec<String>, String) {
        let at = self.browser.authorize(&format!("scope=openid&resource=https%3A%2F%2Fapi.example.com%2F{more}")).await;
        let (asked, redirect) = through(&mut self.browser, &at, self.secret).await;
        let (status, tokens) = self.browser.redeem(&code_of(&redirect)).await;
        assert!(status.is_success(), "{tokens}");
        (asked, tokens["access_token"].as_str().unwrap().to_owned())
    }

    /// The parameters of a challenge, as parameters of an authorization request (RFC 9470 §4).
    fn parameters(refused: &Response<()>) -> String {
        assert_eq!(refused.status(), StatusCode::UNAUTHORIZED);
        let challenge = refused.headers()[WWW_AUTHENTICATE].to_str().unwrap().strip_prefix("Bearer ").unwrap();
        let mut parameters = String::new();
        for part in challenge.split(", ") {
            let (name, value) = part.split_once('=').unwrap();
            let value = value.trim_matches('"');
            match name {
                "error" => assert_eq!(value, "insufficient_user_authentication"),
                "acr_values" | "max_age" => parameters += &format!("&{name}={value}"),
                other => panic!("{other}: {challenge}"),
            }
        }
        parameters
    }
}

async fn bench() -> Bench {
    Bench::with(|builder| builder.resource(Resource::new(API))).await
}

#[tokio::test]
async fn rfc9470_3_4_what_an_api_asks_for_is_proven_at_authorize_and_nothing_else() {
    let bench = bench().await;
    let secret = alice(&bench).await;
    let two = Some(Acr::MFA);
    let cases = [
        (two.clone(), None, 60, vec!["code"]),
        (None, Some(300), 60, Vec::new()), // young enough: there is no challenge
        (None, Some(300), 400, vec!["password"]),
        (two.clone(), Some(300), 60, vec!["code"]),
        (two, Some(300), 400, vec!["password", "code"]),
    ];
    for (acr, max_age, waits, expected) in cases {
        let mut app = App { browser: bench.browser(), secret: &secret };
        let (asked, token) = app.token("").await;
        assert_eq!(asked, ["password"]);
        bench.clock.advance(Duration::from_secs(waits));
        let api = Api { bench: &bench, acr, max_age };
        let answer = api.call(&token).await;
        if expected.is_empty() {
            assert_eq!(answer.status(), StatusCode::OK);
            continue;
        }
        let (asked, stronger) = app.token(&App::parameters(&answer)).await;
        assert_eq!(asked, expected, "{:?} {max_age:?} {waits}", api.acr);
        assert_eq!(api.call(&stronger).await.status(), StatusCode::OK);
        assert_eq!(api.call(&token).await.status(), StatusCode::UNAUTHORIZED, "the old token is what it was");
        // Nothing but a signature of the issuer makes a claim.
        let forged = stronger.rsplit_once('.').unwrap().0.to_owned() + "." + token.rsplit_once('.').unwrap().1;
        let refused = api.call(&forged).await;
        assert!(refused.headers()[WWW_AUTHENTICATE].to_str().unwrap().contains("invalid_token"));
    }
}

#[tokio::test]
async fn rfc9470_5_a_client_that_cannot_be_satisfied_gets_a_token_that_says_so() {
    let bench = bench().await;
    let secret = alice(&bench).await;
    let mut app = App { browser: bench.browser(), secret: &secret };
    let (_, token) = app.token("").await;
    let api = Api { bench: &bench, acr: Some(Acr::PHR), max_age: None };
    let answer = api.call(&token).await;
    // `acr_values` is a preference: it may go unmet, and the token never says otherwise.
    let (asked, second) = app.token(&App::parameters(&answer)).await;
    assert!(asked.is_empty(), "{asked:?}");
    assert_eq!(api.call(&second).await.status(), StatusCode::UNAUTHORIZED);
}
