//! WebAuthn Level 3, a test a claim, named after the section.

#[cfg(test)]
mod attestation;
#[cfg(test)]
mod authentication;
#[cfg(test)]
mod hostile;
#[cfg(test)]
mod metadata;
#[cfg(test)]
mod registration;
#[cfg(test)]
mod signals;
#[cfg(test)]
mod site;
#[cfg(test)]
mod vectors;
