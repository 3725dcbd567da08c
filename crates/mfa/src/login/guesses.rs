//! Guesses as they are counted, and what is told of them.

use countersign_events::EventKind;
use countersign_primitives::{Id, Subject, UnixTime};
use countersign_storage_traits::Store;

use crate::keys::Keys;
use crate::limits::{Guess, Guesser, Note, Paid, SECTION};
use crate::mfa::Inner;
use crate::{Caller, Limits, LoginError, Notice};

impl Inner {
    /// What counting takes.
    pub(crate) fn counting(&self) -> (&Limits, &dyn Store, &Keys) {
        (&self.limits, &*self.store, &self.keys)
    }

    /// As whom somebody guesses.
    pub(super) async fn guesser(
        &self,
        guess: Guess<'_>,
        partition: Id,
        caller: &Caller,
        now: UnixTime,
    ) -> Result<Guesser, LoginError> {
        let known = self.known_browser(partition, caller, now).await?;
        // A browser that proved the password alone has no budget of its own for codes: whoever learnt the password has as
        // many of those as he likes.
        let known = known.filter(|browser| browser.second_factor || matches!(guess, Guess::Password));
        let client = caller.client.as_deref().map(|client| self.keys.client(client, caller.address));
        let known = known.map(|browser| browser.id);
        Ok(Guesser { account: partition, known, client, address: caller.address })
    }

    /// Charges an attempt, or says when the next one is welcome.
    pub(crate) async fn pay(
        &self,
        guess: Guess<'_>,
        partition: Id,
        subject: Option<&Subject>,
        caller: &Caller,
        now: UnixTime,
    ) -> Result<(Paid, Guesser), LoginError> {
        let guesser = self.guesser(guess, partition, caller, now).await?;
        match self.limits.charge(&*self.store, &self.keys, guess, &guesser, now).await? {
            Ok(paid) => Ok((paid, guesser)),
            Err(stopped) => {
                let cause = if stopped.closed { "guessing.closed" } else { "guessing.throttled" };
                self.tell_guessing(EventKind::GuessingThrottled, cause, guess, subject, caller);
                self.tell_note(stopped.note, guess, subject, caller).await;
                Err(LoginError::Throttled { retry_after: stopped.retry_after })
            }
        }
    }

    /// Counts an answer that was wrong. Of a name that nobody has it does the same, and tells nobody.
    pub(crate) async fn failed_guess(
        &self,
        paid: Paid,
        guess: Guess<'_>,
        (account, subject): (Id, Option<&Subject>),
        caller: &Caller,
    ) -> Result<(), LoginError> {
        let note = paid.failed(&self.limits, &*self.store, self.now()).await?;
        self.count_failure(account, caller, self.now()).await?;
        self.tell_note(note, guess, subject, caller).await;
        Ok(())
    }

    async fn tell_note(&self, note: Note, guess: Guess<'_>, subject: Option<&Subject>, caller: &Caller) {
        if note.closed {
            self.tell_guessing(EventKind::GuessingClosed, "guessing.row", guess, subject, caller);
        }
        if let Some(owner) = subject.filter(|_| note.told) {
            let cause = if note.closed { "guessing.closed" } else { "guessing.row" };
            self.tell_guessing(EventKind::OwnerWarned, cause, guess, subject, caller);
            self.tell_owner(owner, if note.closed { Notice::GuessingClosed } else { Notice::Guessing }).await;
        }
    }

    fn tell_guessing(
        &self,
        kind: EventKind,
        cause: &'static str,
        guess: Guess<'_>,
        subject: Option<&Subject>,
        caller: &Caller,
    ) {
        self.tell(kind, Some(caller), |event| {
            let event = event.with_method(guess.method()).with_cause(cause, SECTION);
            match subject {
                Some(subject) => event.with_subject(subject),
                None => event,
            }
        });
    }
}
