//! The configuration file: TOML, every member known, every mistake told with its line and its cure.

mod delivery;
mod entries;
mod later;
mod messages;
mod metadata;
mod mfa;
mod risk;
mod value;

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};

use countersign::ConfigError;
use serde::Deserialize;
use toml::Spanned;

pub use entries::{ClientEntry, LifetimesEntry, ResourceEntry, ScopeEntry, UserEntry};
pub use later::ConfigFileError;
pub use mfa::MfaEntry;

pub(crate) use entries::AdminEntry;

pub(crate) use delivery::{Carrier, Delivery, Phones};
use delivery::{DeliveryEntry, HookEntry, MailEntry, Place, Tables, TwilioEntry};
use messages::MessagesEntry;

/// A configuration file that was read and checked.
#[derive(Debug, Default)]
pub struct FileConfig {
    /// Where it was read from.
    pub path: PathBuf,
    /// The clients.
    pub clients: Vec<ClientEntry>,
    /// The scopes.
    pub scopes: Vec<ScopeEntry>,
    /// The resources that tokens are for.
    pub resources: Vec<ResourceEntry>,
    /// When a second factor is asked for.
    pub mfa: MfaEntry,
    /// Who carries messages.
    pub(crate) delivery: Delivery,
    /// How many messages go out, and whereto.
    pub(crate) messages: MessagesEntry,
    /// How long things live.
    pub lifetimes: LifetimesEntry,
    /// Who administers by the admin API and its page.
    pub(crate) admin: Option<AdminEntry>,
    /// What is known of demo users beside their names.
    pub users: BTreeMap<String, UserEntry>,
    /// The line at which a client, scope, resource or user begins, by the words that errors name it with.
    lines: HashMap<String, usize>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Document {
    client: Vec<Spanned<ClientEntry>>,
    scope: Vec<Spanned<ScopeEntry>>,
    resource: Vec<Spanned<ResourceEntry>>,
    mfa: MfaEntry,
    mail: Option<Spanned<MailEntry>>,
    twilio: Option<Spanned<TwilioEntry>>,
    hook: Option<Spanned<HookEntry>>,
    delivery: DeliveryEntry,
    messages: MessagesEntry,
    lifetimes: LifetimesEntry,
    admin: Option<AdminEntry>,
    user: BTreeMap<String, Spanned<UserEntry>>,
}

impl FileConfig {
    /// Reads a file.
    ///
    /// # Errors
    /// [`ConfigFileError`] names file, line and cure.
    pub fn load(path: &Path) -> Result<Self, ConfigFileError> {
        let text = std::fs::read_to_string(path)
            .map_err(|source| ConfigFileError::Unreadable { file: path.to_owned(), source })?;
        Self::parse(path, &text)
    }

    /// Reads the text of a file.
    ///
    /// # Errors
    /// [`ConfigFileError`] names file, line and cure.
    pub fn parse(path: &Path, text: &str) -> Result<Self, ConfigFileError> {
        later::refuse(path, text)?;
        let mut document: Document =
            toml::from_str(text).map_err(|error| ConfigFileError::of_toml(path, text, &error))?;
        document.mfa.check(path, text)?;
        document.messages.check(path, text)?;
        let (mail, twilio, hook) = (document.mail.as_ref(), document.twilio.as_ref(), document.hook.as_ref());
        let calls = document.mfa.voice().is_some();
        let place = Place { file: path, text };
        let delivery = document.delivery.resolve(Tables { mail, twilio, hook }, calls, place)?;
        Ok(Self { path: path.to_owned(), delivery, ..document.located(text) })
    }

    /// The line at which what is known of a user begins.
    pub(crate) fn line_of_user(&self, name: &str) -> usize {
        self.lines.get(&format!("user {name:?}")).copied().unwrap_or(1)
    }

    /// The line of the entry that the server refused, if it is one of this file's.
    pub(crate) fn line_of(&self, error: &ConfigError) -> Option<usize> {
        let told = error.to_string();
        let named =
            |place: &&String| told.strip_prefix(place.as_str()).is_some_and(|rest| rest.starts_with([':', ' ']));
        self.lines.keys().find(named).and_then(|place| self.lines.get(place)).copied()
    }
}

impl Document {
    /// The entries, with the lines at which they begin kept apart.
    fn located(self, text: &str) -> FileConfig {
        let mut lines = HashMap::new();
        let mut note = |place: String, span| lines.insert(place, later::line_of(text, &span));
        for client in &self.client {
            note(format!("client {:?}", client.get_ref().client_id), client.span());
        }
        for scope in &self.scope {
            note(format!("scope {:?}", scope.get_ref().name), scope.span());
        }
        for resource in &self.resource {
            note(format!("resource {:?}", resource.get_ref().uri), resource.span());
        }
        for (name, user) in &self.user {
            note(format!("user {name:?}"), user.span());
        }
        FileConfig {
            clients: self.client.into_iter().map(Spanned::into_inner).collect(),
            scopes: self.scope.into_iter().map(Spanned::into_inner).collect(),
            resources: self.resource.into_iter().map(Spanned::into_inner).collect(),
            mfa: self.mfa,
            messages: self.messages,
            lifetimes: self.lifetimes,
            admin: self.admin,
            users: self.user.into_iter().map(|(name, user)| (name, user.into_inner())).collect(),
            lines,
            ..FileConfig::default()
        }
    }
}

#[cfg(test)]
mod tests;
