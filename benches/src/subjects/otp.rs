//! A TOTP code looked for in three steps: one that is of none of them, and one of each end. They must cost the same (M23).

use std::hint::black_box;
use std::time::Duration;

use countersign::UnixTime;
use countersign::otp::{TotpParameters, TotpSecret};

use crate::host::START;
use crate::meter::{Subject, subject};

pub(super) fn subjects() -> Vec<Box<dyn Subject>> {
    let step = Duration::from_secs(30);
    vec![
        checking("totp", START),
        checking("totp-oldest", START.minus(step)),
        checking("totp-none", START.minus(step * 40)),
    ]
}

/// The check of the code of this time.
fn checking(name: &'static str, of: UnixTime) -> Box<dyn Subject> {
    let secret = TotpSecret::from_bytes(b"12345678901234567890", TotpParameters::default()).unwrap();
    let code = secret.code_at(of).expose().to_owned();
    subject(
        name,
        || (),
        move |()| {
            let _ = black_box(secret.check(black_box(&code), START, Some(1)));
        },
    )
}
