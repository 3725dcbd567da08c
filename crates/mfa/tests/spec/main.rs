//! What the specifications and the attacks on record ask of a login, a module each.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test's helpers fail as the test does")]

mod account_events;
mod accounts;
mod adding;
mod after_compromise;
mod assurance;
mod button_tokens;
mod clock_drift;
mod crash;
mod delivered_codes;
mod delivered_secrets;
mod delivered_walks;
mod ended;
mod first_enrolment;
#[cfg(feature = "geoip")]
mod geoip;
mod guessing;
mod guessing_in_a_row;
mod guessing_without_cookies;
mod hooks;
mod host_factor;
mod letterbox;
mod links;
mod metadata;
#[cfg(feature = "geoip")]
mod mmdb;
mod notices;
mod on_file;
mod one_time_codes;
mod passkeys;
mod policies;
mod push;
mod recovery_codes;
mod remembered_devices;
mod risk;
mod sent_challenges;
mod settings;
mod step_up;
mod support;
mod walks;
