//! Numbers and addresses that are known to be the user's, as factors that nobody had to set up.

use countersign_accounts::Account;
use countersign_outbound::Channel;
use countersign_primitives::{Subject, UnixTime};

use crate::FirstEnrolment;
use crate::contact::Contact;
use crate::enrolments::{Authenticator, Enrolments};
use crate::factor::State;
use crate::mfa::Inner;

impl Inner {
    /// Adds the methods that the verified number and address of the account are enough for, where the policy wants them: as
    /// factors, or only to open the way to a first one ([`FirstEnrolment::VerifiedChannel`]). They
    /// stand in no record: when the account loses the number, the method is gone with it.
    pub(super) fn add_on_file(
        &self,
        enrolments: &mut Enrolments,
        account: Option<&Account>,
        subject: &Subject,
        now: UnixTime,
    ) {
        let opens_only = !self.policy.allows_verified_contacts();
        let opens = self.policy.enrolment() == FirstEnrolment::VerifiedChannel && !enrolments.has_factor();
        let Some(account) = account.filter(|_| opens || !opens_only) else { return };
        let partition = self.subjects.partition(subject);
        let settings = self.run_time.settings();
        let on = self.factors.iter().filter(|(method, _)| settings.is_on(method.name()));
        for (method, _) in on.filter(|(_, factor)| factor.works_on_file()) {
            let Some(contact) = method.contact().and_then(|channel| verified(account, channel)) else { continue };
            let set_up = |one: &Authenticator| one.method == method.name() && one.contact.as_ref() == Some(&contact);
            if enrolments.authenticators.iter().any(set_up) {
                continue;
            }
            let parts: [&[u8]; 3] = [partition.as_bytes(), method.name().as_bytes(), contact.to().as_bytes()];
            let id = self.keys.id("contact on file", &parts);
            let fresh = Authenticator::fresh(id, method.name(), State::default(), now);
            enrolments.authenticators.push(Authenticator {
                contact: Some(contact),
                on_file: true,
                opens_only,
                ..fresh
            });
        }
    }
}

/// The account's number or address for a channel, if the host has seen that it is the user's.
fn verified(account: &Account, channel: Channel) -> Option<Contact> {
    let on_file = if channel == Channel::Email { account.email_address() } else { account.phone() };
    on_file.filter(|(_, verified)| *verified).and_then(|(to, _)| Contact::parse(channel, to))
}
