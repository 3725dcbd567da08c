//! What the clients of this program remember, in this process, for a bounded number of browsers and a bounded time.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use countersign::{Random, RandomError, SecretString, SystemRandom};
use http::HeaderMap;

use super::client::{Authorization, Farewell, Renewal, Shown};
use super::cookie;

/// The most browsers that are remembered; the oldest goes first.
const MOST: usize = 1_000;
/// How long a browser is remembered.
const LIFETIME: Duration = Duration::from_secs(30 * 60);

/// What the demo remembers of one browser.
#[derive(Debug)]
pub(super) enum Session {
    /// It was sent to the server.
    Asked(Box<Authorization>),
    /// It came back with tokens.
    SignedIn { shown: Box<Shown>, csrf: SecretString },
    /// It was sent to the server to sign out there too.
    Leaving(Farewell),
}

impl Session {
    pub(super) fn asked(authorization: Authorization) -> Self {
        Self::Asked(Box::new(authorization))
    }

    pub(super) fn signed_in(shown: Shown, csrf: String) -> Self {
        Self::SignedIn { shown: Box::new(shown), csrf: SecretString::new(csrf) }
    }

    pub(super) fn leaving(farewell: Farewell) -> Self {
        Self::Leaving(farewell)
    }

    pub(super) fn farewell(&self) -> Option<&Farewell> {
        match self {
            Self::Leaving(farewell) => Some(farewell),
            _ => None,
        }
    }

    pub(super) fn authorization(&self) -> Option<&Authorization> {
        match self {
            Self::Asked(authorization) => Some(authorization),
            _ => None,
        }
    }

    pub(super) fn into_asked(self) -> Option<Authorization> {
        match self {
            Self::Asked(authorization) => Some(*authorization),
            _ => None,
        }
    }

    /// What to show, and the anti-forgery value of its buttons.
    pub(super) fn signed(&self) -> Option<(&Shown, &SecretString)> {
        match self {
            Self::SignedIn { shown, csrf } => Some((shown, csrf)),
            _ => None,
        }
    }

    /// Whether a button of our own page was pressed.
    pub(super) fn is_press(&self, csrf: &str) -> bool {
        self.signed().is_some_and(|(_, own)| own.matches(csrf))
    }

    pub(super) fn renewal(&self, csrf: &str) -> Option<Renewal> {
        self.signed().filter(|(_, own)| own.matches(csrf)).and_then(|(shown, _)| shown.renewal())
    }

    pub(super) fn renew(&mut self, renewed: Shown) {
        if let Self::SignedIn { shown, .. } = self {
            **shown = renewed;
        }
    }
}

/// What a client of this program remembers of all browsers.
#[derive(Debug)]
pub(crate) struct Sessions<T> {
    cookie: String,
    attributes: &'static str,
    open: Mutex<HashMap<String, Kept<T>>>,
}

#[derive(Debug)]
struct Kept<T> {
    since: Instant,
    value: T,
}

impl<T> Kept<T> {
    fn is_young(&self) -> bool {
        self.since.elapsed() < LIFETIME
    }
}

impl<T> Sessions<T> {
    /// Sessions of the client of this name at this origin. Cookies know no port, so the origin is part of their name.
    pub(crate) fn new(client: &str, origin: &str) -> Self {
        let tag: String = origin.bytes().filter(u8::is_ascii_alphanumeric).map(char::from).collect();
        let secure = origin.starts_with("https:");
        let (prefix, attributes) = if secure {
            ("__Host-", "; Path=/; HttpOnly; SameSite=Lax; Secure")
        } else {
            ("", "; Path=/; HttpOnly; SameSite=Lax")
        };
        Self { cookie: format!("{prefix}countersign-{client}-{tag}"), attributes, open: Mutex::default() }
    }

    /// Remembers a browser under a new name; returns the `Set-Cookie` that tells it.
    pub(crate) fn open(&self, value: T) -> Result<String, RandomError> {
        let id = unguessable(&SystemRandom)?;
        let cookie = format!("{}={id}{}", self.cookie, self.attributes);
        let mut open = self.lock();
        open.retain(|_, kept| kept.is_young());
        if open.len() >= MOST {
            let oldest = open.iter().min_by_key(|(_, kept)| kept.since).map(|(id, _)| id.clone());
            oldest.and_then(|id| open.remove(&id));
        }
        open.insert(id, Kept { since: Instant::now(), value });
        Ok(cookie)
    }

    /// Forgets a browser, and returns what was remembered.
    pub(crate) fn take(&self, headers: &HeaderMap) -> Option<T> {
        self.lock().remove(cookie(headers, &self.cookie)?).filter(Kept::is_young).map(|kept| kept.value)
    }

    pub(crate) fn read<R>(&self, headers: &HeaderMap, read: impl FnOnce(&T) -> R) -> Option<R> {
        let open = self.lock();
        open.get(cookie(headers, &self.cookie)?).filter(|kept| kept.is_young()).map(|kept| read(&kept.value))
    }

    pub(crate) fn change(&self, headers: &HeaderMap, change: impl FnOnce(&mut T)) {
        if let Some(id) = cookie(headers, &self.cookie)
            && let Some(kept) = self.lock().get_mut(id)
        {
            change(&mut kept.value);
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<String, Kept<T>>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// 256 random bits as text.
pub(crate) fn unguessable(random: &dyn Random) -> Result<String, RandomError> {
    Ok(URL_SAFE_NO_PAD.encode(random.array::<32>()?))
}

#[cfg(test)]
mod tests {
    use super::super::Offer;
    use super::*;

    fn asked() -> Session {
        Session::asked(Authorization::begin(&Offer::PLAIN, &SystemRandom).unwrap())
    }

    fn headers(set_cookie: &str) -> HeaderMap {
        let pair = set_cookie.split(';').next().unwrap();
        HeaderMap::from_iter([(http::header::COOKIE, format!("a=b; {pair}").parse().unwrap())])
    }

    #[test]
    fn a_session_is_found_by_its_cookie_and_taken_once() {
        let sessions = Sessions::new("demo", "http://localhost:4000");
        let cookie = sessions.open(asked()).unwrap();
        assert!(cookie.starts_with("countersign-demo-httplocalhost4000="));
        assert!(sessions.take(&HeaderMap::new()).is_none());
        assert!(sessions.take(&headers(&cookie)).is_some());
        assert!(sessions.take(&headers(&cookie)).is_none());
    }

    #[test]
    fn over_https_the_cookie_is_bound_to_its_host() {
        let cookie = Sessions::new("demo", "https://id.example").open(asked()).unwrap();
        assert!(cookie.starts_with("__Host-") && cookie.ends_with("; Path=/; HttpOnly; SameSite=Lax; Secure"));
    }

    #[test]
    fn promise_7_no_more_browsers_are_remembered_than_fit() {
        let sessions = Sessions::new("demo", "http://localhost:4000");
        let first = sessions.open(asked()).unwrap();
        let last = (0..MOST).map(|_| sessions.open(asked()).unwrap()).last().unwrap();
        assert_eq!(sessions.lock().len(), MOST);
        assert!(sessions.take(&headers(&first)).is_none(), "the oldest goes first");
        assert!(sessions.take(&headers(&last)).is_some());
    }
}
