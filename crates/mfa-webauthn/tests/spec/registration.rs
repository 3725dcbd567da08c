//! §7.1, step by step: what must pass does, and the attack fails.

use std::time::Duration;

use countersign_mfa_webauthn::testkit::SoftAuthenticator;
use countersign_mfa_webauthn::{
    Algorithm, AttestationFormat, Conveyance, CredentialProtection, CredentialUse, RegistrationError,
    RegistrationResponse, RelyingParty, TrustPolicy, UserHandle, UserVerification,
};
use countersign_primitives::SystemRandom;
use serde_json::{Value, json};

use crate::site::{NOW, ORIGIN, SESSION, Told, algorithms, alice, answer_to, passkey, register, sign_in, site, user};

fn phone() -> SoftAuthenticator {
    SoftAuthenticator::platform().unwrap()
}

/// Registers after the client data was changed.
fn with_client_data(site: &RelyingParty, spoil: impl Fn(&mut Value) + Send + 'static) -> Result<(), RegistrationError> {
    let mut phone = phone();
    phone.tamper_client_data(spoil);
    register(site, &mut phone).map(drop)
}

/// Registers after the authenticator data was changed.
fn with_auth_data(spoil: impl Fn(&mut Vec<u8>) + Send + 'static) -> Result<(), RegistrationError> {
    let mut phone = phone();
    phone.tamper_auth_data(spoil);
    register(&site(), &mut phone).map(drop)
}

#[test]
fn webauthn_7_1_step_1_options_are_what_browsers_parse() {
    let (site, handle) = (site(), alice());
    let existing = passkey(&mut phone());
    let options = site.register_security_key(user(&handle)).exclude([&existing]);
    let options = options.attestation(Conveyance::Enterprise, [AttestationFormat::Packed, AttestationFormat::Tpm]);
    let (options, _ceremony) = options.begin(SESSION, NOW, &SystemRandom).unwrap();
    let json = serde_json::to_value(&options).unwrap();
    let key = &json["publicKey"];
    assert_eq!(key["rp"], json!({"id": "example.org", "name": "Example"}));
    assert_eq!(key["user"]["displayName"], "Alice");
    assert_eq!(key["pubKeyCredParams"][0], json!({"type": "public-key", "alg": -7}));
    assert_eq!(key["challenge"].as_str().unwrap().len(), 43, "32 bytes");
    assert_eq!(key["timeout"], 300_000);
    assert_eq!(key["excludeCredentials"][0]["transports"], json!(["hybrid", "internal"]));
    assert_eq!((&key["attestation"], &key["attestationFormats"]), (&json!("enterprise"), &json!(["packed", "tpm"])));
    assert_eq!(key["hints"], json!(["security-key"]));
    let selection = json!({"authenticatorAttachment": "cross-platform", "residentKey": "preferred", "requireResidentKey": false,
        "userVerification": "required"});
    assert_eq!(key["authenticatorSelection"], selection);
    assert!(json.get("mediation").is_none());
}

#[test]
fn webauthn_7_1_a_passkey_of_every_algorithm_is_registered_and_signs_in() {
    assert!(algorithms().len() >= if cfg!(feature = "p521") { 15 } else { 12 });
    for algorithm in algorithms() {
        let mut phone = phone().algorithm(algorithm);
        let registered = register(&site(), &mut phone).unwrap();
        let credential = registered.credential();
        assert_eq!((credential.algorithm(), credential.used_as()), (algorithm, CredentialUse::Passkey));
        assert_eq!((credential.user(), registered.user_verified()), (&alice(), true));
        assert!(credential.is_backup_eligible() && credential.is_backed_up() && credential.uv_initialized());
        assert!(sign_in(&site(), credential, &mut phone).unwrap().user_verified(), "{algorithm}");
        phone.tamper_signature(|signature| signature[10] ^= 1);
        let refused = sign_in(&site(), credential, &mut phone).told();
        assert_eq!(refused, ("signature.invalid", Some(21)), "{algorithm}");
    }
}

