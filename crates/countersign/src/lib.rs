//! Assemble your own OAuth 2.1 / OpenID Connect authorization server with multi-factor authentication.
