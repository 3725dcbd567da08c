//! Users: what they have, and what an administrator does for them.

use std::time::Duration;

use bytes::Bytes;
use countersign_primitives::{Subject, UnixTime};
use serde_json::{Value, json};

use super::DELETE_REFRESH_TOKENS;
use super::answer::{Failure, Reply};
use super::body::Body;
use super::caller::Admin;
use crate::factor::{HOTP, RECOVERY_CODE, TOTP};
use crate::{AuthenticatorId, AuthenticatorInfo};

/// How long a ticket is good for.
const TICKET: Duration = Duration::from_secs(5 * 86_400);

/// The longest name of an authenticator, in characters.
const LONGEST_NAME: usize = 64;

fn time(time: UnixTime) -> String {
    humantime::format_rfc3339_millis(time.into()).to_string()
}

/// An authenticator as clients of such APIs read it.
fn entry(one: &AuthenticatorInfo) -> Value {
    let mut entry = json!({ "id": one.id.to_string(), "confirmed": true, "created_at": time(one.enrolled_at) });
    let (kind, to) = match one.id.method() {
        TOTP | HOTP => ("totp", None),
        RECOVERY_CODE => ("recovery-code", None),
        by @ ("sms" | "voice") => {
            entry["preferred_authentication_method"] = by.into();
            ("phone", Some("phone_number"))
        }
        "email" => ("email", Some("email")),
        own => (own, None),
    };
    entry["type"] = kind.into();
    let mut put = |name: &str, value: Option<Value>| {
        if let Some(value) = value {
            entry[name] = value;
        }
    };
    put("name", one.label.clone().map(Value::from));
    put("last_auth_at", one.last_used.map(|at| time(at).into()));
    if let Some(name) = to {
        put(name, one.to.clone().map(Value::from));
    }
    entry
}

pub(super) async fn list_methods(admin: &Admin<'_>) -> Result<Reply, Failure> {
    let all = admin.desk().authenticators(&admin.user()).await?;
    Ok(Reply::ok(all.iter().map(entry).collect()))
}

fn no_such_method() -> Failure {
    Failure::missing("inexistent_authentication_method", "The user has no such authentication method.")
}

fn method(admin: &Admin<'_>) -> Result<AuthenticatorId, Failure> {
    admin.segment(3).parse().map_err(|_| no_such_method())
}

async fn found(admin: &Admin<'_>, id: &AuthenticatorId) -> Result<AuthenticatorInfo, Failure> {
    let all = admin.desk().authenticators(&admin.user()).await?;
    all.into_iter().find(|one| one.id == *id).ok_or_else(no_such_method)
}

pub(super) async fn read_method(admin: &Admin<'_>) -> Result<Reply, Failure> {
    Ok(Reply::ok(entry(&found(admin, &method(admin)?).await?)))
}

pub(super) async fn rename_method(admin: &Admin<'_>, body: &Bytes) -> Result<Reply, Failure> {
    let body = Body::read(admin.parts, body, &["name"])?;
    let name = body.text("name")?.trim();
    if name.is_empty() || name.chars().count() > LONGEST_NAME || name.chars().any(char::is_control) {
        return Err(Failure::body(format!("\"name\" is one line of 1 to {LONGEST_NAME} characters.")));
    }
    let id = method(admin)?;
    if !admin.desk().rename(&admin.user(), &id, name).await? {
        return Err(no_such_method());
    }
    Ok(Reply::ok(entry(&found(admin, &id).await?)))
}

pub(super) async fn delete_method(admin: &Admin<'_>) -> Result<Reply, Failure> {
    let removed = admin.desk().remove(&admin.user(), &method(admin)?).await?;
    if removed { Ok(Reply::done()) } else { Err(no_such_method()) }
}

pub(super) async fn reset_factors(admin: &Admin<'_>) -> Result<Reply, Failure> {
    admin.desk().reset_factors(&admin.user()).await?;
    Ok(Reply::done())
}

pub(super) async fn forget_browsers(admin: &Admin<'_>) -> Result<Reply, Failure> {
    admin.desk().forget_browsers(&admin.user()).await?;
    Ok(Reply::done())
}

pub(super) async fn require_factor(admin: &Admin<'_>, body: &Bytes) -> Result<Reply, Failure> {
    let required = Body::read(admin.parts, body, &["required"])?.needed_flag("required")?;
    admin.desk().require_factor(&admin.user(), required).await?;
    Ok(Reply::ok(json!({ "required": required })))
}

pub(super) async fn unlock(admin: &Admin<'_>) -> Result<Reply, Failure> {
    admin.desk().unlock(&admin.user()).await?;
    Ok(Reply::done())
}

pub(super) async fn list_sessions(admin: &Admin<'_>) -> Result<Reply, Failure> {
    let user = admin.user();
    let sessions = admin.desk().sessions(&user).await?;
    let sessions = sessions.into_iter().map(|one| {
        json!({
            "id": one.id.as_str(),
            "user_id": user.as_str(),
            "created_at": time(one.began_at),
            "last_interacted_at": time(one.seen_at),
            "device": { "last_ip": one.address, "last_user_agent": one.browser },
        })
    });
    Ok(Reply::ok(json!({ "sessions": sessions.collect::<Vec<_>>() })))
}

pub(super) async fn end_sessions(admin: &Admin<'_>) -> Result<Reply, Failure> {
    admin.desk().end_sessions(&admin.user()).await?;
    Ok(Reply::done())
}

/// Sessions, and what was granted for while nobody is there.
pub(super) async fn revoke_access(admin: &Admin<'_>, body: &Bytes) -> Result<Reply, Failure> {
    let body = Body::read_optional(admin.parts, body, &["preserve_refresh_tokens"])?;
    if body.flag("preserve_refresh_tokens")?.unwrap_or(false) {
        return end_sessions(admin).await;
    }
    admin.need(&[DELETE_REFRESH_TOKENS])?;
    admin.desk().revoke_access(&admin.user()).await?;
    Ok(Reply::done())
}

/// A ticket is an invitation: a code that opens the way to a first factor beside the password. Its address is where the user signs
/// in, and tells nothing; the code is told apart from it, or mailed.
pub(super) async fn ticket(admin: &Admin<'_>, body: &Bytes) -> Result<Reply, Failure> {
    let body = Body::read(admin.parts, body, &["user_id", "send_mail"])?;
    let (user, mails) = (Subject::new(body.text("user_id")?), body.flag("send_mail")?.unwrap_or(false));
    let ticket_url = admin.server.config().issuer().url("/account");
    if mails {
        admin.desk().invite_by_mail(&user, TICKET).await?;
        return Ok(Reply::created(json!({ "ticket_url": ticket_url })));
    }
    let code = admin.desk().invite(&user, TICKET).await?;
    Ok(Reply::created(json!({ "ticket_id": code.expose(), "ticket_url": ticket_url })))
}