#[test]
fn webauthn_7_1_step_3_an_assertion_is_no_registration() {
    let mut phone = phone();
    let credential = passkey(&mut phone);
    let (options, _) = site().authenticate(&alice(), [&credential]).begin(SESSION, NOW, &SystemRandom).unwrap();
    let answer = phone.get(&serde_json::to_string(&options).unwrap(), ORIGIN).unwrap();
    assert_eq!(RegistrationResponse::from_json(&answer).unwrap_err().id(), "response.malformed");
}

#[test]
fn webauthn_7_1_step_5_client_data_that_is_no_utf8_is_refused() {
    let mut phone = phone();
    phone.tamper_client_data_bytes(|bytes| bytes.push(0xff));
    assert_eq!(register(&site(), &mut phone).told(), ("client_data.not_utf8", Some(5)));
    phone.tamper_client_data_bytes(|bytes| drop(bytes.splice(..0, *b"\xef\xbb\xbf")));
    assert!(register(&site(), &mut phone).is_ok(), "a byte order mark is stripped");
}

#[test]
fn webauthn_7_1_step_6_client_data_that_is_no_json_is_refused() {
    let mut phone = phone();
    phone.tamper_client_data_bytes(|bytes| bytes.push(b'}'));
    assert_eq!(register(&site(), &mut phone).told(), ("client_data.malformed", Some(6)));
}

#[test]
fn webauthn_7_1_step_7_the_type_is_webauthn_create() {
    for other in ["webauthn.get", "", "webauthn.create2", "Webauthn.create", "payment.get"] {
        let refused = with_client_data(&site(), move |data| data["type"] = other.into());
        assert_eq!(refused.told(), ("ceremony.type", Some(7)));
    }
}

#[test]
fn webauthn_7_1_step_8_the_challenge_is_the_ceremonys() {
    let refused = with_client_data(&site(), |data| data["challenge"] = "A".repeat(43).into());
    assert_eq!(refused.told(), ("ceremony.challenge", Some(8)));
    let padded = with_client_data(&site(), |data| {
        data["challenge"] = format!("{}=", data["challenge"].as_str().unwrap()).into()
    });
    assert_eq!(padded.told(), ("ceremony.challenge", Some(8)));

    let (site, handle) = (site(), alice());
    let (_, response) = answer_to(site.register_passkey(user(&handle)), &mut phone());
    let (other, _) = answer_to(site.register_passkey(user(&handle)), &mut phone());
    let refused = site.finish_registration(other, &response, SESSION, NOW);
    assert_eq!(refused.told(), ("ceremony.challenge", Some(8)), "an answer to another ceremony");
}

#[test]
fn webauthn_7_1_step_9_m13_the_origin_is_expected() {
    for foreign in [
        "https://example.org.evil.example",
        "https://evil-example.org",
        "https://www.example.org",
        "http://example.org",
    ] {
        let refused = with_client_data(&site(), move |data| data["origin"] = foreign.into());
        assert_eq!(refused.told(), ("ceremony.origin", Some(9)), "{foreign}");
    }
    let site = site().related_origin("https://example.de").unwrap().native_origin("android:apk-key-hash:abc").unwrap();
    for expected in ["https://example.de", "android:apk-key-hash:abc", ORIGIN] {
        assert!(with_client_data(&site, move |data| data["origin"] = expected.into()).is_ok(), "{expected}");
    }
}

#[test]
fn webauthn_7_1_step_10_m12_frames_of_other_origins_are_refused() {
    let framed = |data: &mut Value| data["crossOrigin"] = true.into();
    assert_eq!(with_client_data(&site(), framed).told(), ("ceremony.cross_origin", Some(10)));
    assert!(with_client_data(&site().allow_frame_under("https://shop.example").unwrap(), framed).is_ok());
}

