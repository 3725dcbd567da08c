//! §7.2, step by step: what must pass does, and the attack fails.

use std::time::Duration;

use countersign_mfa_webauthn::testkit::SoftAuthenticator;
use countersign_mfa_webauthn::{
    Authentication, AuthenticationError, AuthenticationResponse, Counter, Credential, OnCloneSuspicion,
    OnEligibilityUpgrade, RelyingParty, RequestOptions, TrustPolicy, UserHandle, UserVerification,
};
use countersign_primitives::SystemRandom;
use serde_json::{Value, json};

use crate::site::{NOW, ORIGIN, SESSION, Told, alice, answer, passkey, register_attested, sign_in, site, user};

fn phone() -> SoftAuthenticator {
    SoftAuthenticator::platform().unwrap()
}

fn bob() -> UserHandle {
    UserHandle::new(*b"bob-handle").unwrap()
}

/// A passkey of bob's.
fn passkey_of_bob(authenticator: &mut SoftAuthenticator) -> Credential {
    let (site, handle) = (site(), bob());
    let (ceremony, response) = crate::site::answer_to(site.register_passkey(user(&handle)), authenticator);
    site.finish_registration(ceremony, &response, SESSION, NOW).unwrap().into_credential()
}

fn begin_as(user: &UserHandle, credentials: &[Credential]) -> (RequestOptions, Authentication) {
    site().authenticate(user, credentials).begin(SESSION, NOW, &SystemRandom).unwrap()
}

fn discover() -> (RequestOptions, Authentication) {
    site().discover().begin(SESSION, NOW, &SystemRandom).unwrap()
}

/// Signs in after the client data was changed.
fn with_client_data(
    site: &RelyingParty,
    spoil: impl Fn(&mut Value) + Send + 'static,
) -> Result<(), AuthenticationError> {
    let mut phone = phone();
    let credential = passkey(&mut phone);
    phone.tamper_client_data(spoil);
    sign_in(site, &credential, &mut phone).map(drop)
}

/// Signs in after the authenticator data was changed, and signed as it is then.
fn with_auth_data(spoil: impl Fn(&mut Vec<u8>) + Send + 'static) -> Result<(), AuthenticationError> {
    let mut phone = phone();
    let credential = passkey(&mut phone);
    phone.tamper_auth_data(spoil);
    sign_in(&site(), &credential, &mut phone).map(drop)
}

#[test]
fn webauthn_7_2_step_1_options_are_what_browsers_parse() {
    let credential = passkey(&mut phone());
    let (options, _) = begin_as(&alice(), std::slice::from_ref(&credential));
    let json = serde_json::to_value(&options).unwrap();
    let key = &json["publicKey"];
    assert_eq!((&key["rpId"], &key["userVerification"]), (&json!("example.org"), &json!("required")));
    let allowed =
        json!([{"type": "public-key", "id": credential.id().to_string(), "transports": ["hybrid", "internal"]}]);
    assert_eq!(key["allowCredentials"], allowed);
    let (options, _) = site().discover().conditional().begin(SESSION, NOW, &SystemRandom).unwrap();
    let json = serde_json::to_value(&options).unwrap();
    assert_eq!((&json["mediation"], &json["publicKey"]["allowCredentials"]), (&json!("conditional"), &json!([])));
}

#[test]
fn webauthn_7_2_step_3_a_registration_is_no_assertion() {
    let (site, handle) = (site(), alice());
    let (options, _ceremony) = site.register_passkey(user(&handle)).begin(SESSION, NOW, &SystemRandom).unwrap();
    let created = phone().create(&serde_json::to_string(&options).unwrap(), ORIGIN).unwrap();
    assert_eq!(AuthenticationResponse::from_json(&created).unwrap_err().id(), "response.malformed");
}

#[test]
fn webauthn_7_2_step_5_m1_the_credential_was_allowed() {
    let mut phone = phone();
    let (old, new) = (passkey(&mut phone), passkey(&mut phone));
    let (options, ceremony) = begin_as(&alice(), std::slice::from_ref(&old));
    phone.ignore_allow_list(); // it signs with the newest
    let response = answer(&options, &mut phone);
    let refused = site().finish_authentication(ceremony, &response, [&old, &new], SESSION, NOW);
    assert_eq!(refused.told(), ("authentication.not_allowed", Some(5)));
}

