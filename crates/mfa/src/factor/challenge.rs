//! What a user is asked, and whether the answer is right.

use std::fmt;
use std::sync::Arc;

use countersign_outbound::{Channel, Message};
use countersign_primitives::{Amr, Id, UnixTime};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::{FactorError, Kinds, Prompt, State};
use crate::step::Shown;

/// What a user is asked this time: what is shown, what is sent, and what the engine keeps until the answer comes.
#[derive(Clone, Serialize, Deserialize)]
pub struct Challenge {
    /// Which one it is, among all that were ever made.
    #[serde(default = "unnamed")]
    pub(crate) id: Id,
    pub(crate) prompt: Prompt,
    pub(crate) state: State,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) attempts: Option<u32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) expires_at: Option<UnixTime>,
    /// How its message travels.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) channel: Option<Channel>,
    /// The message, until it is sent. No record holds it.
    #[serde(skip)]
    pub(crate) message: Option<Arc<Message>>,
    /// Its factor asks elsewhere, and has not yet.
    #[serde(skip)]
    pub(crate) asks: bool,
    /// What the user is given once the answer was right.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) gives: Option<Shown>,
    /// What was given to the user for setting it up can be made anew.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(crate) renewable: bool,
}

fn unnamed() -> Id {
    Id::from_bytes([0; 16])
}

impl fmt::Debug for Challenge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Challenge").field("id", &self.id).field("channel", &self.channel).finish_non_exhaustive()
    }
}

impl Challenge {
    /// A challenge of this state.
    ///
    /// # Errors
    /// When the state cannot be written out.
    pub fn new<T: Serialize + ?Sized>(prompt: Prompt, state: &T) -> Result<Self, FactorError> {
        Ok(Self { state: State::write(state)?, ..Self::plain(prompt) })
    }

    /// A challenge that keeps nothing: the answer is judged by what was enrolled.
    #[must_use]
    pub fn plain(prompt: Prompt) -> Self {
        let state = State::default();
        Self {
            id: unnamed(),
            prompt,
            state,
            attempts: None,
            expires_at: None,
            channel: None,
            message: None,
            asks: false,
            gives: None,
            renewable: false,
        }
    }

    /// Sends a message, once the challenge is stored. The engine finds the sender of its channel, keeps to the time between two
    /// messages, and tells the user when it cannot be sent.
    #[must_use]
    pub fn sends(mut self, message: Message) -> Self {
        self.channel = Some(message.channel());
        self.message = Some(Arc::new(message));
        self
    }

    /// Its factor asks elsewhere, such as on a device: [`Factor::ask`](crate::Factor::ask) is called once the challenge is stored.
    #[must_use]
    pub fn asks(mut self) -> Self {
        self.asks = true;
        self
    }

    /// Of an enrolment: the user may ask for what he was given to be made anew, since it lives shorter than the login.
    #[must_use]
    pub fn renewable(mut self) -> Self {
        self.renewable = true;
        self
    }

    /// So many answers are looked at, each counted before it is; then only another challenge helps. The account's own limits
    /// count on beside it, over all challenges.
    #[must_use]
    pub fn attempts(mut self, most: u32) -> Self {
        self.attempts = Some(most);
        self
    }

    /// From then on no answer is looked at.
    #[must_use]
    pub fn expires(mut self, at: UnixTime) -> Self {
        self.expires_at = Some(at);
        self
    }

    /// What the challenge keeps.
    ///
    /// # Errors
    /// When it is not of this type.
    pub fn state<T: DeserializeOwned>(&self) -> Result<T, FactorError> {
        self.state.read()
    }

    /// The challenge under its name, which its message bears too.
    pub(crate) fn named(mut self, id: Id) -> Self {
        self.id = id;
        self.message = self.message.and_then(Arc::into_inner).map(|message| Arc::new(message.with_id(id)));
        self
    }

    /// Whether another one can be asked for: what was sent may not have come.
    pub(crate) fn can_be_sent_again(&self) -> bool {
        self.channel.is_some() || self.prompt.wait.is_some() || self.renewable
    }
}

/// Whether an answer is right. A rejected one carries nothing.
#[derive(Debug)]
#[must_use]
pub struct Verdict(pub(crate) Judged);

/// What became of an answer.
#[derive(Debug)]
pub(crate) enum Judged {
    /// Right; the factor's new state, where it spends something.
    Right(Option<State>, Told),
    Wrong,
    /// Wrong, for this cause; and the challenge is spent with it.
    Refused(&'static str),
    /// Right once, and spent since: right again for whoever spent it by this very answer.
    Again(Told),
    /// It has not come yet.
    Pending,
    /// Whoever was asked elsewhere said that it was not them.
    Denied,
}

/// What a right answer told beside that it is right.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Told {
    /// The authenticator that answered, where several of one method were asked at once.
    pub(crate) by: Option<Id>,
    /// What it proved, where that is not the same each time.
    pub(crate) proves: Option<(Kinds, Vec<Amr>)>,
    /// What is to be this authenticator's alone, for all users: where the record of that lies.
    pub(crate) unique: Option<Id>,
    /// What is worth an event.
    pub(crate) doubts: Vec<&'static str>,
}

impl Verdict {
    /// It is right.
    pub fn accepted() -> Self {
        Self(Judged::Right(None, Told::default()))
    }

    /// It is wrong.
    pub fn rejected() -> Self {
        Self(Judged::Wrong)
    }

    /// Right or wrong, as `right` says.
    pub fn when(right: bool) -> Self {
        if right { Self::accepted() } else { Self::rejected() }
    }

    /// It is right, and spends something: from now on the factor's state is this.
    ///
    /// # Errors
    /// When the state cannot be written out.
    pub fn spending<T: Serialize + ?Sized>(state: &T) -> Result<Self, FactorError> {
        Ok(Self(Judged::Right(Some(State::write(state)?), Told::default())))
    }

    /// The answer has not come yet. Nothing is counted, and the user goes on waiting.
    pub fn pending() -> Self {
        Self(Judged::Pending)
    }

    /// Who was asked elsewhere says that this login is not theirs. Operators hear of it ([`EventKind::FactorDenied`]).
    ///
    /// [`EventKind::FactorDenied`]: countersign_events::EventKind::FactorDenied
    pub fn denied() -> Self {
        Self(Judged::Denied)
    }

    /// Whether it is right.
    #[must_use]
    pub fn is_accepted(&self) -> bool {
        matches!(self.0, Judged::Right(..))
    }
}
