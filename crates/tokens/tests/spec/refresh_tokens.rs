use std::sync::Arc;

use countersign_primitives::{Id, SecretBytes, SystemRandom};
use countersign_tokens::{CryptoProvider, HandleKind, RefreshToken, RefreshTokenError, RefreshTokens, Ring};
use proptest::prelude::*;

use crate::{b64, id, unb64};

fn tokens(key_id: u8, key: u8) -> RefreshTokens {
    RefreshTokens::new(Arc::new(Ring), key_id, SecretBytes::new([key; 32]))
}

fn body(text: &str) -> Vec<u8> {
    unb64(text.strip_prefix("cs_refresh_").unwrap())
}

/// The text of a body that somebody changed, with a checksum that is right again.
fn rewrite(wire: &[u8]) -> String {
    let mut crc = u32::MAX;
    for byte in b"cs_refresh_".iter().chain(wire) {
        crc ^= u32::from(*byte);
        for _ in 0..8 {
            crc = if crc & 1 == 1 { (crc >> 1) ^ 0xedb8_8320 } else { crc >> 1 };
        }
    }
    format!("cs_refresh_{}", b64([wire, &(!crc).to_be_bytes()].concat()))
}

#[test]
fn promise_2_a_tampered_refresh_token_is_forged_and_ends_nothing() {
    let tokens = tokens(1, 7);
    let token = RefreshToken::first(id(), &SystemRandom).unwrap();
    let text = tokens.seal(&token);
    let wire = &body(text.expose())[..69];
    assert_eq!(rewrite(wire), text.expose());
    for at in 0..wire.len() {
        for bit in [1, 0x80] {
            let mut changed = wire.to_vec();
            changed[at] ^= bit;
            let expected = if at == 0 { RefreshTokenError::UnknownKey } else { RefreshTokenError::ForgedTag };
            assert_eq!(tokens.open(&rewrite(&changed)).unwrap_err(), expected, "byte {at}");
        }
    }
}

#[test]
fn any_changed_or_missing_character_is_malformed() {
    let tokens = tokens(1, 7);
    let text = tokens.seal(&RefreshToken::first(id(), &SystemRandom).unwrap());
    let text = text.expose();
    for at in 0..text.len() {
        let replacement = if text.as_bytes()[at] == b'A' { "B" } else { "A" };
        let changed = format!("{}{replacement}{}", &text[..at], &text[at + 1..]);
        assert_eq!(tokens.open(&changed).unwrap_err(), RefreshTokenError::Malformed, "{at}");
        assert_eq!(tokens.open(&text[..at]).unwrap_err(), RefreshTokenError::Malformed, "{at}");
    }
    assert_eq!(tokens.open(&format!("{text}A")).unwrap_err(), RefreshTokenError::Malformed);
}

#[test]
fn promise_11_a_handle_of_another_kind_is_no_refresh_token() {
    let handle = countersign_tokens::Handle::generate(HandleKind::REFRESH_TOKEN, id(), &SystemRandom).unwrap();
    assert_eq!(tokens(1, 7).open(&handle.expose()).unwrap_err(), RefreshTokenError::Malformed);
}

#[test]
fn tag_keys_rotate_and_older_ones_still_read() {
    let (old, new) = (tokens(1, 7), tokens(2, 8));
    let text = old.seal(&RefreshToken::first(id(), &SystemRandom).unwrap());
    assert_eq!(new.open(text.expose()).unwrap_err(), RefreshTokenError::UnknownKey);
    let both = tokens(2, 8).also(1, SecretBytes::new([7; 32]));
    assert!(both.open(text.expose()).is_ok());
    assert_eq!(body(both.seal(&both.open(text.expose()).unwrap()).expose())[0], 2);
    // Another issuer's key under the same number proves nothing here (promise 16).
    assert_eq!(tokens(1, 9).open(text.expose()).unwrap_err(), RefreshTokenError::ForgedTag);
}

