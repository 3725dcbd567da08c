//! The tables `[mail]`, `[twilio]`, `[hook]` and `[delivery]`: who carries messages to users.
//!
//! Whatever can be wrong is told here, at the line where it stands: what is resolved can be started.

use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use countersign::SecretString;
use countersign::outbound::{FetchLimits, HookError, HttpClient, HttpClientError, HttpHook, Retries};
use countersign::smtp::{Smtp, SmtpConfigError};
use countersign::twilio::{Twilio, TwilioVerify};
use serde::Deserialize;
use toml::Spanned;

use super::ConfigFileError;
use super::value::{Period, SecretEntry};

/// A mail server.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct MailEntry {
    smtp: Spanned<String>,
    from: Spanned<String>,
    user: Option<Spanned<String>>,
    password: Option<Spanned<SecretEntry>>,
    trust: Option<Spanned<PathBuf>>,
}

/// An account at Twilio.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct TwilioEntry {
    account_sid: Spanned<String>,
    auth_token: Spanned<SecretEntry>,
    key_sid: Option<Spanned<String>>,
    key_secret: Option<Spanned<SecretEntry>>,
    from: Spanned<String>,
    verify_service: Option<Spanned<String>>,
    #[serde(default)]
    status_callback: bool,
    base_url: Option<Spanned<String>>,
    verify_base_url: Option<Spanned<String>>,
}

/// An address of the operator's own that takes messages.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct HookEntry {
    url: Spanned<String>,
    secret: Spanned<SecretEntry>,
    trust: Option<Spanned<PathBuf>>,
}

/// Who carries which channel, and how.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct DeliveryEntry {
    email: Option<Spanned<Carrier>>,
    sms: Option<Spanned<Carrier>>,
    voice: Option<Spanned<Carrier>>,
    retries: RetriesEntry,
    waiting: Option<u32>,
    at_once: Option<usize>,
}

#[derive(Debug, Default, Clone, Copy, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct RetriesEntry {
    attempts: Option<u32>,
    wait: Option<Period>,
    longest_wait: Option<Period>,
    attempt: Option<Period>,
}

/// Who carries messages.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Carrier {
    #[default]
    Outbox,
    Mail,
    Twilio,
    Hook,
}

/// The tables that a carrier is described in.
#[derive(Debug, Clone, Copy)]
pub(super) struct Tables<'a> {
    pub(super) mail: Option<&'a Spanned<MailEntry>>,
    pub(super) twilio: Option<&'a Spanned<TwilioEntry>>,
    pub(super) hook: Option<&'a Spanned<HookEntry>>,
}

/// Who carries messages: made, and not started.
#[derive(Debug, Default)]
pub(crate) struct Delivery {
    pub(crate) mail: Option<Smtp>,
    pub(crate) twilio: Option<Phones>,
    pub(crate) hook: Option<HttpHook>,
    pub(crate) email: Carrier,
    pub(crate) sms: Carrier,
    pub(crate) voice: Carrier,
    pub(crate) retries: Retries,
    /// How many messages wait at most, for each carrier.
    pub(crate) waiting: Option<u32>,
    /// How many go on at once, for each carrier.
    pub(crate) at_once: Option<usize>,
}

/// Twilio, as the file wants it.
#[derive(Debug)]
pub(crate) struct Phones {
    pub(crate) messages: Twilio,
    pub(crate) verify: Option<TwilioVerify>,
    /// Whether it reports what became of messages.
    pub(crate) status_callback: bool,
}

/// The file that is read, for errors and for files that it names.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place<'a> {
    pub(super) file: &'a Path,
    pub(super) text: &'a str,
}

