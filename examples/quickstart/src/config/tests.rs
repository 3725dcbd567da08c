use countersign::Lifetimes;
use serde_json::json;

use countersign::mfa::{CodeAlphabet, CodeFormat, FirstEnrolment, FirstMethod, Policy, Push};
use std::time::Duration;

use countersign::{Requirement, TokenFormat};
use serde_json::Value;

use super::*;

const FULL: &str = r#"
[[client]]
client_id = "shop"
client_secret = "correct-horse-battery-staple-0123456789"
client_name = "Shop"
redirect_uris = ["https://rp.example/cb?a=b"]
grant_types = ["authorization_code", "refresh_token"]
response_types = ["code"]
token_endpoint_auth_method = "client_secret_post"
scope = "openid payments:write"
requires = { acr = "mfa" }
contacts = ["ops@rp.example"]
policy_uri = "https://rp.example/privacy"
[[client]]
client_id = "robot"
preset = "oidc"
redirect_uris = ["https://robot.example/cb"]
token_endpoint_auth_method = "private_key_jwt"
token_endpoint_auth_signing_alg = "ES256"
jwks = { keys = [{ kty = "EC", crv = "P-256", x = "eA", y = "eQ", kid = "1" }] }
[[client]]
client_id = "billing"
client_secret = "correct-horse-battery-staple-0123456789"
grant_types = ["client_credentials"]
token_format = "opaque"
introspects = ["https://api.example/"]
[[scope]]
name = "payments:write"
description = "Make payments"
requires = { acr = "mfa", max_age = "5m" }
[[resource]]
uri = "https://api.example/"
scopes = ["payments:write"]
token_format = "jwt"
[mfa]
policy = "always"
factors = ["totp", "recovery_code"]
first_enrolment = "this_login"
groups.admin = { acr = "phr" }
[lifetimes]
code = "60s"
refresh_token_idle = "30d"
[user.alice]
groups = ["admin"]
claims = { locale = "de-DE", address = { country = "DE" } }
"#;

fn parse(text: &str) -> Result<FileConfig, ConfigFileError> {
    FileConfig::parse(Path::new("demo.toml"), text)
}

fn error(text: &str) -> String {
    parse(text).unwrap_err().to_string()
}

#[test]
fn every_member_of_this_version_is_read() {
    let config = parse(FULL).unwrap();
    let client = &config.clients[0];
    assert_eq!(client.client_id(), "shop");
    assert_eq!(
        Value::Object(client.metadata()),
        json!({"client_id": "shop", "client_secret": "correct-horse-battery-staple-0123456789", "client_name": "Shop",
            "redirect_uris": ["https://rp.example/cb?a=b"], "grant_types": ["authorization_code", "refresh_token"],
            "response_types": ["code"], "token_endpoint_auth_method": "client_secret_post",
            "scope": "openid payments:write", "contacts": ["ops@rp.example"],
            "policy_uri": "https://rp.example/privacy"})
    );
    let robot = &config.clients[1];
    assert_eq!(robot.preset(), Some(countersign::Preset::oidc()));
    assert_eq!(robot.metadata()["jwks"]["keys"][0]["kid"], "1");
    assert_eq!(robot.metadata()["token_endpoint_auth_signing_alg"], "ES256");
    let billing = &config.clients[2];
    assert_eq!(billing.metadata()["grant_types"], json!(["client_credentials"]));
    assert_eq!((billing.token_format(), client.token_format()), (TokenFormat::Opaque, TokenFormat::Jwt));
    assert_eq!((billing.introspects(), client.introspects()), (vec!["https://api.example/".to_owned()], Vec::new()));
    assert_eq!(config.resources[0].token_format(), TokenFormat::Jwt);
    let opaque = parse("[[resource]]\nuri = \"https://a\"\ntoken_format = \"opaque\"\n").unwrap();
    assert_eq!(opaque.resources[0].token_format(), TokenFormat::Opaque);
    assert_eq!(client.requirement(), Requirement::MFA);
    let payments = config.scopes[0].requirement();
    assert_eq!(payments, Requirement::MFA.max_age(Duration::from_secs(300)));
    assert_eq!(config.resources[0].scopes, ["payments:write"]);
    assert_eq!(
        config.mfa.policy(),
        Policy::always().first_enrolment(FirstEnrolment::ThisLogin).group("admin", Requirement::PHISHING_RESISTANT)
    );
    assert!(config.mfa.has_totp());
    assert_eq!(config.users["alice"].claims["address"]["country"], "DE");
    let mut lifetimes = Lifetimes::default();
    config.lifetimes.apply(&mut lifetimes);
    assert_eq!(lifetimes.code, Duration::from_secs(60));
    assert_eq!(lifetimes.refresh_token_idle, Duration::from_secs(30 * 86_400));
    assert_eq!(lifetimes.access_token, Lifetimes::default().access_token);
}