#[test]
fn a_successor_is_fresh_and_of_the_next_generation() {
    let first = RefreshToken::first(id(), &SystemRandom).unwrap();
    let second = first.successor(&SystemRandom).unwrap();
    assert_eq!((second.grant, second.generation), (first.grant, 1));
    assert_ne!(second.secret, first.secret);
    let tokens = tokens(1, 7);
    assert!(!tokens.hash(&first).matches(&tokens.hash(&second)));
    let again = RefreshToken { grant: first.grant, generation: 0, secret: first.secret };
    assert!(tokens.hash(&first).matches(&tokens.hash(&again)));
    let later = RefreshToken { grant: first.grant, generation: 1, secret: first.secret };
    assert!(!tokens.hash(&first).matches(&tokens.hash(&later)));
}

#[test]
fn the_sealed_successor_opens_for_the_presented_token_alone() {
    let tokens = tokens(1, 7);
    let presented = RefreshToken::first(id(), &SystemRandom).unwrap();
    let successor = presented.successor(&SystemRandom).unwrap();
    let sealed = tokens.seal_successor(&presented, &successor, &SystemRandom).unwrap();
    let opened = tokens.open_successor(&presented, &sealed).unwrap();
    assert_eq!(tokens.seal(&opened).expose(), tokens.seal(&successor).expose());

    // The same server, the same grant, another secret: what a copy of the database and the server's keys amount to.
    let guessed = RefreshToken { grant: presented.grant, generation: 0, secret: [0; 32] };
    let hashed = RefreshToken { grant: presented.grant, generation: 0, secret: *tokens.hash(&presented).as_bytes() };
    let moved = RefreshToken { grant: id(), generation: 0, secret: presented.secret };
    let aged = RefreshToken { grant: presented.grant, generation: 1, secret: presented.secret };
    for other in [guessed, hashed, moved, aged] {
        assert_eq!(tokens.open_successor(&other, &sealed).unwrap_err(), RefreshTokenError::Successor);
    }
    for at in 0..sealed.len() {
        let mut changed = sealed.clone();
        changed[at] ^= 1;
        assert_eq!(tokens.open_successor(&presented, &changed).unwrap_err(), RefreshTokenError::Successor);
        assert_eq!(tokens.open_successor(&presented, &sealed[..at]).unwrap_err(), RefreshTokenError::Successor);
    }
}

#[test]
fn promise_4_a_sealed_successor_and_debug_show_no_secret() {
    let tokens = tokens(1, 7);
    let presented = RefreshToken::first(id(), &SystemRandom).unwrap();
    let successor =
        RefreshToken { grant: presented.grant, generation: 1, secret: *b"0123456789abcdef0123456789abcdef" };
    let sealed = tokens.seal_successor(&presented, &successor, &SystemRandom).unwrap();
    assert!(!sealed.windows(4).any(|window| window == &successor.secret[..4]));
    assert!(!format!("{successor:?}{tokens:?}").contains("48, 49"));
}

#[test]
fn promise_4_the_hash_is_not_the_key_of_the_seal() {
    let tokens = tokens(1, 7);
    let presented = RefreshToken::first(id(), &SystemRandom).unwrap();
    let successor = presented.successor(&SystemRandom).unwrap();
    let sealed = tokens.seal_successor(&presented, &successor, &SystemRandom).unwrap();
    let nonce: [u8; 12] = sealed[..12].try_into().unwrap();
    let hash = tokens.hash(&presented);
    assert!(Ring.open(hash.as_bytes(), &nonce, b"", &sealed[12..]).is_err());
}

proptest! {
    #[test]
    fn any_refresh_token_survives_the_round_trip(
        grant in any::<[u8; 16]>(), generation in any::<u32>(), secret in any::<[u8; 32]>(), key_id in any::<u8>(),
    ) {
        let tokens = tokens(key_id, 3);
        let token = RefreshToken { grant: Id::from_bytes(grant), generation, secret };
        let read = tokens.open(tokens.seal(&token).expose()).unwrap();
        prop_assert_eq!((read.grant, read.generation, read.secret), (token.grant, generation, secret));
        prop_assert!(tokens.hash(&read).matches(&tokens.hash(&token)));
    }

    #[test]
    fn promise_7_no_text_panics_the_reader(text in ".{0,200}|cs_refresh_[A-Za-z0-9_-]{0,200}", sealed in any::<Vec<u8>>()) {
        let _ = tokens(1, 7).open(&text);
        let presented = RefreshToken { grant: Id::from_bytes([0; 16]), generation: 0, secret: [0; 32] };
        let _ = tokens(1, 7).open_successor(&presented, &sealed);
    }
}
