use proptest::prelude::*;

use super::*;

fn json(text: &str) -> Result<Answer, AnswerError> {
    Answer::from_json(text.as_bytes()).map(|sent| sent.answer)
}

fn form(pairs: &[(&str, &str)]) -> Result<Answer, AnswerError> {
    Answer::from_form(pairs.iter().copied()).map(|sent| sent.answer)
}

#[test]
fn each_answer_is_read_from_json() {
    assert!(matches!(
        json(r#"{"answer":"password","login":"alice","password":"pw"}"#),
        Ok(Answer::Password { login, password }) if login == "alice" && password.matches("pw")
    ));
    assert!(
        matches!(json(r#"{"answer":"choose","id":"totp|dev_1"}"#), Ok(Answer::Choose { id }) if id == "totp|dev_1")
    );
    assert!(matches!(json(r#"{"answer":"code","code":"1","remember":true}"#), Ok(Answer::Code { remember: true, .. })));
    assert!(matches!(json(r#"{"answer":"enrol","code":"1"}"#), Ok(Answer::Enrol { .. })));
    assert!(matches!(
        json(r#"{"answer":"contact","to":"+49 151 12345678"}"#),
        Ok(Answer::Contact { to }) if to == "+49 151 12345678"
    ));
    assert!(
        matches!(json(r#"{"answer":"send_link","login":"alice"}"#), Ok(Answer::SendLink { login }) if login == "alice")
    );
    assert!(matches!(
        json(r#"{"answer":"magic_link","link":"cs_link_x"}"#),
        Ok(Answer::MagicLink { link }) if link.matches("cs_link_x")
    ));
    assert!(matches!(json(r#"{"answer":"resend"}"#), Ok(Answer::Resend)));
    assert!(matches!(json(r#"{"answer":"poll"}"#), Ok(Answer::Poll)));
    assert!(matches!(json(r#"{"answer":"remember_device"}"#), Ok(Answer::RememberDevice)));
    assert!(matches!(json(r#"{"answer":"recovery_codes"}"#), Ok(Answer::RecoveryCodes)));
    assert!(matches!(
        json(r#"{"answer":"consent","allow":["openid"]}"#),
        Ok(Answer::Consent(ConsentAnswer::Allow(scopes))) if scopes == ["openid"]
    ));
    assert!(matches!(json(r#"{"answer":"consent","allow":[]}"#), Ok(Answer::Consent(ConsentAnswer::Deny))));
}

#[test]
fn promise_7_json_is_read_strictly() {
    for (bad, error) in [
        ("", AnswerError::Malformed),
        ("[]", AnswerError::Malformed),
        ("{}", AnswerError::Missing("answer")),
        (r#"{"answer":"dance"}"#, AnswerError::Unknown),
        (r#"{"answer":"code","code":"1","code":"2"}"#, AnswerError::Malformed),
        (r#"{"answer":"code","answer":"choose","code":"1"}"#, AnswerError::Malformed),
        (r#"{"answer":"code","code":1}"#, AnswerError::Malformed),
        (r#"{"answer":"code","code":"1","extra":"x"}"#, AnswerError::Malformed),
        (r#"{"answer":"code","code":"1","password":"x"}"#, AnswerError::Unknown),
        (r#"{"answer":"code"}"#, AnswerError::Missing("code")),
        (r#"{"answer":"code","code":"1"} trailing"#, AnswerError::Malformed),
    ] {
        assert_eq!(json(bad).err(), Some(error), "{bad}");
    }
    let long = "x".repeat(Answer::MAX_PASSWORD + 1);
    let body = format!(r#"{{"answer":"password","login":"a","password":"{long}"}}"#);
    assert_eq!(json(&body).err(), Some(AnswerError::TooLong("password")));
    assert_eq!(json(&" ".repeat(Answer::MAX_BODY + 1)).err(), Some(AnswerError::TooLong("body")));
}

#[test]
fn each_answer_is_read_from_a_form() {
    assert!(matches!(
        form(&[("username", "alice"), ("password", "pw"), ("csrf", "c"), ("answer", "password")]),
        Ok(Answer::Password { .. })
    ));
    assert!(matches!(
        form(&[("code", "1"), ("remember_device", "on"), ("answer", "code")]),
        Ok(Answer::Code { remember: true, .. })
    ));
    assert!(matches!(form(&[("authenticator", "totp|1")]), Ok(Answer::Choose { .. })));
    assert!(matches!(form(&[("authenticator", "totp|1"), ("answer", "choose")]), Ok(Answer::Choose { .. })));
    assert!(matches!(form(&[("code", ""), ("other", "recovery|1")]), Ok(Answer::Choose { id }) if id == "recovery|1"));
    assert!(matches!(form(&[("to", "a@b.example"), ("answer", "contact")]), Ok(Answer::Contact { .. })));
    assert!(matches!(form(&[("answer", "code"), ("code", "1"), ("other", "resend")]), Ok(Answer::Resend)));
    assert!(matches!(form(&[("answer", "poll")]), Ok(Answer::Poll)));
    assert!(matches!(form(&[("answer", "poll"), ("other", "remember_device")]), Ok(Answer::RememberDevice)));
    assert!(matches!(form(&[("answer", "recovery_codes")]), Ok(Answer::RecoveryCodes)));
    let consent = |pairs: &[_]| match form(pairs) {
        Ok(Answer::Consent(consent)) => consent,
        other => panic!("{other:?}"),
    };
    assert_eq!(consent(&[("answer", "consent"), ("decision", "allow")]), ConsentAnswer::AllowAll);
    assert_eq!(consent(&[("decision", "deny"), ("scope", "a")]), ConsentAnswer::Deny);
    assert_eq!(
        consent(&[("scope", "a"), ("scope", "b"), ("decision", "allow")]),
        ConsentAnswer::Allow(vec!["a".into(), "b".into()])
    );
    assert_eq!(consent(&[("scope", "a b"), ("decision", "allow")]), ConsentAnswer::Allow(vec!["a".into(), "b".into()]));
}

#[test]
fn promise_7_a_form_is_read_strictly() {
    for (bad, error) in [
        (&[][..], AnswerError::Missing("answer")),
        (&[("answer", "code"), ("code", "1"), ("code", "2")], AnswerError::Repeated),
        (&[("answer", "code"), ("code", "1"), ("x", "2")], AnswerError::Unknown),
        (&[("answer", "consent")], AnswerError::Missing("decision")),
        (&[("decision", "maybe")], AnswerError::Malformed),
        (&[("answer", "code"), ("username", "x"), ("code", "1")], AnswerError::Unknown),
    ] {
        assert_eq!(form(bad).err(), Some(error), "{bad:?}");
    }
}

#[test]
fn a_code_is_compared_whole() {
    let answer = Answer::code(" 1234 ");
    assert!(answer.is_code("1234"));
    assert!(!answer.is_code("123") && !answer.is_code("12345") && !answer.is_code(""));
    assert!(!Answer::choose("1234").is_code("1234"));
}

#[test]
fn promise_4_debug_output_shows_no_password_and_no_code() {
    let shown = format!("{:?} {:?}", Answer::password("alice", "hunter2"), Answer::code("492039"));
    assert!(!shown.contains("hunter2") && !shown.contains("492039"), "{shown}");
}

proptest! {
    #[test]
    fn promise_7_no_body_can_panic_the_reader(body in proptest::collection::vec(any::<u8>(), 0..256), text in ".*") {
        let _ = Answer::from_json(&body);
        let _ = Answer::from_json(text.as_bytes());
        let _ = Answer::from_form([(text.as_str(), text.as_str())]);
    }
}
