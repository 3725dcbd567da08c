//! The specification of PKCE, section by section.

mod rfc7636;
