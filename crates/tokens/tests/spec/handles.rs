use countersign_primitives::{Id, Random, RandomError, SystemRandom};
use countersign_tokens::{
    CryptoProvider as _, Handle, HandleError, HandleHash, HandleKind, Jti, Ring, mask_id, unmask_id,
};
use proptest::prelude::*;

use crate::{b64, id, unb64};

const KINDS: [HandleKind; 5] = [
    HandleKind::AUTHORIZATION_CODE,
    HandleKind::REFRESH_TOKEN,
    HandleKind::ACCESS_TOKEN,
    HandleKind::DEVICE_CODE,
    HandleKind::BROWSER,
];

#[test]
fn a_handle_is_prefix_id_secret_and_checksum() {
    let handle = Handle::from_parts(HandleKind::ACCESS_TOKEN, Id::from_bytes([1; 16]), [2; 32]);
    let text = handle.expose();
    let body = unb64(text.strip_prefix("cs_access_").unwrap());
    assert_eq!(body.len(), 16 + 32 + 4);
    assert_eq!((&body[..16], &body[16..48]), (&[1; 16][..], &[2; 32][..]));
    assert!(text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-'));
}

/// The check value of CRC-32/ISO-HDLC is over "123456789"; here over what a handle feeds it.
#[test]
fn the_checksum_is_the_one_scanners_compute() {
    let text = Handle::from_parts(HandleKind::new("cs_x"), Id::from_bytes([0; 16]), [0; 32]).expose();
    let body = unb64(text.strip_prefix("cs_x_").unwrap());
    let mut crc = u32::MAX;
    for byte in b"cs_x_".iter().chain(&[0; 48]) {
        crc ^= u32::from(*byte);
        for _ in 0..8 {
            crc = if crc & 1 == 1 { (crc >> 1) ^ 0xedb8_8320 } else { crc >> 1 };
        }
    }
    assert_eq!(body[48..], (!crc).to_be_bytes());
}

#[test]
fn promise_11_a_handle_of_one_kind_is_none_of_another() {
    for made in KINDS {
        let text = Handle::generate(made, id(), &SystemRandom).unwrap().expose();
        for read in KINDS {
            assert_eq!(Handle::parse(read, &text).is_ok(), made == read, "{made:?} as {read:?}");
        }
    }
    // The checksum covers the prefix: a new prefix on an old body is noticed.
    let text = Handle::generate(HandleKind::AUTHORIZATION_CODE, id(), &SystemRandom).unwrap().expose();
    let renamed = text.replace("cs_code", "cs_access");
    assert_eq!(Handle::parse(HandleKind::ACCESS_TOKEN, &renamed).unwrap_err(), HandleError::Checksum);
}

#[test]
fn the_hash_covers_kind_id_and_secret() {
    let handle =
        |kind, id: u8, secret: u8| Handle::from_parts(kind, Id::from_bytes([id; 16]), [secret; 32]).hash(&Ring);
    let base = handle(HandleKind::ACCESS_TOKEN, 1, 2);
    assert!(base.matches(&handle(HandleKind::ACCESS_TOKEN, 1, 2)));
    for other in [
        handle(HandleKind::BROWSER, 1, 2),
        handle(HandleKind::ACCESS_TOKEN, 3, 2),
        handle(HandleKind::ACCESS_TOKEN, 1, 3),
    ] {
        assert!(!base.matches(&other));
    }
    let stored = serde_json::to_string(&base).unwrap();
    assert_eq!(stored, format!("\"{}\"", b64(base.as_bytes())));
    assert!(serde_json::from_str::<HandleHash>(&stored).unwrap().matches(&base));
    assert!(serde_json::from_str::<HandleHash>("\"AA\"").is_err());
    assert_eq!(base.as_id().as_bytes(), &base.as_bytes()[..16]);
}

#[test]
fn promise_4_a_handle_is_redacted() {
    let handle = Handle::from_parts(HandleKind::BROWSER, Id::from_bytes([7; 16]), [9; 32]);
    assert_eq!(format!("{handle:?}"), "Handle(cs_browser, ..)");
    assert_eq!(format!("{:?}", handle.to_secret_string()), "SecretString(..)");
}

#[test]
fn two_tokens_of_one_grant_share_no_bytes() {
    let (key, grant) = (Ring.mac_key(&[5; 32]), id());
    let make = || Handle::generate_masked(&*key, HandleKind::ACCESS_TOKEN, grant, &SystemRandom).unwrap();
    let (one, two) = (make(), make());
    assert_ne!(one.id(), two.id());
    assert_ne!(one.id(), grant);
    for handle in [one, two] {
        let read = Handle::parse(HandleKind::ACCESS_TOKEN, &handle.expose()).unwrap();
        assert_eq!(read.unmasked_id(&*key), grant);
        assert_ne!(read.unmasked_id(&*Ring.mac_key(&[6; 32])), grant);
    }
}

#[test]
fn a_jti_leads_to_its_grant_for_this_server_alone() {
    let (key, grant) = (Ring.mac_key(&[5; 32]), id());
    let one = Jti::new(&*key, &SystemRandom, grant).unwrap();
    let two = Jti::new(&*key, &SystemRandom, grant).unwrap();
    assert_ne!(one, two);
    assert_eq!(one.len(), 43);
    assert!(!unb64(&one).windows(16).any(|window| window == grant.as_bytes()));
    assert_eq!(Jti::grant(&*key, &one), Some(grant));
    assert_eq!(Jti::grant(&*key, &two), Some(grant));
    assert_ne!(Jti::grant(&*Ring.mac_key(&[6; 32]), &one), Some(grant));
    for foreign in ["", "abc", &format!("{one}A"), "not a jti of ours at all, but quite long ok"] {
        assert_eq!(Jti::grant(&*key, foreign), None, "{foreign}");
    }
}

#[derive(Debug)]
struct Broken;

impl Random for Broken {
    fn fill(&self, _: &mut [u8]) -> Result<(), RandomError> {
        Err(RandomError)
    }
}

#[test]
fn promise_14_without_randomness_there_is_no_handle() {
    assert!(Handle::generate(HandleKind::BROWSER, id(), &Broken).is_err());
    assert!(Jti::new(&*Ring.mac_key(&[0; 32]), &Broken, id()).is_err());
}

proptest! {
    #[test]
    fn any_handle_survives_the_round_trip(id in any::<[u8; 16]>(), secret in any::<[u8; 32]>(), kind in 0..KINDS.len()) {
        let handle = Handle::from_parts(KINDS[kind], Id::from_bytes(id), secret);
        let read = Handle::parse(KINDS[kind], &handle.expose()).unwrap();
        prop_assert_eq!(read.id(), handle.id());
        prop_assert_eq!(read.secret(), handle.secret());
        prop_assert!(read.hash(&Ring).matches(&handle.hash(&Ring)));
    }

    #[test]
    fn a_changed_character_is_noticed(secret in any::<[u8; 32]>(), at in 8..78_usize, to in "[A-Za-z0-9_-]") {
        let text = Handle::from_parts(HandleKind::AUTHORIZATION_CODE, Id::from_bytes([1; 16]), secret).expose();
        prop_assert_eq!(text.len(), 78);
        let changed = format!("{}{to}{}", &text[..at], &text[at + 1..]);
        prop_assert_eq!(Handle::parse(HandleKind::AUTHORIZATION_CODE, &changed).is_ok(), changed == text);
    }

    #[test]
    fn promise_7_no_text_panics_the_reader(text in ".{0,200}|cs_code_[A-Za-z0-9_-]{0,200}") {
        let _ = Handle::parse(HandleKind::AUTHORIZATION_CODE, &text);
        let _ = Jti::grant(&*Ring.mac_key(&[0; 32]), &text);
    }

    #[test]
    fn a_mask_comes_off(key in any::<[u8; 32]>(), nonce in any::<[u8; 16]>(), id in any::<[u8; 16]>()) {
        let (key, id) = (Ring.mac_key(&key), Id::from_bytes(id));
        prop_assert_eq!(unmask_id(&*key, &nonce, mask_id(&*key, &nonce, id)), id);
    }
}
