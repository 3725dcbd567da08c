//! §8, format by format, and the trust in them (§7.1 steps 22 to 24).

use std::time::Duration;

use countersign_mfa_webauthn::testkit::{AndroidSecurity, SoftAuthenticator};
use countersign_mfa_webauthn::{
    Aaguid, Algorithm, AttestationFormat, AttestationKind, Conveyance, RegistrationError, TrustPolicy,
};
use countersign_primitives::UnixTime;

use crate::site::{NOW, SESSION, Told, alice, answer_to, register, register_attested, site, user};

/// From 2024-01-01 to two years after, in seconds.
const GOOD: i64 = 2 * 366 * 86_400;

fn key(format: AttestationFormat) -> SoftAuthenticator {
    SoftAuthenticator::security_key().unwrap().format(format)
}

fn policy(key: &SoftAuthenticator) -> TrustPolicy {
    TrustPolicy::new().anchor(key.root()).unwrap()
}

/// Registers under a policy that trusts its maker, after a fault.
fn with(format: AttestationFormat, fault: impl Fn(&mut SoftAuthenticator)) -> Result<(), RegistrationError> {
    let mut key = key(format);
    let policy = policy(&key).danger_accept_android_safetynet();
    fault(&mut key);
    register_attested(&policy, &mut key).map(drop)
}

const CERTIFIED: [AttestationFormat; 5] = [
    AttestationFormat::Packed,
    AttestationFormat::Tpm,
    AttestationFormat::AndroidKey,
    AttestationFormat::Apple,
    AttestationFormat::AndroidSafetyNet,
];

#[test]
fn webauthn_8_every_format_is_verified_and_trusted() {
    for (format, kind) in [
        (AttestationFormat::Packed, AttestationKind::BasicOrAttCa),
        (AttestationFormat::Tpm, AttestationKind::AttCa),
        (AttestationFormat::AndroidKey, AttestationKind::Basic),
        (AttestationFormat::Apple, AttestationKind::AnonCa),
        (AttestationFormat::AndroidSafetyNet, AttestationKind::Basic),
    ] {
        let mut key = key(format);
        let policy = policy(&key).danger_accept_android_safetynet();
        let registered = register_attested(&policy, &mut key).unwrap_or_else(|error| panic!("{format}: {error}"));
        let attestation = registered.attestation();
        assert_eq!((attestation.format(), attestation.kind(), attestation.is_trusted()), (format, kind, true));
    }
}

#[test]
fn webauthn_8_6_u2f_keys_bring_one_certificate() {
    let mut key = key(AttestationFormat::FidoU2f);
    let refused = register_attested(&policy(&key), &mut key).told();
    assert_eq!(refused, ("trust.no_path", Some(24)), "the intermediate is not in the message");
    let (site, handle) = (site(), alice());
    let (ceremony, response) = answer_to(site.register_second_factor(user(&handle)), &mut key);
    let registered = site.finish_registration(ceremony, &response, SESSION, NOW).unwrap();
    assert_eq!(registered.attestation().format(), AttestationFormat::FidoU2f);
    assert!(!registered.attestation().is_trusted(), "never without a policy");
    key.tamper_statement_signature(|signature| signature[12] ^= 1);
    assert_eq!(register_attested(&policy(&key), &mut key).told(), ("attestation.signature", Some(22)));
    key.attest_another_ceremony();
    assert_eq!(register_attested(&policy(&key), &mut key).told(), ("attestation.signature", Some(22)));
    let mut p384 = self::key(AttestationFormat::FidoU2f).algorithm(Algorithm::ES384);
    assert_eq!(register_attested(&policy(&p384), &mut p384).told(), ("attestation.algorithm", Some(22)));
}

