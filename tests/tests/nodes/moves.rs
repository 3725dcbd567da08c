//! What one node begins another ends.

use countersign_tests::{FrontEnd, Http, Postgres, Quickstart, User};
use serde_json::json;

use crate::site::{Site, answered};

#[test]
fn a_login_begun_on_one_node_ends_on_the_other_and_so_does_all_that_follows() {
    let site = Site::open();
    let mut user = User::alice();
    let mut front_end = FrontEnd::new(site.issuer());
    site.lead_to(0);
    let login = front_end.begin(&site.request("bank"));
    site.lead_to(1);
    // Password and enrolment on the second node, its confirmation on the first.
    user.walk(&mut front_end, &login, "recovery_codes");
    site.lead_to(0);
    let done = user.walk(&mut front_end, &login, "done");
    let code = site.code_in(&done);
    site.lead_to(1);
    let tokens = answered(&site.redeem("bank", &code));
    site.lead_to(0);
    assert_eq!(answered(&site.userinfo(&tokens))["sub"], "alice");

    // The session that the first node made is known to the second, and so is what it issues.
    let first = site.grant();
    site.lead_to(1);
    let second = answered(&site.refresh(&first));
    site.lead_to(0);
    let third = answered(&site.refresh(&second));
    assert_eq!(answered(&site.userinfo(&third))["sub"], "alice");
    let keys = [0, 1].map(|node| {
        site.lead_to(node);
        answered(&Http::new().get(&format!("{}/.well-known/jwks.json", site.issuer()), &[]))
    });
    assert_eq!(keys[0], keys[1], "one key ring");
}

#[test]
fn the_quickstart_runs_on_postgresql_and_finds_everything_again_after_a_restart() {
    let database = Postgres::start();
    let mut quickstart = Quickstart::start(&["--store", &database.url()]);
    let callback = countersign_tests::Callback::at(&quickstart.url("/demo/callback"));
    let mut user = User::alice();
    let mut front_end = FrontEnd::new(quickstart.issuer());
    let request = callback.authorization_url(quickstart.issuer(), "demo-mfa", "openid offline_access");
    let back = user.sign_in(&mut front_end, &request);
    let tokens = callback.exchange(&back, quickstart.issuer(), "demo-mfa");
    assert_eq!(tokens.claims["sub"], "alice");
    let refresh = |quickstart: &Quickstart, tokens: &serde_json::Value| {
        let refresh_token = tokens["refresh_token"].as_str().unwrap();
        let form = [("grant_type", "refresh_token"), ("refresh_token", refresh_token), ("client_id", "demo-mfa")];
        answered(&Http::new().post(&quickstart.url("/oauth/token"), &form, &[]))
    };
    let second = refresh(&quickstart, &tokens.answer);
    quickstart.restart();
    let third = refresh(&quickstart, &second);
    assert_ne!(third["refresh_token"], second["refresh_token"]);
    // The factor is known, the code that enrolled it is spent, and a new login asks for another.
    let mut front_end = FrontEnd::new(quickstart.issuer());
    let login = front_end.begin(&request);
    let step = user.walk(&mut front_end, &login, "code");
    assert_eq!(step["type"], json!("totp"));
    user.walk(&mut front_end, &login, "done");
    assert!(!quickstart.data().join("store.db").exists(), "nothing is kept in a file");
    let rows = database.sql("countersign", "SELECT count(*) > 5 FROM countersign_record");
    assert_eq!(rows, "t");
}

#[test]
fn promise_4_a_database_that_does_not_let_it_in_is_named_without_its_password() {
    let database = Postgres::start();
    let scratch = countersign_tests::Scratch::new();
    for (url, says) in [
        (database.url_of("countersign", "hunter2", "countersign"), "refuses this user"),
        (database.url_of("countersign", "postgres-password", "nowhere"), "no such database"),
        (format!("{}?sslmode=require", database.url()), "offers no TLS"),
        ("postgres://u:hunter2@127.0.0.1:1/x".to_owned(), "cannot be reached"),
        ("postgres://u:hunter2@127.0.0.1:port/x".to_owned(), "a store's URL is"),
    ] {
        let output = Quickstart::command(scratch.path()).args(["--listen", "localhost:0", "--store", &url]).output();
        let output = output.unwrap();
        let told = String::from_utf8_lossy(&output.stderr);
        assert!(told.contains(says), "{told}");
        assert!(!told.contains("hunter2") && !told.contains("postgres-password"), "{told}");
        assert_eq!(output.status.code(), Some(if says.starts_with("a store's") { 2 } else { 1 }), "{told}");
    }
}
