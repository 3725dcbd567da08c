//! Every text, in every language, and what strangers could do to it.

use proptest::prelude::*;

use super::*;

const NOW: UnixTime = UnixTime::from_secs(1_000_000);
const TEN: Duration = Duration::from_secs(600);
const LINK: &str = "https://id.example.com/login/magic?t=abc";

fn texts() -> MessageTexts {
    MessageTexts::new("Example").unwrap()
}

fn mail() -> Envelope<'static> {
    Envelope::new(Channel::Email, "alice@example.com", NOW)
}

fn sms() -> Envelope<'static> {
    Envelope::new(Channel::Sms, "+4915112345678", NOW)
}

const NOTICES: [Notice<'static>; 17] = [
    Notice::FactorEnrolled("Authenticator app"),
    Notice::FactorRemoved("Authenticator app"),
    Notice::FactorRenamed("Authenticator app"),
    Notice::DeviceForgotten,
    Notice::SessionEnded,
    Notice::ApplicationDisconnected("Shop"),
    Notice::FactorsReset,
    Notice::RecoveryCodeUsed,
    Notice::RecoveryCodesReplaced,
    Notice::PasswordChanged,
    Notice::Guessing,
    Notice::GuessingClosed,
    Notice::PushDenied,
    Notice::Compromised,
    Notice::TokenReused,
    Notice::NoAccount,
    Notice::AccountExists,
];

#[test]
fn every_purpose_has_its_message_in_both_languages() {
    let texts = texts();
    for tag in ["en", "de"] {
        let (mail, sms) = (mail().languages(Languages::of(tag)), sms().languages(Languages::of(tag)));
        let voice = Envelope { channel: Channel::Voice, ..sms.clone() };
        let mut all = vec![texts.magic_link(&mail, LINK, TEN), texts.reset_password(&mail, Ticket::Link(LINK), TEN)];
        for to in [&mail, &sms, &voice] {
            all.push(texts.code(to, "747723", TEN));
            all.push(texts.verify_address(to, Ticket::Code("747723"), TEN));
        }
        all.extend([&mail, &sms].map(|to| texts.reset_password(to, Ticket::Code("747723"), TEN)));
        all.push(texts.verify_address(&mail, Ticket::Link(LINK), TEN));
        all.extend([&mail, &sms].into_iter().flat_map(|to| NOTICES.map(|notice| texts.notice(to, notice))));
        for message in all.into_iter().map(Result::unwrap) {
            assert_eq!(message.language(), Some(tag));
            assert_eq!(message.subject().is_some(), message.channel() == Channel::Email);
            assert!(message.text().contains("Example") && message.expires_at().is_some());
            assert!(message.code_text().is_none_or(|code| code == "747723"));
            assert!(!message.text().contains("{{"), "{}", message.text());
        }
    }
}

#[test]
fn the_languages_have_the_same_keys() {
    let read = |json: &str| serde_json::from_str::<std::collections::BTreeMap<String, String>>(json).unwrap();
    let (english, german) = (read(include_str!("texts/en.json")), read(include_str!("texts/de.json")));
    assert!(english.keys().eq(german.keys()));
}

#[test]
fn a_code_is_told_as_its_channel_wants_it() {
    let texts = texts();
    let text = texts.code(&sms(), "747723", Duration::from_secs(300)).unwrap();
    assert_eq!(text.text(), "747723 is your Example code. It is valid for 5 minutes. Give it to nobody.");
    let voice = Envelope { channel: Channel::Voice, ..sms() };
    assert!(texts.code(&voice, "b4x", TEN).unwrap().text().contains("B, 4, X. Once more: B, 4, X."));
    let german = texts.code(&mail().languages(Languages::of("de-AT")), "747723", Duration::from_secs(60)).unwrap();
    assert_eq!(german.subject(), Some("747723 ist Ihr Code für Example"));
    assert!(german.text().contains("Er gilt 1 Minute."));
    assert_eq!(german.expires_at(), Some(NOW.plus(Duration::from_secs(60))));
}