#[test]
fn webauthn_7_1_step_22_a_spoilt_signature_is_refused_in_every_format() {
    for format in [AttestationFormat::Packed, AttestationFormat::Tpm, AttestationFormat::AndroidKey] {
        let refused = with(format, |key| key.tamper_statement_signature(|signature| signature[12] ^= 1));
        assert_eq!(refused.told(), ("attestation.signature", Some(22)), "{format}");
    }
    let refused = with(AttestationFormat::AndroidSafetyNet, |key| {
        key.tamper_statement_signature(|signature| signature[12] ^= 1);
    });
    assert_eq!(refused.told(), ("attestation.safetynet", Some(22)));
}

#[test]
fn webauthn_7_1_step_22_a_statement_of_another_ceremony_is_refused_in_every_format() {
    for (format, id) in [
        (AttestationFormat::Packed, "attestation.signature"),
        (AttestationFormat::Tpm, "attestation.other_ceremony"),
        (AttestationFormat::AndroidKey, "attestation.signature"),
        (AttestationFormat::Apple, "attestation.other_ceremony"),
        (AttestationFormat::AndroidSafetyNet, "attestation.other_ceremony"),
    ] {
        let refused = with(format, SoftAuthenticator::attest_another_ceremony);
        assert_eq!(refused.told(), (id, Some(22)), "{format}");
    }
}

#[test]
fn webauthn_7_1_step_22_a_statement_about_another_key_is_refused() {
    for format in [AttestationFormat::Tpm, AttestationFormat::AndroidKey, AttestationFormat::Apple] {
        let refused = with(format, SoftAuthenticator::certify_another_key);
        assert_eq!(refused.told(), ("attestation.other_key", Some(22)), "{format}");
    }
}

#[test]
fn webauthn_8_2_self_attestation_is_by_the_credentials_own_key() {
    let mut phone = SoftAuthenticator::platform().unwrap().self_attested();
    let registered = register(&site(), &mut phone).unwrap();
    assert_eq!(registered.attestation().kind(), AttestationKind::SelfAttestation);
    phone.tamper_statement_signature(|signature| signature[12] ^= 1);
    assert_eq!(register(&site(), &mut phone).told(), ("attestation.signature", Some(22)));
}

#[test]
fn webauthn_8_2_the_certificate_is_for_the_model() {
    let refused = with(AttestationFormat::Packed, SoftAuthenticator::certify_another_model);
    assert_eq!(refused.told(), ("attestation.aaguid", Some(22)));
}

#[test]
fn webauthn_8_2_2_an_enterprise_hears_the_number_of_the_device() {
    let mut key = key(AttestationFormat::Packed).serial_number(b"SN-4711");
    let (site, handle, policy) = (site(), alice(), policy(&key));
    let options = site.register_security_key(user(&handle)).attestation(Conveyance::Enterprise, []);
    let (ceremony, response) = answer_to(options, &mut key);
    let registered = site.finish_attested_registration(ceremony, &response, &policy, SESSION, NOW).unwrap();
    assert_eq!(registered.attestation().serial_number(), Some(&b"SN-4711"[..]));
    // Nobody else is to hear it.
    assert_eq!(register_attested(&policy, &mut key).told(), ("attestation.serial_number", Some(22)));
}

#[test]
fn webauthn_8_2_1_and_8_3_1_certificates_meet_their_requirements() {
    for format in [AttestationFormat::Packed, AttestationFormat::Tpm] {
        let refused = with(format, SoftAuthenticator::certify_for_another_format);
        assert_eq!(refused.told(), ("certificate.requirements", Some(22)), "{format}");
    }
    let refused = with(AttestationFormat::Packed, |key| key.tamper_certificates(|chain| chain.rotate_left(1)));
    assert_eq!(refused.told(), ("attestation.signature", Some(22)), "the first certificate signs");
    let refused = with(AttestationFormat::Packed, |key| key.tamper_certificates(|chain| chain[0].push(0)));
    assert_eq!(refused.told(), ("certificate.malformed", Some(22)));
    let refused = with(AttestationFormat::Packed, |key| key.tamper_certificates(Vec::clear));
    assert_eq!(refused.told(), ("attestation.members", Some(22)));
    let refused = with(AttestationFormat::Packed, |key| {
        key.tamper_certificates(|chain| *chain = vec![chain[0].clone(); 9]);
    });
    assert_eq!(refused.told(), ("attestation.members", Some(22)), "at most eight");
}