#[test]
fn an_empty_file_changes_nothing() {
    let config = parse("# nothing\n").unwrap();
    assert!(
        config.clients.is_empty() && config.mfa.policy() == Policy::never().first_enrolment(FirstEnrolment::ThisLogin)
    );
}

#[test]
fn an_unknown_member_is_told_with_file_line_and_what_could_stand_there() {
    let told = error("[[client]]\nclient_id = \"x\"\nredirect_uri = \"y\"\n");
    assert!(told.starts_with("demo.toml, line 3: unknown field `redirect_uri`"), "{told}");
    assert!(told.contains("redirect_uris"), "{told}");
    assert!(error("[mfa]\n\npolicy = \"sometimes\"").starts_with("demo.toml, line 3: unknown variant `sometimes`"));
    assert!(error("[[scope]]\nname = \"x\"\n").contains("missing field `description`"));
    assert!(error("a = \n").starts_with("demo.toml, line 1: "));
    assert!(error("[lifetimes]\ncode = \"soon\"").starts_with("demo.toml, line 2: \"soon\" is no span of time"));
    assert!(error("[lifetimes]\ncode = \"0s\"").contains("no span of time"));
}

#[test]
fn what_comes_later_is_told_with_its_line() {
    for (text, line, member) in [
        ("[[client]]\nclient_id = \"x\"\njwks_uri = \"https://x\"\n", 3, "client.jwks_uri "),
        ("[[client]]\nclient_id = \"x\"\n[[client]]\nclient_id = \"y\"\njwks_uri = \"x\"\n", 5, "client.jwks_uri "),
        ("client = [{ client_id = \"x\",\n preset = \"fapi2\" }]\n", 2, "client.preset = \"fapi2\""),
        ("[lifetimes]\ndevice_code = \"10m\"\n", 2, "lifetimes.device_code "),
        ("[[client]]\nclient_id = \"x\"\ngrant_types = [\"implicit\"]\n", 3, "client.grant_types = \"implicit\""),
    ] {
        let told = error(text);
        assert!(told.starts_with(&format!("demo.toml, line {line}: {member}")), "{told}");
        assert!(told.contains("later version"), "{told}");
    }
}

#[test]
fn codes_that_are_sent_look_as_the_file_says() {
    let digits = |length| CodeFormat::new(length, CodeAlphabet::Digits).unwrap();
    let file = "[mfa]\nfactors = [\"sms\", \"email\", \"recovery_code\"]\ncode = { length = 8, lifetime = \"3m\" }\n\
                email.code = { alphabet = \"letters\", lifetime = \"10m\" }\nverified_contacts = true\n";
    let mfa = parse(file).unwrap().mfa;
    let sms = mfa.sms().unwrap();
    assert_eq!((sms.format, sms.lifetime), (digits(8), Duration::from_secs(180)));
    let email = mfa.email().unwrap();
    assert_eq!(email.format, CodeFormat::new(8, CodeAlphabet::Letters).unwrap());
    assert_eq!(email.lifetime, Duration::from_secs(600));
    assert!(mfa.voice().is_none() && !mfa.has_totp());
    assert_eq!(mfa.policy(), Policy::never().first_enrolment(FirstEnrolment::ThisLogin).verified_contacts());
    let plain = parse("[mfa]\nfactors = [\"voice\", \"recovery_code\"]\n").unwrap().mfa.voice().unwrap();
    assert_eq!((plain.format, plain.lifetime), (CodeFormat::default(), Duration::from_secs(300)));
    assert!(parse("").unwrap().mfa.sms().is_none());
    assert!(error("[mfa]\ncode = { length = 5 }").starts_with("demo.toml, line 2: 5 is no length of a code"));
    assert!(error("[mfa]\n\nsms.code = { lifetime = \"11m\" }").starts_with("demo.toml, line 3: a code lasts for ten"));
    assert!(error("[mfa]\nvoice.code = { alphabet = \"runes\" }").contains("letters"));
}

