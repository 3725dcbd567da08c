//! Passkeys and security keys in a login.

mod attacks;
mod enrolment;
mod first_factor;
mod second_factor;

use countersign_mfa::{Answer, LoginRequest, MfaBuilder, Passkeys, SecurityKeys, Step};
use countersign_mfa_webauthn::testkit::SoftAuthenticator;
use countersign_primitives::{Acr, Amr, Requirement};

use super::support::{Bench, Login, REALM};

/// A bench whose users may have passkeys and security keys beside the authenticator app.
async fn bench() -> Bench {
    Bench::with(with_keys).await
}

fn with_keys(builder: MfaBuilder<'_>) -> MfaBuilder<'_> {
    builder.factor(Passkeys::new("example.com")).factor(SecurityKeys::new("example.com"))
}

/// The options that a step has for the browser.
fn options(step: &Step) -> String {
    match step {
        Step::Enrol(step) => step.options.as_ref().unwrap().to_string(),
        Step::Webauthn(step) => step.options.to_string(),
        Step::Password(step) => step.options.as_ref().unwrap().to_string(),
        other => panic!("nothing for the browser: {other:?}"),
    }
}

/// What the authenticator answers to a step, on a page of the issuer.
fn created(key: &mut SoftAuthenticator, step: &Step) -> Answer {
    Answer::webauthn(key.create(&options(step), REALM).unwrap())
}

fn asserted(key: &mut SoftAuthenticator, step: &Step) -> Answer {
    Answer::webauthn(key.get(&options(step), REALM).unwrap())
}

/// Sets up a key of this method as the first factor, in a login of its own.
async fn enrol(bench: &Bench, name: &str, method: &str, key: &mut SoftAuthenticator) -> Vec<String> {
    let mut login = bench.second(name).await;
    enrol_in(&mut login, method, key).await;
    let codes = super::support::codes_of(&login.step);
    login.answer(&Answer::RecoveryCodes).await;
    login.done();
    codes
}

async fn enrol_in(login: &mut Login<'_>, method: &str, key: &mut SoftAuthenticator) {
    login.choose(method).await;
    let answer = created(key, &login.step);
    login.answer(&answer).await;
}

/// A login that asks for a factor that cannot be phished, with the password proven.
async fn asked<'a>(bench: &'a Bench, name: &str) -> Login<'a> {
    let request = LoginRequest::new().requirement(Requirement::PHISHING_RESISTANT);
    bench.password(request, bench.browser(), name).await
}

fn amr(login: &Login<'_>) -> Vec<Amr> {
    let mut values = login.done().signed_in.amr_values();
    values.sort_unstable_by_key(|value| value.as_str().to_owned());
    values
}

fn acr(login: &Login<'_>) -> Option<Acr> {
    login.done().signed_in.acr_value().cloned()
}

/// Begins to set up one more key of this method, beside one that is proven for it.
async fn adding<'a>(bench: &'a Bench, name: &str, method: &str, proves: &mut SoftAuthenticator) -> Login<'a> {
    let mut login = asked(bench, name).await;
    let answer = asserted(proves, &login.step);
    login.answer(&answer).await;
    let who = login.done().signed_in.clone();
    let mut adding = bench.begin(LoginRequest::new().who(who).adds_factor(), login.caller.clone()).await;
    adding.choose(method).await;
    adding
}