#[test]
fn webauthn_8_3_a_tpm_certifies_the_key_with_rsa_and_with_elliptic_curves() {
    for algorithm in [Algorithm::ES256, Algorithm::RS256] {
        let mut key = key(AttestationFormat::Tpm).algorithm(algorithm);
        assert!(register_attested(&policy(&key), &mut key).unwrap().attestation().is_trusted(), "{algorithm}");
    }
}

#[test]
fn webauthn_8_3_what_a_tpm_signs_is_a_certification_of_this_public_area() {
    let attest = |spoil: fn(&mut Vec<u8>)| with(AttestationFormat::Tpm, move |key| key.tamper_tpm_attest(spoil));
    assert_eq!(attest(|attest| attest[0] = 0).told(), ("attestation.tpm_certify", Some(22)), "magic");
    assert_eq!(attest(|attest| attest[5] = 0x18).told(), ("attestation.tpm_certify", Some(22)), "a quote");
    assert_eq!(attest(|attest| attest.push(0)).told(), ("attestation.tpm_malformed", Some(22)));
    let name = |attest: &mut Vec<u8>| {
        let at = attest.len() - 36 - 1;
        attest[at] ^= 1;
    };
    assert_eq!(attest(name).told(), ("attestation.tpm_certify", Some(22)), "another name");
    let area = |spoil: fn(&mut Vec<u8>)| with(AttestationFormat::Tpm, move |key| key.tamper_tpm_public_area(spoil));
    assert_eq!(area(|area| area.push(0)).told(), ("attestation.tpm_malformed", Some(22)));
    assert_eq!(area(|area| *area.last_mut().unwrap() ^= 1).told(), ("attestation.other_key", Some(22)));
    assert_eq!(area(|area| area[3] = 4).told(), ("attestation.tpm_certify", Some(22)), "a name by SHA-1");
}

#[test]
fn webauthn_8_4_android_keys_are_generated_in_hardware_for_one_application() {
    let registered = |security| {
        let mut key = key(AttestationFormat::AndroidKey).android(security);
        register_attested(&policy(&key), &mut key).map(drop)
    };
    assert!(registered(AndroidSecurity::Trusted).is_ok() && registered(AndroidSecurity::StrongBox).is_ok());
    for weak in [AndroidSecurity::Software, AndroidSecurity::Imported, AndroidSecurity::AllApplications] {
        assert_eq!(registered(weak).told(), ("attestation.android_authorization", Some(22)), "{weak:?}");
    }
    for (security, taken) in [(AndroidSecurity::Software, true), (AndroidSecurity::AllApplications, false)] {
        let mut key = key(AttestationFormat::AndroidKey).android(security);
        let policy = policy(&key).danger_accept_android_software();
        assert_eq!(register_attested(&policy, &mut key).is_ok(), taken, "{security:?}");
    }
}

#[test]
fn webauthn_8_5_safetynet_is_off_unless_allowed_and_answers_are_fresh_and_sound() {
    let mut key = key(AttestationFormat::AndroidSafetyNet);
    assert_eq!(register_attested(&policy(&key), &mut key).told(), ("attestation.unknown_format", Some(21)));
    let refused = with(AttestationFormat::AndroidSafetyNet, |key| {
        key.tamper_safetynet(|payload| payload["ctsProfileMatch"] = false.into());
    });
    assert_eq!(refused.told(), ("attestation.safetynet", Some(22)));
    for off in [-61_000_i64, 31_000] {
        let refused = with(AttestationFormat::AndroidSafetyNet, move |key| {
            key.set_now(UnixTime::from_millis(NOW.as_millis().checked_add_signed(off).unwrap()));
        });
        assert_eq!(refused.told(), ("attestation.safetynet", Some(22)), "{off}");
    }
}