#[test]
fn links_by_mail_sign_in_where_the_file_says_so() {
    let first = |text: &str| parse(text).unwrap().mfa.first_factors();
    assert_eq!(first(""), [FirstMethod::Password]);
    assert_eq!(
        first("[mfa]\nfirst_factors = [\"magic_link\", \"password\"]"),
        [FirstMethod::MagicLink, FirstMethod::Password]
    );
    assert!(error("[mfa]\n\nfirst_factors = []").starts_with("demo.toml, line 3: nobody could sign in"));
    assert!(error("[mfa]\nfirst_factors = [\"smile\"]").starts_with("demo.toml, line 2: "));
}

#[test]
fn recovery_codes_come_with_a_factor() {
    assert!(error("[mfa]\n\nfactors = [\"recovery_code\"]").starts_with("demo.toml, line 3: recovery codes"));
    assert!(error("[mfa]\nfactors = [\"totp\"]").contains("name both"));
    assert!(parse("[mfa]\nfactors = [\"hotp\", \"recovery_code\"]").unwrap().mfa.has_hotp());
    assert!(!parse("[mfa]\nfactors = []").unwrap().mfa.has_totp());
    let keys = "[mfa]\nfactors = [\"passkey\", \"recovery_code\"]\nwebauthn = { rp_id = \"example.com\" }\n";
    let keys = parse(keys).unwrap().mfa;
    assert!(keys.passkeys("id.example.com").is_some() && keys.security_keys("id.example.com").is_none());
    assert!(error("[mfa]\nwebauthn = { rpid = \"x\" }\n").starts_with("demo.toml, line 2: "));
}

#[test]
fn push_has_a_table_of_its_own() {
    let file = "[mfa]\nfactors = [\"push\", \"recovery_code\"]\n[mfa.push]\nlifetime = \"90s\"\ncooling_off = \"1h\"\n\
                strangers = { attempts = 1, window = \"5m\" }\n";
    let push = || Push::new(Nobody);
    let shown = format!("{:?}", parse(file).unwrap().mfa.push(push()).unwrap());
    assert!(shown.contains("90s") && shown.contains("3600s") && shown.contains("attempts: 1"), "{shown}");
    assert!(parse("").unwrap().mfa.push(push()).is_none(), "only where the file names it");
    assert!(error("[mfa.push]\nlifetime = \"never\"").contains("line 2"));
    assert!(error("[mfa.push]\n\nbudget = 3").contains("budget"));
}

#[derive(Debug)]
struct Nobody;

#[async_trait::async_trait]
impl countersign::outbound::PushSender for Nobody {
    async fn send(&self, _: &countersign::outbound::PushMessage) -> Result<(), countersign::outbound::SendError> {
        Ok(())
    }
}

#[test]
fn what_the_server_refuses_is_found_in_the_file() {
    let config = parse(FULL).unwrap();
    let client = |client_id: &str| ConfigError::Client { client_id: client_id.into(), problem: "x".into() };
    assert_eq!(config.line_of(&client("shop")), Some(2));
    assert_eq!(config.line_of(&client("shopp")), None);
    let scope = ConfigError::Scope { scope: "payments:write".into(), problem: "x" };
    assert_eq!(config.line_of(&scope), Some(27));
    let what = "client \"shop\" requires phr".to_owned();
    assert_eq!(config.line_of(&ConfigError::Unreachable { what, cure: "x".into() }), Some(2));
}

