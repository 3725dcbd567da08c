//! What a host plugs in: a factor, or one that the engine makes when it knows where it is served.

use std::fmt;
use std::sync::Arc;

use super::Factor;
use crate::webauthn::Settings;

/// What can be plugged in as a factor: every [`Factor`], and [`Passkeys`](crate::Passkeys) and
/// [`SecurityKeys`](crate::SecurityKeys), which are made when it is known where they are served.
pub trait IntoFactor {
    /// The factor, to be plugged in.
    fn into_factor(self) -> PluggedFactor;
}

/// A factor on its way into an engine.
pub struct PluggedFactor(pub(crate) Plugged);

pub(crate) enum Plugged {
    Made(Arc<dyn Factor>),
    Webauthn(Box<Settings>),
}

impl fmt::Debug for PluggedFactor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Plugged::Made(factor) => factor.fmt(f),
            Plugged::Webauthn(settings) => settings.fmt(f),
        }
    }
}

impl<F: Factor + 'static> IntoFactor for F {
    fn into_factor(self) -> PluggedFactor {
        PluggedFactor(Plugged::Made(Arc::new(self)))
    }
}

impl IntoFactor for PluggedFactor {
    fn into_factor(self) -> PluggedFactor {
        self
    }
}