impl Place<'_> {
    /// What is wrong with a value, at its line.
    fn wrong<T>(self, value: &Spanned<T>, problem: &dyn fmt::Display) -> ConfigFileError {
        ConfigFileError::at(self.file, self.text, &value.span(), problem.to_string())
    }

    /// Names in the file are looked for beside it.
    fn folder(&self) -> &Path {
        self.file.parent().unwrap_or(Path::new(""))
    }

    fn secret(self, entry: &Spanned<SecretEntry>) -> Result<SecretString, ConfigFileError> {
        entry.get_ref().read(self.folder()).map_err(|problem| self.wrong(entry, &problem))
    }

    /// The authorities in a file, and nothing where none is named.
    fn authorities(self, named: Option<&Spanned<PathBuf>>) -> Result<Vec<u8>, ConfigFileError> {
        let Some(named) = named else { return Ok(Vec::new()) };
        let path = self.folder().join(named.get_ref());
        std::fs::read(&path).map_err(|error| self.wrong(named, &format!("{} cannot be read: {error}", path.display())))
    }
}

impl DeliveryEntry {
    /// Makes what carries messages. `calls` says whether users may be called.
    pub(super) fn resolve(
        &self,
        tables: Tables<'_>,
        calls: bool,
        place: Place<'_>,
    ) -> Result<Delivery, ConfigFileError> {
        let (has_mail, has_twilio, has_hook) = (tables.mail.is_some(), tables.twilio.is_some(), tables.hook.is_some());
        let hook = if has_hook { Carrier::Hook } else { Carrier::Outbox };
        let phones = if has_twilio { Carrier::Twilio } else { hook };
        let said = |entry: &Option<Spanned<Carrier>>, usual| entry.as_ref().map_or(usual, |entry| *entry.get_ref());
        let email = said(&self.email, if has_mail { Carrier::Mail } else { hook });
        let (sms, voice) = (said(&self.sms, phones), said(&self.voice, phones));
        for (entry, carriers) in [
            (&self.email, [Carrier::Outbox, Carrier::Hook, Carrier::Mail]),
            (&self.sms, [Carrier::Outbox, Carrier::Hook, Carrier::Twilio]),
            (&self.voice, [Carrier::Outbox, Carrier::Hook, Carrier::Twilio]),
        ] {
            let Some(entry) = entry else { continue };
            let carrier = *entry.get_ref();
            if !carriers.contains(&carrier) {
                return Err(place.wrong(entry, &format!("{carrier} carries no messages of this kind")));
            }
            let is_there = match carrier {
                Carrier::Outbox => true,
                Carrier::Mail => has_mail,
                Carrier::Twilio => has_twilio,
                Carrier::Hook => has_hook,
            };
            if !is_there {
                return Err(place.wrong(entry, &format!("there is no table [{carrier}] that says how")));
            }
        }
        let used = [email, sms, voice];
        let unused = |carrier| format!("nothing goes by [{carrier}]: name it in [delivery], or leave the table out");
        let mail = match tables.mail {
            Some(entry) if !used.contains(&Carrier::Mail) => return Err(place.wrong(entry, &unused(Carrier::Mail))),
            entry => entry.map(|entry| entry.get_ref().resolve(place)).transpose()?,
        };
        let twilio = match tables.twilio {
            Some(entry) if !used.contains(&Carrier::Twilio) => return Err(place.wrong(entry, &unused(Carrier::Twilio))),
            entry => {
                entry.map(|entry| entry.get_ref().resolve(calls && voice == Carrier::Twilio, place)).transpose()?
            }
        };
        let hook = match tables.hook {
            Some(entry) if !used.contains(&Carrier::Hook) => return Err(place.wrong(entry, &unused(Carrier::Hook))),
            entry => entry.map(|entry| entry.get_ref().resolve(place)).transpose()?,
        };
        let (retries, waiting, at_once) = (self.retries.into(), self.waiting, self.at_once);
        Ok(Delivery { mail, twilio, hook, email, sms, voice, retries, waiting, at_once })
    }
}

impl MailEntry {
    fn resolve(&self, place: Place<'_>) -> Result<Smtp, ConfigFileError> {
        let smtp = Smtp::new(self.smtp.get_ref(), self.from.get_ref()).map_err(|error| match error {
            SmtpConfigError::From(_) => place.wrong(&self.from, &error),
            error => place.wrong(&self.smtp, &error),
        })?;
        let smtp = match (&self.user, &self.password) {
            (Some(user), Some(password)) => smtp.login(user.get_ref(), place.secret(password)?),
            (None, None) => smtp,
            (Some(user), None) => return Err(place.wrong(user, &"a user logs in with a password: add one")),
            (None, Some(password)) => return Err(place.wrong(password, &"a password is of a user: add one")),
        };
        let authorities = place.authorities(self.trust.as_ref())?;
        match &self.trust {
            Some(named) => smtp.trust(&authorities).map_err(|error| place.wrong(named, &error)),
            None => Ok(smtp),
        }
    }
}

