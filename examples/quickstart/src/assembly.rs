//! From settings to a server: the few lines that a host writes, with a demo's clients, scopes and rules.

use std::sync::Arc;

use countersign::mfa::oauth::MfaApi;
use countersign::mfa::{
    EmailCodes, FirstEnrolment, FirstMethod, Hotp, Limits, MessageBudget, MessageTexts, MessageTextsError, Passkeys,
    Policy, Push, SecurityKeys, SmsCodes, Totp, VoiceCodes,
};
use countersign::outbound::Channel;
use countersign::pages::Pages;
use countersign::store::{Instrumented, Store};
use countersign::{
    Client, Clock, ConfigError, ConsentRule, Event, Events, MasterKey, Preset, Registration, Requirement, Resource,
    Scope, Server, ServerBuilder, SystemClock,
};
use serde_json::{Map, Value, json};

use crate::StartError;
use crate::admin::Watched;
use crate::config::Delivery;
use crate::console;
use crate::data::DataError;
use crate::delivery::{Around, Carriers};
use crate::demo::{CALLBACK, Offer, SIGNED_OUT};
use crate::device::Phone;
use crate::outbox::Outbox;
use crate::settings::{PresetName, Settings, SettingsError};

/// What the pages are headed with.
const BRAND: &str = "Countersign quickstart";

/// What a server is made of, beside its settings.
pub(crate) struct Parts {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) key: MasterKey,
    /// In place of the system's.
    pub(crate) clock: Option<Arc<dyn Clock>>,
    pub(crate) watched: Watched,
    /// Where messages go.
    pub(crate) outbox: Outbox,
    /// What push asks.
    pub(crate) phone: Phone,
}

/// A server as the settings want it, what its start page offers, and who carries its messages.
pub(crate) struct Assembled {
    pub(crate) server: Server,
    pub(crate) offers: Vec<Offer>,
    pub(crate) carriers: Carriers,
}

/// Makes the server that the settings describe.
pub(crate) async fn assemble(
    settings: &Settings,
    issuer: &str,
    origin: &str,
    parts: Parts,
) -> Result<Assembled, StartError> {
    let Parts { store, key, clock, watched: Watched { events: recent, metrics }, outbox, phone } = parts;
    let clock = clock.unwrap_or_else(|| Arc::new(SystemClock));
    let events = Events::none().and(log).and(move |event: &Event| recent.add(event));
    let around = Around { origin, events: events.clone(), clock: Arc::clone(&clock), store: Arc::clone(&store) };
    let everything_to_the_outbox = Delivery::default();
    let delivery = settings.file.as_ref().map_or(&everything_to_the_outbox, |file| &file.delivery);
    let carriers = Carriers::start(delivery, &outbox, &around)?;
    // Measured for `/admin/health`.
    let builder = Server::builder(issuer, Instrumented::new(store, metrics), key);
    let builder = match &settings.next_master_key {
        Some(file) => builder.next_master_key(&MasterKey::load(file).map_err(DataError::Key)?),
        None => builder,
    };
    let builder = match &settings.earlier_master_key {
        Some(file) => builder.earlier_master_key(&MasterKey::load(file).map_err(DataError::Key)?),
        None => builder,
    };
    let builder = builder
        .preset(preset(settings))
        .stored_accounts()
        .limits(if settings.throttle { Limits::default() } else { Limits::off() })
        .message_budget(message_budget(settings))
        .notices(settings.file.as_ref().is_none_or(|file| file.messages.notices()))
        .messages(MessageTexts::new(BRAND).map_err(|error| refused(settings, messages_failed(error)))?)
        .pages(Pages::new(BRAND))
        .registration(Registration::open())
        .mfa_api(mfa_api(settings))
        .events(move |event: &Event| events.record(event))
        .clock(clock);
    let builder = if settings.throttle { builder } else { builder.requests_per_address(u32::MAX) };
    let builder = match settings.admin_group() {
        Some(group) => builder.admin_api(console::admin_api(group)).client(console::client(origin)),
        None => builder,
    };
    let (builder, offers) = match &settings.file {
        Some(_) => configured(builder, settings, origin, (&carriers, phone)),
        None => demo(builder, origin, (&carriers, phone)),
    };
    let server = builder.build().await.map_err(|error| refused(settings, error))?;
    Ok(Assembled { server, offers, carriers })
}

fn message_budget(settings: &Settings) -> MessageBudget {
    if !settings.throttle {
        return MessageBudget::off();
    }
    settings.file.as_ref().map_or_else(MessageBudget::default, |file| file.messages.budget())
}

