//! OpenID Connect as an extension of countersign-oauth-core.