#[test]
fn webauthn_7_2_step_5_a_user_without_credentials_is_satisfied_by_none() {
    let mut phone = phone();
    let mine = passkey(&mut phone);
    let (options, ceremony) = begin_as(&bob(), &[]);
    let response = answer(&options, &mut phone);
    let refused = site().finish_authentication(ceremony, &response, [&mine], SESSION, NOW);
    assert_eq!(refused.told(), ("authentication.not_allowed", Some(5)));
}

#[test]
fn webauthn_7_2_step_6_m1_the_credential_is_the_users() {
    let (mut phone, mut other) = (phone(), SoftAuthenticator::platform().unwrap());
    let (alices, bobs) = (passkey(&mut phone), passkey_of_bob(&mut other));
    // Whoever mixes users up gets nobody in: foreign credentials are not even offered, and not found.
    let (options, ceremony) = begin_as(&alice(), &[alices.clone(), bobs.clone()]);
    assert_eq!(serde_json::to_value(&options).unwrap()["publicKey"]["allowCredentials"].as_array().unwrap().len(), 1);
    let response = answer(&options, &mut phone);
    let refused = site().finish_authentication(ceremony, &response, [&bobs], SESSION, NOW);
    assert_eq!(refused.told(), ("authentication.unknown_credential", Some(6)));

    // The record under the id that was allowed has become somebody else's.
    let mut kept = serde_json::to_value(&alices).unwrap();
    kept["user"] = bob().to_string().into();
    let moved: Credential = serde_json::from_value(kept).unwrap();
    let (options, ceremony) = begin_as(&alice(), std::slice::from_ref(&alices));
    let response = answer(&options, &mut phone);
    let refused = site().finish_authentication(ceremony, &response, [&moved], SESSION, NOW);
    assert_eq!(refused.told(), ("authentication.unknown_credential", Some(6)));

    // Another site's record of the same store.
    let mut kept = serde_json::to_value(&alices).unwrap();
    kept["rp_id"] = "other.example".into();
    let foreign: Credential = serde_json::from_value(kept).unwrap();
    let (options, ceremony) = discover();
    let response = answer(&options, &mut phone);
    let refused = site().finish_authentication(ceremony, &response, [&foreign], SESSION, NOW);
    assert_eq!(refused.told(), ("authentication.unknown_credential", Some(6)));
}

#[test]
fn webauthn_7_2_step_6_m2_the_user_handle_is_the_owners() {
    let mut phone = phone();
    let credential = passkey(&mut phone);
    let handle = bob().to_string();
    let spoil = move |answer: &mut Value| answer["response"]["userHandle"] = handle.clone().into();
    phone.tamper_answer(spoil.clone());
    assert_eq!(sign_in(&site(), &credential, &mut phone).told(), ("authentication.other_user", Some(6)));
    phone.tamper_answer(spoil);
    let (options, ceremony) = discover();
    let response = answer(&options, &mut phone);
    let refused = site().finish_authentication(ceremony, &response, [&credential], SESSION, NOW);
    assert_eq!(refused.told(), ("authentication.other_user", Some(6)));
}

#[test]
fn webauthn_7_2_step_6_m33_a_discovered_user_is_named_by_the_authenticator() {
    let mut phone = phone();
    let credential = passkey(&mut phone);
    let (options, ceremony) = discover();
    let response = answer(&options, &mut phone);
    assert_eq!(response.user_handle(), Some(&alice()));
    assert_eq!(response.credential_id(), credential.id());
    let used = site().finish_authentication(ceremony, &response, [&credential], SESSION, NOW).unwrap();
    assert_eq!(used.user(), &alice());

    phone.tamper_answer(|answer| answer["response"]["userHandle"] = Value::Null);
    let (options, ceremony) = discover();
    let response = answer(&options, &mut phone);
    let refused = site().finish_authentication(ceremony, &response, [&credential], SESSION, NOW);
    assert_eq!(refused.told(), ("authentication.no_user_handle", Some(6)));
    phone.tamper_answer(|answer| answer["response"]["userHandle"] = Value::Null);
    assert!(sign_in(&site(), &credential, &mut phone).is_ok(), "where the user is known, keys need not tell");
}

