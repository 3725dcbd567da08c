//! A TOTP code looked for in three steps.

use std::hint::black_box;

use countersign::otp::{TotpParameters, TotpSecret};

use crate::host::START;
use crate::meter::{Subject, subject};

pub(super) fn subjects() -> Vec<Box<dyn Subject>> {
    let secret = TotpSecret::from_bytes(b"12345678901234567890", TotpParameters::default()).unwrap();
    let code = secret.code_at(START).expose().to_owned();
    vec![subject(
        "totp",
        || (),
        move |()| {
            black_box(secret.check(black_box(&code), START, Some(1)).unwrap());
        },
    )]
}