#[test]
fn webauthn_7_1_step_11_m12_the_page_on_top_is_expected() {
    let under = |top: &'static str, crossing: bool| {
        move |data: &mut Value| {
            data["crossOrigin"] = crossing.into();
            data["topOrigin"] = top.into();
        }
    };
    let site = site().allow_frame_under("https://shop.example").unwrap();
    assert!(with_client_data(&site, under("https://shop.example", true)).is_ok());
    for (top, crossing) in [("https://evil.example", true), ("https://shop.example", false), (ORIGIN, true)] {
        assert_eq!(with_client_data(&site, under(top, crossing)).told(), ("ceremony.top_origin", Some(11)), "{top}");
    }
}

#[test]
fn webauthn_7_1_step_13_m15_the_attestation_object_is_read_strictly() {
    type Spoil = fn(&mut Vec<u8>);
    let cases: [(&str, Spoil); 4] = [
        ("cbor.trailing_bytes", |object| object.push(0)),
        ("cbor.truncated", |object| object.truncate(object.len() - 1)),
        ("cbor.duplicate_key", |object| {
            let fmt = *b"\x63fmt\x64none";
            object.splice(1..1, fmt);
            object[0] = 0xa4;
        }),
        ("cbor.type", |object| {
            object.splice(1..1, *b"\x61x\x01");
            object[0] = 0xa4;
        }),
    ];
    for (id, spoil) in cases {
        let mut phone = phone();
        phone.tamper_attestation_object(spoil);
        assert_eq!(register(&site(), &mut phone).told(), (id, Some(13)));
    }
    assert_eq!(with_auth_data(|data| data.push(0)).told(), ("authenticator_data.trailing_bytes", Some(13)));
    let without_credential = with_auth_data(|data| {
        data.truncate(37);
        data[32] &= !0x40;
    });
    assert_eq!(without_credential.told(), ("registration.no_credential", Some(13)));
    let off_the_curve = with_auth_data(|data| {
        let last = data.len() - 1;
        data[last] ^= 1;
    });
    assert_eq!(off_the_curve.told(), ("cose_key.not_on_curve", Some(13)));
}

#[test]
fn webauthn_7_1_step_14_the_rp_id_is_the_sites() {
    assert_eq!(with_auth_data(|data| data[0] ^= 1).told(), ("ceremony.rp_id_hash", Some(14)));
}

#[test]
fn webauthn_7_1_step_15_somebody_is_present_unless_the_creation_is_conditional() {
    assert_eq!(with_auth_data(|data| data[32] &= !0x01).told(), ("ceremony.user_presence", Some(15)));
    let (site, handle) = (site(), alice());
    let options = site.register_passkey(user(&handle)).conditional();
    let (begun, _ceremony) = options.clone().begin(SESSION, NOW, &SystemRandom).unwrap();
    assert_eq!(serde_json::to_value(&begun).unwrap()["mediation"], "conditional");
    let (ceremony, response) = answer_to(options, &mut phone());
    let registered = site.finish_registration(ceremony, &response, SESSION, NOW).unwrap();
    assert!(!registered.user_verified() && !registered.credential().uv_initialized());
}

#[test]
fn webauthn_7_1_step_16_m11_verification_is_enforced_by_the_ceremony() {
    assert_eq!(with_auth_data(|data| data[32] &= !0x04).told(), ("ceremony.user_verification", Some(16)));
    let (site, handle) = (site(), alice());
    for relaxed in [UserVerification::Preferred, UserVerification::Discouraged] {
        let mut key = SoftAuthenticator::security_key().unwrap();
        key.set_user_verification(false);
        let (ceremony, response) = answer_to(site.register_passkey(user(&handle)).user_verification(relaxed), &mut key);
        assert!(!site.finish_registration(ceremony, &response, SESSION, NOW).unwrap().user_verified());
    }
}

#[test]
fn webauthn_7_1_step_17_m10_a_key_that_cannot_be_backed_up_is_not() {
    let refused = with_auth_data(|data| data[32] = data[32] & !0x08 | 0x10);
    assert_eq!(refused.told(), ("ceremony.backup_state", Some(17)));
}

