//! The browser behind a request: one cookie, which logins and the session hang on.

use std::fmt;

use bytes::Bytes;
use countersign_primitives::{Id, describe_user_agent};
use countersign_storage_traits::{Batch, CommitError, Expect, Found, Key};
use countersign_tokens::{Handle, HandleKind};
use http::Response;
use http::header::{self, HeaderValue};
use http::request::Parts;

use crate::records::{self, BrowserRecord, SeenFrom};
use crate::transport::{Peer, cookie};
use crate::{Cause, Refusal, Server};

const HANDLE: HandleKind = HandleKind::new("cs_browser");

/// The browser that sent a request. A cookie ties logins and the session to it; its value is replaced whenever the browser
/// gains something, so that a value planted or stolen before is worth nothing after.
pub struct Browser {
    id: Id,
    found: Option<Found<BrowserRecord>>,
    /// A new value for the cookie, not yet told to the browser.
    fresh: Option<Handle>,
    has_session: bool,
    /// Where the request came from, as far as the adapter told.
    peer: Option<Peer>,
    /// What it calls itself, in our words.
    agent: Option<String>,
}

impl Browser {
    /// Its id: stays the same while the cookie's value changes.
    #[must_use]
    pub fn id(&self) -> Id {
        self.id
    }

    /// Whether it showed a cookie that is ours and valid.
    #[must_use]
    pub fn is_known(&self) -> bool {
        self.found.is_some()
    }

    pub(crate) fn peer(&self) -> Option<Peer> {
        self.peer
    }

    /// What its user knows it again by, as far as the request told.
    pub(crate) fn seen_from(&self) -> Option<SeenFrom> {
        let (browser, address) = (self.agent.clone(), self.peer.map(|peer| peer.address()));
        (browser.is_some() || address.is_some()).then_some(SeenFrom { browser, address })
    }

    pub(crate) fn session(&self) -> Option<Id> {
        self.found.as_ref().and_then(|found| found.value.session)
    }

    pub(crate) fn has_open(&self, interaction: Id) -> bool {
        self.found.as_ref().is_some_and(|found| found.value.open.contains(&interaction))
    }
}

impl fmt::Debug for Browser {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Browser").field("id", &self.id).field("known", &self.is_known()).finish_non_exhaustive()
    }
}

/// What a browser gains.
pub(crate) enum Gain {
    /// A login under way.
    Interaction(Id),
    /// A login that has proven something: only the cookie's value changes.
    Factor,
    /// A session, or the end of one.
    Session(Option<Id>),
}

impl Server {
    /// The browser of a request: the one its cookie names, else a new one that nothing is stored of yet.
    ///
    /// # Errors
    /// When the store or the source of randomness fails.
    pub async fn browser(&self, parts: &Parts) -> Result<Browser, Refusal> {
        let peer = Peer::of(parts);
        let agent = parts.headers.get(header::USER_AGENT).and_then(|value| value.to_str().ok());
        let agent = agent.and_then(describe_user_agent);
        if let Some(handle) = cookie(parts, self.cookie_name()).and_then(|text| Handle::parse(HANDLE, text).ok()) {
            let key = Key::root(records::BROWSER, handle.id());
            if let Some(found) = self.store().find::<BrowserRecord>(key, self.now()).await?
                && found.value.secret.matches(&handle.hash(self.crypto()))
            {
                let has_session = found.value.session.is_some();
                return Ok(Browser { id: handle.id(), found: Some(found), fresh: None, has_session, peer, agent });
            }
        }
        Ok(Browser { id: self.random().id()?, found: None, fresh: None, has_session: false, peer, agent })
    }

    /// Notes that a login is under way in a browser that is no authorization request's: one of the issuer's own pages. Its cookie comes with
    /// the answer ([`Server::with_cookie`]).
    ///
    /// # Errors
    /// When the store or the source of randomness fails.
    pub async fn open_login(&self, browser: &mut Browser, login: Id) -> Result<(), Refusal> {
        self.gain(browser, &Gain::Interaction(login)).await
    }

