//! Links by mail, as browsers, mail programs and attackers meet them.

use super::*;

const NEW: &str = "plum tree walks home";

impl Bench {
    /// The path of the link in the newest mail of this purpose.
    fn link(&self, purpose: Purpose) -> String {
        let mails = self.mailbox.0.lock().unwrap();
        let (_, _, text) = mails.iter().rev().find(|mail| mail.0 == purpose).unwrap();
        let line = text.lines().find(|line| line.contains("link=")).unwrap();
        line.strip_prefix(ISSUER).unwrap().to_owned()
    }

    fn mails(&self) -> usize {
        self.mailbox.0.lock().unwrap().len()
    }
}

impl Browser<'_> {
    /// As a page: HTML is asked for, and what the presenter was given comes back.
    fn page(mut self) -> Self {
        self.json = false;
        self
    }

    async fn forgot(&mut self, name: &str) -> Response<Bytes> {
        self.form("/password/forgot", &format!("username={name}&csrf=&answer=password_forgot")).await
    }
}

fn secret(path: &str) -> &str {
    path.split_once("link=").unwrap().1
}

fn reset_form(path: &str, password: &str) -> String {
    format!("link={}&new_password={}&csrf=&answer=password_reset", secret(path), password.replace(' ', "+"))
}

#[tokio::test]
async fn a_password_is_reset_by_forms_without_script_and_the_login_goes_on() {
    let bench = Bench::with_mail().await;
    let mut browser = bench.browser().page();
    let login = browser.authorize("scope=orders").await;
    let page = body(&browser.get(&login).await);
    assert_eq!((&page["step"], &page["may_reset"]), (&json!("password"), &json!(true)));
    let id = login.rsplit('/').next().unwrap();
    let page = body(&browser.get(&format!("/password/forgot?login={id}")).await);
    assert_eq!(
        (&page["step"], &page["state"], &page["back"]),
        (&json!("password_forgot"), &json!("ask"), &json!(login))
    );
    let sent = browser.forgot("alice").await;
    assert_eq!((sent.status(), &body(&sent)["state"]), (StatusCode::OK, &json!("sent")));
    let link = bench.link(Purpose::ResetPassword);
    assert!(link.starts_with("/password/reset?link=cs_reset_"), "{link}");
    // The link is opened elsewhere, as it may be: in the mail program's own browser.
    let mut elsewhere = bench.browser().page();
    let opened = elsewhere.get(&link).await;
    assert_eq!(opened.headers()[header::REFERRER_POLICY], "same-origin");
    assert_eq!(opened.headers()[header::CACHE_CONTROL], "no-store");
    let page = body(&opened);
    assert_eq!((&page["state"], page["link"].as_str()), (&json!("ask"), Some(secret(&link))));
    let short = elsewhere.form("/password/reset", &reset_form(&link, "short")).await;
    assert_eq!(short.status(), StatusCode::UNPROCESSABLE_ENTITY);
    let page = body(&short);
    assert_eq!((&page["error"], &page["minimum"]), (&json!("password_too_short"), &json!(15)));
    let done = elsewhere.form("/password/reset", &reset_form(&link, NEW)).await;
    assert_eq!((done.status(), &body(&done)["state"]), (StatusCode::OK, &json!("done")));
    assert!(elsewhere.cookies.is_empty(), "nobody is signed in by it: {:?}", elsewhere.cookies);
    let again = elsewhere.form("/password/reset", &reset_form(&link, NEW)).await;
    assert_eq!((again.status(), &body(&again)["cause"]), (StatusCode::GONE, &json!("link.dead")));
    // The login that was left goes on with the new password.
    let mut browser = Browser { json: true, ..browser };
    let step = browser.step(&login).await;
    let step = browser.answer(&login, &step, json!({"answer": "password", "login": "alice", "password": NEW})).await;
    assert!(browser.consent(&login, &step).await.starts_with("https://shop.example/cb?code="));
}

#[tokio::test]
async fn promise_6_asking_for_a_new_password_answers_alike_byte_by_byte() {
    let bench = Bench::with_mail().await;
    for form in [true, false] {
        let mut answers = Vec::new();
        // With an account; with one whose address is not verified; without one; with an address that has none.
        for name in ["alice", "bob", "nobody", "nobody%40example.net"] {
            let mut browser = Browser { json: !form, ..bench.browser() };
            let response = browser.forgot(name).await;
            answers.push((response.status(), response.headers().clone(), response.body().clone()));
        }
        assert_eq!(answers[0].0, StatusCode::OK);
        assert!(answers.windows(2).all(|two| two[0] == two[1]), "{answers:?}");
    }
    assert_eq!(bench.mails(), 4, "alice twice, and the address that has no account twice");
    // And when it is too much, alike too.
    let mut last = Vec::new();
    for name in ["alice", "bob", "nobody"] {
        loop {
            let response = bench.browser().forgot(name).await;
            if response.status() != StatusCode::OK {
                last.push((response.status(), response.headers().clone(), response.body().clone()));
                break;
            }
        }
    }
    assert_eq!(last[0].0, StatusCode::TOO_MANY_REQUESTS);
    assert!(last[0].1.contains_key(header::RETRY_AFTER));
    assert!(last.windows(2).all(|two| two[0] == two[1]), "{last:?}");
}

