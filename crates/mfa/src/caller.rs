//! Who calls: the browser or client, where it calls from, and whether it was here before.

use std::fmt;
use std::net::IpAddr;

use countersign_primitives::{Id, SessionId};
use ring::digest::{SHA256, digest};

use crate::Languages;

/// The browser that a step comes from, or the client where no browser is.
#[derive(Debug, Clone)]
pub struct Caller {
    pub(crate) browser: Id,
    pub(crate) address: Option<IpAddr>,
    pub(crate) marks: BrowserMarks,
    pub(crate) session: Option<SessionId>,
    /// The client that calls, where no browser does.
    pub(crate) client: Option<String>,
    /// The languages that whoever calls reads.
    pub(crate) languages: Languages,
    /// What the browser says of itself.
    pub(crate) user_agent: Option<String>,
}

impl Caller {
    /// A browser by the id that its cookie stands for. The host has checked the cookie; a login answers no other browser.
    #[must_use]
    pub fn new(browser: Id) -> Self {
        Self {
            browser,
            address: None,
            marks: BrowserMarks::default(),
            session: None,
            client: None,
            languages: Languages::default(),
            user_agent: None,
        }
    }

    /// A client that calls by itself, without a browser and its cookies: a login through an API. A login is that client's alone,
    /// and guesses are counted by the client and the address that it calls from. Give it that [address](Self::address): the one
    /// of the user's device where the client calls from there. Once a login was done from it, client and address are known to
    /// the account as a browser would be.
    ///
    /// The host has made sure which client it is; where clients are public, anybody can be any of them, and nothing rests on it.
    ///
    /// ```
    /// use countersign_mfa::Caller;
    ///
    /// let caller = Caller::of_client("mobile-app").address([192, 0, 2, 1].into());
    /// # let _ = caller;
    /// ```
    #[must_use]
    pub fn of_client(client_id: impl Into<String>) -> Self {
        let client_id = client_id.into();
        let mut browser = [0; 16];
        browser.copy_from_slice(&digest(&SHA256, client_id.as_bytes()).as_ref()[..16]);
        Self { client: Some(client_id), ..Self::new(Id::from_bytes(browser)) }
    }

    /// The address of the connection, or what a configured proxy says of it. Guesses are counted by it, except from loopback.
    #[must_use]
    pub fn address(mut self, address: IpAddr) -> Self {
        self.address = Some(address);
        self
    }

    /// The languages that the browser asks for: messages to somebody whose account names no language are written in them.
    #[must_use]
    pub fn languages(mut self, languages: Languages) -> Self {
        self.languages = languages;
        self
    }

    /// What the browser says of itself (`User-Agent`), for [risk signals](crate::risk) of the host's own, and for lists of devices. Anybody can say anything: nothing
    /// of ours takes it for a proof. What goes beyond 512 characters is cut off.
    #[must_use]
    pub fn user_agent(mut self, text: &str) -> Self {
        self.user_agent = Some(text.chars().take(512).collect());
        self
    }

    /// The session that the browser has at present. What a session proved counts in a login only while the browser still has
    /// that session, and a login that is done is handed out only while the browser has the session that it had at its beginning.
    #[must_use]
    pub fn session(mut self, session: SessionId) -> Self {
        self.session = Some(session);
        self
    }

    /// The marks in the browser's cookie. A client has none.
    #[must_use]
    pub fn marks(mut self, marks: BrowserMarks) -> Self {
        self.marks = marks;
        self
    }
}

/// What a browser keeps of the accounts that signed in with it, the newest first: a random mark for each, and a random secret for each that
/// had it remembered.
///
/// A mark gives no access. It only gives the browser a guessing budget of its own, so that strangers who use theirs up cannot
/// lock the owner out. The secret of a remembered device stands in for a second factor beside the password of its own user, where a
/// [`Requirement`](countersign_primitives::Requirement) lets it. [`fmt::Display`] writes the value of the cookie and
/// [`BrowserMarks::parse`] reads it; the cookie is `HttpOnly`, `Secure` and `SameSite=Lax`.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct BrowserMarks {
    marks: Vec<Id>,
    devices: Vec<Id>,
}

