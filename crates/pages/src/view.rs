//! What a template sees: a screen's data, with everything that came from outside made safe to show.

use serde_json::{Map, Value, json};

use crate::qr;
use crate::texts::{Language, filled};

/// A page that is read out is not begun anew before so many seconds (decision 40).
const SOONEST: u64 = 5;
/// Whoever has answered does not look at the page for longer than this.
const LATEST: u64 = 15;

/// The context of a screen's template. `None` if the data is no object.
///
/// Escaping is the templates' work. Here goes what escaping does not stop: links whose scheme runs code, a form that posts
/// elsewhere, pictures that tell a stranger who is signing in.
pub(crate) fn context(step: &str, data: &Value, language: Language<'_>) -> Option<Map<String, Value>> {
    let mut view = data.as_object()?.clone();
    view.insert("step".into(), step.into());
    view.insert("action".into(), data["action"].as_str().map_or("", own_path).into());
    let logout = data["logout"].as_str().map(own_path).filter(|logout| !logout.is_empty());
    view.insert("logout".into(), logout.into());
    let forgot = data["may_reset"].as_bool().unwrap_or(false).then(|| forgot(data["action"].as_str()?)).flatten();
    view.insert("forgot".into(), forgot.into());
    let back = data["back"].as_str().map(own_path).filter(|back| !back.is_empty());
    view.insert("back".into(), back.into());
    for path in ["base", "password_change"] {
        let own = data[path].as_str().map(own_path).filter(|own| !own.is_empty());
        view.insert(path.into(), own.into());
    }
    let back = data["return_to"].as_str().filter(|uri| web_address(uri).is_some() || is_of_an_app(uri));
    view.insert("return_to".into(), back.into());
    view.insert("client".into(), client(&data["client"]));
    view.insert("error".into(), error(data, language));
    view.insert("others".into(), ways(&data["or"], language));
    view.insert("authenticators".into(), ways(&data["authenticators"], language));
    let kind = kind(&data["type"]);
    view.insert("kind".into(), kind.into());
    let own = ["totp", "delivered", "push", "passkey", "security_key"].contains(&kind);
    view.insert("family".into(), if own { kind } else { "other" }.into());
    let options = data["options"].as_object().filter(|options| options.contains_key("publicKey"));
    view.insert("options".into(), options.map(|_| data["options"].to_string()).into());
    view.insert("ceremony".into(), if step == "enrol" { "create" } else { "get" }.into());
    let channel = data["channel"].as_str().filter(|channel| matches!(*channel, "voice" | "email"));
    view.insert("channel".into(), channel.unwrap_or("sms").into());
    view.insert("refresh".into(), refresh(data).into());
    // The number of a question that is over is of no use, and neither is a yes.
    let over =
        data["error"].as_str().is_some_and(|error| matches!(error, "denied" | "code_expired" | "attempts_spent"));
    view.insert("over".into(), over.into());
    if step == "refused" {
        refusal(&mut view, data, language);
    }
    view.insert("skippable".into(), data["skip_until"].is_u64().into());
    let otpauth = data["otpauth_uri"].as_str().filter(|uri| uri.starts_with("otpauth://"));
    view.insert("otpauth_uri".into(), otpauth.into());
    let device = data["device_uri"].as_str().filter(|uri| uri.starts_with("countersign-push://"));
    view.insert("device_uri".into(), device.into());
    let title = language.text("enrol.qr").unwrap_or_default();
    view.insert("qr".into(), otpauth.or(device).and_then(|uri| qr::svg(uri, title)).into());
    Some(view)
}

/// After how many seconds a page that waits asks again by itself. What went wrong, or came to its end, is left for its user to read.
fn refresh(data: &Value) -> Option<u64> {
    let own = data["action"].as_str().is_some_and(|action| !own_path(action).is_empty());
    let waits = own && (data["error"].is_null() || data["error"] == "too_soon");
    data["poll_every"].as_u64().filter(|_| waits).map(|every| every.clamp(SOONEST, LATEST))
}

/// The words of a refusal, in the user's language. What has none there is told in general words, with the English ones for whoever helps.
fn refusal(view: &mut Map<String, Value>, data: &Value, language: Language<'_>) {
    let of = |prefix: &str, id: &Value| language.text(&format!("{prefix}.{}", id.as_str()?));
    if let Some(title) = of("refused.title", &data["heading"]) {
        view.insert("title".into(), title.into());
    }
    if let Some(message) = of("refused.by", &data["cause"]) {
        view.insert("message".into(), message.into());
    } else if !language.is_english() {
        view.insert("detail".into(), data["message"].clone());
        view.insert("message".into(), Value::Null);
    }
}

/// What family of texts speaks of a method.
fn kind(method: &Value) -> &'static str {
    match method.as_str() {
        Some("totp") => "totp",
        Some("hotp") => "hotp",
        Some("push") => "push",
        Some("passkey") => "passkey",
        Some("security_key") => "security_key",
        Some("recovery_code") => "recovery_code",
        Some("invitation") => "invitation",
        Some("sms" | "email" | "voice") => "delivered",
        _ => "other",
    }
}

/// A form posts to a path of the issuer or to an address over HTTP; anything else posts to the page's own address.
fn own_path(action: &str) -> &str {
    let path = action.starts_with('/') && !action.starts_with("//") && !action.contains('\\');
    if path || web_address(action).is_some() { action } else { "" }
}

/// The client as its user may see it: a name always, a link only to the web, its logo only for templates of the host's
/// own (the default pages load nothing from anywhere).
fn client(client: &Value) -> Value {
    let Some(name) = client["name"].as_str() else { return Value::Null };
    json!({
        "name": name,
        "uri": client["uri"].as_str().and_then(web_address),
        "logo_uri": client["logo_uri"].as_str().and_then(web_address),
    })
}