#[test]
fn promise_4_an_error_quotes_no_line_of_the_file() {
    for text in [
        "[[client]]\nclient_id = \"x\"\nclient_secret = \"hunter2\" x\n",
        "[[client]]\nclient_id = \"x\"\nclient_secret = \"hunter2\nscope = \"y\"\n",
        "[[client]]\nclient_id = \"x\"\nclient_secret = [\"hunter2\"]\n",
    ] {
        assert!(!error(text).contains("hunter2"), "{}", error(text));
    }
    assert!(!format!("{:?}", parse(FULL).unwrap()).contains("correct-horse"));
}

#[test]
fn the_file_declares_every_policy() {
    let config = parse(
        "[[scope]]\nname = \"users\"\ndescription = \"Change users\"\nadmin = true\n\
         [[resource]]\nuri = \"https://a\"\nrequires = { acr = \"mfa\", max_age = \"5m\" }\n\
         [mfa]\npolicy = \"phishing_resistant\"\ngrace = \"14d\"\nfirst_enrolment = \"verified_channel\"\n\
         verified_contacts = true\ngroups.admin = { acr = \"mfa\", remembered = false }\n\
         remember_device = \"30d\"\nafter_compromise = \"3d\"\nusers.alice = { acr = \"phr\" }\n\
         acr = [{ value = \"urn:gold\", strength = \"two_factors\", max_age = \"1h\" }]\n",
    )
    .unwrap();
    let policy = Policy::phishing_resistant()
        .first_enrolment(FirstEnrolment::VerifiedChannel)
        .grace(Duration::from_secs(14 * 86_400))
        .verified_contacts()
        .remember_device(Policy::REMEMBERED)
        .after_compromise(Duration::from_secs(3 * 86_400))
        .group("admin", Requirement::MFA.never_remembered())
        .user("alice", Requirement::PHISHING_RESISTANT);
    assert_eq!(config.mfa.policy(), policy);
    let gold = countersign::Acr::new("urn:gold");
    let table = config.mfa.acr_table().unwrap();
    assert_eq!((table.strength(&gold), table.max_age(&gold)), (Some(2), Some(Duration::from_secs(3_600))));
    assert!(config.scopes[0].admin);
    assert_eq!(config.resources[0].requirement(), Requirement::MFA.max_age(Duration::from_secs(300)));
    for (name, when) in [("invitation", FirstEnrolment::Invitation), ("closed", FirstEnrolment::Closed)] {
        let config = parse(&format!("[mfa]\nfirst_enrolment = \"{name}\"\n")).unwrap();
        assert_eq!(config.mfa.policy(), Policy::of_everybody(Requirement::NONE).first_enrolment(when));
    }
    let heedless = parse("[mfa]\nafter_compromise = \"off\"\n").unwrap().mfa.policy();
    assert_eq!(
        heedless,
        Policy::of_everybody(Requirement::NONE)
            .first_enrolment(FirstEnrolment::ThisLogin)
            .after_compromise(Duration::ZERO)
    );
    assert!(error("[mfa]\nafter_compromise = \"0s\"").contains("no span of time"));
    assert!(error("[mfa]\nacr = [{ value = \"x\", strength = \"9\" }]").contains("unknown variant"));
}

/// A file beside the configuration, which goes with this value.
struct Beside(PathBuf);

