//! RFC 7636: proof key for code exchange.

use countersign_oauth_core::Preset;

use crate::kit::*;

#[test]
fn rfc7636_4_4_1_everybody_must_send_a_challenge() {
    let kit = Kit::new();
    for client in ["app", "web"] {
        let form = authorization(client, "read").without("code_challenge").without("code_challenge_method");
        assert_eq!(told(kit.authorize(&mut Jar::default(), &form, Some(alice(&kit)))), "invalid_request");
        assert_eq!(kit.cause(), "pkce.missing_challenge");
    }
}

#[test]
fn rfc7636_4_4_1_with_preset_oidc_a_confidential_client_may_leave_it_out_and_a_public_one_may_not() {
    let kit = Kit::with(|builder| builder.preset(Preset::oidc()));
    let plain = |client| authorization(client, "read").without("code_challenge").without("code_challenge_method");
    assert_eq!(told(kit.authorize(&mut Jar::default(), &plain("app"), Some(alice(&kit)))), "invalid_request");
    let code = kit.code_for(&plain("web"), alice(&kit));
    kit.token("web", &redemption("web", &code).without("code_verifier")).ok();
}

#[test]
fn rfc7636_4_3_only_s256_is_served() {
    let kit = Kit::new();
    let form = authorization("app", "read");
    for (form, cause) in [
        (form.clone().with("code_challenge_method", "plain"), "pkce.challenge_method"),
        (form.clone().with("code_challenge", VERIFIER).with("code_challenge_method", "plain"), "pkce.challenge_method"),
        // Without a method it would be plain.
        (form.clone().without("code_challenge_method"), "pkce.challenge_method"),
        (form.clone().with("code_challenge_method", "s256"), "pkce.challenge_method"),
        (form.clone().with("code_challenge_method", "S512"), "pkce.challenge_method"),
        (form.clone().without("code_challenge"), "pkce.missing_challenge"),
        (form.clone().with("code_challenge", "short"), "pkce.malformed_challenge"),
        (form.clone().with("code_challenge", &format!("{CHALLENGE}A")), "pkce.malformed_challenge"),
        (form.clone().with("code_challenge", &CHALLENGE.replace('-', "+")), "pkce.malformed_challenge"),
        (form.with("code_challenge", &"a".repeat(200)), "pkce.malformed_challenge"),
    ] {
        assert_eq!(told(kit.authorize(&mut Jar::default(), &form, Some(alice(&kit)))), "invalid_request");
        assert_eq!(kit.cause(), cause, "{form:?}");
    }
}

#[test]
fn rfc7636_4_6_a_challenge_that_was_sent_makes_the_verifier_a_must() {
    for preset in [Preset::oauth21(), Preset::oidc()] {
        let kit = Kit::with(|builder| builder.preset(preset));
        for client in ["app", "web"] {
            let form = redemption(client, &kit.code(client, "read"));
            let (other, _) = pkce();
            for wrong in ["", "short", CHALLENGE, &other, &VERIFIER[1..], &format!("{VERIFIER}A"), &"a".repeat(129)] {
                kit.token(client, &form.clone().with("code_verifier", wrong)).is_error(400, "invalid_grant");
                assert_eq!(kit.cause(), "code.verifier", "{wrong}");
            }
            kit.token(client, &form.clone().without("code_verifier")).is_error(400, "invalid_grant");
            // None of them burnt the code.
            kit.token(client, &form).ok();
        }
    }
}

#[test]
fn rfc9700_2_1_1_a_verifier_without_a_challenge_is_a_downgrade() {
    let kit = Kit::with(|builder| builder.preset(Preset::oidc()));
    let plain = authorization("web", "read").without("code_challenge").without("code_challenge_method");
    let form = redemption("web", &kit.code_for(&plain, alice(&kit)));
    kit.token("web", &form).is_error(400, "invalid_grant");
    assert_eq!(kit.cause(), "code.unexpected_verifier");
    kit.token("web", &form.without("code_verifier")).ok();
}

#[test]
fn rfc7636_appendix_b_the_published_pair_is_accepted_and_a_pair_of_ones_own() {
    let kit = Kit::new();
    kit.redeem("app", &kit.code("app", "read")).ok();
    let (verifier, challenge) = pkce();
    let code = kit.code_for(&authorization("app", "read").with("code_challenge", &challenge), alice(&kit));
    kit.token("app", &redemption("app", &code).with("code_verifier", &verifier)).ok();
}
