//! Push with number matching: a device that holds its own key is asked, and signs what its user decided.
//!
//! Set up by a QR code with a single-use handle: the device registers a key that never leaves it, and shows digits which the
//! user types into the page, so that it is the user's own device that was registered. A login then shows a number; the device
//! shows client, place and time, takes the number, and signs the answer. What it signs works for that challenge alone.

mod budget;
mod devices;
mod error;
mod factor;
mod proof;
mod records;
mod service;

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use countersign_outbound::PushSender;

pub use devices::{PushDecision, PushDevices, PushQuestion, RegisteredDevice};
pub use error::PushError;
pub(crate) use factor::PushFactor;
pub(crate) use service::PushService;

use crate::Budget;

/// The name of the method.
pub(crate) const PUSH: &str = "push";

/// The section that asks for it.
const SECTION: &str = "NIST SP 800-63B-4 §3.1.3";

/// What says where an address is, for people.
type Place = Arc<dyn Fn(IpAddr) -> Option<String> + Send + Sync>;

/// Push to a device of the user's, with number matching (NIST SP 800-63B-4 §3.1.3, OWASP ASVS 5.0 V6.6).
///
/// The host's app is the device: it registers a key, is nudged by the host's [`PushSender`], asks what waits
/// ([`PushDevices::challenge`]), and signs what its user decided ([`PushDevices::answer`]). Not phishing-resistant: whoever relays
/// the login page relays the number too.
///
/// ```
/// use async_trait::async_trait;
/// use countersign_mfa::Push;
/// use countersign_outbound::{PushMessage, PushSender, SendError};
///
/// #[derive(Debug)]
/// struct Gateway;
///
/// #[async_trait]
/// impl PushSender for Gateway {
///     async fn send(&self, push: &PushMessage) -> Result<(), SendError> {
///         println!("{}: {}", push.to(), push.challenge());
///         Ok(())
///     }
/// }
///
/// let push = Push::new(Gateway).place(|address| address.is_loopback().then(|| "this machine".to_owned()));
/// # let _ = push;
/// ```
#[derive(Clone)]
pub struct Push {
    pub(crate) sender: Arc<dyn PushSender>,
    pub(crate) path: String,
    pub(crate) endpoint: Option<String>,
    pub(crate) lifetime: Duration,
    pub(crate) limits: PushLimits,
    pub(crate) place: Option<Place>,
    pub(crate) hardware_keys: bool,
}

impl fmt::Debug for Push {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Push")
            .field("sender", &self.sender)
            .field("path", &self.path)
            .field("lifetime", &self.lifetime)
            .field("limits", &self.limits)
            .finish_non_exhaustive()
    }
}

impl Push {
    /// How long a device may be registered by a QR code.
    pub const ENROLMENT_LIFETIME: Duration = Duration::from_secs(5 * 60);
    /// The longest that a challenge may wait (NIST SP 800-63B-4 §3.1.3.2).
    pub const LONGEST_LIFETIME: Duration = Duration::from_secs(10 * 60);

    /// Push by this sender.
    #[must_use]
    pub fn new(sender: impl PushSender + 'static) -> Self {
        Self {
            sender: Arc::new(sender),
            path: "/push".to_owned(),
            endpoint: None,
            lifetime: Duration::from_secs(120),
            limits: PushLimits::default(),
            place: None,
            hardware_keys: false,
        }
    }

    /// The path, below the issuer, that devices call: `PATH/enrol`, `PATH/challenge/{id}` and `PATH/answer`. Default: `/push`.
    #[must_use]
    pub fn path(mut self, path: impl Into<String>) -> Self {
        self.path = path.into();
        self
    }

    /// The URL that devices call, where it is not the realm's with [`path`](Self::path): without an authorization server the host
    /// serves it.
    #[must_use]
    pub fn endpoint(mut self, url: impl Into<String>) -> Self {
        self.endpoint = Some(url.into());
        self
    }

    /// How long a challenge waits. Default: two minutes, and ten at most: who is asked sits before the login page.
    #[must_use]
    pub fn lifetime(mut self, lifetime: Duration) -> Self {
        self.lifetime = lifetime.min(Self::LONGEST_LIFETIME);
        self
    }

    /// How often a device is asked.
    #[must_use]
    pub fn limits(mut self, limits: PushLimits) -> Self {
        self.limits = limits;
        self
    }

    /// Says where an address is, in the words that the device shows beside it, such as *Berlin, Germany*.
    #[must_use]
    pub fn place(mut self, place: impl Fn(IpAddr) -> Option<String> + Send + Sync + 'static) -> Self {
        self.place = Some(Arc::new(place));
        self
    }

    /// The host's app keeps its key in hardware that does not give it out, and the host vouches for that: `amr` says `hwk`
    /// instead of `swk` (RFC 8176 §2). Default: no, since no server can see it.
    #[must_use]
    pub fn hardware_keys(mut self) -> Self {
        self.hardware_keys = true;
        self
    }
}

/// How often a device is asked, so that nobody is worn down into saying yes (attack M31). A subject has at most one open
/// challenge beside it.
///
/// ```
/// use countersign_mfa::{Budget, PushLimits};
/// use std::time::Duration;
///
/// let limits = PushLimits { strangers: Budget::new(1, Duration::from_secs(300)), ..PushLimits::default() };
/// # let _ = limits;
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PushLimits {
    /// Nudges of one account, over all its devices, challenges and logins, from browsers that never signed in to it with a second
    /// factor. Default: 3 in 15 minutes.
    pub strangers: Budget,
    /// The same over a longer time. Default: 10 in a day.
    pub strangers_long: Budget,
    /// Nudges that one browser asks for which did. Default: 10 in 15 minutes.
    pub known: Budget,
    /// How long strangers cause no nudge after somebody said no, or typed a wrong number. Default: 15 minutes.
    pub cooling_off: Duration,
    /// After so many of those in a window strangers cause none until it is over. Default: 3 in a day.
    pub denials: Budget,
}

impl Default for PushLimits {
    fn default() -> Self {
        const QUARTER: Duration = Duration::from_secs(15 * 60);
        const DAY: Duration = Duration::from_secs(86_400);
        Self {
            strangers: Budget::new(3, QUARTER),
            strangers_long: Budget::new(10, DAY),
            known: Budget::new(10, QUARTER),
            cooling_off: QUARTER,
            denials: Budget::new(3, DAY),
        }
    }
}
