//! Messages on their way out of the quickstart: through a mail server, through a service of Twilio's shape, through a hook.

use std::collections::BTreeMap;
use std::fs;
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread;
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use countersign_tests::{Asked, Callback, FrontEnd, Http, Page, Quickstart, Scratch, User, site};
use ring::hmac;
use serde_json::{Value, json};

#[path = "../../../crates/delivery-smtp/tests/smtp/server.rs"]
mod mail_server;

use mail_server::{Server as MailServer, Tls};

const ACCOUNT: &str = "AC0123456789abcdef0123456789abcdef";
const SERVICE: &str = "VA0123456789abcdef0123456789abcdef";
const CLIENT: &str = r#"
    [[client]]
    client_id = "shop"
    token_endpoint_auth_method = "none"
    redirect_uris = ["https://shop.example/callback"]
    scope = "openid"
    requires = { acr = "mfa" }
"#;
const NUMBER: &str = "+4930901820";

/// A provider whose messages leave it, and whoever wants to sign in.
struct Provider {
    quickstart: Quickstart,
    callback: Callback,
    _secrets: Scratch,
}

impl Provider {
    /// `toml` names files of secrets by `SECRETS/NAME`.
    fn start(toml: &str, secrets: &[(&str, &str)], switches: &[&str]) -> Self {
        let scratch = Scratch::new();
        for (name, text) in secrets {
            let _ = scratch.file(name, text);
        }
        let toml = format!("{CLIENT}{}", toml.replace("SECRETS", &scratch.path().to_string_lossy()));
        let callback = Callback::at("https://shop.example/callback");
        Self { quickstart: Quickstart::configured(&toml, switches), callback, _secrets: scratch }
    }

    /// A login that stands where the second factor begins.
    fn begin(&self, user: &User) -> (FrontEnd, String, Value) {
        let mut browser = FrontEnd::new(self.quickstart.issuer());
        let login = browser.begin(&self.callback.authorization_url(self.quickstart.issuer(), "shop", "openid"));
        let _ = browser.read(&login);
        let step = browser.answer(&login, user.password()).json();
        (browser, login, step)
    }

    /// The same, and a number or address to which a code shall go.
    fn ask_for_code(&self, to: &str) -> (FrontEnd, String, Value) {
        self.ask_as(&User::alice(), to)
    }

    fn ask_as(&self, user: &User, to: &str) -> (FrontEnd, String, Value) {
        let (mut browser, login, step) = self.begin(user);
        assert_eq!(step["step"], "contact", "{step}");
        let step = browser.answer(&login, json!({ "answer": "contact", "to": to })).json();
        (browser, login, step)
    }

    fn forgot(&self, username: &str) -> u16 {
        let form = [("username", username), ("csrf", "")];
        let reply = Http::new().post(
            &self.quickstart.url("/password/forgot"),
            &form,
            &[("origin", self.quickstart.issuer()), ("accept", "text/html")],
        );
        reply.status
    }
}

#[track_caller]
fn next(arrived: &Receiver<Asked>) -> Asked {
    arrived.recv_timeout(Duration::from_secs(20)).expect("a request arrives")
}

fn form(asked: &Asked) -> BTreeMap<String, String> {
    form_urlencoded::parse(asked.body.as_bytes()).into_owned().collect()
}