/// An address of an application on the user's machine: its scheme is a reversed domain name (RFC 8252 §7.1), which runs nothing here.
fn is_of_an_app(uri: &str) -> bool {
    let scheme = uri.split_once(':').map_or("", |(scheme, _)| scheme);
    scheme.contains('.') && scheme.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte))
}

fn web_address(uri: &str) -> Option<&str> {
    let lower = uri.get(..8).unwrap_or(uri).to_ascii_lowercase();
    (lower.starts_with("https://") || lower.starts_with("http://")).then_some(uri)
}

/// Where a new password is asked for, of a login that is at this path.
fn forgot(action: &str) -> Option<String> {
    let (below, login) = own_path(action).rsplit_once("/login/")?;
    let plain = login.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte));
    plain.then(|| format!("{below}/password/forgot?login={login}"))
}

fn error(data: &Value, language: Language<'_>) -> Value {
    let Some(code) = data["error"].as_str() else { return Value::Null };
    let text = language.text(&format!("error.{code}")).or_else(|| language.text("error.unknown")).unwrap_or_default();
    let minimum = data["minimum"].as_u64().map(|minimum| minimum.to_string());
    let text = filled(text, |place| (place == "minimum").then_some(minimum.as_deref()).flatten());
    json!({"code": code, "text": text})
}

/// Ways to go on, each with the text of its button. A way is `{id, type, name, label}`, or only the name of a type.
fn ways(ways: &Value, language: Language<'_>) -> Value {
    ways.as_array().into_iter().flatten().filter_map(|way| self::way(way, language)).collect()
}

fn way(way: &Value, language: Language<'_>) -> Option<Value> {
    let kind = way.as_str().or_else(|| way["type"].as_str())?;
    let id = way["id"].as_str().unwrap_or(kind);
    let name = way["name"].as_str().unwrap_or(kind);
    let known = language.text(&format!("other.{kind}")).filter(|_| kind != "unknown" && kind != "group");
    let mut text = match known {
        Some(text) => text.to_owned(),
        None => filled(language.text("other.unknown")?, |place| (place == "name").then_some(name)),
    };
    let label = way["label"].as_str().or_else(|| way["to"].as_str()).filter(|label| !label.is_empty());
    if let (Some(label), Some(pattern)) = (label, language.text("way.labelled")) {
        text = filled(pattern, |place| match place {
            "text" => Some(text.as_str()),
            "label" => Some(label),
            _ => None,
        });
    }
    Some(json!({"id": id, "type": kind, "name": name, "label": label, "text": text}))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::texts::Catalogue;

    fn view(data: &Value) -> Map<String, Value> {
        context("code", data, Catalogue::default().choose("en")).unwrap()
    }

    #[test]
    fn links_that_run_code_are_dropped() {
        for bad in
            ["javascript:alert(1)", "JavaScript:alert(1)", "data:text/html,x", "//evil", " https://x", "vbscript:x"]
        {
            let view = view(&json!({"client": {"name": "x", "uri": bad, "logo_uri": bad}, "otpauth_uri": bad}));
            assert_eq!(view["client"]["uri"], Value::Null, "{bad}");
            assert_eq!(view["client"]["logo_uri"], Value::Null, "{bad}");
            assert_eq!((&view["otpauth_uri"], &view["qr"]), (&Value::Null, &Value::Null), "{bad}");
        }
    }

    #[test]
    fn a_form_posts_to_the_web_or_to_the_page_itself() {
        for (action, posts_to) in [
            ("/login/abc", "/login/abc"),
            ("https://id.example.com/login/abc", "https://id.example.com/login/abc"),
            ("javascript:alert(1)", ""),
            ("//evil.example/login", ""),
            ("/\\evil.example", ""),
        ] {
            assert_eq!(view(&json!({"action": action}))["action"], posts_to, "{action}");
        }
    }

    #[test]
    fn ways_name_themselves() {
        let view = view(&json!({"or": [
            {"id": "totp|1", "type": "totp", "name": "TOTP"},
            {"id": "grid|1", "type": "grid-card", "name": "Grid card", "label": "blue {text}"},
            "recovery_code", 7, {"id": "no-type"}
        ]}));
        let texts: Vec<_> =
            view["others"].as_array().unwrap().iter().map(|way| way["text"].as_str().unwrap()).collect();
        assert_eq!(texts, ["Use an authenticator app", "Use Grid card (blue {text})", "Use a recovery code"]);
        assert_eq!(view["others"][2]["id"], "recovery_code");
    }

    #[test]
    fn an_error_without_a_text_of_its_own_still_has_one() {
        assert_eq!(view(&json!({"error": "no_such"}))["error"]["text"], "That did not work. Please try again.");
        assert_eq!(view(&json!({"error": null}))["error"], Value::Null);
    }

    #[test]
    fn what_may_be_put_off_has_a_button_that_says_so() {
        let skippable =
            |data: Value| context("enrol", &data, Catalogue::default().choose("en")).unwrap()["skippable"].clone();
        assert_eq!(skippable(json!({"type": "totp", "skip_until": 1_800_000_000})), true);
        assert_eq!(skippable(json!({"type": "totp"})), false);
    }

    #[test]
    fn data_of_another_shape_is_survived() {
        for data in [json!({}), json!({"client": [], "or": 1, "authenticators": {"a": 1}, "error": {}, "action": 5})] {
            assert_eq!(view(&data)["step"], "code");
        }
        assert!(context("code", &json!([]), Catalogue::default().choose("en")).is_none());
    }
}