#[test]
fn webauthn_8_7_none_is_empty_and_taken_only_where_the_policy_says() {
    let mut phone = SoftAuthenticator::platform().unwrap();
    let nothing = TrustPolicy::new();
    assert_eq!(register_attested(&nothing, &mut phone).told(), ("trust.unattested", Some(24)));
    let registered = register_attested(&nothing.clone().accept_untrusted(), &mut phone).unwrap();
    assert!(!registered.attestation().is_trusted());
    let mut own = SoftAuthenticator::platform().unwrap().self_attested();
    assert_eq!(register_attested(&nothing, &mut own).told(), ("trust.self_attested", Some(24)));
    assert!(!register_attested(&nothing.accept_untrusted(), &mut own).unwrap().attestation().is_trusted());
    // A statement that claims something under the name of none.
    own.name_format("none");
    assert_eq!(register(&site(), &mut own).told(), ("attestation.members", Some(22)));
}

#[test]
fn webauthn_8_9_every_part_of_a_compound_attestation_is_verified() {
    let compound = |parts: &[AttestationFormat]| key(AttestationFormat::Packed).compound(parts.iter().copied());
    let mut key = compound(&[AttestationFormat::Packed, AttestationFormat::Apple]);
    let registered = register_attested(&policy(&key), &mut key).unwrap();
    assert!(registered.attestation().is_trusted());
    assert_eq!(registered.attestation().kind(), AttestationKind::AnonCa);
    key.tamper_statement_signature(|signature| signature[12] ^= 1);
    assert_eq!(register_attested(&policy(&key), &mut key).told(), ("attestation.signature", Some(22)));
    for parts in [
        &[AttestationFormat::Packed][..],
        &[AttestationFormat::Packed, AttestationFormat::Packed],
        &[AttestationFormat::Packed, AttestationFormat::Compound],
    ] {
        let mut key = compound(parts);
        assert_eq!(register_attested(&policy(&key), &mut key).told(), ("attestation.compound", Some(22)));
    }
    // One part that nobody certifies: enough only where the policy says so.
    let mut key = compound(&[AttestationFormat::Packed, AttestationFormat::None]);
    assert_eq!(register_attested(&policy(&key), &mut key).told(), ("trust.compound", Some(24)));
    assert!(register_attested(&policy(&key).compound_parts(1), &mut key).unwrap().attestation().is_trusted());
    assert_eq!(register_attested(&policy(&key).compound_parts(0), &mut key).map(drop), Ok(()));
    assert_eq!(register_attested(&TrustPolicy::new().compound_parts(0), &mut key).told(), ("trust.compound", Some(24)));
}

#[test]
fn webauthn_7_1_step_24_m5_a_root_in_the_message_is_no_anchor() {
    for format in CERTIFIED {
        let (mut key, other) = (key(format), SoftAuthenticator::security_key().unwrap());
        let own = key.root().to_vec();
        key.tamper_certificates(move |chain| chain.push(own.clone()));
        let foreign = policy(&other).danger_accept_android_safetynet();
        assert_eq!(register_attested(&foreign, &mut key).told(), ("trust.no_path", Some(24)), "{format}");
        let none = TrustPolicy::new().danger_accept_android_safetynet();
        assert_eq!(register_attested(&none, &mut key).told(), ("trust.no_path", Some(24)), "{format}");
    }
}

#[test]
fn webauthn_7_1_step_24_m6_the_root_need_not_be_in_the_message_but_the_links_must() {
    let mut key = key(AttestationFormat::AndroidKey);
    assert!(register_attested(&policy(&key), &mut key).is_ok(), "the chain ends below the root");
    key.tamper_certificates(|chain| chain.truncate(1));
    assert_eq!(register_attested(&policy(&key), &mut key).told(), ("trust.no_path", Some(24)));
    // In any order, and with certificates that lead nowhere among them.
    let stray = SoftAuthenticator::security_key().unwrap().root().to_vec();
    key.tamper_certificates(move |chain| chain.insert(1, stray.clone()));
    assert!(register_attested(&policy(&key), &mut key).is_ok());
}

