//! Factors and policies: `guardian/…`.

use bytes::Bytes;
use countersign_primitives::Acr;
use http::StatusCode;
use serde_json::{Map, Value, json};

use super::UPDATE_FACTORS;
use super::answer::{Failure, Reply};
use super::body::{Body, texts};
use super::caller::Admin;
use crate::factor::{HOTP, RECOVERY_CODE, TOTP};
use crate::push::PUSH;
use crate::{GeneralPolicy, RunTimeSettings, Settings, SettingsVersion};

/// What a factor is called here; several methods may be one.
fn factor_name(method: &str) -> &str {
    match method {
        TOTP | HOTP => "otp",
        PUSH => "push-notification",
        RECOVERY_CODE => "recovery-code",
        own => own,
    }
}

pub(super) async fn list_factors(admin: &Admin<'_>) -> Result<Reply, Failure> {
    let handle = admin.login.mfa.settings();
    let (settings, version) = handle.read().await?;
    let factors = factors(&handle, &settings).into_iter();
    let list = factors.map(|(name, enabled)| json!({ "name": name, "enabled": enabled, "trial_expired": false }));
    Ok(Reply::ok(list.collect()).version(version))
}

/// Each factor once; one that is several methods is on while any of them is.
fn factors(handle: &RunTimeSettings, settings: &Settings) -> Map<String, Value> {
    let mut all = Map::new();
    for method in handle.factors().map(|method| method.name()) {
        let on = settings.is_on(method);
        let entry = all.entry(factor_name(method)).or_insert(Value::Bool(false));
        *entry = Value::Bool(on || *entry == Value::Bool(true));
    }
    all
}

/// The methods that a factor is.
fn methods(handle: &RunTimeSettings, name: &str) -> Result<Vec<String>, Failure> {
    let own = handle.factors().map(|method| method.name()).filter(|method| factor_name(method) == name);
    let methods: Vec<_> = own.map(str::to_owned).collect();
    if !methods.is_empty() {
        return Ok(methods);
    }
    let known: Vec<_> = factors(handle, &Settings::default()).into_iter().map(|(name, _)| name).collect();
    let message = format!("There is no factor {name:?} here: there are {}.", known.join(", "));
    Err(Failure::missing("inexistent_factor", message))
}

pub(super) async fn switch_factor(admin: &Admin<'_>, body: &Bytes) -> Result<Reply, Failure> {
    let enabled = Body::read(admin.parts, body, &["enabled"])?.needed_flag("enabled")?;
    let handle = admin.login.mfa.settings();
    let methods = methods(&handle, &admin.segment(2))?;
    let change = |settings: &mut Settings| methods.iter().for_each(|method| settings.switch_factor(method, enabled));
    let (_, version) = handle.change(&admin.operator, admin.seen()?, change).await?;
    Ok(Reply::ok(json!({ "enabled": enabled })).version(version))
}

pub(super) async fn read_policies(admin: &Admin<'_>) -> Result<Reply, Failure> {
    let handle = admin.login.mfa.settings();
    let (settings, version) = handle.read().await?;
    Ok(Reply::ok(json!(names(&handle, &settings))).version(version))
}

fn names(handle: &RunTimeSettings, settings: &Settings) -> Vec<&'static str> {
    handle.policies(settings).into_iter().map(GeneralPolicy::name).collect()
}

fn policies(texts: &[String]) -> Result<Vec<GeneralPolicy>, Failure> {
    let read = |text: &String| text.parse().map_err(|error| Failure::body(format!("{text:?} is not known: {error}.")));
    texts.iter().map(read).collect()
}

pub(super) async fn put_policies(admin: &Admin<'_>, body: &Bytes) -> Result<Reply, Failure> {
    let policies = policies(&texts(admin.parts, body)?)?;
    let handle = admin.login.mfa.settings();
    let (settings, version) = handle.set_policies(&admin.operator, admin.seen()?, &policies).await?;
    Ok(Reply::ok(json!(names(&handle, &settings))).version(version))
}

pub(super) async fn read_settings(admin: &Admin<'_>) -> Result<Reply, Failure> {
    let handle = admin.login.mfa.settings();
    let (settings, version) = handle.read().await?;
    Ok(shown(&handle, &settings, version))
}

fn shown(handle: &RunTimeSettings, settings: &Settings, version: SettingsVersion) -> Reply {
    let classes = |all: Vec<(&str, &Acr)>| -> Map<String, Value> {
        all.into_iter().map(|(name, acr)| (name.to_owned(), acr.as_str().into())).collect()
    };
    Reply::ok(json!({
        "factors": factors(handle, settings),
        "policies": names(handle, settings),
        "clients": classes(settings.clients().collect()),
        "scopes": classes(settings.scopes().collect()),
    }))
    .version(version)
}

/// All at once, as a merge patch (RFC 7396): what is not named stays, what is null goes.
pub(super) async fn patch_settings(admin: &Admin<'_>, body: &Bytes) -> Result<Reply, Failure> {
    let body = Body::read(admin.parts, body, &["factors", "policies", "clients", "scopes"])?;
    if body.has("factors") {
        admin.need(&[UPDATE_FACTORS])?;
    }
    let handle = admin.login.mfa.settings();
    let mut switched = Vec::new();
    for (name, on) in body.object("factors")? {
        let on = on.as_bool().ok_or_else(|| Failure::body(format!("Factor {name:?} is true or false.")))?;
        switched.extend(methods(&handle, &name)?.into_iter().map(|method| (method, on)));
    }
    let policies = body.list("policies")?.map(|texts| policies(&texts)).transpose()?;
    let (clients, scopes) = (classes(&body, "clients")?, classes(&body, "scopes")?);
    for (client_id, _) in &clients {
        if admin.server.client(client_id).await?.is_none() {
            return Err(unknown("client", client_id));
        }
    }
    if let Some((scope, _)) = scopes.iter().find(|(scope, _)| admin.server.config().scope(scope).is_none()) {
        return Err(unknown("scope", scope));
    }
    let change = |settings: &mut Settings| {
        for (method, on) in &switched {
            settings.switch_factor(method, *on);
        }
        for (client_id, acr) in &clients {
            settings.require_of_client(client_id, acr.clone());
        }
        for (scope, acr) in &scopes {
            settings.require_for_scope(scope, acr.clone());
        }
        match &policies {
            Some(policies) => handle.put_policies(settings, policies),
            None => Ok(()),
        }
    };
    let (settings, version) = handle.try_change(&admin.operator, admin.seen()?, change).await?;
    Ok(shown(&handle, &settings, version))
}

fn unknown(what: &str, name: &str) -> Failure {
    Failure::new(StatusCode::BAD_REQUEST, "invalid_body", format!("There is no {what} {name:?} here."))
}

/// What is required by name, or not any more.
fn classes(body: &Body, name: &str) -> Result<Vec<(String, Option<Acr>)>, Failure> {
    let read = |(name, acr): (String, Value)| match acr {
        Value::Null => Ok((name, None)),
        Value::String(acr) => Ok((name, Some(Acr::new(acr)))),
        _ => Err(Failure::body(format!("What {name:?} requires is an acr value, or null."))),
    };
    body.object(name)?.into_iter().map(read).collect()
}