#[test]
fn webauthn_7_1_steps_18_and_19_backup_flags_are_kept_and_told() {
    for backup in [None, Some(false), Some(true)] {
        let mut phone = phone();
        phone.set_backup(backup);
        let credential = passkey(&mut phone);
        assert_eq!(
            (credential.is_backup_eligible(), credential.is_backed_up()),
            (backup.is_some(), backup == Some(true))
        );
    }
}

#[test]
fn webauthn_7_1_step_20_m14_the_algorithm_was_offered() {
    let site = RelyingParty::new("example.org", "Example").unwrap().algorithms([Algorithm::EdDSA]).unwrap();
    let mut phone = phone();
    phone.ignore_algorithms();
    assert_eq!(register(&site, &mut phone).told(), ("registration.algorithm", Some(20)));
}

#[test]
fn webauthn_7_1_step_21_the_format_is_known() {
    for unknown in ["packed2", "Packed", "none ", "android-safetynet"] {
        let mut phone = phone();
        phone.name_format(unknown);
        assert_eq!(register(&site(), &mut phone).told(), ("attestation.unknown_format", Some(21)), "{unknown}");
    }
}

#[test]
fn webauthn_7_1_step_25_m15_credential_ids_are_bounded() {
    let long = with_auth_data(|data| {
        data.splice(53..55, [0x04, 0x00]);
        data.splice(55..55, vec![7; 1024 - 32]);
    });
    assert_eq!(long.told(), ("authenticator_data.credential_id_length", Some(25)));
}

#[test]
fn webauthn_7_1_step_26_what_the_user_has_is_not_registered_again() {
    let (site, handle) = (site(), alice());
    let mut phone = phone();
    let existing = passkey(&mut phone);
    let (options, _) =
        site.register_passkey(user(&handle)).exclude([&existing]).begin(SESSION, NOW, &SystemRandom).unwrap();
    let options = serde_json::to_string(&options).unwrap();
    assert!(phone.create(&options, ORIGIN).unwrap_err().to_string().starts_with("InvalidStateError"));

    // An authenticator that answers all the same, with the id that was excluded.
    let id = existing.id().clone();
    phone.ignore_exclusion();
    let (spoilt, text) = (id.as_bytes().to_vec(), id.to_string());
    phone.tamper_auth_data(move |data| drop(data.splice(55..87, spoilt.clone())));
    phone.tamper_answer(move |answer| {
        answer["id"] = text.clone().into();
        answer["rawId"] = text.clone().into();
    });
    let (ceremony, response) = answer_to(site.register_passkey(user(&handle)).exclude([&existing]), &mut phone);
    let refused = site.finish_registration(ceremony, &response, SESSION, NOW);
    assert_eq!(refused.told(), ("registration.excluded", Some(26)));
}

#[test]
fn webauthn_7_1_step_27_the_record_is_what_was_signed() {
    let mut phone = phone();
    phone.tamper_answer(|answer| {
        answer["id"] = "AAAA".into();
        answer["rawId"] = "AAAA".into();
    });
    assert_eq!(
        register(&site(), &mut phone).told(),
        ("registration.id_mismatch", None),
        "the id in the answer is unsigned"
    );
    let credential = passkey(&mut phone);
    let kept: countersign_mfa_webauthn::Credential =
        serde_json::from_str(&serde_json::to_string(&credential).unwrap()).unwrap();
    assert_eq!(kept, credential, "the record survives the store");
    assert!(sign_in(&site(), &kept, &mut phone).is_ok());
}

#[test]
fn webauthn_7_1_step_28_extensions_are_those_that_were_asked_for() {
    let mut phone = phone();
    phone.tamper_answer(|answer| answer["clientExtensionResults"]["prf"] = json!({"enabled": true}));
    assert_eq!(register(&site(), &mut phone).told(), ("extension.unsolicited", Some(28)));
    phone.tamper_answer(|answer| answer["clientExtensionResults"]["prf"] = json!({"enabled": true}));
    assert!(register(&site().ignore_unsolicited_extensions(), &mut phone).is_ok());
    phone.tamper_answer(|answer| answer["clientExtensionResults"]["credProps"]["rk"] = false.into());
    assert_eq!(register(&site(), &mut phone).told(), ("extension.not_discoverable", Some(28)));
}