#[tokio::test]
async fn attack_host_header_poisoning_changes_no_link() {
    let bench = Bench::with_mail().await;
    for name in ["host", "x-forwarded-host", "forwarded", "x-original-host"] {
        let value = if name == "forwarded" { "host=evil.example" } else { "evil.example" };
        let mut request = Request::post("/password/forgot")
            .header("sec-fetch-site", "same-origin")
            .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
            .header(name, value)
            .body(Bytes::from_static(b"username=alice"))
            .unwrap();
        if name != "host" {
            request.headers_mut().insert(header::HOST, "id.example.com".parse().unwrap());
        }
        request.extensions_mut().insert(Peer::new(Ipv4Addr::LOCALHOST.into()));
        let before = bench.mails();
        let status = bench.server.handle(request).await.status();
        if name == "host" {
            assert_eq!((status, bench.mails()), (StatusCode::MISDIRECTED_REQUEST, before));
        } else {
            assert_eq!(status, StatusCode::OK);
            assert!(bench.link(Purpose::ResetPassword).starts_with("/password/reset?")); // of the issuer, or this fails
        }
    }
    assert!(bench.mailbox.0.lock().unwrap().iter().all(|mail| !mail.2.contains("evil")));
}

#[tokio::test]
async fn attack_a_mail_scanner_that_opens_every_link_spends_none() {
    let bench = Bench::with_mail().await;
    bench.browser().forgot("alice").await;
    let reset = bench.link(Purpose::ResetPassword);
    let mut browser = bench.browser();
    let login = browser.authorize("scope=orders").await;
    let step = browser.step(&login).await;
    let step = browser.answer(&login, &step, json!({"answer": "choose", "id": "magic_link"})).await;
    browser.answer(&login, &step, json!({"answer": "send_link", "login": "alice"})).await;
    let magic = bench.link(Purpose::MagicLink);
    assert!(magic.starts_with(&format!("{login}?link=cs_link_")), "{magic}");
    for _ in 0..3 {
        for link in [&reset, &magic] {
            let mut scanner = bench.browser().page();
            let opened = scanner.get(link).await;
            assert!(opened.status() == StatusCode::OK || opened.status() == StatusCode::GONE, "{}", opened.status());
            let head = Request::head(link.as_str()).body(Bytes::new()).unwrap();
            let _ = scanner.send(head).await;
        }
    }
    let opened = bench.browser().page().get(&magic).await;
    assert_eq!(body(&opened)["cause"], "link.other_browser");
    let step = browser.step(&magic).await;
    assert_eq!((&step["step"], step["link"].as_str()), (&json!("magic_link"), Some(secret(&magic))));
    let step = browser.answer(&login, &step, json!({"answer": "magic_link", "link": secret(&magic)})).await;
    assert_eq!(step["step"], "consent", "{step}");
    let done = bench.browser().form("/password/reset", &reset_form(&reset, NEW)).await;
    assert_eq!(done.status(), StatusCode::OK);
}

#[tokio::test]
async fn attack_a_page_of_another_site_asks_for_nothing_and_changes_nothing() {
    let bench = Bench::with_mail().await;
    bench.browser().forgot("alice").await;
    let link = bench.link(Purpose::ResetPassword);
    let before = bench.mails();
    let reset = reset_form(&link, NEW);
    let verify = format!("link={}", secret(&link));
    for (path, form) in [
        ("/password/forgot", "username=alice"),
        ("/password/reset", &reset),
        ("/password/change", "password=alice-password&new_password=plum+tree+walks+home"),
        ("/verify-email", &verify),
    ] {
        for (name, value) in [("origin", "https://evil.example"), ("sec-fetch-site", "cross-site"), ("x-none", "none")]
        {
            let request = Request::post(path)
                .header(name, value)
                .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
                .body(Bytes::from(form.to_owned()))
                .unwrap();
            let status = bench.browser().send(request).await.status();
            assert_eq!(status, StatusCode::FORBIDDEN, "{path} {name}");
        }
    }
    assert_eq!(bench.mails(), before);
    assert_eq!(bench.browser().form("/password/reset", &reset).await.status(), StatusCode::OK, "the link is unspent");
}

