//! The FIDO Metadata Service (FIDO MDS 3.0), attack M18.

use countersign_mfa_webauthn::testkit::SoftAuthenticator;
use countersign_mfa_webauthn::{
    Aaguid, AttestationFormat, AuthenticatorStatus, Certification, Metadata, MetadataError, MetadataSource,
    StatusPolicy, TrustPolicy,
};
use countersign_primitives::UnixTime;
use data_encoding::{BASE64, HEXLOWER};
use serde_json::{Value, json};

use crate::site::{NOW, Told, register_attested};

const HOST: &str = "mds.fidoalliance.org";

fn key() -> SoftAuthenticator {
    SoftAuthenticator::security_key().unwrap().model(Aaguid::from_bytes([7; 16]))
}

/// The alliance, in the guise of another maker.
fn alliance() -> (SoftAuthenticator, MetadataSource) {
    let maker = SoftAuthenticator::security_key().unwrap();
    let source = MetadataSource::fido_alliance().root(maker.root()).unwrap();
    (maker, source)
}

fn payload(number: u64, entries: &Value) -> Value {
    json!({"legalHeader": "…", "no": number, "nextUpdate": "2025-07-01", "entries": entries})
}

fn entry(key: &SoftAuthenticator, statuses: &[&str]) -> Value {
    let reports: Vec<_> =
        statuses.iter().map(|status| json!({"status": status, "effectiveDate": "2025-01-01"})).collect();
    json!([{
        "aaguid": Aaguid::from_bytes([7; 16]), "statusReports": reports, "timeOfLastStatusChange": "2025-01-01",
        "metadataStatement": {"description": "Key 1", "attestationRootCertificates": [BASE64.encode(key.root())]},
    }])
}

fn metadata(key: &SoftAuthenticator, statuses: &[&str]) -> Metadata {
    let (maker, source) = alliance();
    let blob = maker.metadata_blob(HOST, &payload(5, &entry(key, statuses))).unwrap();
    source.verify(&blob, NOW, None).unwrap()
}

#[test]
fn fido_mds_3_2_a_blob_is_verified_to_the_root_and_read() {
    let key = key();
    let metadata = metadata(&key, &["FIDO_CERTIFIED_L1", "UPDATE_AVAILABLE"]);
    assert_eq!((metadata.number(), metadata.len(), metadata.skipped()), (5, 1, 0));
    let model = metadata.model(Aaguid::from_bytes([7; 16])).unwrap();
    assert_eq!(model.description(), Some("Key 1"));
    assert_eq!(model.statuses(), [AuthenticatorStatus::FidoCertifiedL1, AuthenticatorStatus::UpdateAvailable]);
}

#[test]
fn fido_mds_3_2_m18_a_blob_of_another_root_host_or_hand_is_refused() {
    let ((maker, source), key) = (alliance(), key());
    let content = payload(5, &entry(&key, &[]));
    let refused = |blob: &str| source.verify(blob, NOW, None).unwrap_err().id();
    let foreign = key.metadata_blob(HOST, &content).unwrap();
    assert_eq!(refused(&foreign), "trust.no_path");
    let other_host = maker.metadata_blob("www.example.org", &content).unwrap();
    assert_eq!(refused(&other_host), "metadata.host", "the root signs for others too");
    let good = maker.metadata_blob(HOST, &content).unwrap();
    let (signed, signature) = good.rsplit_once('.').unwrap();
    let (header, _) = signed.split_once('.').unwrap();
    let more = data_encoding::BASE64URL_NOPAD.encode(payload(6, &json!([])).to_string().as_bytes());
    assert_eq!(refused(&format!("{header}.{more}.{signature}")), "metadata.signature");
    assert_eq!(refused(&format!("{signed}.")), "metadata.signature");
    assert_eq!(refused(""), "metadata.signature");
    assert_eq!(refused(&maker.metadata_blob(HOST, &json!({"no": 1})).unwrap()), "metadata.malformed");
    assert!(source.verify(&format!("{good}\n"), NOW, None).is_ok());
}

#[test]
fn fido_mds_3_2_m18_an_older_blob_does_not_replace_a_newer_one() {
    let ((maker, source), key) = (alliance(), key());
    let blob = |number| maker.metadata_blob(HOST, &payload(number, &entry(&key, &[]))).unwrap();
    let known = source.verify(&blob(5), NOW, None).unwrap();
    let back = source.verify(&blob(4), NOW, Some(&known)).unwrap_err();
    assert_eq!(back, MetadataError::RolledBack { known: 5, received: 4 });
    assert!(source.verify(&blob(5), NOW, Some(&known)).is_ok() && source.verify(&blob(6), NOW, Some(&known)).is_ok());
}

#[test]
fn fido_mds_3_2_m18_an_overdue_blob_is_kept_and_told() {
    let key = key();
    let metadata = metadata(&key, &[]);
    let due = UnixTime::from_secs(1_751_414_400); // the end of 2025-07-01
    assert_eq!(metadata.next_update(), due);
    assert!(!metadata.is_outdated(due) && metadata.is_outdated(UnixTime::from_secs(1_751_414_401)));
}