#[test]
fn webauthn_7_1_step_28_demanded_protection_is_enforced() {
    let (site, handle) = (site(), alice());
    let protected = || {
        let options = site.register_passkey(user(&handle));
        options.protection(CredentialProtection::UserVerificationRequired, true)
    };
    let mut key = SoftAuthenticator::security_key().unwrap();
    let (ceremony, response) = answer_to(protected(), &mut key);
    let registered = site.finish_registration(ceremony, &response, SESSION, NOW).unwrap();
    assert_eq!(registered.credential().protection(), Some(CredentialProtection::UserVerificationRequired));
    key.protect_nothing();
    let (ceremony, response) = answer_to(protected(), &mut key);
    let refused = site.finish_registration(ceremony, &response, SESSION, NOW);
    assert_eq!(refused.told(), ("extension.cred_protect", Some(28)));
}

#[test]
fn promise_11_m4_a_ceremony_serves_its_session_its_site_and_its_time_alone() {
    let (site, handle) = (site(), alice());
    let begin = || answer_to(site.register_passkey(user(&handle)), &mut phone());
    let (ceremony, response) = begin();
    let refused = site.finish_registration(ceremony, &response, "session-2", NOW);
    assert_eq!(refused.told(), ("ceremony.other_session", None));

    let (ceremony, response) = begin();
    let late = NOW.plus(Duration::from_secs(300));
    assert_eq!(ceremony.expires(), late);
    assert_eq!(site.finish_registration(ceremony, &response, SESSION, late).told(), ("ceremony.expired", None));

    let (ceremony, response) = begin();
    let other = RelyingParty::new("sub.example.org", "Other").unwrap();
    let refused = other.finish_registration(ceremony, &response, SESSION, NOW);
    assert_eq!(refused.told(), ("ceremony.other_relying_party", None));

    // It goes through a store and comes back.
    let (ceremony, response) = begin();
    let kept = serde_json::to_string(&ceremony).unwrap();
    assert!(!kept.contains(SESSION), "the session's name is kept as a hash");
    let ceremony = serde_json::from_str(&kept).unwrap();
    assert!(site.finish_registration(ceremony, &response, SESSION, NOW).is_ok());
}

#[test]
fn a_security_key_is_not_registered_without_a_policy() {
    let (site, handle) = (site(), alice());
    let mut key = SoftAuthenticator::security_key().unwrap();
    let (ceremony, response) = answer_to(site.register_security_key(user(&handle)), &mut key);
    let refused = site.finish_registration(ceremony, &response, SESSION, NOW);
    assert_eq!(refused.told(), ("registration.policy_missing", None));
    let (ceremony, response) = answer_to(site.register_security_key(user(&handle)), &mut key);
    let policy = TrustPolicy::new().anchor(key.root()).unwrap();
    let registered = site.finish_attested_registration(ceremony, &response, &policy, SESSION, NOW).unwrap();
    assert!(registered.attestation().is_trusted() && registered.credential().attestation().trusted);
}

#[test]
fn each_use_has_options_of_its_own() {
    let (site, handle) = (site(), UserHandle::random(&SystemRandom).unwrap());
    let selection = |options: countersign_mfa_webauthn::RegistrationOptions<'_>| {
        let (options, _) = options.begin(SESSION, NOW, &SystemRandom).unwrap();
        let selection = serde_json::to_value(&options).unwrap()["publicKey"]["authenticatorSelection"].clone();
        [
            selection["residentKey"].clone(),
            selection["userVerification"].clone(),
            selection["authenticatorAttachment"].clone(),
        ]
    };
    assert_eq!(selection(site.register_passkey(user(&handle))), [json!("required"), json!("required"), Value::Null]);
    let second = selection(site.register_second_factor(user(&handle)));
    assert_eq!(second, [json!("discouraged"), json!("discouraged"), Value::Null]);
    let platform = selection(site.register_platform(user(&handle)));
    assert_eq!(platform, [json!("preferred"), json!("required"), json!("platform")]);
}
