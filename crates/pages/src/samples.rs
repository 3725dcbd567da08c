//! What each screen looks like filled in: to try a host's template at start, and to look at the pages while working on them.

use serde_json::{Value, json};

/// Sample data of a screen. Nothing in it is a secret of anybody.
pub(crate) fn sample(screen: &str) -> Value {
    let mut data = members(screen);
    let client = json!({"name": "Shop", "uri": "https://shop.example.com/", "logo_uri": null});
    let common = [
        ("step", json!(screen)),
        ("action", json!("/login/sample")),
        ("csrf", json!("sample-csrf")),
        ("client", client),
        ("error", Value::Null),
    ];
    for (name, value) in common {
        data[name] = value;
    }
    data
}

/// A time.
const AT: u64 = 1_800_000_000;

/// A browser somewhere.
fn place() -> Value {
    json!({
        "id": "sample", "browser": "Firefox on Linux", "address": "192.0.2.7", "since": AT, "last_used": AT, "until": AT,
        "here": true,
    })
}

fn members(screen: &str) -> Value {
    let totp = json!({"id": "totp|1", "type": "totp", "name": "Authenticator app"});
    let recovery = json!({"id": "recovery_code|1", "type": "recovery_code", "name": "Recovery code"});
    match screen {
        "choose" => json!({"authenticators": [totp, recovery]}),
        "code" => json!({"type": "totp", "digits": 6, "or": [recovery]}),
        "wait" => {
            json!({"type": "push", "number": "42", "poll_every": 2, "may_resend": true, "may_remember_device": true, "or": [recovery]})
        }
        "webauthn" => json!({
            "type": "passkey", "options": {"publicKey": {"rpId": "example.com"}}, "may_remember_device": true, "or": [recovery],
        }),
        "contact" => json!({"type": "sms", "channel": "sms"}),
        "enrol" => json!({
            "type": "totp",
            "secret": "GEZD GNBV GY3T QOJQ GEZD GNBV GY3T QOJQ",
            "otpauth_uri": "otpauth://totp/Example:alice?secret=GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ&issuer=Example",
            "digits": 6,
            "account": "alice",
        }),
        "recovery_codes" => {
            json!({"codes": ["71kw-gy70-10vq-wk0y-77pd-es6k", "8e7y-jd9z-qyy7-sft8-sebr-e561", "yzdq-13jt-sms2-ek6k-sk5h-hr6p"]})
        }
        "consent" => json!({
            "account": "alice",
            "scopes": [
                {"scope": "profile", "description": "See your name and picture"},
                {"scope": "orders:read", "description": "See your orders"},
            ],
            "redirect_host": "shop.example.com",
        }),
        "refused" => json!({
            "heading": "sign_in",
            "title": "This sign-in cannot go on",
            "message": "The application asked to send you to an address that it has not registered.",
            "cause": "authorize.redirect_uri",
        }),
        "logout" => json!({"account": "alice", "request": "sample-request"}),
        "magic_link" => json!({"login_hint": null, "sent": false, "or": []}),
        "password_forgot" => json!({"state": "ask", "back": "/login/sample"}),
        "password_reset" => json!({"state": "ask", "link": "sample-link"}),
        "password_change" => json!({"state": "ask", "account": "alice", "needs_password": true}),
        "verify_email" => json!({"state": "confirm", "link": "sample-link"}),
        "signed_out" => json!({"return_to": "https://shop.example.com/signed-out"}),
        "account" => json!({
            "account": "alice", "base": "/account", "password_change": "/password/change",
            "factors": 2, "recovery_codes": 9, "devices": 1, "sessions": 2, "applications": 3,
        }),
        "account_factors" => {
            json!({"account": "alice", "base": "/account", "fresh": false, "may_add": true, "factors": [
                {"id": "totp|dev_1", "type": "totp", "name": "Authenticator app", "label": "My phone", "since": AT, "last_used": AT},
                {"id": "sms|dev_2", "type": "sms", "name": "SMS", "to": "+49…23", "since": AT},
            ]})
        }
        "account_recovery_codes" => {
            json!({"account": "alice", "base": "/account", "left": 9, "since": AT, "may_renew": true})
        }
        "account_devices" => json!({"account": "alice", "base": "/account", "devices": [place()]}),
        "account_sessions" => json!({"account": "alice", "base": "/account", "sessions": [place()]}),
        "account_applications" => json!({"account": "alice", "base": "/account", "applications": [{
            "id": "shop", "name": "Shop", "since": AT, "active": true,
            "scopes": [{"scope": "orders:read", "description": "See your orders"}],
        }]}),
        "account_events" => json!({"account": "alice", "base": "/account", "events": [
            {"at": AT, "type": "factor_added", "about": "Authenticator app", "browser": "Firefox on Linux", "address": "192.0.2.7"},
            {"at": AT, "type": "session_ended", "browser": "Firefox on Linux", "address": "192.0.2.7"},
            {"at": AT, "type": "factors_reset"},
        ]}),
        "not_me" => json!({"state": "confirm", "link": "sample-link", "reset": "/password/forgot"}),
        "still_signed_in" => json!({}),
        _ => json!({"login_hint": null, "or": [], "may_reset": true}),
    }
}