#[test]
fn wicg_origin_bound_codes_2_the_last_line_of_a_text_message_binds_the_code_to_its_page() {
    let texts = texts();
    let message = texts.code(&sms().origin("id.example.com"), "747723", TEN).unwrap();
    assert_eq!(message.text().lines().last(), Some("@id.example.com #747723"));
    assert!(!texts.code(&mail().origin("id.example.com"), "747723", TEN).unwrap().text().contains('#'));
    let forged = texts.code(&sms().origin("a.example #1\n@evil.example"), "747723", TEN);
    assert!(matches!(forged, Err(MessageError::Origin)));
}

#[test]
fn what_is_malformed_is_not_sent() {
    let texts = texts();
    for code in ["", "74 77", "7\n@evil #1", "７４７", &"7".repeat(33)] {
        assert!(matches!(texts.code(&sms(), code, TEN), Err(MessageError::Code)), "{code:?}");
    }
    for link in
        ["http://id.example.com/", "javascript:x", "https://a b", "https://a\r\nBcc: x", "http://localhost.evil/"]
    {
        assert!(matches!(texts.magic_link(&mail(), link, TEN), Err(MessageError::Link)), "{link:?}");
    }
    assert!(texts.magic_link(&mail(), "http://localhost:4000/login/x", TEN).is_ok());
    assert!(matches!(texts.magic_link(&sms(), LINK, TEN), Err(MessageError::Channel)));
    let voice = Envelope { channel: Channel::Voice, ..sms() };
    assert!(matches!(texts.notice(&voice, Notice::PasswordChanged), Err(MessageError::Channel)));
    for (channel, to) in [
        (Channel::Email, "alice@example.com\r\nBcc: eve@example.com"),
        (Channel::Email, "alice@example.com,eve@example.com"),
        (Channel::Email, "Alice <alice@example.com>"),
        (Channel::Email, "alice"),
        (Channel::Sms, "4915112345678"),
        (Channel::Sms, "+49 151"),
        (Channel::Voice, "+0151123456"),
        (Channel::Sms, "+4915112345678;+1900"),
    ] {
        let sent = texts.notice(&Envelope::new(channel, to, NOW), Notice::PasswordChanged);
        assert!(matches!(sent, Err(MessageError::Recipient)), "{to:?}");
    }
}

#[test]
fn a_text_that_could_not_be_sent_is_an_error_at_the_start() {
    let put = |key: &str, template: &str| texts().text("en", key, template).map(drop);
    assert!(matches!(put("code.sms", "{{ code"), Err(MessageTextsError::Template { .. })));
    assert!(matches!(put("code.sms", "{{ code }} {{ cleint }}"), Err(MessageTextsError::Template { .. })));
    assert!(matches!(put("code.sms", "{{ code }} {{ client }}"), Err(MessageTextsError::Template { .. }))); // may be missing
    assert!(matches!(put("code.sms", "{{ code }} {% include 'x' %}"), Err(MessageTextsError::Template { .. })));
    assert!(matches!(
        put("code.sms", "Welcome to {{ service }}"),
        Err(MessageTextsError::Missing { what: "code", .. })
    ));
    assert!(matches!(put("magic_link.email", "Hello"), Err(MessageTextsError::Missing { what: "link", .. })));
    assert!(matches!(put("reset_password.email", "{{ link }}"), Err(MessageTextsError::Template { .. }))); // a code too
    assert!(matches!(put("code.voice", "{{ code }}"), Err(MessageTextsError::Missing { what: "spoken", .. })));
    assert!(matches!(put("code.email.subject", "a\nBcc: b"), Err(MessageTextsError::Size { .. })));
    assert!(matches!(
        put("code.sms", &format!("{{{{ code }}}}{}", "x".repeat(500))),
        Err(MessageTextsError::Size { .. })
    ));
    assert!(matches!(put("cod.sms", "x"), Err(MessageTextsError::Unknown { .. })));
    assert!(matches!(texts().text("e n", "code.sms", "x").map(drop), Err(MessageTextsError::Language(_))));
    assert!(matches!(texts().language("fr", "[]").map(drop), Err(MessageTextsError::Json { .. })));
    for name in ["", "  ", "Example\r\nBcc: x", &"x".repeat(61)] {
        assert!(matches!(MessageTexts::new(name), Err(MessageTextsError::Service)), "{name:?}");
    }
}