#[test]
fn webauthn_7_2_step_7_m15_authenticator_data_is_read_strictly() {
    assert_eq!(with_auth_data(|data| data.push(0)).told(), ("authenticator_data.trailing_bytes", Some(7)));
    assert_eq!(with_auth_data(|data| data.truncate(data.len() - 1)).told(), ("authenticator_data.truncated", Some(7)));
    let mut phone = phone();
    let credential = passkey(&mut phone);
    let key = credential.public_key().to_vec();
    phone.tamper_auth_data(move |data| {
        data[32] |= 0x40;
        data.extend([0; 16]);
        data.extend([0, 1, 7]);
        data.extend(&key);
    });
    let refused = sign_in(&site(), &credential, &mut phone).told();
    assert_eq!(refused, ("authentication.unexpected_credential", Some(7)));
}

#[test]
fn webauthn_7_2_step_8_client_data_that_is_no_utf8_is_refused() {
    let mut phone = phone();
    let credential = passkey(&mut phone);
    phone.tamper_client_data_bytes(|bytes| bytes.push(0xff));
    assert_eq!(sign_in(&site(), &credential, &mut phone).told(), ("client_data.not_utf8", Some(8)));
}

#[test]
fn webauthn_7_2_step_9_client_data_that_is_no_json_is_refused() {
    let mut phone = phone();
    let credential = passkey(&mut phone);
    phone.tamper_client_data_bytes(|bytes| bytes.truncate(bytes.len() - 1));
    assert_eq!(sign_in(&site(), &credential, &mut phone).told(), ("client_data.malformed", Some(9)));
}

#[test]
fn webauthn_7_2_step_10_the_type_is_webauthn_get() {
    let refused = with_client_data(&site(), |data| data["type"] = "webauthn.create".into());
    assert_eq!(refused.told(), ("ceremony.type", Some(10)));
}

#[test]
fn webauthn_7_2_step_11_the_challenge_is_the_ceremonys() {
    let mut phone = phone();
    let credential = passkey(&mut phone);
    let (options, _) = begin_as(&alice(), std::slice::from_ref(&credential));
    let (_, other) = begin_as(&alice(), std::slice::from_ref(&credential));
    let response = answer(&options, &mut phone);
    let refused = site().finish_authentication(other, &response, [&credential], SESSION, NOW);
    assert_eq!(refused.told(), ("ceremony.challenge", Some(11)));
}

#[test]
fn webauthn_7_2_step_12_m13_the_origin_is_expected() {
    for foreign in ["https://example.org.evil.example", "https://evilexample.org", "https://example.org:8443"] {
        let refused = with_client_data(&site(), move |data| data["origin"] = foreign.into());
        assert_eq!(refused.told(), ("ceremony.origin", Some(12)), "{foreign}");
    }
}

#[test]
fn webauthn_7_2_step_13_m12_frames_of_other_origins_are_refused() {
    let framed = |data: &mut Value| data["crossOrigin"] = true.into();
    assert_eq!(with_client_data(&site(), framed).told(), ("ceremony.cross_origin", Some(13)));
    assert!(with_client_data(&site().allow_frame_under("https://shop.example").unwrap(), framed).is_ok());
}

#[test]
fn webauthn_7_2_step_14_m12_the_page_on_top_is_expected() {
    let site = site().allow_frame_under("https://shop.example").unwrap();
    let under = |top: &'static str| {
        move |data: &mut Value| {
            data["crossOrigin"] = true.into();
            data["topOrigin"] = top.into();
        }
    };
    assert!(with_client_data(&site, under("https://shop.example")).is_ok());
    assert_eq!(with_client_data(&site, under("https://evil.example")).told(), ("ceremony.top_origin", Some(14)));
}

#[test]
fn webauthn_7_2_step_15_the_rp_id_is_the_sites() {
    assert_eq!(with_auth_data(|data| data[31] ^= 1).told(), ("ceremony.rp_id_hash", Some(15)));
}

