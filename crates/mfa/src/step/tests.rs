use serde_json::json;

use super::*;

#[test]
fn a_step_is_the_json_that_front_ends_read() {
    let way = Way { id: "totp|dev_1".into(), method: "totp".into(), name: "App".into(), label: None, to: None };
    let step = Step::Choose(ChooseStep { authenticators: vec![way], ..ChooseStep::default() });
    assert_eq!(
        serde_json::to_value(&step).unwrap(),
        json!({"step": "choose", "authenticators": [{"id": "totp|dev_1", "type": "totp", "name": "App"}]})
    );
    let code = CodeStep {
        method: "totp".into(),
        digits: Some(6),
        text: None,
        label: None,
        to: Some("+49…23".into()),
        may_resend: true,
        resend_in: None,
        may_remember_device: true,
        or: Vec::new(),
        error: Some(StepError::WrongCode),
    };
    assert_eq!(
        serde_json::to_value(Step::Code(code)).unwrap(),
        json!({
            "step": "code", "type": "totp", "digits": 6, "to": "+49…23", "may_resend": true, "may_remember_device": true, "or": [],
            "error": "wrong_code",
        })
    );
}

#[test]
fn promise_4_debug_output_of_a_step_shows_no_secret() {
    let step = Step::RecoveryCodes(RecoveryCodesStep { codes: vec![Shown::new("abcd-efgh")] });
    assert!(!format!("{step:?}").contains("abcd"));
}

#[test]
fn codes_in_json_are_those_that_rust_names() {
    for error in [
        StepError::WrongPassword,
        StepError::WrongCode,
        StepError::NoSuchChoice,
        StepError::Throttled,
        StepError::AttemptsSpent,
        StepError::CodeExpired,
        StepError::InvalidContact,
        StepError::TooSoon,
        StepError::Unreachable,
        StepError::NotSent,
        StepError::Denied,
        StepError::LinkDead,
    ] {
        assert_eq!(serde_json::to_value(error).unwrap(), error.code());
    }
    for reason in [RefusedReason::UnmetAuthenticationRequirements, RefusedReason::AccessDenied] {
        assert_eq!(serde_json::to_value(reason).unwrap(), reason.code());
    }
}
