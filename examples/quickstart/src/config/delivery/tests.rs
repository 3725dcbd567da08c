use std::fs;

use countersign::mfa::{Budget, Countries, MessageBudget, Share};

use crate::config::{Carrier, ConfigFileError, FileConfig};
use crate::testing::TempDir;

const MAIL: &str = "[mail]\nsmtp = \"smtps://mail.example.com\"\nfrom = \"Example <no-reply@example.com>\"\n";
const TWILIO: &str = "[twilio]\naccount_sid = \"AC0123456789abcdef0123456789abcdef\"\nauth_token = { file = \"token\" }\n\
                      from = \"+15005550006\"\n";
const HOOK: &str = "[hook]\nurl = \"https://gateway.example.com/\"\nsecret = { file = \"hook\" }\n";

/// A folder with a file of settings and the files of secrets that it names.
struct Folder(TempDir);

impl Folder {
    fn new() -> Self {
        let folder = Self(TempDir::new());
        folder.put("token", "hunter2\n");
        folder.put("hook", "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw");
        folder
    }

    fn put(&self, name: &str, text: &str) {
        fs::write(self.0.path().join(name), text).unwrap();
    }

    fn parse(&self, text: &str) -> Result<FileConfig, ConfigFileError> {
        FileConfig::parse(&self.0.path().join("demo.toml"), text)
    }

    #[track_caller]
    fn routes(&self, text: &str) -> [Carrier; 3] {
        let delivery = self.parse(text).unwrap().delivery;
        [delivery.email, delivery.sms, delivery.voice]
    }

    /// What is said of a file, without its name.
    #[track_caller]
    fn error(&self, text: &str) -> String {
        let error = self.parse(text).unwrap_err().to_string();
        error.split_once("demo.toml, ").unwrap_or_else(|| unreachable!("{error}")).1.to_owned()
    }
}

#[test]
fn a_table_takes_the_messages_that_it_can_carry_unless_the_file_says_another() {
    use Carrier::{Hook, Mail, Outbox, Twilio};
    let folder = Folder::new();
    assert_eq!(folder.routes(""), [Outbox; 3]);
    assert_eq!(folder.routes(MAIL), [Mail, Outbox, Outbox]);
    assert_eq!(folder.routes(TWILIO), [Outbox, Twilio, Twilio]);
    assert_eq!(folder.routes(HOOK), [Hook; 3]);
    assert_eq!(folder.routes(&[MAIL, TWILIO].concat()), [Mail, Twilio, Twilio]);
    assert_eq!(folder.routes(&[MAIL, HOOK].concat()), [Mail, Hook, Hook]);
    let routed = "[delivery]\nemail = \"outbox\"\nsms = \"twilio\"\nvoice = \"hook\"\n";
    assert_eq!(folder.routes(&[TWILIO, HOOK, routed].concat()), [Outbox, Twilio, Hook]);
}

#[test]
fn every_member_is_read() {
    let folder = Folder::new();
    folder.put("password", "hunter3\r\n");
    let authority = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap().cert.pem();
    folder.put("ca.pem", &authority);
    let mail = format!("{MAIL}user = \"mailer\"\npassword = {{ file = \"password\" }}\ntrust = \"ca.pem\"\n");
    let twilio = format!(
        "{TWILIO}key_sid = \"SK0123456789abcdef0123456789abcdef\"\nkey_secret = {{ env = \"PATH\" }}\n\
         verify_service = \"VA0123456789abcdef0123456789abcdef\"\nstatus_callback = true\n\
         base_url = \"https://api.dublin.ie1.twilio.com\"\nverify_base_url = \"https://verify.dublin.ie1.twilio.com\"\n"
    );
    let hook = format!("{HOOK}trust = \"ca.pem\"\n");
    let rest = "[delivery]\nvoice = \"hook\"\nretries = { attempts = 2, wait = \"2s\", longest_wait = \"3s\", attempt = \"4s\" }\n\
                waiting = 10\nat_once = 2\n";
    let delivery = folder.parse(&[&mail, &twilio, &hook, rest].concat()).unwrap().delivery;
    let twilio = delivery.twilio.as_ref().unwrap();
    assert!(delivery.mail.is_some() && delivery.hook.is_some() && twilio.verify.is_some() && twilio.status_callback);
    assert_eq!((delivery.retries.attempts, delivery.waiting, delivery.at_once), (2, Some(10), Some(2)));
    assert_eq!((delivery.retries.wait.as_secs(), delivery.retries.attempt.as_secs()), (2, 4));
    let shown = format!("{delivery:?}");
    assert!(!shown.contains("hunter") && !shown.contains("MfKQ9r8"), "{shown}");
}