#[test]
fn webauthn_10_1_1_an_app_id_stands_in_only_where_it_was_asked_for() {
    let app_id = "https://example.org/app-id.json";
    let hash = ring::digest::digest(&ring::digest::SHA256, app_id.as_bytes()).as_ref().to_vec();
    let mut key = SoftAuthenticator::security_key().unwrap();
    let credential = passkey(&mut key);
    let mut used = |asked: bool, told: bool| {
        let spoilt = hash.clone();
        key.tamper_auth_data(move |data| drop(data.splice(..32, spoilt.clone())));
        key.tamper_answer(move |answer| {
            if told {
                answer["clientExtensionResults"]["appid"] = true.into();
            }
        });
        let (site, handle) = (site().ignore_unsolicited_extensions(), alice());
        let mut options = site.authenticate(&handle, [&credential]);
        if asked {
            options = options.app_id(app_id).unwrap();
        }
        let (options, ceremony) = options.begin(SESSION, NOW, &SystemRandom).unwrap();
        let response = answer(&options, &mut key);
        site.finish_authentication(ceremony, &response, [&credential], SESSION, NOW).map(drop)
    };
    assert!(used(true, true).is_ok());
    assert_eq!(used(false, true).told(), ("ceremony.rp_id_hash", Some(15)));
    assert_eq!(used(true, false).told(), ("ceremony.rp_id_hash", Some(15)));
}

#[test]
fn webauthn_7_2_step_16_somebody_is_present() {
    assert_eq!(with_auth_data(|data| data[32] &= !0x01).told(), ("ceremony.user_presence", Some(16)));
}

#[test]
fn webauthn_7_2_step_17_m11_verification_is_enforced_by_the_ceremony() {
    let mut key = SoftAuthenticator::security_key().unwrap();
    let credential = passkey(&mut key);
    key.set_user_verification(false);
    assert_eq!(sign_in(&site(), &credential, &mut key).told(), ("ceremony.user_verification", Some(17)));
    let (site, handle) = (site(), alice());
    for options in [
        site.authenticate_second_factor(&handle, [&credential]),
        site.authenticate(&handle, [&credential]).user_verification(UserVerification::Preferred),
    ] {
        let (options, ceremony) = options.begin(SESSION, NOW, &SystemRandom).unwrap();
        let response = answer(&options, &mut key);
        let used = site.finish_authentication(ceremony, &response, [&credential], SESSION, NOW).unwrap();
        assert!(!used.user_verified(), "one factor, and told as one");
    }
}

#[test]
fn webauthn_7_2_step_18_m10_a_key_that_cannot_be_backed_up_is_not() {
    let refused = with_auth_data(|data| data[32] = data[32] & !0x08 | 0x10);
    assert_eq!(refused.told(), ("ceremony.backup_state", Some(18)));
}

#[test]
fn webauthn_7_2_step_19_backup_eligibility_never_goes_and_comes_by_policy() {
    let mut synced = phone();
    let credential = passkey(&mut synced);
    synced.set_backup(None);
    assert_eq!(sign_in(&site(), &credential, &mut synced).told(), ("authentication.backup_eligibility", Some(19)));

    let mut phone = phone();
    phone.set_backup(None);
    let bound = passkey(&mut phone);
    phone.set_backup(Some(true));
    let used = sign_in(&site(), &bound, &mut phone).unwrap();
    assert!(used.became_backup_eligible() && used.credential().is_backup_eligible());
    let strict = site().on_eligibility_upgrade(OnEligibilityUpgrade::Refuse);
    assert_eq!(sign_in(&strict, &bound, &mut phone).told(), ("authentication.backup_eligibility", Some(19)));
}

#[test]
fn webauthn_7_2_step_19_an_attested_key_does_not_become_a_synced_one() {
    let mut key = SoftAuthenticator::security_key().unwrap();
    let policy = TrustPolicy::new().anchor(key.root()).unwrap();
    let credential = register_attested(&policy, &mut key).unwrap().into_credential();
    key.set_backup(Some(true));
    assert_eq!(sign_in(&site(), &credential, &mut key).told(), ("authentication.backup_eligibility", Some(19)));
    let lenient = site().on_eligibility_upgrade(OnEligibilityUpgrade::Accept);
    let used = sign_in(&lenient, &credential, &mut key).unwrap();
    assert!(!used.credential().attestation().trusted, "what its attestation stood for is gone");
}