#[tokio::test]
async fn promise_12_a_reset_ends_every_session_of_its_owner() {
    let bench = Bench::with_mail().await;
    let mut browser = bench.browser();
    let login = browser.authorize("scope=orders").await;
    let step = browser.password(&login, "alice").await;
    browser.consent(&login, &step).await;
    let back = browser.authorize("scope=orders").await;
    assert!(back.starts_with("https://shop.example/cb?code="), "the session is enough: {back}");
    bench.browser().forgot("alice").await;
    let link = bench.link(Purpose::ResetPassword);
    bench.browser().form("/password/reset", &reset_form(&link, NEW)).await;
    let login = browser.authorize("scope=orders").await;
    assert_eq!(browser.step(&login).await["step"], "password");
    let notice = bench.mailbox.0.lock().unwrap().last().cloned().unwrap();
    assert_eq!((notice.0, notice.1.as_str()), (Purpose::Notice, "alice@example.com"));
}

#[tokio::test]
async fn promise_8_a_reset_leads_past_no_second_factor() {
    let bench = Bench::with_mail().await;
    let mut browser = bench.browser();
    let login = browser.authorize("scope=orders+payments").await;
    let (_, step) = browser.enrol(&login, "alice").await;
    browser.consent(&login, &step).await;
    let mut thief = bench.browser();
    let login = thief.authorize("scope=orders+payments").await;
    thief.forgot("alice").await;
    let link = bench.link(Purpose::ResetPassword);
    thief.form("/password/reset", &reset_form(&link, NEW)).await;
    let step = thief.step(&login).await;
    let step = thief.answer(&login, &step, json!({"answer": "password", "login": "alice", "password": NEW})).await;
    assert_eq!((&step["step"], &step["type"]), (&json!("code"), &json!("totp")));
    let wrong = thief.try_answer(&login, &step["csrf"], json!({"answer": "code", "code": "000000"})).await;
    assert_eq!(wrong.status(), StatusCode::UNPROCESSABLE_ENTITY);
}

#[tokio::test]
async fn rfc9700_4_12_a_magic_link_gives_the_cookie_a_new_value() {
    let bench = Bench::with_mail().await;
    let mut browser = bench.browser();
    let login = browser.authorize("scope=orders+payments").await;
    let step = browser.step(&login).await;
    let step = browser.answer(&login, &step, json!({"answer": "send_link", "login": "alice"})).await;
    assert_eq!((&step["step"], &step["sent"]), (&json!("magic_link"), &json!(true)));
    let planted = browser.clone();
    let link = bench.link(Purpose::MagicLink);
    let answer = json!({"answer": "magic_link", "link": secret(&link)});
    let step = browser.answer(&login, &step, answer.clone()).await;
    assert_eq!(step["step"], "enrol", "{step}");
    assert_ne!(planted.cookies, browser.cookies);
    // Whoever planted the cookie has nothing of it, and the link is spent.
    let mut planted = planted;
    let response = planted.get(&login).await;
    assert!(response.status().is_client_error(), "{}", response.status());
    // The thief of a link begins a login of his own, and the link is no good there.
    let mut thief = bench.browser();
    let other = thief.authorize("scope=orders").await;
    let step = thief.step(&other).await;
    let refused = thief.try_answer(&other, &step["csrf"], answer).await;
    assert_eq!((refused.status(), &body(&refused)["error"]), (StatusCode::UNPROCESSABLE_ENTITY, &json!("link_dead")));
}

#[tokio::test]
async fn a_password_is_changed_by_whoever_is_signed_in_who_stays_so_alone() {
    let bench = Bench::with_mail().await;
    let (mut browser, mut other) = (bench.browser(), bench.browser());
    assert_eq!(browser.get("/password/change").await.status(), StatusCode::UNAUTHORIZED);
    for browser in [&mut browser, &mut other] {
        let login = browser.authorize("scope=orders").await;
        let step = browser.password(&login, "alice").await;
        browser.consent(&login, &step).await;
    }
    let page = body(&browser.get("/password/change").await);
    assert_eq!((&page["account"], &page["needs_password"]), (&json!("alice"), &json!(true)));
    let change = |csrf: &Value, old: Option<&str>, new: &str| {
        let old = old.map(|old| format!("&password={old}")).unwrap_or_default();
        format!("csrf={}{old}&new_password={}", csrf.as_str().unwrap(), new.replace(' ', "+"))
    };
    let csrf = &page["csrf"];
    for (form, status, error) in [
        (change(&json!("x"), Some("alice-password"), NEW), StatusCode::FORBIDDEN, None),
        (change(csrf, None, NEW), StatusCode::UNPROCESSABLE_ENTITY, Some("wrong_old_password")),
        (change(csrf, Some("wrong"), NEW), StatusCode::UNPROCESSABLE_ENTITY, Some("wrong_old_password")),
        (
            change(csrf, Some("alice-password"), "alice-alice-alice"),
            StatusCode::UNPROCESSABLE_ENTITY,
            Some("password_pattern"),
        ),
    ] {
        let response = browser.form("/password/change", &form).await;
        assert_eq!(response.status(), status, "{form}");
        if let Some(error) = error {
            assert_eq!(body(&response)["error"], error);
        }
    }
    let before = browser.cookies.clone();
    let done = browser.form("/password/change", &change(csrf, Some("alice-password"), NEW)).await;
    assert_eq!((done.status(), &body(&done)["state"]), (StatusCode::OK, &json!("done")));
    assert_ne!(before, browser.cookies, "the cookie has a new value");
    assert_eq!(browser.get("/password/change").await.status(), StatusCode::OK, "this session goes on");
    assert_eq!(other.get("/password/change").await.status(), StatusCode::UNAUTHORIZED, "the others do not");
}

