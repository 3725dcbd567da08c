//! The quickstart's records beyond one process: a copy of the store, users and clients out and in as JSON lines, and a change of the
//! master key to its end.

#![expect(clippy::unwrap_used, reason = "a test's helpers fail as the test does")]

use std::fs;
use std::process::Command;
use std::time::{Duration, Instant};

use countersign_tests::{Callback, FrontEnd, Http, Quickstart, User};

const CLIENTS: &str = r#"
    [[client]]
    client_id = "bank"
    token_endpoint_auth_method = "none"
    redirect_uris = ["https://shop.example/callback"]
    scope = "openid offline_access"
    requires = { acr = "mfa" }
"#;

fn request(quickstart: &Quickstart) -> String {
    let callback = Callback::at("https://shop.example/callback");
    callback.authorization_url(quickstart.issuer(), "bank", "openid offline_access")
}

/// Runs a command on the quickstart's own records.
fn run(quickstart: &Quickstart, words: &[&str]) -> (Option<i32>, String) {
    let data = quickstart.data().to_string_lossy().into_owned();
    let config = quickstart.folder().join("quickstart.toml").to_string_lossy().into_owned();
    let switches = ["--data", &data, "--config", &config, "--issuer", quickstart.issuer()];
    quickstart.run(&[&switches, words].concat())
}

fn done(quickstart: &Quickstart, words: &[&str]) -> String {
    let (status, output) = run(quickstart, words);
    assert_eq!(status, Some(0), "{words:?}: {output}");
    output
}

fn key_file(quickstart: &Quickstart, name: &str) -> String {
    let path = quickstart.folder().join(name);
    let script = "umask 077; head -c 32 /dev/urandom | base64 > \"$1\"";
    let made = Command::new("sh").args(["-c", script, "sh"]).arg(&path).status();
    assert!(made.unwrap().success());
    path.to_string_lossy().into_owned()
}