fn messages_failed(error: MessageTextsError) -> ConfigError {
    ConfigError::Extension { extension: "the messages", source: error.into() }
}

fn preset(settings: &Settings) -> Preset {
    let mut preset = match settings.preset {
        PresetName::OAuth21 => Preset::oauth21(),
        PresetName::Oidc => Preset::oidc(),
        PresetName::Legacy => Preset::legacy(),
    };
    if let Some(file) = &settings.file {
        file.lifetimes.apply(&mut preset.lifetimes);
    }
    preset
}

fn mfa_api(settings: &Settings) -> MfaApi {
    match settings.file.as_ref().and_then(|file| file.lifetimes.mfa_token()) {
        Some(lifetime) => MfaApi::new().token_lifetime(lifetime),
        None => MfaApi::new(),
    }
}

/// The demo's own clients and scopes.
fn demo(builder: ServerBuilder, origin: &str, (carriers, phone): (&Carriers, Phone)) -> (ServerBuilder, Vec<Offer>) {
    let builder = builder
        .factor(Totp::new(BRAND))
        .factor(SmsCodes::new(carriers.of(Channel::Sms)))
        .factor(EmailCodes::new(carriers.of(Channel::Email)))
        .factor(VoiceCodes::new(carriers.of(Channel::Voice)));
    let builder = match host(origin) {
        // Keys are for a name, and not for an address.
        host if host.contains(|letter: char| letter.is_ascii_alphabetic()) && !host.starts_with('[') => {
            builder.factor(Passkeys::new(host)).factor(SecurityKeys::new(host))
        }
        _ => builder,
    };
    let builder = builder
        .push(push(phone))
        .sender(Channel::Email, carriers.of(Channel::Email))
        .first_factors([FirstMethod::Password, FirstMethod::MagicLink])
        .policy(
            Policy::never()
                .first_enrolment(FirstEnrolment::ThisLogin)
                .suggest("totp")
                .remember_device(Policy::REMEMBERED),
        )
        .scope(Scope::new("payments", "Make payments").requires(Requirement::MFA))
        .client(demo_client(origin))
        .client(
            Client::public("demo-mfa")
                .name("Countersign demo with a second factor")
                .redirect_uri(format!("{origin}{CALLBACK}"))
                .post_logout_redirect_uri(format!("{origin}{SIGNED_OUT}"))
                .requires(Requirement::MFA),
        )
        .client_metadata_with(legacy_client(origin), Requirement::NONE, |client| {
            client.preset(Preset::legacy()).consent(ConsentRule::Implied)
        });
    (builder, vec![Offer::PLAIN, Offer::MFA, Offer::PAYMENTS])
}

/// The host in an origin.
fn host(origin: &str) -> &str {
    let authority = origin.split_once("://").map_or(origin, |(_, authority)| authority);
    let end = if authority.starts_with('[') { authority.find(']').map(|at| at + 1) } else { authority.find(':') };
    authority.get(..end.unwrap_or(authority.len())).unwrap_or(authority)
}

/// A client that shows a login of its own: passwords, and second factors by the MFA API.
fn legacy_client(origin: &str) -> Map<String, Value> {
    let members = json!({
        "client_id": "demo-legacy",
        "client_name": "Countersign demo with a login of its own",
        "redirect_uris": [format!("{origin}{CALLBACK}")],
        "scope": "openid profile email address phone offline_access payments \
                  enroll read:authenticators remove:authenticators",
        "grant_types": [
            "authorization_code",
            "refresh_token",
            "password",
            MfaApi::PASSWORD_REALM,
            MfaApi::OTP,
            MfaApi::OOB,
            MfaApi::RECOVERY_CODE,
            MfaApi::PASSKEY,
        ],
        "mfa_number_matching": true,
    });
    match members {
        Value::Object(members) => members,
        _ => Map::new(),
    }
}

/// Push to the page that plays a phone. A host with a table of addresses would say more than this.
fn push(phone: Phone) -> Push {
    Push::new(phone).place(|address| address.is_loopback().then(|| "this machine".to_owned()))
}

fn demo_client(origin: &str) -> Client {
    let client = Client::public("demo").name("Countersign demo").redirect_uri(format!("{origin}{CALLBACK}"));
    client.post_logout_redirect_uri(format!("{origin}{SIGNED_OUT}"))
}