#[test]
fn webauthn_7_1_step_24_a_certificate_that_may_not_issue_is_no_link() {
    for format in CERTIFIED {
        let refused = with(format, SoftAuthenticator::certify_by_no_authority);
        assert_eq!(refused.told(), ("trust.no_authority", Some(24)), "{format}");
    }
}

#[test]
fn webauthn_7_1_step_24_expired_certificates_are_refused() {
    let mut key = key(AttestationFormat::Packed);
    let (site, handle) = (site(), alice());
    let far = UnixTime::from_secs(70_000_000_000);
    let (options, ceremony) =
        site.register_security_key(user(&handle)).begin(SESSION, far, &countersign_primitives::SystemRandom).unwrap();
    let answer = key.create(&serde_json::to_string(&options).unwrap(), crate::site::ORIGIN).unwrap();
    let response = countersign_mfa_webauthn::RegistrationResponse::from_json(&answer).unwrap();
    let refused = site.finish_attested_registration(ceremony, &response, &policy(&key), SESSION, far);
    assert_eq!(refused.told(), ("trust.not_valid_now", Some(24)));
}

#[test]
fn webauthn_7_1_step_24_revoked_certificates_are_refused_and_so_are_old_lists() {
    let mut key = key(AttestationFormat::Packed);
    let with_list = |key: &SoftAuthenticator, revoked, seconds| {
        policy(key).revocation_list(key.revocation_list(revoked, seconds).unwrap()).unwrap()
    };
    let clean = with_list(&key, false, GOOD);
    assert!(register_attested(&clean, &mut key).is_ok());
    let revoked = with_list(&key, true, GOOD);
    assert_eq!(register_attested(&revoked, &mut key).told(), ("trust.revoked", Some(24)));
    let old = with_list(&key, false, i64::try_from(Duration::from_secs(86_400).as_secs()).unwrap());
    assert_eq!(register_attested(&old, &mut key).told(), ("trust.revocation_list", Some(24)));
    let mut forged = key.revocation_list(false, GOOD).unwrap();
    *forged.last_mut().unwrap() ^= 1;
    let forged = policy(&key).revocation_list(forged).unwrap();
    assert_eq!(register_attested(&forged, &mut key).told(), ("trust.revocation_list", Some(24)));
    assert_eq!(TrustPolicy::new().revocation_list(*b"no list").unwrap_err().id(), "certificate.malformed");
}

#[test]
fn webauthn_7_1_step_24_only_the_models_of_the_policy_are_taken() {
    let (mine, other) = (Aaguid::from_bytes([7; 16]), Aaguid::from_bytes([8; 16]));
    let mut key = key(AttestationFormat::Packed).model(mine);
    assert!(register_attested(&policy(&key).only_models([mine, other]), &mut key).is_ok());
    assert_eq!(register_attested(&policy(&key).only_models([other]), &mut key).told(), ("trust.model", Some(24)));
    assert_eq!(register_attested(&policy(&key).except_models([mine]), &mut key).told(), ("trust.model", Some(24)));
}

#[test]
fn m16_sha1_attests_nothing_unless_allowed() {
    // The statement's number of the algorithm is changed to RS1: it is refused before anything is verified.
    for format in [AttestationFormat::Packed, AttestationFormat::Tpm, AttestationFormat::AndroidKey] {
        let mut key = key(format);
        key.tamper_attestation_object(|object| {
            let at = object.windows(4).position(|window| window == b"\x63alg").unwrap() + 4;
            object.splice(at..=at, [0x39, 0xff, 0xfe]);
        });
        assert_eq!(register_attested(&policy(&key), &mut key).told(), ("attestation.algorithm", Some(22)), "{format}");
    }
}