#[test]
fn promise_3_after_an_orderly_stop_a_copy_of_store_db_alone_has_everything() {
    let mut quickstart = Quickstart::configured(CLIENTS, &[]);
    let callback = Callback::at("https://shop.example/callback");
    let mut alice = User::alice();
    let back = alice.sign_in(&mut FrontEnd::new(quickstart.issuer()), &request(&quickstart));
    let tokens = callback.exchange(&back, quickstart.issuer(), "bank").answer;
    assert!(quickstart.data().join("store.db-wal").exists(), "while it serves there is a log");
    quickstart.stop(); // SIGTERM
    let mut left: Vec<_> = fs::read_dir(quickstart.data()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    left.retain(|name| name.to_string_lossy().starts_with("store.db"));
    assert_eq!(left, ["store.db"]);

    // Taken to another place, it is served as if nothing had happened.
    let copy = quickstart.folder().join("restored.db");
    fs::copy(quickstart.data().join("store.db"), &copy).unwrap();
    fs::remove_file(quickstart.data().join("store.db")).unwrap();
    let key = quickstart.data().join("master.key").to_string_lossy().into_owned();
    quickstart.switch("--store", &format!("sqlite:{}", copy.display()));
    quickstart.switch("--master-key", &key);
    quickstart.start_again();
    let token = tokens["refresh_token"].as_str().unwrap();
    let form = [("grant_type", "refresh_token"), ("refresh_token", token), ("client_id", "bank")];
    assert_eq!(Http::new().post(&quickstart.url("/oauth/token"), &form, &[]).status, 200);
    let mut browser = FrontEnd::new(quickstart.issuer());
    let login = browser.begin(&request(&quickstart));
    assert_eq!(alice.walk(&mut browser, &login, "code")["type"], "totp", "the factor is known");

    // Commands leave it as whole as a server does.
    quickstart.stop();
    let file = quickstart.folder().join("export").to_string_lossy().into_owned();
    done(&quickstart, &["--store", &format!("sqlite:{}", copy.display()), "export", "--users", &file]);
    assert!(!quickstart.folder().join("restored.db-wal").exists());
}

#[test]
fn users_leave_with_their_factors_and_come_into_another_server() {
    let (here, there) = (Quickstart::configured(CLIENTS, &[]), Quickstart::configured(CLIENTS, &[]));
    // One that no start of a demo writes anew.
    let line = r#"{"user":{"sub":"u-1","username":"carol","email":"carol@example.com","email_verified":true,"groups":["staff"]}}"#;
    let lines = here.folder().join("lines").to_string_lossy().into_owned();
    fs::write(&lines, line).unwrap();
    assert!(done(&here, &["import", &lines]).contains("imported users=1 replaced=0 kept=0"), "while it serves");
    assert!(done(&here, &["import", &lines]).contains("imported users=0 replaced=0 kept=1"));
    let mut alice = User::alice();
    let back = alice.sign_in(&mut FrontEnd::new(here.issuer()), &request(&here));
    let _ = Callback::at("https://shop.example/callback").exchange(&back, here.issuer(), "bank");

    let (file, key) = (here.folder().join("export"), here.folder().join("transfer.key"));
    let (file, key) = (file.to_string_lossy().into_owned(), key.to_string_lossy().into_owned());
    let told = done(&here, &["export", "--users", "--clients", "--grants", "--transfer-key", &key, &file]);
    assert!(told.contains("exported users=3 clients=0 grants=1"), "{told}");
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    }
    let (status, output) = run(&here, &["export", "--users", &file]);
    assert!(status == Some(1) && output.contains("exists"), "nothing is overwritten: {output}");
    let (status, output) = run(&here, &["export", "x"]);
    assert!(status == Some(2) && output.contains("--users"), "{output}");

    let exported = fs::read_to_string(&file).unwrap();
    let parsed = |line: &str| serde_json::from_str::<serde_json::Value>(line).unwrap();
    assert!(exported.lines().any(|one| parsed(one) == parsed(line)) && exported.contains("$argon2id$"), "{exported}");
    let (status, output) = run(&there, &["import", "--transfer-key", &key, &file]);
    assert!(status == Some(1) && output.contains(", line ") && output.contains("grants are not imported"), "{output}");
    let users: String =
        exported.lines().filter(|line| !line.starts_with(r#"{"grant"#)).map(|line| line.to_owned() + "\n").collect();
    fs::write(&lines, users).unwrap();
    let told = done(&there, &["import", "--replace", "--transfer-key", &key, &lines]);
    // Carol came with the lines before the one that failed.
    assert!(told.contains("imported users=0 replaced=3 kept=0"), "{told}");
    // The app of before is asked for, and enough.
    let mut browser = FrontEnd::new(there.issuer());
    let login = browser.begin(&request(&there));
    assert_eq!(alice.walk(&mut browser, &login, "code")["type"], "totp");
}

#[test]
fn promise_3_a_change_of_the_master_key_ends_by_itself_through_kills_and_is_told_at_admin_health() {
    const TOKEN: &str = "4d5f4e8f9a63d2c17e58f0abb7c1e0a9";
    const USERS: usize = 700;
    let mut quickstart = Quickstart::configured(CLIENTS, &["--admin-token", TOKEN]);
    let lines: String = (0..USERS)
        .map(|number| format!("{{\"user\":{{\"sub\":\"u-{number}\",\"username\":\"user{number}\"}}}}\n"))
        .collect();
    let file = quickstart.folder().join("lines").to_string_lossy().into_owned();
    fs::write(&file, lines).unwrap();
    assert!(done(&quickstart, &["import", &file]).contains(&format!("imported users={USERS}")));
    let (old, new) = (quickstart.data().join("master.key"), key_file(&quickstart, "new.key"));
    let old = old.to_string_lossy().into_owned();
    quickstart.stop();
    quickstart.switch("--master-key", &new);
    quickstart.switch("--earlier-master-key", &old);
    quickstart.start_again();
    let resealing = |quickstart: &Quickstart| {
        let bearer = format!("Bearer {TOKEN}");
        let reply = Http::new().get(&quickstart.url("/admin/health"), &[("authorization", &bearer)]);
        assert_eq!(reply.status, 200, "{}", reply.body);
        reply.json()["resealing"].clone()
    };
    // Killed three times, wherever its walk has come to: each start begins it anew.
    for pause in [0, 150, 300] {
        std::thread::sleep(Duration::from_millis(pause));
        quickstart.crash();
    }
    let deadline = Instant::now() + Duration::from_secs(120);
    let found = loop {
        let found = resealing(&quickstart);
        if !found["left"].is_null() {
            break found;
        }
        assert!(Instant::now() < deadline, "{found}");
        std::thread::sleep(Duration::from_millis(100));
    };
    assert!(found["walked_at"].is_u64(), "{found}");
    // Nobody signed in: what never expires is all there was.
    assert!(found["left"] == 0 && found["needed_until"].is_null(), "{found}");
    quickstart.stop();
    fs::remove_file(&old).unwrap();
    let out = quickstart.folder().join("export").to_string_lossy().into_owned();
    let told = done(&quickstart, &["--master-key", &new, "export", "--users", &out]);
    assert!(told.contains(&format!("exported users={}", USERS + 2)), "{told}");
}

#[test]
fn a_master_key_is_changed_to_its_end_and_the_old_one_thrown_away() {
    let mut quickstart = Quickstart::configured(CLIENTS, &[]);
    let mut alice = User::alice();
    let _ = alice.sign_in(&mut FrontEnd::new(quickstart.issuer()), &request(&quickstart));
    let (old, new) = (quickstart.data().join("master.key"), key_file(&quickstart, "new.key"));
    let old = old.to_string_lossy().into_owned();
    quickstart.stop();
    quickstart.switch("--next-master-key", &new);
    quickstart.start_again();
    quickstart.stop();
    quickstart.switch("--master-key", &new);
    quickstart.switch("--next-master-key", &new); // it may stay: it opens nothing more
    quickstart.switch("--earlier-master-key", &old);
    quickstart.start_again();
    let keys = ["--master-key", &new, "--earlier-master-key", &old, "reseal"];
    let told = done(&quickstart, &keys);
    assert!(told.contains("the earlier key is needed until "), "a session and a grant are there: {told}");
    let told = done(&quickstart, &keys);
    assert!(told.contains("resealed records=0 left=0"), "once is enough: {told}");
    // What never expires opens under the new key alone: users and factors are there.
    quickstart.stop();
    fs::remove_file(&old).unwrap();
    let file = quickstart.folder().join("export").to_string_lossy().into_owned();
    let transfer = quickstart.folder().join("transfer.key").to_string_lossy().into_owned();
    let told = done(&quickstart, &["--master-key", &new, "export", "--users", "--transfer-key", &transfer, &file]);
    assert!(told.contains("exported users=2"), "{told}");
    assert!(fs::read_to_string(&file).unwrap().contains("authenticators_sealed"));
}