#[test]
fn webauthn_7_2_step_21_the_signature_is_the_credentials() {
    let (mut mine, mut other) = (phone(), phone());
    let (credential, foreign) = (passkey(&mut mine), passkey(&mut other));
    for spoil in [|signature: &mut Vec<u8>| signature.clear(), |signature: &mut Vec<u8>| signature.push(0)] {
        mine.tamper_signature(spoil);
        assert_eq!(sign_in(&site(), &credential, &mut mine).told(), ("signature.invalid", Some(21)));
    }
    // The right id with another key behind it.
    let mut kept = serde_json::to_value(&credential).unwrap();
    kept["public_key"] = serde_json::to_value(&foreign).unwrap()["public_key"].clone();
    let swapped: Credential = serde_json::from_value(kept.clone()).unwrap();
    assert_eq!(sign_in(&site(), &swapped, &mut mine).told(), ("signature.invalid", Some(21)));
    // A damaged record is told, and is no other key.
    kept["public_key"] = "oA".into();
    let damaged: Credential = serde_json::from_value(kept).unwrap();
    assert_eq!(sign_in(&site(), &damaged, &mut mine).told(), ("authentication.stored_key", Some(21)));
}

#[test]
fn webauthn_7_2_step_21_client_data_and_authenticator_data_are_what_was_signed() {
    let mut phone = phone();
    let credential = passkey(&mut phone);
    for member in ["clientDataJSON", "authenticatorData"] {
        phone.tamper_answer(move |answer| {
            let text = answer["response"][member].as_str().unwrap();
            let mut bytes = data_encoding::BASE64URL_NOPAD.decode(text.as_bytes()).unwrap();
            if member == "clientDataJSON" {
                bytes.insert(1, b' ');
            } else {
                bytes[36] ^= 1;
            }
            answer["response"][member] = data_encoding::BASE64URL_NOPAD.encode(&bytes).into();
        });
        assert_eq!(sign_in(&site(), &credential, &mut phone).told(), ("signature.invalid", Some(21)), "{member}");
    }
}

#[test]
fn webauthn_7_2_step_22_m8_a_counter_that_does_not_rise_is_told_or_refused() {
    let mut key = SoftAuthenticator::security_key().unwrap();
    let mut credential = passkey(&mut key);
    for expected in 1..=3 {
        let used = sign_in(&site(), &credential, &mut key).unwrap();
        assert_eq!(used.counter(), Counter::Risen);
        credential = used.into_credential();
        assert_eq!(credential.sign_count(), expected, "m7: the new counter is in what is to be stored");
    }
    let strict = site().on_clone_suspicion(OnCloneSuspicion::Refuse);
    // Equal, below, and a fall to zero: the authenticator adds one as it signs.
    for (set, received) in [(Some(2), 3), (Some(0), 1), (Some(u32::MAX), 0), (None, 0)] {
        key.set_counter(set);
        let used = sign_in(&site(), &credential, &mut key).unwrap();
        assert_eq!(used.counter(), Counter::Suspect { stored: 3, received });
        assert_eq!(used.credential().sign_count(), 3, "the fall is told at the next login too");
        key.set_counter(set);
        assert_eq!(sign_in(&strict, &credential, &mut key).told(), ("authentication.clone_suspected", Some(22)));
    }
}

#[test]
fn webauthn_7_2_step_22_a_copy_is_not_excused_by_calling_itself_a_synced_passkey() {
    let strict = site().on_clone_suspicion(OnCloneSuspicion::Refuse);
    let mut key = SoftAuthenticator::security_key().unwrap();
    key.set_counter(Some(10));
    let credential = passkey(&mut key);
    key.set_counter(Some(3));
    key.set_backup(Some(true));
    assert_eq!(sign_in(&strict, &credential, &mut key).told(), ("authentication.clone_suspected", Some(22)));
}

