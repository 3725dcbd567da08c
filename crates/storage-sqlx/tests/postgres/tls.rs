//! TLS on the way to the server.

use countersign_storage_sqlx::{ServerTrouble, SqlStore};
use countersign_storage_traits::Store as _;
use countersign_tests::Postgres;

use crate::{SERVER, batch, refused};

/// Signed by itself, for 127.0.0.1 alone, until 2124.
const CERTIFICATE: &str = "\
-----BEGIN CERTIFICATE-----\n\
MIIBZzCCAQ2gAwIBAgIBATAKBggqhkjOPQQDAjAbMRkwFwYDVQQDDBBjb3VudGVy\n\
c2lnbiB0ZXN0MCAXDTI0MDEwMTAwMDAwMFoYDzIxMjQwMTAxMDAwMDAwWjAbMRkw\n\
FwYDVQQDDBBjb3VudGVyc2lnbiB0ZXN0MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcD\n\
QgAEMckOq0y0/LKgZ7028a/4DQuz24sUkGbgtV7SIIRQSOBkI5zhtryjvyphZUZo\n\
VBaDqacezHXNgxY0coZTBdQ9LaNAMD4wDwYDVR0RBAgwBocEfwAAATAMBgNVHRMB\n\
Af8EAjAAMB0GA1UdDgQWBBSONAqJjvI6ajLOEq2KyQqR564+GzAKBggqhkjOPQQD\n\
AgNIADBFAiAeQ551oqBmmxvC17k0Od+DDb0WhJ9iBQDmSQFwz5yYGAIhAPtnv/76\n\
bdgg1tkwQIyku1SEan80+OhEHI40TsgYPGTd\n\
-----END CERTIFICATE-----\n\
";
/// Its key, which is no secret.
const KEY: &str = "\
-----BEGIN PRIVATE KEY-----\n\
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQg/ogBySAzgFlJNxtG\n\
wKoAVg95l2/E158O8Z4j0kSuLxahRANCAAQxyQ6rTLT8sqBnvTbxr/gNC7PbixSQ\n\
ZuC1XtIghFBI4GQjnOG2vKO/KmFlRmhUFoOppx7Mdc2DFjRyhlMF1D0t\n\
-----END PRIVATE KEY-----\n\
";

#[tokio::test]
async fn sslmode_is_kept_to() {
    let plain = &SERVER;
    for mode in ["require", "verify-ca", "verify-full"] {
        let trouble = refused(&format!("{}?sslmode={mode}", plain.url())).await;
        assert_eq!(trouble, ServerTrouble::NoTls, "{mode}: nothing goes in the clear");
    }

    let server = Postgres::start_with(&[]);
    let certificate = server.file("server.crt", CERTIFICATE);
    let key = server.file("server.key", KEY);
    server.sql("postgres", &format!("ALTER SYSTEM SET ssl_cert_file = '{}'", certificate.display()));
    server.sql("postgres", &format!("ALTER SYSTEM SET ssl_key_file = '{}'", key.display()));
    server.sql("postgres", "ALTER SYSTEM SET ssl = on");
    server.stop();
    server.resume();
    let folder = countersign_tests::Scratch::new();
    let root = folder.file("root.crt", CERTIFICATE);
    let root = root.to_str().unwrap();

    let trusted = format!("sslmode=verify-full&sslrootcert={root}");
    for parameters in ["sslmode=require", "sslmode=prefer", &trusted] {
        let store = SqlStore::open(&format!("{}?{parameters}", server.url())).await.unwrap();
        store.commit(&batch(1, countersign_storage_traits::Expect::Any, "sealed on the way")).await.unwrap();
        let sealed = "SELECT bool_and(ssl) FROM pg_stat_ssl JOIN pg_stat_activity USING (pid) \
                      WHERE application_name = 'countersign'";
        assert_eq!(server.sql("postgres", sealed), "t", "{parameters}");
        drop(store);
    }
    // Nobody whom the system trusts signed it, and it is for no other name.
    assert_eq!(refused(&format!("{}?sslmode=verify-full", server.url())).await, ServerTrouble::Tls);
    let other = server.url().replace("127.0.0.1", "localhost");
    assert_eq!(refused(&format!("{other}?{trusted}")).await, ServerTrouble::Tls);
}