#[test]
fn a_setting_that_cannot_be_used_is_told_with_its_line() {
    let folder = Folder::new();
    folder.put("empty", "\n");
    folder.put("weak", "whsec_MfKQ");
    let of = |table: &str, from: &str, to: &str| {
        assert!(table.contains(from), "{from}");
        folder.error(&table.replace(from, to))
    };
    for (told, line, words) in [
        (of(MAIL, "smtps://", "https://"), 2, "smtps://HOST or smtp://HOST"),
        (of(MAIL, "smtps://", "smtps://mailer:hunter2@"), 2, "out of the server's address"),
        (of(MAIL, "Example <no-reply@example.com>", "Example"), 3, "the sender must be a mail address"),
        (folder.error(&format!("{MAIL}user = \"mailer\"\n")), 4, "with a password: add one"),
        (folder.error(&format!("{MAIL}password = {{ file = \"token\" }}\n")), 4, "of a user: add one"),
        (folder.error(&format!("{MAIL}trust = \"nowhere.pem\"\n")), 4, "nowhere.pem cannot be read"),
        (folder.error(&format!("{MAIL}trust = \"token\"\n")), 4, "none in PEM"),
        (folder.error(&format!("{MAIL}host = \"x\"\n")), 4, "unknown field `host`"),
        (folder.error("[mail]\nsmtp = \"smtps://a\"\n"), 1, "missing field `from`"),
        (of(TWILIO, "\"AC", "\"AB"), 2, "the account is AC and 32"),
        (of(TWILIO, "{ file = \"token\" }", "{ file = \"empty\" }"), 3, "is empty"),
        (of(TWILIO, "{ file = \"token\" }", "{ env = \"NO_SUCH_VARIABLE\" }"), 3, "NO_SUCH_VARIABLE is not set"),
        (of(TWILIO, "{ file = \"token\" }", "{ vault = \"token\" }"), 3, "{ env = \"NAME\" }"),
        (of(TWILIO, "{ file = \"token\" }", "{ file = \"token\", env = \"X\" }"), 3, "one place"),
        (of(TWILIO, "+15005550006", "+1"), 4, "the sender is a number"),
        (
            folder.error(&format!("{TWILIO}key_sid = \"SK1\"\nkey_secret = {{ file = \"token\" }}\n")),
            5,
            "the key is SK",
        ),
        (folder.error(&format!("{TWILIO}key_sid = \"SK0123456789abcdef0123456789abcdef\"\n")), 5, "add key_secret"),
        (folder.error(&format!("{TWILIO}key_secret = {{ file = \"token\" }}\n")), 5, "add key_sid"),
        (folder.error(&format!("{TWILIO}verify_service = \"VA1\"\n")), 5, "the Verify service is VA"),
        (folder.error(&format!("{TWILIO}base_url = \"http://a.example\"\n")), 5, "must be https://"),
        (folder.error(&format!("{TWILIO}verify_base_url = \"https://a.example\"\n")), 5, "add verify_service"),
        (of(HOOK, "https://", "http://"), 2, "must be https"),
        (of(HOOK, "\"hook\"", "\"weak\""), 3, "24 to 64 bytes in base64"),
    ] {
        assert!(told.starts_with(&format!("line {line}: ")) && told.contains(words), "{told}\n{words}");
    }
    let letters = TWILIO.replace("+15005550006", "Example");
    let calls = "[mfa]\nfactors = [\"voice\", \"recovery_code\"]\n";
    assert!(folder.error(&[letters.as_str(), calls].concat()).starts_with("line 4: calls come from a number"));
    assert!(folder.parse(&letters).is_ok());
}

#[test]
fn a_route_that_leads_nowhere_is_told_with_its_line() {
    let folder = Folder::new();
    let to = |route: &str, tables: &str| folder.error(&format!("[delivery]\n{route}\n{tables}"));
    assert_eq!(to("email = \"twilio\"", TWILIO), "line 2: twilio carries no messages of this kind");
    assert_eq!(to("sms = \"mail\"", MAIL), "line 2: mail carries no messages of this kind");
    assert_eq!(to("sms = \"hook\"", ""), "line 2: there is no table [hook] that says how");
    assert!(to("sms = \"pigeon\"", "").starts_with("line 2: unknown variant `pigeon`, expected one of `outbox`"));
    assert!(to("email = \"outbox\"", MAIL).starts_with("line 3: nothing goes by [mail]: name it in [delivery]"));
}

#[test]
fn promise_4_a_secret_in_the_file_is_refused_and_not_repeated() {
    let folder = Folder::new();
    for table in [
        format!("{MAIL}user = \"mailer\"\npassword = \"hunter2\"\n"),
        TWILIO.replace("{ file = \"token\" }", "\"hunter2\""),
        HOOK.replace("{ file = \"hook\" }", "\"hunter2\""),
    ] {
        let told = folder.error(&table);
        assert!(
            told.contains("write { env = \"NAME\" } or { file = \"PATH\" }") && !told.contains("hunter2"),
            "{told}"
        );
    }
}

#[test]
fn budgets_are_the_files_and_the_rest_keeps_its_default() {
    let folder = Folder::new();
    let budget = |text: &str| folder.parse(text).unwrap().messages.budget();
    assert_eq!(budget(""), MessageBudget::default());
    let hour = std::time::Duration::from_secs(3_600);
    let text = "[messages]\ncountries = [\"DE\", \"AT\"]\ncountries_apart = { US = { attempts = 9, window = \"1h\" } }\n\
                phone_account = { attempts = 3, window = \"1h\" }\ncountry_share = { percent = 40, sends = 50 }\n\
                stopped_for = \"2h\"\nmail_to = { attempts = 2, window = \"1h\" }\nnotices = false\n";
    let expected = MessageBudget {
        countries: Countries::only(["DE".parse().unwrap(), "AT".parse().unwrap()]),
        countries_apart: [("US".parse().unwrap(), Budget::new(9, hour))].into(),
        phone_account: Budget::new(3, hour),
        country_share: Some(Share::new(40, 50)),
        stopped_for: 2 * hour,
        mail_to: Budget::new(2, hour),
        ..MessageBudget::default()
    };
    assert_eq!(budget(text), expected);
    assert!(!folder.parse(text).unwrap().messages.notices() && folder.parse("").unwrap().messages.notices());
    for (text, words) in [
        ("countries = []", "leave countries out"),
        ("countries = [\"de\"]", "two capital letters"),
        ("share = { percent = 0, sends = 5 }", "1 to 100 percent"),
        ("share = { percent = 25, sends = 0 }", "at least one"),
        ("phone_account = { attempts = 3 }", "missing field `window`"),
    ] {
        let told = folder.error(&format!("[messages]\n{text}\n"));
        assert!(told.starts_with("line 2: ") && told.contains(words), "{told}");
    }
}