#[test]
fn webauthn_7_2_step_22_m9_an_honest_synced_passkey_is_never_locked_out() {
    let strict = site().on_clone_suspicion(OnCloneSuspicion::Refuse);
    let mut phone = phone();
    let credential = passkey(&mut phone);
    for _ in 0..2 {
        assert_eq!(sign_in(&strict, &credential, &mut phone).unwrap().counter(), Counter::Unused);
    }
    // Two devices with one passkey, each with a counter of its own.
    phone.set_counter(Some(7));
    let credential = sign_in(&strict, &credential, &mut phone).unwrap().into_credential();
    phone.set_counter(Some(3));
    let used = sign_in(&strict, &credential, &mut phone).unwrap();
    assert_eq!(used.counter(), Counter::Suspect { stored: 8, received: 4 });
}

#[test]
fn webauthn_7_2_step_23_extensions_are_those_that_were_asked_for() {
    let mut phone = phone();
    let credential = passkey(&mut phone);
    phone.tamper_answer(|answer| answer["clientExtensionResults"] = json!({"largeBlob": {"blob": "AQI"}}));
    assert_eq!(sign_in(&site(), &credential, &mut phone).told(), ("extension.unsolicited", Some(23)));

    let (site, handle) = (site(), alice());
    let (options, ceremony) =
        site.authenticate(&handle, [&credential]).read_large_blob().begin(SESSION, NOW, &SystemRandom).unwrap();
    phone.tamper_answer(|answer| answer["clientExtensionResults"] = json!({"largeBlob": {"blob": "AQI"}}));
    let response = answer(&options, &mut phone);
    let used = site.finish_authentication(ceremony, &response, [&credential], SESSION, NOW).unwrap();
    assert_eq!(used.extensions().large_blob.as_deref(), Some(&[1, 2][..]));
}

#[test]
fn webauthn_7_2_step_24_the_backup_state_follows_and_uv_initialized_does_not_rise() {
    let mut phone = phone();
    let credential = passkey(&mut phone);
    phone.set_backup(Some(false));
    assert!(!sign_in(&site(), &credential, &mut phone).unwrap().credential().is_backed_up());

    let (site, handle) = (site(), alice());
    let mut key = SoftAuthenticator::security_key().unwrap();
    key.set_user_verification(false);
    let (ceremony, response) = crate::site::answer_to(site.register_second_factor(user(&handle)), &mut key);
    let second = site.finish_registration(ceremony, &response, SESSION, NOW).unwrap().into_credential();
    key.set_user_verification(true);
    let used = sign_in(&site, &second, &mut key).unwrap();
    assert!(
        !used.user_verified() && used.verified_for_the_first_time(),
        "whoever finds a key without a PIN can give it one"
    );
    assert!(!used.credential().uv_initialized());
    let mut used = sign_in(&site, &second, &mut key).unwrap();
    used.initialize_user_verification(); // the password was right
    assert!(used.user_verified());
    let used = sign_in(&site, used.credential(), &mut key).unwrap();
    assert!(used.user_verified() && !used.verified_for_the_first_time());
    // Without verification there is nothing to initialize.
    key.set_user_verification(false);
    let (options, ceremony) =
        site.authenticate_second_factor(&handle, [&second]).begin(SESSION, NOW, &SystemRandom).unwrap();
    let response = answer(&options, &mut key);
    let mut used = site.finish_authentication(ceremony, &response, [&second], SESSION, NOW).unwrap();
    used.initialize_user_verification();
    assert!(!used.user_verified() && !used.credential().uv_initialized());
}

#[test]
fn promise_11_m4_a_login_serves_its_session_its_site_and_its_time_alone() {
    let mut phone = phone();
    let credential = passkey(&mut phone);
    let mut finish = |site: &RelyingParty, session: &str, later: u64| {
        let (options, ceremony) = begin_as(&alice(), std::slice::from_ref(&credential));
        let response = answer(&options, &mut phone);
        site.finish_authentication(ceremony, &response, [&credential], session, NOW.plus(Duration::from_secs(later)))
            .map(drop)
    };
    assert!(finish(&site(), SESSION, 299).is_ok());
    assert_eq!(finish(&site(), SESSION, 300).told(), ("ceremony.expired", None));
    assert_eq!(finish(&site(), "session-2", 0).told(), ("ceremony.other_session", None));
    let other = RelyingParty::new("www.example.org", "Other").unwrap();
    assert_eq!(finish(&other, SESSION, 0).told(), ("ceremony.other_relying_party", None));
}
