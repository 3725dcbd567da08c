//! What an account's owner is told and sees of it, and "that was not me" (NIST SP 800-63B-4 §4.2, promises 1, 5 and 12).

use std::time::Duration;

use countersign_mfa::AccountEventKind;
use countersign_mfa::oauth::Account as OwnAccount;

use super::account::{MINUTE, alice, bench, change, mails, room, sign_in};
use super::*;

/// The place that the link of a mail leads to.
fn link_of(mail: &str) -> String {
    let (_, link) = mail.split_once("https://id.example.com/not-me?link=").unwrap();
    format!("/not-me?link={}", link.split_whitespace().next().unwrap())
}

/// Presses the button of the page.
async fn press(browser: &mut Browser<'_>, place: &str) -> Response<Bytes> {
    browser.form("/not-me", place.split_once('?').unwrap().1).await
}

/// A mail about a name that was changed in alice's account.
async fn mail_about_a_change(bench: &Bench, browser: &mut Browser<'_>) -> String {
    let id = room(browser, "/account/factors").await["factors"][0]["id"].clone();
    mails(bench);
    let renamed = change(browser, "/account/factors", json!({"action": "rename", "id": id, "label": "Mine"})).await;
    assert_eq!(renamed.status(), StatusCode::OK);
    let mut told = mails(bench);
    assert_eq!(told.len(), 1, "{told:?}");
    told.remove(0)
}

#[tokio::test]
async fn nist_800_63b_4_2_the_link_of_a_notice_ends_everything_once_and_a_mail_scanner_ends_nothing() {
    let bench = bench().await;
    let (mut browser, _) = alice(&bench).await;
    let mut mallory = sign_in(&bench, "bob").await;
    let place = link_of(&mail_about_a_change(&bench, &mut browser).await);
    // Whoever reads mails opens it, without any cookie and as often as they like.
    let mut scanner = bench.browser();
    scanner.json = false;
    for _ in 0..3 {
        let page = scanner.get(&place).await;
        assert_eq!((page.status(), &body(&page)["state"]), (StatusCode::OK, &json!("confirm")));
    }
    assert_eq!(browser.get("/account").await.status(), StatusCode::OK);
    assert_eq!(bench.mfa.compromised(&"u-1".into()).await.unwrap(), None);
    // Another site's page presses no button.
    let query = place.split_once('?').unwrap().1.to_owned();
    let forged = Request::post("/not-me")
        .header(header::ORIGIN, "https://evil.example")
        .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
        .body(Bytes::from(query))
        .unwrap();
    assert_eq!(scanner.send(forged).await.status(), StatusCode::FORBIDDEN);
    assert_eq!(browser.get("/account").await.status(), StatusCode::OK);
    // Its reader does, in whatever browser.
    let done = press(&mut scanner, &place).await;
    assert_eq!((done.status(), &body(&done)["state"]), (StatusCode::OK, &json!("done")));
    assert_eq!(browser.get("/account").await.status(), StatusCode::UNAUTHORIZED);
    assert!(bench.mfa.compromised(&"u-1".into()).await.unwrap().is_some());
    let told = mails(&bench);
    assert!(told.len() == 1 && told[0].contains("It was reported") && !told[0].contains("/not-me"), "{told:?}");
    assert_eq!(mallory.get("/account").await.status(), StatusCode::OK, "nobody else's");
    let login = browser.authorize("scope=orders").await;
    assert_eq!(browser.password(&login, "alice").await["step"], "code");
    // Once.
    assert_eq!(scanner.get(&place).await.status(), StatusCode::GONE);
    assert_eq!(press(&mut scanner, &place).await.status(), StatusCode::GONE);
    assert_eq!(mails(&bench), [""; 0]);
}

#[tokio::test]
async fn nist_800_63b_4_2_the_link_works_for_a_week_whatever_was_changed_since_and_none_can_be_guessed() {
    let bench = bench().await;
    let (mut browser, _) = alice(&bench).await;
    let place = link_of(&mail_about_a_change(&bench, &mut browser).await);
    // A thief chooses another password, and everything from before has ended.
    let password = "another long password".into();
    bench.mfa.set_password(&"u-1".into(), &password).await.unwrap();
    let mut reader = bench.browser();
    reader.json = false;
    bench.clock.advance(Duration::from_secs(6 * 86_400));
    assert_eq!(reader.get(&place).await.status(), StatusCode::OK);
    let link = place.split_once("link=").unwrap().1;
    assert!(link.len() > 64, "128 bits that name it, and 256 that prove it: {link}");
    let last = if link.ends_with('A') { "B" } else { "A" };
    let guessed = format!("{}{last}", &link[..link.len() - 1]);
    for wrong in [guessed.as_str(), "", "cs_notme_x", &link.replace("cs_notme", "cs_reset")] {
        assert_eq!(reader.get(&format!("/not-me?link={wrong}")).await.status(), StatusCode::GONE, "{wrong}");
        assert_eq!(reader.form("/not-me", &format!("link={wrong}")).await.status(), StatusCode::GONE, "{wrong}");
    }
    bench.clock.advance(Duration::from_secs(86_400));
    assert_eq!(press(&mut reader, &place).await.status(), StatusCode::GONE);
    assert_eq!(bench.mfa.compromised(&"u-1".into()).await.unwrap(), None);
}