impl Beside {
    fn with(files: &[(&str, &[u8])]) -> Self {
        let folder = std::env::temp_dir().join(format!("countersign-risk-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        for (name, bytes) in files {
            std::fs::write(folder.join(name), bytes).unwrap();
        }
        Self(folder)
    }

    fn parse(&self, text: &str) -> Result<FileConfig, ConfigFileError> {
        FileConfig::parse(&self.0.join("demo.toml"), text)
    }
}

impl Drop for Beside {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

#[test]
fn an_adaptive_policy_has_the_signals_weights_and_files_that_the_table_names() {
    let places = include_bytes!("../../../../crates/mfa/tests/data/places.mmdb");
    let beside = Beside::with(&[
        ("places.mmdb", places),
        ("bad.txt", b"# bad\n192.0.2.0/24\n"),
        ("tor.txt", b"198.51.100.7\n"),
        ("wrong.txt", b"192.0.2.0/24\nexample.com\n"),
    ]);
    let table = "[mfa]\npolicy = \"adaptive\"\n[mfa.risk]\n";
    let said = |text: &str| format!("{:?}", beside.parse(&format!("{table}{text}")).unwrap().mfa.policy());
    let told = |text: &str| beside.parse(&format!("{table}{text}")).unwrap_err().to_string();

    let full = said(
        "weights = { new_device = 50, listed_address = 0 }\nmedium_from = 40\nlow_from = 70\nat_low = { acr = \"phr\" }\n\
         at_medium = { acr = \"mfa\", max_age = \"5m\" }\nrefuse_at_low = true\ndry_run = true\ngeoip = \"places.mmdb\"\n\
         listed_addresses = \"bad.txt\"\nanonymous_networks = \"tor.txt\"\n",
    );
    for part in [
        "(\"new_device\", 50)",
        "(\"velocity\", 20)",
        "(\"new_country\", 30)",
        "(\"impossible_travel\", 60)",
        "(\"listed_address\", 0)",
        "(\"anonymous_network\", 30)",
        "medium: 40, low: 70",
        "at_low: Requirement { acr: Some(Acr(phr)),",
        "max_age: Some(300s)",
        "refuse_at_low: true, dry_run: true",
    ] {
        assert!(full.contains(part), "{part} in {full}");
    }
    let usual = said("");
    assert!(usual.contains("medium: 30, low: 60") && !usual.contains("new_country"), "{usual}");
    let alone = parse("[mfa]\npolicy = \"adaptive\"\n").unwrap();
    assert!(format!("{:?}", alone.mfa.policy()).contains("new_device"));
    let strict = parse("[mfa]\npolicy = \"always\"\nrisk = { at_low = { acr = \"phr\" } }\n").unwrap();
    assert!(format!("{:?}", strict.mfa.policy()).contains("new_device"));

    for (text, line, problem) in [
        (
            "weights = { new_county = 1 }\n",
            4,
            "no signal \"new_county\" looks at logins here: write one of new_device, velocity",
        ),
        ("weights.new_country = 1\n", 4, "no signal \"new_country\""),
        ("\nweights = { new_device = 101 }\n", 5, "a weight is 0 to 100"),
        ("medium_from = 0\n", 4, "medium must be above 0"),
        ("medium_from = 50\nlow_from = 49\n", 5, "low not below it"),
        ("medium_from = 61\n", 4, "low_from is 60"),
        ("geoip = \"none.mmdb\"\n", 4, "none.mmdb: cannot be read"),
        ("geoip = \"bad.txt\"\n", 4, "bad.txt: is no database in MaxMind's format"),
        ("\nlisted_addresses = \"wrong.txt\"\n", 5, "wrong.txt, line 2 is no address"),
        ("anonymous_networks = \"none.txt\"\n", 4, "none.txt: cannot be read"),
        ("dry = true\n", 4, "unknown field `dry`, expected one of `weights`"),
    ] {
        let told = told(text);
        assert!(told.contains(&format!("demo.toml, line {line}: ")) && told.contains(problem), "{told}");
    }
    let never = error("[mfa]\nfactors = [\"totp\", \"recovery_code\"]\n[mfa.risk]\ndry_run = true\n");
    assert!(never.starts_with("demo.toml, line 3: with the policy \"never\""), "{never}");
}

#[test]
fn the_file_names_the_group_of_administrators() {
    let config = FileConfig::parse(Path::new("c.toml"), "[admin]\ngroup = \"staff\"\n").unwrap();
    assert_eq!(config.admin.unwrap().group, "staff");
    assert!(FileConfig::parse(Path::new("c.toml"), "").unwrap().admin.is_none());
    let error = FileConfig::parse(Path::new("c.toml"), "[admin]\ngroups = [\"staff\"]\n").unwrap_err().to_string();
    assert!(error.contains("c.toml") && error.contains("groups"), "{error}");
}
