use countersign_primitives::SecretBytes;
use countersign_tokens::{CryptoError, CryptoProvider, Ring, SigningAlgorithm, VerifyingKey};

use crate::{b64, fresh, jwk, load, unb64, vectors::*};

fn hex(text: &str) -> Vec<u8> {
    (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap()).collect()
}

#[test]
fn fips180_4_sha2_examples() {
    let parts: [&[u8]; 2] = [b"a", b"bc"];
    assert_eq!(Ring.sha256(&parts).to_vec(), hex("ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"));
    assert_eq!(Ring.sha384(&parts)[..8], hex("cb00753f45a35e8b"));
    assert_eq!(Ring.sha512(&parts)[..8], hex("ddaf35a193617aba"));
}

#[test]
fn rfc4231_4_3_hmac_sha256() {
    let mac = Ring.hmac_sha256(b"Jefe", &[b"what do ya want ", b"for nothing?"]);
    assert_eq!(mac.to_vec(), hex("5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"));
}

#[test]
fn rfc5869_appendix_a_1_hkdf_sha256() {
    let mut okm = [0; 42];
    let (salt, info) = (hex("000102030405060708090a0b0c"), hex("f0f1f2f3f4f5f6f7f8f9"));
    Ring.hkdf_sha256(&[0x0b; 22], &salt, &info, &mut okm).unwrap();
    let expected = "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf34007208d5b887185865";
    assert_eq!(okm.to_vec(), hex(expected));
    let mut long = vec![0; 255 * 32 + 1];
    assert_eq!(Ring.hkdf_sha256(b"k", b"", b"", &mut long), Err(CryptoError::OutputLength));
}

/// Test case 16 of the GCM specification that was submitted to NIST.
#[test]
fn sp800_38d_aes_256_gcm() {
    let key: [u8; 32] = hex(&"feffe9928665731c6d6a8f9467308308".repeat(2)).try_into().unwrap();
    let nonce: [u8; 12] = hex("cafebabefacedbaddecaf888").try_into().unwrap();
    let aad = hex("feedfacedeadbeeffeedfacedeadbeefabaddad2");
    let plain = hex(concat!(
        "d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a721c3c0c95956809532fcf0e2449a6b525",
        "b16aedf5aa0de657ba637b39"
    ));
    let sealed = hex(concat!(
        "522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa8cb08e48590dbb3da7b08b1056828838",
        "c5f61e6393ba7a0abcc9f66276fc6ece0f4e1768cddf8853bb2d551b"
    ));
    assert_eq!(Ring.seal(&key, &nonce, &aad, &plain).unwrap(), sealed);
    assert_eq!(Ring.open(&key, &nonce, &aad, &sealed).unwrap(), plain);
    for at in 0..sealed.len() {
        let mut changed = sealed.clone();
        changed[at] ^= 1;
        assert_eq!(Ring.open(&key, &nonce, &aad, &changed), Err(CryptoError::Opening));
    }
    assert_eq!(Ring.open(&key, &nonce, b"", &sealed), Err(CryptoError::Opening));
    assert_eq!(Ring.open(&key, &nonce, &aad, &sealed[..15]), Err(CryptoError::Opening));
}

#[test]
fn rfc8037_appendix_a_4_ed25519_is_signed_alike() {
    let input = "eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc";
    let signature = "hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg";
    let key = load(SigningAlgorithm::EdDsa, ED25519_PKCS8);
    assert_eq!(b64(key.sign(input.as_bytes()).unwrap().as_bytes()), signature);
    let verifier = VerifyingKey::new(&jwk(ED25519_JWK)).unwrap();
    assert_eq!(Ring.verify(&verifier, input.as_bytes(), &unb64(signature)), Ok(()));
    assert_eq!(Ring.verify(&verifier, b"other", &unb64(signature)), Err(CryptoError::Signature));
}

#[test]
fn rsa_keys_are_loaded_but_not_made() {
    for algorithm in [SigningAlgorithm::Rs256, SigningAlgorithm::Ps256] {
        assert_eq!(Ring.generate_key(algorithm).unwrap_err(), CryptoError::CannotGenerate(algorithm));
        assert_eq!(load(algorithm, RSA_PKCS8).public_key().algorithm(), Some(algorithm));
    }
}

#[test]
fn a_private_key_serves_its_own_algorithm_only() {
    let documents = [RSA_PKCS8, ES256_PKCS8, ED25519_PKCS8];
    for (document, admitted) in documents.into_iter().zip([&["RS256", "PS256"][..], &["ES256"], &["EdDSA"]]) {
        for &algorithm in SigningAlgorithm::ALL {
            let loaded = Ring.signing_key(algorithm, &SecretBytes::from(unb64(document)));
            assert_eq!(loaded.is_ok(), admitted.contains(&algorithm.as_str()), "{algorithm}");
        }
    }
    let cut = SecretBytes::from(unb64(ES256_PKCS8)[..60].to_vec());
    assert_eq!(Ring.signing_key(SigningAlgorithm::Es256, &cut).unwrap_err(), CryptoError::PrivateKey);
}

#[test]
fn promise_4_a_private_key_is_redacted() {
    let shown = format!("{:?}", load(SigningAlgorithm::Es256, ES256_PKCS8));
    assert!(shown.starts_with("RingKeyPair { kid:"), "{shown}");
    // Its `d`, whole or as a list of numbers.
    assert!(!shown.contains("jpsQnnGQ") && !shown.contains("142, 155"), "{shown}");
    assert!(!format!("{:?}", fresh(SigningAlgorithm::EdDsa)).contains("["));
}
