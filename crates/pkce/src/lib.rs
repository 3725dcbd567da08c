//! PKCE (RFC 7636): code verifier and code challenge, for both sides.
