//! How surely somebody is who they say, and how surely somebody must be.

mod acr;
mod requirement;
mod signed_in;

pub use acr::{Acr, AcrClass, AcrTable};
pub use requirement::Requirement;
pub use signed_in::{Amr, Proof, Remembered, SignedIn};

#[cfg(test)]
mod tests;
