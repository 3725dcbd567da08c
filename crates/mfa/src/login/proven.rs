//! What somebody has proven in a login, or a session brought along.

use countersign_outbound::Channel;
use countersign_primitives::{Amr, Proof, UnixTime};
use serde::{Deserialize, Serialize};

use super::MAGIC_LINK;
use crate::Method;
use crate::factor::{Kind as FactorKind, Kinds};

/// Something proven.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Proven {
    pub(crate) method: String,
    pub(crate) amr: Vec<Amr>,
    pub(crate) kinds: Kinds,
    pub(crate) at: UnixTime,
    /// It says who somebody is, and does not only confirm it.
    pub(crate) first: bool,
    pub(crate) phishing_resistant: bool,
    /// It was proven before this login began.
    pub(crate) brought: bool,
    /// How it travelled, where it travelled by message.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) channel: Option<Channel>,
}

impl Proven {
    pub(crate) fn password(at: UnixTime) -> Self {
        Self {
            method: "password".to_owned(),
            amr: vec![Amr::Pwd],
            kinds: Kinds::of(FactorKind::Knowledge),
            at,
            first: true,
            phishing_resistant: false,
            brought: false,
            channel: None,
        }
    }

    /// A password that was chosen by a link that came by mail: what comes by mail adds nothing to it.
    pub(crate) fn password_by_mail(at: UnixTime) -> Self {
        Self { channel: Some(Channel::Email), ..Self::password(at) }
    }

    /// A link that came by mail. Whoever can read a mailbox knows what opens it: that is worth what a password is
    /// (NIST SP 800-63B-4 §3.1.3.1).
    pub(crate) fn magic_link(at: UnixTime) -> Self {
        Self { method: MAGIC_LINK.to_owned(), amr: vec![Amr::Mca], ..Self::password_by_mail(at) }
    }

    /// A factor that was enrolled before, or here: what is enrolled in this login gives at most `mfa`.
    pub(crate) fn factor(method: &Method, at: UnixTime, enrolled_here: bool) -> Self {
        Self {
            method: method.name().to_owned(),
            amr: method.amr_values().to_vec(),
            kinds: method.kinds(),
            at,
            first: false,
            phishing_resistant: method.is_phishing_resistant() && !enrolled_here,
            brought: false,
            channel: method.travels_by(),
        }
    }

    /// The same with what the answer told of itself.
    pub(crate) fn told(self, told: Option<(Kinds, Vec<Amr>)>) -> Self {
        match told {
            Some((kinds, amr)) => Self { kinds, amr, ..self },
            None => self,
        }
    }

    /// A proof that a session brings along. One-time codes and messages confirm, they do not say who somebody is.
    pub(super) fn brought(proof: &Proof) -> Self {
        let confirms = matches!(proof.amr, Amr::Otp | Amr::Sms | Amr::Tel | Amr::Mfa | Amr::Mca | Amr::Rba | Amr::Geo);
        Self {
            method: proof.amr.as_str().to_owned(),
            amr: vec![proof.amr],
            kinds: Kinds::of_amr(proof.amr),
            at: proof.at,
            first: !confirms,
            phishing_resistant: false,
            brought: true,
            channel: None,
        }
    }

    /// Whether it travels as what said who signs in did: then it proves nothing more. A text message and a call go to one phone.
    pub(crate) fn repeats(&self, first: &Self) -> bool {
        let place = |channel: Option<Channel>| channel.map(|channel| channel == Channel::Email);
        !self.first && first.first && self.channel.is_some() && place(self.channel) == place(first.channel)
    }
}