#[test]
fn fido_mds_3_1_1_entries_that_cannot_be_read_cost_the_others_nothing() {
    let ((maker, source), key) = (alliance(), key());
    let mut entries = entry(&key, &[]);
    let list = entries.as_array_mut().unwrap();
    list.push(json!({"aaguid": "no uuid", "statusReports": []}));
    list.push(json!({"aaid": "0001#0001", "statusReports": []}));
    let blob = maker.metadata_blob(HOST, &payload(5, &entries)).unwrap();
    let metadata = source.verify(&blob, NOW, None).unwrap();
    assert_eq!((metadata.len(), metadata.skipped()), (1, 1));
}

#[test]
fn webauthn_7_1_step_23_the_metadata_has_the_anchors_of_the_model() {
    let mut key = key();
    let policy = TrustPolicy::new().metadata(metadata(&key, &[]));
    assert!(register_attested(&policy, &mut key).unwrap().attestation().is_trusted());
    // The root of one model is no root of another.
    let mut other = SoftAuthenticator::security_key().unwrap();
    assert_eq!(register_attested(&policy, &mut other).told(), ("trust.no_path", Some(24)));
}

#[test]
fn m18_reports_about_a_model_are_minded() {
    let mut key = key();
    for bad in ["REVOKED", "USER_KEY_REMOTE_COMPROMISE", "ATTESTATION_KEY_COMPROMISE"] {
        let reported = metadata(&key, &["FIDO_CERTIFIED_L1", bad]);
        // Also where an anchor of the policy's own vouches for the model.
        for policy in [TrustPolicy::new(), TrustPolicy::new().anchor(key.root()).unwrap()] {
            let policy = policy.metadata(reported.clone());
            assert_eq!(register_attested(&policy, &mut key).told(), ("trust.status", Some(24)), "{bad}");
        }
    }
    let certified = TrustPolicy::new().metadata(metadata(&key, &["FIDO_CERTIFIED_L1"]));
    let demanding = certified.clone().statuses(StatusPolicy::default().at_least(Certification::L2));
    assert!(register_attested(&certified, &mut key).is_ok());
    assert_eq!(register_attested(&demanding, &mut key).told(), ("trust.status", Some(24)));
}

#[test]
fn models_that_the_metadata_does_not_know_can_be_refused() {
    let mut stranger = SoftAuthenticator::security_key().unwrap();
    let policy = TrustPolicy::new().anchor(stranger.root()).unwrap().metadata(metadata(&key(), &[]));
    assert!(register_attested(&policy, &mut stranger).is_ok());
    let refused = register_attested(&policy.listed_models_alone(), &mut stranger).told();
    assert_eq!(refused, ("trust.unlisted", Some(24)));
}

#[test]
fn fido_mds_3_1_1_u2f_keys_are_known_by_the_key_of_their_certificate() {
    let mut key = SoftAuthenticator::security_key().unwrap().format(AttestationFormat::FidoU2f);
    let (maker, source) = alliance();
    // The certificate of the statement is seen as it is made, and the statement is then judged with metadata that knows its key.
    let seen = std::sync::Arc::new(std::sync::Mutex::new(Vec::new()));
    let kept = seen.clone();
    let (site, handle) = (crate::site::site(), crate::site::alice());
    let begun = site.register_security_key(crate::site::user(&handle));
    key.tamper_certificates(move |chain| *kept.lock().unwrap() = chain.clone());
    let (ceremony, response) = crate::site::answer_to(begun, &mut key);
    let chain = seen.lock().unwrap().clone();
    // Keys of P-256 have 65 bytes, behind the 26 that tell so.
    let spki =
        b"\x30\x59\x30\x13\x06\x07\x2a\x86\x48\xce\x3d\x02\x01\x06\x08\x2a\x86\x48\xce\x3d\x03\x01\x07\x03\x42\x00";
    let at = chain[0].windows(spki.len()).position(|window| window == spki).unwrap() + spki.len();
    let digest = ring::digest::digest(&ring::digest::SHA1_FOR_LEGACY_USE_ONLY, &chain[0][at..at + 65]);
    let entries = json!([{
        "attestationCertificateKeyIdentifiers": [HEXLOWER.encode(digest.as_ref()), "xyz"], "statusReports": [],
        "metadataStatement": {"attestationRootCertificates": [BASE64.encode(&chain[1])]},
    }]);
    let blob = maker.metadata_blob(HOST, &payload(1, &entries)).unwrap();
    let metadata = source.verify(&blob, NOW, None).unwrap();
    assert_eq!(metadata.skipped(), 1, "a key that is no identifier");
    let policy = TrustPolicy::new().metadata(metadata);
    let registered =
        site.finish_attested_registration(ceremony, &response, &policy, crate::site::SESSION, NOW).unwrap();
    assert!(registered.attestation().is_trusted());
}