/// What the file says, and the client of the start page unless the file has one of its name.
fn configured(
    mut builder: ServerBuilder,
    settings: &Settings,
    origin: &str,
    (carriers, phone): (&Carriers, Phone),
) -> (ServerBuilder, Vec<Offer>) {
    let Some(file) = &settings.file else { return (builder, Vec::new()) };
    if let Some(passkeys) = file.mfa.passkeys(host(origin)) {
        builder = builder.factor(passkeys);
    }
    if let Some(keys) = file.mfa.security_keys(host(origin)) {
        builder = builder.factor(keys);
    }
    if file.mfa.has_totp() {
        builder = builder.factor(Totp::new(BRAND));
    }
    if file.mfa.has_hotp() {
        builder = builder.factor(Hotp::new(BRAND));
    }
    if let Some(code) = file.mfa.sms() {
        builder = builder.factor(SmsCodes::new(carriers.of(Channel::Sms)).format(code.format).lifetime(code.lifetime));
    }
    if let Some(code) = file.mfa.email() {
        builder =
            builder.factor(EmailCodes::new(carriers.of(Channel::Email)).format(code.format).lifetime(code.lifetime));
    }
    if let Some(code) = file.mfa.voice() {
        builder =
            builder.factor(VoiceCodes::new(carriers.of(Channel::Voice)).format(code.format).lifetime(code.lifetime));
    }
    if let Some(push) = file.mfa.push(push(phone)) {
        builder = builder.push(push);
    }
    builder = builder.sender(Channel::Email, carriers.of(Channel::Email)).first_factors(file.mfa.first_factors());
    builder = builder.policy(file.mfa.policy());
    if let Some(metadata) = file.mfa.metadata() {
        builder = builder.authenticator_metadata(metadata);
    }
    if let Some(table) = file.mfa.acr_table() {
        builder = builder.acr_table(table);
    }
    for scope in &file.scopes {
        let (name, description) = (scope.name.as_str(), scope.description.as_str());
        let new = if scope.admin { Scope::admin(name, description) } else { Scope::new(name, description) };
        builder = builder.scope(new.requires(scope.requirement()));
    }
    for resource in &file.resources {
        let named = Resource::new(&resource.uri).token_format(resource.token_format()).requires(resource.requirement());
        builder = builder.resource(resource.scopes.iter().fold(named, |resource, scope| resource.scope(scope)));
    }
    for client in &file.clients {
        // On loopback a secret that somebody typed will do, and is told; elsewhere the server refuses it.
        let local = settings.listen.is_loopback();
        let (preset, format, introspects) = (client.preset(), client.token_format(), client.introspects());
        let first_party = client.is_first_party();
        builder = builder.client_metadata_with(client.metadata(), client.requirement(), move |client| {
            let client = match preset {
                Some(preset) => client.preset(preset),
                None => client,
            };
            let client = if first_party { client.consent(ConsentRule::Implied) } else { client };
            let client = introspects.into_iter().fold(client.token_format(format), Client::introspects);
            if local && client.has_weak_secret() {
                tracing::warn!(
                    client = client.id(),
                    "its secret could be guessed; use 128 random bits where others can reach it"
                );
                client.danger_weak_secret()
            } else {
                client
            }
        });
    }
    if file.clients.iter().any(|client| client.client_id() == "demo") {
        return (builder, Vec::new());
    }
    (builder.client(demo_client(origin)), vec![Offer::PLAIN])
}

/// What the server refuses is a wrong setting if a setting said it, and a failed start if the store or the keys are at fault.
fn refused(settings: &Settings, error: ConfigError) -> StartError {
    let place = settings.file.as_ref().and_then(|file| Some((file.path.clone(), file.line_of(&error)?)));
    match (place, error) {
        (Some((file, line)), error) => SettingsError::Entry { file, line, source: error }.into(),
        (None, error @ (ConfigError::Store(_) | ConfigError::MasterKey | ConfigError::Keys(_))) => {
            StartError::Server(error)
        }
        (None, error) => SettingsError::Server(error).into(),
    }
}

/// Security events go to the log, with everything that tells who, what and why, and nothing secret.
fn log(event: &Event) {
    tracing::info!(
        target: "countersign::events",
        subject = event.subject().map(countersign::Subject::as_str),
        client_id = event.client_id(),
        address = event.address().map(tracing::field::display),
        method = event.method(),
        cause = event.cause(),
        section = event.section(),
        detail = event.detail(),
        operator = event.operator(),
        "{}", event.name()
    );
}
