//! JOSE, opaque handles and signing keys for authorization servers.
