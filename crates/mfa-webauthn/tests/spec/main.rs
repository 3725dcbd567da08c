//! WebAuthn Level 3, a test a claim, named after the section.

#[cfg(test)]
mod vectors;