impl BrowserMarks {
    /// So many accounts are remembered; the oldest gives way.
    pub const MAX: usize = 5;

    /// Reads a cookie's value. What cannot be read is left out: the browser is then a stranger, no worse.
    #[must_use]
    pub fn parse(value: &str) -> Self {
        let (marks, devices) = value.split_once(DEVICES_FOLLOW).unwrap_or((value, ""));
        let ids = |text: &str| text.split('.').take(Self::MAX).filter_map(|id| id.parse().ok()).collect();
        Self { marks: ids(marks), devices: ids(devices) }
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.marks.is_empty() && self.devices.is_empty()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = Id> + '_ {
        self.marks.iter().copied()
    }

    /// The secrets of the accounts that had the browser remembered.
    pub(crate) fn devices(&self) -> impl Iterator<Item = Id> + '_ {
        self.devices.iter().copied()
    }

    /// The marks with this one first.
    pub(crate) fn with(&self, mark: Id) -> Self {
        Self { marks: first(mark, self.iter()), devices: self.devices.clone() }
    }

    /// The secrets with this one first, in place of that one.
    pub(crate) fn with_device(&self, secret: Id, replaced: Option<Id>) -> Self {
        let others = self.devices().filter(|other| Some(*other) != replaced);
        Self { marks: self.marks.clone(), devices: first(secret, others) }
    }
}

/// Stands between marks and secrets in the cookie.
const DEVICES_FOLLOW: char = '~';

/// The newest first, and no more than are kept.
fn first(newest: Id, others: impl Iterator<Item = Id>) -> Vec<Id> {
    std::iter::once(newest).chain(others.filter(|other| *other != newest)).take(BrowserMarks::MAX).collect()
}

fn write_ids(f: &mut fmt::Formatter<'_>, ids: &[Id]) -> fmt::Result {
    for (position, id) in ids.iter().enumerate() {
        if position > 0 {
            f.write_str(".")?;
        }
        write!(f, "{id}")?;
    }
    Ok(())
}

impl fmt::Display for BrowserMarks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_ids(f, &self.marks)?;
        if !self.devices.is_empty() {
            write!(f, "{DEVICES_FOLLOW}")?;
        }
        write_ids(f, &self.devices)
    }
}

impl fmt::Debug for BrowserMarks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "BrowserMarks({} marks, {} devices)", self.marks.len(), self.devices.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_survive_the_cookie_and_rubbish_is_left_out() {
        let marks = (0..7).fold(BrowserMarks::default(), |marks, byte| marks.with(Id::from_bytes([byte; 16])));
        assert_eq!(marks.marks.len(), BrowserMarks::MAX);
        assert_eq!(marks.marks[0], Id::from_bytes([6; 16]));
        assert_eq!(BrowserMarks::parse(&marks.to_string()), marks);
        assert_eq!(BrowserMarks::parse(&format!("x..{}", Id::from_bytes([1; 16]))).marks, [Id::from_bytes([1; 16])]);
        for nothing in ["", "~", "~~", "x~y", "."] {
            assert!(BrowserMarks::parse(nothing).is_empty(), "{nothing}");
        }
    }

    #[test]
    fn a_mark_stands_once_and_first() {
        let (a, b) = (Id::from_bytes([1; 16]), Id::from_bytes([2; 16]));
        assert_eq!(BrowserMarks::default().with(a).with(b).with(a).marks, [a, b]);
    }

    #[test]
    fn secrets_of_devices_stand_apart_from_marks_and_take_each_others_place() {
        let id = |byte| Id::from_bytes([byte; 16]);
        let devices = (1..8).fold(BrowserMarks::default(), |all, byte| all.with_device(id(byte), None));
        assert_eq!(devices.devices.len(), BrowserMarks::MAX);
        assert_eq!(BrowserMarks::parse(&devices.to_string()), devices);
        let both = devices.with(id(9));
        assert_eq!(BrowserMarks::parse(&both.to_string()), both);
        assert_eq!(both.with_device(id(8), Some(id(7))).devices, [8, 6, 5, 4, 3].map(id));
        assert!(!format!("{both:?}").contains(&id(7).to_string()), "promise 4");
    }
}
