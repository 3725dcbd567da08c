//! Answers to a login.

use countersign_tests::{FrontEnd, User, Wire};

use super::{LIMIT, Provider};

#[test]
fn rfc6749_10_12_answers_to_a_login_that_are_not_its_own_pages() {
    let provider = Provider::start();
    let issuer = provider.quickstart.issuer();
    let mut browser = FrontEnd::new(issuer);
    let begin = |browser: &mut FrontEnd| browser.begin(&provider.quickstart.url(&provider.request("openid")));
    let other = begin(&mut browser);
    let foreign = browser.read(&other).json()["csrf"].as_str().unwrap().to_owned();
    let login = begin(&mut browser);
    assert_eq!(browser.read(&login).status, 200);
    let csrf = browser.csrf().to_owned();
    let target = login.strip_prefix(issuer).unwrap().to_owned();
    let cookies = browser.cookies();
    let answer = |csrf: &str| {
        let mut answer = User::alice().password();
        answer["csrf"] = csrf.into();
        answer.to_string()
    };
    let bare = |content_type: &str, body: &[u8]| {
        Wire::new("POST", &target).field("Content-Type", content_type).field("Cookie", &cookies).body(body)
    };
    let sent = |body: &str| bare("application/json", body.as_bytes());
    let own = |body: &str| sent(body).field("Origin", issuer);
    let form = |body: &[u8]| bare("application/x-www-form-urlencoded", body).field("Origin", issuer);
    let right = answer(&csrf);
    let member = |rest: &str| own(&format!(r#"{{"answer":"password","csrf":"{csrf}",{rest}}}"#));
    let fields = format!("answer=password&csrf={csrf}&username=alice&password=alice-password");
    let elsewhere = |target: &str| {
        Wire::new("POST", target)
            .field("Content-Type", "application/json")
            .field("Cookie", &cookies)
            .field("Origin", issuer)
            .body(&right)
    };
    let stranger =
        Wire::new("POST", &target).field("Content-Type", "application/json").field("Origin", issuer).body(&right);
    provider.check(vec![
        (
            "no anti-forgery value",
            own(r#"{"answer":"password","login":"alice","password":"alice-password"}"#),
            403,
            "invalid_request",
        ),
        ("an empty one", own(&answer("")), 403, "invalid_request"),
        ("a wrong one", own(&answer("x")), 403, "invalid_request"),
        ("that of another login", own(&answer(&foreign)), 403, "invalid_request"),
        ("a form without one", form(b"answer=password&username=alice&password=alice-password"), 403, "page"),
        ("no origin", sent(&right), 403, "invalid_request"),
        ("another origin", sent(&right).field("Origin", "https://attacker.example"), 403, "invalid_request"),
        ("no page's origin", sent(&right).field("Origin", "null"), 403, "invalid_request"),
        ("an origin that begins like ours", sent(&right).field("Origin", format!("{issuer}0")), 403, "invalid_request"),
        ("another site", own(&right).field("Sec-Fetch-Site", "cross-site"), 403, "invalid_request"),
        ("a sister site", own(&right).field("Sec-Fetch-Site", "same-site"), 403, "invalid_request"),
        (
            "a form of another site",
            bare("application/x-www-form-urlencoded", fields.as_bytes()).field("Origin", "https://attacker.example"),
            403,
            "page",
        ),
        ("another host", own(&right).host("attacker.example"), 421, "invalid_request"),
        ("no cookie", stranger, 400, "invalid_request"),
        ("two cookies", own(&right).field("Cookie", &cookies), 400, "invalid_request"),
        ("a login of nobody's", elsewhere("/login/AAAAAAAAAAAAAAAAAAAAAA"), 403, "invalid_request"),
        ("no login's name", elsewhere("/login/x"), 400, "invalid_request"),
        ("a path as its name", elsewhere("/login/..%2f..%2fetc%2fpasswd"), 400, "invalid_request"),
        ("a long name", elsewhere(&format!("/login/{}", "x".repeat(8_000))), 400, "invalid_request"),
        ("plain text", bare("text/plain", right.as_bytes()).field("Origin", issuer), 400, "page"),
        (
            "no type",
            Wire::new("POST", &target).field("Cookie", &cookies).field("Origin", issuer).body(&right),
            400,
            "page",
        ),
        ("nothing", own(""), 400, "invalid_request"),
        ("half of it", own(&right[..20]), 400, "invalid_request"),
        ("a list", own("[]"), 400, "invalid_request"),
        ("depth", own(&"[".repeat(60_000)), 400, "invalid_request"),
        ("two objects", own(&format!("{right}{right}")), 400, "invalid_request"),
        (
            "bytes that are not UTF-8",
            bare("application/json", b"{\"answer\":\"\xff\"}").field("Origin", issuer),
            400,
            "invalid_request",
        ),
        ("an answer of nobody's", own(&right.replace("\"password\",", "\"dance\",")), 400, "invalid_request"),
        ("a member twice", member(r#""login":"alice","login":"bob","password":"x""#), 400, "invalid_request"),
        ("a member of nobody's", member(r#""login":"alice","password":"x","admin":true"#), 400, "invalid_request"),
        ("a member of another answer", member(r#""login":"alice","password":"x","code":"1""#), 400, "invalid_request"),
        ("a number", member(r#""login":"alice","password":1"#), 400, "invalid_request"),
        ("a missing member", member(r#""login":"alice""#), 400, "invalid_request"),
        (
            "a long name of a user",
            member(&format!(r#""login":"{}","password":"x""#, "x".repeat(321))),
            400,
            "invalid_request",
        ),
        (
            "a long password",
            member(&format!(r#""login":"alice","password":"{}""#, "x".repeat(1_025))),
            400,
            "invalid_request",
        ),
        ("a large body", own(&" ".repeat(LIMIT + 1)), 413, "invalid_request"),
        (
            "a NUL in the password",
            member(r#""login":"alice","password":"alice-password\u0000""#),
            422,
            "wrong_password",
        ),
        (
            "a NUL in the user's name",
            member(r#""login":"alice\u0000","password":"alice-password""#),
            422,
            "wrong_password",
        ),
        ("consent before its time", own(&format!(r#"{{"answer":"consent","csrf":"{csrf}"}}"#)), 403, "invalid_request"),
        ("a field twice", form(format!("{fields}&password=x").as_bytes()), 400, "page"),
        ("a broken escape", form(format!("{fields}%z").as_bytes()), 400, "page"),
        ("an escaped NUL", form(format!("{fields}%00").as_bytes()), 400, "page"),
        ("PUT", Wire::new("PUT", &target).field("Cookie", &cookies), 405, "invalid_request"),
        ("DELETE", Wire::new("DELETE", &target).field("Cookie", &cookies), 405, "invalid_request"),
    ]);
    // The login itself is where it was.
    assert_eq!(User::alice().walk(&mut browser, &login, "done")["step"], "done");
}
