//! The OAuth 2.1 authorization server: endpoints, grants and client authentication.
