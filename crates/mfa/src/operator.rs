//! Who looks after users and switches things, for events to tell.

use std::fmt;

use countersign_events::Event;
use countersign_primitives::Subject;

/// Somebody who changes what is not theirs: an administrator who has signed in, or the host's own code. It proves nothing; whoever makes
/// one has made sure. Events bear it ([`Event::operator`]).
///
/// ```
/// use countersign_mfa::Operator;
///
/// assert_eq!(Operator::user("u-9").by_client("console").to_string(), "user u-9 by client console");
/// assert_eq!(Operator::host("nightly job").to_string(), "host nightly job");
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Operator {
    who: Who,
    client_id: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Who {
    User(Subject),
    Host(String),
}

impl Operator {
    /// A user of this server's own, by the subject.
    #[must_use]
    pub fn user(subject: impl Into<Subject>) -> Self {
        Self { who: Who::User(subject.into()), client_id: None }
    }

    /// A program of the host's, by the name that is to stand in its events.
    #[must_use]
    pub fn host(name: impl Into<String>) -> Self {
        Self { who: Who::Host(name.into()), client_id: None }
    }

    /// Through which client.
    #[must_use]
    pub fn by_client(mut self, client_id: impl Into<String>) -> Self {
        self.client_id = Some(client_id.into());
        self
    }

    /// The user, where it is one.
    #[must_use]
    pub fn subject(&self) -> Option<&Subject> {
        match &self.who {
            Who::User(subject) => Some(subject),
            Who::Host(_) => None,
        }
    }

    /// An event that bears it.
    pub(crate) fn on(&self, event: Event) -> Event {
        let event = event.with_operator(self.to_string());
        self.client_id.iter().fold(event, Event::with_client_id)
    }
}

impl fmt::Display for Operator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.who {
            Who::User(subject) => write!(f, "user {}", subject.as_str())?,
            Who::Host(name) => write!(f, "host {name}")?,
        }
        match &self.client_id {
            Some(client_id) => write!(f, " by client {client_id}"),
            None => Ok(()),
        }
    }
}
