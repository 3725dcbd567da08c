//! Promise 7: what a stranger's bytes claim takes no memory; only bytes that are there do, and few times over.
//!
//! A program of its own, since the allocator counts for all of it.

use std::alloc::System;

use countersign_mfa_webauthn::testkit::readers::READERS;
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// What every reader may take however little it is given: a parser's stack, the text of an error.
const FIXED: usize = 12 * 1024;
/// How many bytes may be allocated for each that came: decoded, and decoded again where a structure lies in a structure.
const FOR_EACH_BYTE: usize = 4;

/// Has every reader read `input`; tells those that allocated too much.
fn unbounded(what: &str, input: &[u8]) -> Vec<String> {
    let most = FIXED + FOR_EACH_BYTE * input.len();
    let by = |(reader, read): &(&'static str, fn(&[u8]))| {
        let region = Region::new(ALLOCATOR);
        read(input);
        let bytes = region.change().bytes_allocated;
        let told = || format!("{reader} took {bytes} bytes for {} of {what}, at most {most}", input.len());
        (bytes > most).then(told)
    };
    READERS.iter().filter_map(by).collect()
}

/// An answer of the browser whose member `name` is `value`.
fn answer(name: &str, value: &str) -> Vec<u8> {
    let mut text = String::from(r#"{"type":"public-key","response":{"clientDataJSON":"e30","attestationObject":"oA","#);
    text.push_str(r#""authenticatorData":"AA","signature":"AA"#);
    let inside = ["transports", "userHandle"].contains(&name);
    text.push_str(&if inside {
        format!(r#"","{name}":{value}}},"id":"aWQ"}}"#)
    } else {
        format!(r#""}},"id":"aWQ","{name}":{value}}}"#)
    });
    text.into_bytes()
}

// One test, so that no other allocates beside it.
#[test]
fn promise_7_no_allocation_grows_with_what_hostile_input_claims() {
    let mut told = Vec::new();
    // Lengths that are claimed and not there.
    for claim in [
        &b"\x5b\x00\x00\x00\x7f\xff\xff\xff\xff"[..],
        b"\x9b\x00\x00\x00\x7f\xff\xff\xff\xff",
        b"\xbb\x00\x00\x00\x7f\xff\xff\xff\xff",
        b"\xa3\x63fmt\x64none\x67attStmt\xbb\xff\xff\xff\xff\xff\xff\xff\xff",
        b"\x30\x84\x7f\xff\xff\xff\x30\x84\x7f\xff\xff\xf0",
        b"\xffTCG\x80\x17\x7f\xff\xff\xff",
        b"\x00\x23\x00\x0b\x00\x00\x00\x00\xff\xff",
    ] {
        told.extend(unbounded("claimed length", claim));
        told.extend(unbounded("claimed lengths in a row", &claim.repeat(500)));
    }
    // Small things many times over, which a tree of values would make large.
    for length in [1_000, 10_000] {
        told.extend(unbounded("CBOR arrays in arrays", &vec![0x81; length]));
        told.extend(unbounded("CBOR maps", &[&[0xb8, 64][..], &b"\x01\x80".repeat(length)].concat()));
        told.extend(unbounded("DER sequences in sequences", &b"\x30\x80".repeat(length)));
        told.extend(unbounded(
            "empty DER sequences",
            &[&[0x30, 0x82, 0x7f, 0xff][..], &b"\x30\x00".repeat(length)].concat(),
        ));
        for name in ["id", "rawId", "authenticatorAttachment", "clientExtensionResults", "transports", "userHandle"] {
            for member in [format!("[{}0]", "0,".repeat(length)), format!("{{{}\"\":0}}", "\"\":0,".repeat(length))] {
                told.extend(unbounded("small JSON members", &answer(name, &member)));
            }
            told.extend(unbounded("JSON arrays in arrays", &answer(name, &"[".repeat(length))));
            told.extend(unbounded(
                "names of one transport",
                &answer(name, &format!("[{}\"usb\"]", "\"usb\",".repeat(length))),
            ));
        }
        for entry in [format!("[{}0]", "0,".repeat(99)), format!(r#"{{"x":[{}0]}}"#, "[],".repeat(99))] {
            let entries = vec![entry; length / 100].join(",");
            let payload = format!(r#"{{"no":1,"nextUpdate":"2025-07-01","entries":[{entries}]}}"#);
            told.extend(unbounded("entries of metadata with small members", payload.as_bytes()));
        }
    }
    assert!(told.is_empty(), "{told:#?}");
}