#[test]
fn a_language_without_a_message_gives_way_to_the_next() {
    let texts = texts().language("fr", r#"{"magic_link.email": "{{ link }}", "code.sms": "{{ code }} !"}"#).unwrap();
    let read = |message: Result<Message, MessageError>| message.unwrap().language().map(str::to_owned);
    let french_then_german = || Languages::of("fr-CA de");
    assert_eq!(read(texts.code(&sms().languages(french_then_german()), "1", TEN)).as_deref(), Some("fr"));
    let mail = mail().languages(french_then_german()); // its subject is missing in French
    assert_eq!(read(texts.magic_link(&mail, LINK, TEN)).as_deref(), Some("de"));
}

/// Splits what was written where a name was put, so that what stands around it can be compared.
fn around(text: &str, name: Option<String>) -> String {
    name.map_or_else(|| text.to_owned(), |name| text.replace(&name, "\u{0}"))
}

proptest! {
    #[test]
    fn m32_no_name_that_a_stranger_chose_breaks_out_of_its_place(
        account in "(\\PC|[\\x00-\\x7f]|https://|\\r\\n|#1234|@){0,60}",
        client in "(\\PC|[\\x00-\\x7f]|https://|\\r\\nBcc:|\u{202e}){0,60}",
    ) {
        let texts = texts();
        let base = mail().account("NAME").client("NAME");
        let named = mail().account(&account).client(&client);
        for write in [
            |texts: &MessageTexts, to: &Envelope<'_>| texts.code(to, "747723", TEN),
            |texts: &MessageTexts, to: &Envelope<'_>| texts.magic_link(to, LINK, TEN),
            |texts: &MessageTexts, to: &Envelope<'_>| texts.reset_password(to, Ticket::Link(LINK), TEN),
            |texts: &MessageTexts, to: &Envelope<'_>| texts.notice(to, Notice::Guessing),
        ] {
            let (plain, message) = (write(&texts, &base).unwrap(), write(&texts, &named).unwrap());
            prop_assert_eq!(message.subject(), plain.subject());
            prop_assert_eq!(message.text().matches("://").count(), plain.text().matches("://").count());
            prop_assert!(!message.text().contains('\r'));
            let (of_account, of_client) = (clean::quoted(&account, base.to), clean::quoted(&client, base.to));
            if of_account.is_some() && of_client.is_some() {
                prop_assert_eq!(message.text().lines().count(), plain.text().lines().count());
                let bare = around(&around(message.text(), of_client), of_account);
                prop_assert_eq!(bare, plain.text().replace("\"NAME\"", "\u{0}"));
            }
        }
    }
}

#[tokio::test]
async fn a_service_without_a_name_is_called_by_the_host_of_its_issuer() {
    let build = |realm: &'static str| {
        let key = countersign_storage_traits::MasterKey::from_bytes([7; 32]);
        async move {
            let store = countersign_storage_memory::MemoryStore::new();
            crate::Mfa::builder(store, &key).realm(realm).build().await
        }
    };
    let mfa = build("https://id.example.com:8443/a").await.unwrap();
    let notice = mfa.texts().notice(&mail(), Notice::PasswordChanged).unwrap();
    assert_eq!(notice.subject(), Some("Your id.example.com password was changed"));
    let long = Box::leak("x".repeat(61).into_boxed_str());
    assert!(matches!(build(long).await, Err(crate::MfaConfigError::Texts(MessageTextsError::Service))));
}

#[test]
fn a_notice_by_mail_says_how_to_deny_it_and_a_text_message_carries_no_link() {
    let texts = texts();
    for tag in ["en", "de"] {
        for notice in NOTICES {
            let (mail, sms) = (mail().languages(Languages::of(tag)), sms().languages(Languages::of(tag)));
            let text =
                |to: &Envelope<'_>| texts.notice(&to.clone().not_me(LINK, TEN), notice).unwrap().text().to_owned();
            assert!(text(&mail).contains(LINK) && text(&mail).contains("10 "), "{}", text(&mail));
            assert!(!text(&sms).contains(LINK));
            assert!(!texts.notice(&mail, notice).unwrap().text().contains("http"));
        }
    }
    let forged = mail().not_me("https://id.example.com/\nBcc: x", TEN);
    assert!(matches!(texts.notice(&forged, Notice::PasswordChanged), Err(MessageError::Link)));
}