impl TwilioEntry {
    fn resolve(&self, calls: bool, place: Place<'_>) -> Result<Phones, ConfigFileError> {
        let (account, token) = (self.account_sid.get_ref().as_str(), &self.auth_token);
        let at_account = |error| place.wrong(&self.account_sid, &error);
        let client = client(b"").map_err(|error| place.wrong(&self.account_sid, &error))?;
        let mut messages = Twilio::new(client.clone(), account, place.secret(token)?).map_err(at_account)?;
        messages = messages.from(self.from.get_ref()).map_err(|error| place.wrong(&self.from, &error))?;
        let mut verify = match &self.verify_service {
            Some(service) => {
                let made = TwilioVerify::new(client, account, place.secret(token)?, service.get_ref());
                Some(made.map_err(|error| place.wrong(service, &error))?)
            }
            None => None,
        };
        match (&self.key_sid, &self.key_secret) {
            (Some(key), Some(secret)) => {
                let wrong = |error| place.wrong(key, &error);
                messages = messages.key(key.get_ref(), place.secret(secret)?).map_err(wrong)?;
                verify = match verify {
                    Some(verify) => Some(verify.key(key.get_ref(), place.secret(secret)?).map_err(wrong)?),
                    None => None,
                };
            }
            (None, None) => {}
            (Some(key), None) => return Err(place.wrong(key, &"a key calls with its secret: add key_secret")),
            (None, Some(secret)) => return Err(place.wrong(secret, &"a secret is of a key: add key_sid")),
        }
        if let Some(base) = &self.base_url {
            messages = messages.base_url(base.get_ref()).map_err(|error| place.wrong(base, &error))?;
        }
        match (verify.take(), &self.verify_base_url) {
            (Some(made), Some(base)) => {
                verify = Some(made.base_url(base.get_ref()).map_err(|error| place.wrong(base, &error))?);
            }
            (None, Some(base)) => return Err(place.wrong(base, &"this is of Verify: add verify_service")),
            (made, None) => verify = made,
        }
        if calls && verify.is_none() && !self.from.get_ref().starts_with('+') {
            let problem = "calls come from a number of the account's (+15005550006): name one, or a verify_service";
            return Err(place.wrong(&self.from, &problem));
        }
        Ok(Phones { messages, verify, status_callback: self.status_callback })
    }
}

impl HookEntry {
    fn resolve(&self, place: Place<'_>) -> Result<HttpHook, ConfigFileError> {
        let authorities = place.authorities(self.trust.as_ref())?;
        let client = client(&authorities).map_err(|error| match &self.trust {
            Some(named) => place.wrong(named, &error),
            None => place.wrong(&self.url, &error),
        })?;
        HttpHook::new(client, self.url.get_ref(), place.secret(&self.secret)?).map_err(|error| match error {
            HookError::Secret => place.wrong(&self.secret, &error),
            error => place.wrong(&self.url, &error),
        })
    }
}

fn client(authorities: &[u8]) -> Result<HttpClient, HttpClientError> {
    HttpClient::trusting(FetchLimits::default(), authorities)
}

impl From<RetriesEntry> for Retries {
    fn from(entry: RetriesEntry) -> Self {
        let usual = Self::default();
        let or = |said: Option<Period>, usual: Duration| said.map_or(usual, |Period(said)| said);
        Self {
            attempts: entry.attempts.unwrap_or(usual.attempts).max(1),
            wait: or(entry.wait, usual.wait),
            longest_wait: or(entry.longest_wait, usual.longest_wait),
            attempt: or(entry.attempt, usual.attempt),
        }
    }
}

impl fmt::Display for Carrier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Outbox => "outbox",
            Self::Mail => "mail",
            Self::Twilio => "twilio",
            Self::Hook => "hook",
        })
    }
}

#[cfg(test)]
mod tests;