#[tokio::test]
async fn two_factors_proven_just_now_stand_in_for_the_old_password() {
    let bench = Bench::with_mail().await;
    let mut browser = bench.browser();
    let login = browser.authorize("scope=orders+payments").await;
    let (_, step) = browser.enrol(&login, "alice").await;
    browser.consent(&login, &step).await;
    let page = body(&browser.get("/password/change").await);
    assert_eq!(page["needs_password"], json!(false));
    bench.clock.advance(std::time::Duration::from_secs(601));
    let later = body(&browser.get("/password/change").await);
    assert_eq!(later["needs_password"], json!(true));
    let form = format!("csrf={}&new_password=plum+tree+walks+home", page["csrf"].as_str().unwrap());
    let late = browser.form("/password/change", &form).await;
    assert_eq!(body(&late)["error"], "wrong_old_password");
}

#[tokio::test]
async fn an_address_is_verified_by_the_button_behind_its_link() {
    let bench = Bench::with_mail().await;
    let mut browser = bench.browser();
    assert_eq!(browser.get("/verify-email").await.status(), StatusCode::UNAUTHORIZED);
    let login = browser.authorize("scope=orders").await;
    let step = browser.password(&login, "bob").await;
    browser.consent(&login, &step).await;
    let page = body(&browser.get("/verify-email").await);
    assert_eq!(page["state"], "ask");
    let sent = browser.form("/verify-email", &format!("csrf={}", page["csrf"].as_str().unwrap())).await;
    assert_eq!(body(&sent)["state"], "sent");
    let link = bench.link(Purpose::VerifyAddress);
    let mut elsewhere = bench.browser();
    assert_eq!(body(&elsewhere.get(&link).await)["state"], "confirm");
    // No link for a new password goes to an address that is not verified.
    let before = bench.mails();
    elsewhere.forgot("bob").await;
    assert_eq!(bench.mails(), before);
    let done = elsewhere.form("/verify-email", &format!("link={}", secret(&link))).await;
    assert_eq!(body(&done)["state"], "done");
    assert_eq!(elsewhere.form("/verify-email", &format!("link={}", secret(&link))).await.status(), StatusCode::GONE);
    elsewhere.forgot("bob").await;
    assert_eq!(bench.mails(), before + 1);
}

#[tokio::test]
async fn promise_7_what_belongs_to_no_form_is_refused() {
    let bench = Bench::with_mail().await;
    let send = async |content_type: &'static str, text: String| {
        let request = Request::post("/password/reset")
            .header(header::ORIGIN, ISSUER)
            .header(header::CONTENT_TYPE, content_type)
            .body(Bytes::from(text))
            .unwrap();
        bench.browser().send(request).await.status()
    };
    let (form, json) = ("application/x-www-form-urlencoded", "application/json");
    for (content_type, text) in [
        (form, "link=a&link=b".to_owned()),
        (form, "link=a&extra=b".to_owned()),
        (form, format!("link={}", "x".repeat(600))),
        (json, "[]".to_owned()),
        (json, r#"{"link":"a","link":"b"}"#.to_owned()),
        (json, r#"{"link":1}"#.to_owned()),
    ] {
        assert_eq!(send(content_type, text.clone()).await, StatusCode::BAD_REQUEST, "{text}");
    }
    assert!(send("text/plain", "link=a".to_owned()).await.is_client_error());
    let long = format!(r#"{{"link":"a","new_password":"{}"}}"#, "x".repeat(1_025));
    assert_eq!(send(json, long).await, StatusCode::GONE, "the link comes first");
}

#[tokio::test]
async fn without_a_sender_there_are_no_links() {
    let bench = Bench::new().await;
    for path in ["/password/forgot", "/password/reset?link=x", "/verify-email"] {
        assert_eq!(bench.browser().get(path).await.status(), StatusCode::NOT_FOUND, "{path}");
    }
}