/// A service that takes what is posted, and answers by what it says of each request.
fn service(answer: impl Fn(&Asked, usize) -> u16 + Send + 'static) -> (String, Receiver<Asked>) {
    let (tell, arrived) = channel();
    let count = std::cell::Cell::new(0);
    let origin = site(move |asked| {
        let status = answer(asked, count.replace(count.get() + 1));
        let (line, fields, body) = (asked.line.clone(), asked.fields.clone(), asked.body.clone());
        tell.send(Asked { line, fields, body }).ok();
        Page { status, ..Page::new(r#"{"sid":"SM1"}"#) }
    });
    (origin, arrived)
}

#[test]
fn a_mail_goes_through_a_server_by_tls_starttls_and_in_the_clear_to_loopback() {
    for (tls, scheme) in [(Tls::Wrapped, "smtps"), (Tls::Starttls, "smtp"), (Tls::None, "smtp")] {
        let login = (tls != Tls::None).then_some("mailer:hunter2-smtp");
        let server = MailServer::start(tls, &["localhost"], login);
        let mut toml = format!(
            "[mfa]\nfactors = [\"email\", \"recovery_code\"]\n\
             [mail]\nsmtp = \"{scheme}://localhost:{}\"\nfrom = \"Example <no-reply@example.com>\"\ntrust = \"SECRETS/ca.pem\"\n",
            server.port
        );
        if login.is_some() {
            toml.push_str("user = \"mailer\"\npassword = { file = \"SECRETS/password\" }\n");
        }
        let secrets = [("ca.pem", server.authority.as_str()), ("password", "hunter2-smtp\n")];
        let mut provider = Provider::start(&toml, &secrets, &[]);
        let (mut browser, sign_in, step) = provider.ask_for_code("alice@example.org");
        assert_eq!(step["step"], "enrol", "{step}");
        let mail: Value = serde_json::from_str(&server.mail()).unwrap();
        assert_eq!((&mail["to"], &mail["sender"]), (&json!(["alice@example.org"]), &json!("no-reply@example.com")));
        assert_eq!(mail["tls"], tls != Tls::None, "{mail}");
        assert_eq!(mail["user"], login.map_or(Value::Null, |_| json!("mailer")));
        let content = mail["content"].as_str().unwrap().to_owned();
        let subject = content.lines().find(|line| line.starts_with("Subject: ")).unwrap();
        let code = code_in(subject);
        let step = browser.answer(&sign_in, json!({ "answer": "enrol", "code": code })).json();
        assert_eq!(step["step"], "recovery_codes", "{step}");
        // Owners are told of the new factor by the same way.
        let notice: Value = serde_json::from_str(&server.mail()).unwrap();
        assert_eq!(notice["to"], json!(["alice@example.com"]));
        assert!(server.took_no_more() && provider.quickstart.messages().is_empty(), "nothing else, and nothing twice");
        let log = provider.quickstart.process().output();
        assert!(log.contains("message.sent") && !log.contains("hunter2-smtp") && !log.contains(&code), "{log}");
    }
}

/// The first six digits in a row.
#[track_caller]
fn code_in(text: &str) -> String {
    let words = text.split(|letter: char| !letter.is_ascii_digit());
    words.into_iter().find(|word| word.len() == 6).expect("a code in it").to_owned()
}

fn twilio(origin: &str, more: &str) -> String {
    format!(
        "[mfa]\nfactors = [\"sms\", \"recovery_code\"]\n\
         [twilio]\naccount_sid = \"{ACCOUNT}\"\nauth_token = {{ file = \"SECRETS/token\" }}\nfrom = \"+15005550006\"\n\
         base_url = \"{origin}\"\n{more}"
    )
}

const TOKEN: [(&str, &str); 1] = [("token", "hunter2-twilio\n")];

#[test]
fn a_text_message_goes_through_twilio_is_tried_again_and_its_fate_is_an_event() {
    let (origin, arrived) = service(|_, count| if count == 0 { 503 } else { 201 });
    let more = "status_callback = true\n[delivery]\nretries = { wait = \"50ms\" }\n";
    let mut provider = Provider::start(&twilio(&origin, more), &TOKEN, &[]);
    let (mut browser, login, step) = provider.ask_for_code(NUMBER);
    assert_eq!(step["step"], "enrol", "{step}");
    let (first, second) = (next(&arrived), next(&arrived));
    assert_eq!(first.body, second.body, "the same message again");
    assert_eq!(second.line, format!("POST /2010-04-01/Accounts/{ACCOUNT}/Messages.json"));
    let basic = format!("Basic {}", STANDARD.encode(format!("{ACCOUNT}:hunter2-twilio")));
    assert_eq!(second.field("authorization"), Some(basic.as_str()));
    let sent = form(&second);
    assert_eq!((sent["To"].as_str(), sent["From"].as_str()), (NUMBER, "+15005550006"));
    let code = code_in(&sent["Body"]);

    let address = sent["StatusCallback"].clone();
    assert!(address.starts_with(&provider.quickstart.url("/hooks/twilio?message=")), "{address}");
    let report = [("AccountSid", ACCOUNT), ("MessageSid", "SM1"), ("MessageStatus", "undelivered")];
    let signature = |token: &str| {
        let text = report.iter().fold(address.clone(), |text, (name, value)| text + name + value);
        let key = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, token.as_bytes());
        STANDARD.encode(hmac::sign(&key, text.as_bytes()).as_ref())
    };
    let post = |token: &str| Http::new().post(&address, &report, &[("x-twilio-signature", &signature(token))]).status;
    assert_eq!((post("another token"), post("hunter2-twilio"), post("hunter2-twilio")), (403, 204, 204));
    provider.quickstart.process().wait_for(Duration::from_secs(10), |line| {
        (line.contains("message.lost") && line.contains("message.undelivered")).then_some(())
    });

    let step = browser.answer(&login, json!({ "answer": "enrol", "code": code })).json();
    assert_eq!(step["step"], "recovery_codes", "{step}");
    let log = provider.quickstart.process().output();
    assert!(!log.contains("hunter2-twilio") && !log.contains(&code), "{log}");
}

#[test]
fn codes_go_through_verify_and_notices_do_not() {
    let (origin, arrived) = service(|_, _| 201);
    let verify = format!("verify_service = \"{SERVICE}\"\nverify_base_url = \"{origin}\"\n");
    let provider = Provider::start(&twilio(&origin, &verify), &TOKEN, &[]);
    let (mut browser, login, _) = provider.ask_for_code(NUMBER);
    let asked = next(&arrived);
    assert_eq!(asked.line, format!("POST /v2/Services/{SERVICE}/Verifications"));
    let code = form(&asked)["CustomCode"].clone();
    let step = browser.answer(&login, json!({ "answer": "enrol", "code": code })).json();
    assert_eq!(step["step"], "recovery_codes", "{step}");
    let told = [next(&arrived), next(&arrived)];
    let of = |end: &str| told.iter().find(|asked| asked.line.ends_with(end)).unwrap();
    let _notice = of(&format!("POST /2010-04-01/Accounts/{ACCOUNT}/Messages.json"));
    let entered = of("/Verifications/%2B4930901820");
    assert_eq!(form(entered)["Status"], "approved", "Verify watches its routes by it");
}

#[test]
fn m32_countries_and_budgets_of_the_file_hold() {
    let (origin, arrived) = service(|_, _| 201);
    let more = "[messages]\ncountries = [\"DE\"]\nphone_number = { attempts = 1, window = \"1h\" }\n";
    let users = ["--demo-user", "alice:alice-password", "--demo-user", "bob:b", "--demo-user", "carol:c"];
    let provider = Provider::start(&twilio(&origin, more), &TOKEN, &users);
    let (_, _, step) = provider.ask_as(&User::new("carol", "c"), "+43136002000");
    assert_eq!(step["error"], "unreachable", "another country: {step}");
    let (_, _, step) = provider.ask_for_code(NUMBER);
    assert!(step["error"].is_null(), "{step}");
    assert_eq!(form(&next(&arrived))["To"], NUMBER);
    let (_, _, step) = provider.ask_as(&User::new("bob", "b"), NUMBER);
    assert_eq!(step["error"], "too_soon", "{step}");
    assert!(step["resend_in"].as_u64().unwrap() > 3_000, "by the budget of the number: {step}");
    assert_eq!(
        arrived.recv_timeout(Duration::from_millis(500)).map(|asked| asked.body),
        Err(RecvTimeoutError::Timeout)
    );
}

#[test]
fn a_hook_gets_every_message_signed() {
    let (origin, arrived) = service(|_, _| 200);
    let key = [7; 32];
    let secret = format!("whsec_{}", STANDARD.encode(key));
    let toml = format!(
        "[mfa]\nfactors = [\"voice\", \"recovery_code\"]\n[hook]\nurl = \"{origin}/messages\"\nsecret = {{ file = \"SECRETS/hook\" }}\n"
    );
    let provider = Provider::start(&toml, &[("hook", &secret)], &[]);
    let (mut browser, login, _) = provider.ask_for_code(NUMBER);
    let asked = next(&arrived);
    let of = |name| asked.field(name).unwrap();
    let signed = format!("{}.{}.{}", of("webhook-id"), of("webhook-timestamp"), asked.body);
    let signature = of("webhook-signature").strip_prefix("v1,").unwrap();
    let key = hmac::Key::new(hmac::HMAC_SHA256, &key);
    assert!(hmac::verify(&key, signed.as_bytes(), &STANDARD.decode(signature).unwrap()).is_ok());
    let message: Value = serde_json::from_str(&asked.body).unwrap();
    assert_eq!((&message["channel"], &message["to"]), (&json!("voice"), &json!(NUMBER)));
    let step = browser.answer(&login, json!({ "answer": "enrol", "code": message["code"] })).json();
    assert_eq!(step["step"], "recovery_codes", "{step}");
}

#[test]
fn promise_6_a_slow_gateway_tells_nobody_who_has_an_account() {
    const SLOW: Duration = Duration::from_secs(4);
    let (origin, arrived) = service(|_, _| {
        thread::sleep(SLOW);
        200
    });
    let secret = format!("whsec_{}", STANDARD.encode([7; 32]));
    let toml = format!("[hook]\nurl = \"{origin}/\"\nsecret = {{ file = \"SECRETS/hook\" }}\n");
    let provider = Provider::start(&toml, &[("hook", &secret)], &[]);
    for username in ["nobody", "alice"] {
        let begun = Instant::now();
        assert_eq!(provider.forgot(username), 200);
        assert!(begun.elapsed() < SLOW / 2, "{username} waited for the gateway");
    }
    assert!(next(&arrived).body.contains("alice@example.com"));
}

#[test]
fn what_is_held_is_sent_before_the_process_ends() {
    let (origin, arrived) = service(|_, _| {
        thread::sleep(Duration::from_millis(500));
        200
    });
    let secret = format!("whsec_{}", STANDARD.encode([7; 32]));
    let toml =
        format!("[hook]\nurl = \"{origin}/\"\nsecret = {{ file = \"SECRETS/hook\" }}\n[delivery]\nat_once = 1\n");
    let mut provider = Provider::start(&toml, &[("hook", &secret)], &["--throttle", "off"]);
    for _ in 0..3 {
        assert_eq!(provider.forgot("alice"), 200);
    }
    provider.quickstart.stop();
    let sent = arrived.try_iter().count();
    assert_eq!(sent, 3);
}

#[test]
fn promise_4_a_bad_setting_is_told_by_file_and_line_and_without_the_secret() {
    let scratch = Scratch::new();
    let file = scratch.file("bad.toml", "[mail]\nsmtp = \"smtps://mail.example.com\"\nfrom = \"a@example.com\"\nuser = \"mailer\"\npassword = \"hunter2\"\n");
    let (status, output) = Quickstart::refused(scratch.path(), &["--config", &file.to_string_lossy()]);
    assert_eq!(status, Some(2), "{output}");
    assert!(output.contains("bad.toml, line 5: a secret does not stand in this file") && !output.contains("hunter2"));
    fs::remove_file(file).unwrap();
}