    /// Records what a browser gained. A session or a factor also replaces the cookie's value.
    pub(crate) async fn gain(&self, browser: &mut Browser, gain: &Gain) -> Result<(), Refusal> {
        let now = self.now();
        let key = Key::root(records::BROWSER, browser.id);
        for _ in 0..4 {
            let replaces = browser.found.is_none() || !matches!(gain, Gain::Interaction(_));
            let fresh = if replaces { Some(Handle::generate(HANDLE, browser.id, self.random())?) } else { None };
            let secret = match (&fresh, &browser.found) {
                (Some(fresh), _) => fresh.hash(self.crypto()),
                (None, Some(found)) => found.value.secret,
                (None, None) => return Err(Cause::UnknownInteraction.into()),
            };
            let mut record = match &browser.found {
                Some(found) => BrowserRecord { secret, ..found.value.clone() },
                None => BrowserRecord { secret, open: Vec::new(), session: None },
            };
            apply(&mut record, gain);
            let lifetimes = &self.config().preset().lifetimes;
            let lives = if record.session.is_some() { lifetimes.session_absolute } else { lifetimes.login * 2 };
            let expires = now.plus(lives).max(browser.found.as_ref().map_or(now, |found| found.expires_at));
            let expect = browser.found.as_ref().map_or(Expect::Absent, Found::unchanged);
            let mut batch = Batch::new(browser.id, now, self.random())?;
            batch.put_value(key, expect, expires, &record)?;
            match self.store().commit_surely(&batch).await {
                Ok(()) => {
                    browser.has_session = record.session.is_some();
                    browser.found = Some(Found { key, version: batch.id(), expires_at: expires, value: record });
                    if fresh.is_some() {
                        browser.fresh = fresh;
                    }
                    return Ok(());
                }
                Err(CommitError::Conflict(_)) => self.reread(browser, key).await?,
                Err(error) => return Err(error.into()),
            }
        }
        Err(Cause::Contention.into())
    }

    /// Another request of the same browser was first. Goes on only if the cookie's value is still the one it showed.
    async fn reread(&self, browser: &mut Browser, key: Key) -> Result<(), Refusal> {
        let before = browser.found.take();
        let after = self.store().find::<BrowserRecord>(key, self.now()).await?;
        match (before, after) {
            (Some(before), Some(after)) if before.value.secret.matches(&after.value.secret) => {
                browser.found = Some(after);
                Ok(())
            }
            _ => Err(Cause::UnknownInteraction.into()),
        }
    }

    /// Adds the cookie to an answer, if its value is new; an answer bears it once.
    #[must_use]
    pub fn with_cookie(&self, browser: &Browser, mut response: Response<Bytes>) -> Response<Bytes> {
        let Some(fresh) = &browser.fresh else { return response };
        let secure = if self.config().issuer().is_https() { "; Secure" } else { "" };
        let lasts = if browser.has_session {
            format!("; Max-Age={}", self.config().preset().lifetimes.session_absolute.as_secs())
        } else {
            String::new()
        };
        let line = format!("{}={}; Path=/; HttpOnly; SameSite=Lax{secure}{lasts}", self.cookie_name(), fresh.expose());
        let Ok(mut value) = HeaderValue::from_str(&line) else { return response };
        value.set_sensitive(true);
        let own = format!("{}=", self.cookie_name());
        let headers = response.headers_mut();
        let others: Vec<_> = headers.get_all(header::SET_COOKIE).iter().cloned().collect();
        headers.remove(header::SET_COOKIE);
        for other in others.into_iter().filter(|other| !other.as_bytes().starts_with(own.as_bytes())) {
            headers.append(header::SET_COOKIE, other);
        }
        headers.append(header::SET_COOKIE, value);
        response
    }
}

fn apply(record: &mut BrowserRecord, gain: &Gain) {
    match gain {
        Gain::Interaction(id) => {
            if !record.open.contains(id) {
                record.open.push(*id);
            }
            if record.open.len() > BrowserRecord::MAX_OPEN {
                record.open.remove(0);
            }
        }
        Gain::Factor => {}
        Gain::Session(session) => record.session = *session,
    }
}