#[tokio::test]
async fn promise_1_of_many_who_press_the_button_at_once_one_spends_the_link() {
    let bench = bench().await;
    let (mut browser, _) = alice(&bench).await;
    let place = link_of(&mail_about_a_change(&bench, &mut browser).await);
    let pressed = (0..8).map(|_| async {
        let mut reader = bench.browser();
        reader.json = false;
        press(&mut reader, &place).await.status()
    });
    let all: Vec<_> = futures_util::future::join_all(pressed).await;
    assert_eq!(all.iter().filter(|status| **status == StatusCode::OK).count(), 1, "{all:?}");
    assert!(bench.mfa.compromised(&"u-1".into()).await.unwrap().is_some());
}

#[tokio::test]
async fn nist_800_63b_4_2_the_owner_is_told_what_was_ended_at_the_account_and_sees_it_there() {
    let bench = bench().await;
    let (mut browser, secret) = alice(&bench).await;
    let mut other = bench.browser();
    let login = other.authorize("scope=payments").await;
    let step = other.password(&login, "alice").await;
    let answer = json!({"answer": "code", "code": bench.code(&secret), "remember": true});
    let step = other.answer(&login, &step, answer).await;
    other.consent(&login, &step).await;
    mails(&bench);
    for (path, form, said) in [
        ("/account/devices", json!({"action": "forget_all"}), "asked for your second step again"),
        ("/account/sessions", json!({"action": "end_others"}), "signed you out on another device"),
        ("/account/applications", json!({"action": "disconnect", "id": "shop"}), "\"Shop\" has no access"),
    ] {
        bench.clock.advance(Duration::from_secs(1));
        assert_eq!(change(&mut browser, path, form).await.status(), StatusCode::OK, "{path}");
        let told = mails(&bench);
        assert!(told.len() == 1 && told[0].contains(said), "{path}: {told:?}");
        link_of(&told[0]);
    }
    // What was not there is not told.
    change(&mut browser, "/account/devices", json!({"action": "forget_all"})).await;
    assert_eq!(mails(&bench), [""; 0]);
    let shown = room(&mut browser, "/account/events").await;
    let events = shown["events"].as_array().unwrap();
    let names: Vec<_> = events.iter().map(|one| one["type"].as_str().unwrap()).collect();
    let expected = [
        "application_disconnected",
        "session_ended",
        "device_forgotten",
        "device_remembered",
        "new_browser",
        "new_browser",
        "factor_added",
    ];
    assert_eq!(names, expected);
    assert_eq!((&events[0]["about"], &events[6]["about"]), (&json!("Shop"), &json!("Authenticator app")));
    assert_eq!(events[0]["address"], "127.0.0.1");
    assert!(events[0]["at"].as_u64() > events[6]["at"].as_u64());
    assert!(!shown.to_string().contains(secret.base32().expose()));
    // Nobody else's, and nothing that is posted there.
    let mut mallory = sign_in(&bench, "bob").await;
    assert_eq!(room(&mut mallory, "/account/events").await["events"].as_array().unwrap().len(), 1);
    let posted = browser.try_answer("/account/events", &shown["csrf"], json!({"action": "clear"})).await;
    assert_eq!(posted.status(), StatusCode::METHOD_NOT_ALLOWED);
}

#[tokio::test]
async fn a_host_does_in_rust_what_the_pages_do() {
    let bench = bench().await;
    let (mut browser, _) = alice(&bench).await;
    bench.clock.advance(MINUTE);
    let account = OwnAccount::of(&bench.server, &bench.mfa, "u-1");
    assert_eq!((account.sessions().await.unwrap().len(), account.applications().await.unwrap().len()), (1, 1));
    assert!(account.devices().await.unwrap().is_empty());
    let factors = account.factors().await.unwrap();
    assert!(account.rename_factor(&factors[0].id, Some("Desk")).await.unwrap());
    assert!(!account.disconnect("bank").await.unwrap() && account.disconnect("shop").await.unwrap());
    mails(&bench);
    assert!(account.remove_factor(&factors[0].id).await.unwrap());
    assert_eq!(mails(&bench).len(), 1);
    assert_eq!(browser.get("/account").await.status(), StatusCode::UNAUTHORIZED);
    let events = account.events().await.unwrap();
    assert_eq!((events[0].what, events[0].address), (AccountEventKind::FactorRemoved, None));
    account.not_me().await.unwrap();
    assert!(bench.mfa.compromised(&"u-1".into()).await.unwrap().is_some());
}
