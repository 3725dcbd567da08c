#![no_main]

use countersign_mfa_webauthn::testkit::readers;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| readers::android_key(bytes));
