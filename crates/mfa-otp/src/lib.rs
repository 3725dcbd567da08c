//! HOTP, TOTP and delivered one-time codes: generate, hash and check.
