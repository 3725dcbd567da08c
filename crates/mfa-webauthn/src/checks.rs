//! The checks that registration and authentication share, each one step of §7.1 and §7.2.

use std::time::Duration;

use countersign_primitives::{Random, RandomError, UnixTime};
use serde::{Deserialize, Serialize};

use crate::RelyingParty;
use crate::authenticator_data::Flags;
use crate::client_data::ClientData;
use crate::cose::sha256;
use crate::encoding::{base64url, is_encoding_of};
use crate::refusal::refusals;

refusals! {
    /// Why a ceremony is refused, for a cause that registration and authentication share.
    CeremonyError as "ceremony" {
        /// It took longer than allowed.
        Expired = "expired": "the ceremony has expired; begin it anew",
        /// It was begun in another session.
        OtherSession = "other_session": "the ceremony was begun in another session",
        /// It was begun by another relying party.
        OtherRelyingParty = "other_relying_party": "the ceremony was begun by another relying party",
        /// The client data is of another type: a registration for a login, or the other way round (§7.1 step 7, §7.2 step 10).
        Type = "type": "the client data is not of this kind of ceremony",
        /// The challenge is another (§7.1 step 8, §7.2 step 11).
        Challenge = "challenge": "the challenge is not the one of this ceremony",
        /// The origin is not expected (§7.1 step 9, §7.2 step 12).
        Origin = "origin": "the ceremony took place at an origin that is not expected",
        /// It took place in a frame of another origin (§7.1 step 10, §7.2 step 13).
        CrossOrigin = "cross_origin": "the ceremony took place in a frame of another origin, which is not allowed",
        /// It took place under a page that is not expected (§7.1 step 11, §7.2 step 14).
        TopOrigin = "top_origin": "the ceremony took place under a page that is not expected",
        /// The authenticator signed for another RP ID (§7.1 step 14, §7.2 step 15).
        RpIdHash = "rp_id_hash": "the authenticator signed for another RP ID",
        /// Nobody touched the authenticator (§7.1 step 15, §7.2 step 16).
        UserPresence = "user_presence": "the authenticator did not see anybody present",
        /// The owner was not verified, although that is required (§7.1 step 16, §7.2 step 17).
        UserVerification = "user_verification": "the authenticator did not verify its owner, which is required",
        /// A copy exists of what cannot be copied (§7.1 step 17, §7.2 step 18).
        BackupState = "backup_state": "the authenticator says that a key is backed up which cannot be",
    }
}

/// A challenge (§13.4.3): 32 random bytes, and never under 16, so that a damaged record lets nothing through.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Challenge(Vec<u8>);

impl AsRef<[u8]> for Challenge {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl TryFrom<Vec<u8>> for Challenge {
    type Error = Vec<u8>;

    fn try_from(bytes: Vec<u8>) -> Result<Self, Vec<u8>> {
        if bytes.len() < 16 { Err(bytes) } else { Ok(Self(bytes)) }
    }
}

/// What every ceremony remembers between its two halves.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Bond {
    rp_id: String,
    #[serde(with = "base64url")]
    pub(crate) challenge: Challenge,
    /// SHA-256 of the host's name for the session: the name itself may be a secret.
    #[serde(with = "base64url")]
    session: [u8; 32],
    expires: UnixTime,
}

/// A name for the session that a ceremony is bound to, hashed.
fn session_hash(session: &str) -> [u8; 32] {
    sha256(&[b"countersign webauthn session\0", session.as_bytes()])
}

impl Bond {
    pub(crate) fn new(
        site: &RelyingParty,
        session: &str,
        now: UnixTime,
        random: &dyn Random,
    ) -> Result<Self, RandomError> {
        let challenge = Challenge(random.array::<32>()?.to_vec());
        let expires = now.plus(site.timeout);
        Ok(Self { rp_id: site.id.clone(), challenge, session: session_hash(session), expires })
    }

    pub(crate) fn rp_id(&self) -> &str {
        &self.rp_id
    }

    pub(crate) const fn expires(&self) -> UnixTime {
        self.expires
    }

    /// That the second half belongs to the first, before anything is read.
    pub(crate) fn holds(&self, site: &RelyingParty, session: &str, now: UnixTime) -> Result<(), CeremonyError> {
        if self.rp_id != site.id {
            return Err(CeremonyError::OtherRelyingParty);
        }
        if self.session != session_hash(session) {
            return Err(CeremonyError::OtherSession);
        }
        if now >= self.expires { Err(CeremonyError::Expired) } else { Ok(()) }
    }
}

/// The milliseconds of `timeout` in the options.
pub(crate) fn timeout_millis(timeout: Duration) -> u64 {
    u64::try_from(timeout.as_millis()).unwrap_or(u64::MAX)
}

/// §7.1 step 7, §7.2 step 10.
pub(crate) fn type_is(client_data: &ClientData<'_>, expected: &str) -> Result<(), CeremonyError> {
    if client_data.ceremony == expected { Ok(()) } else { Err(CeremonyError::Type) }
}

/// §7.1 step 8, §7.2 step 11.
pub(crate) fn challenge_is(client_data: &ClientData<'_>, challenge: &Challenge) -> Result<(), CeremonyError> {
    if is_encoding_of(&client_data.challenge, &challenge.0) { Ok(()) } else { Err(CeremonyError::Challenge) }
}

/// §7.1 step 9, §7.2 step 12.
pub(crate) fn origin_is_expected(client_data: &ClientData<'_>, site: &RelyingParty) -> Result<(), CeremonyError> {
    if site.origins.expects(&client_data.origin) { Ok(()) } else { Err(CeremonyError::Origin) }
}

/// §7.1 step 10, §7.2 step 13.
pub(crate) fn frame_is_expected(client_data: &ClientData<'_>, site: &RelyingParty) -> Result<(), CeremonyError> {
    let framed = client_data.cross_origin == Some(true);
    if framed && !site.origins.may_be_framed() { Err(CeremonyError::CrossOrigin) } else { Ok(()) }
}

/// §7.1 step 11, §7.2 step 14. A page on top of a call that was not framed contradicts itself (§5.8.1).
pub(crate) fn top_is_expected(client_data: &ClientData<'_>, site: &RelyingParty) -> Result<(), CeremonyError> {
    let Some(top) = &client_data.top_origin else { return Ok(()) };
    let framed = client_data.cross_origin == Some(true);
    if framed && site.origins.expects_on_top(top) { Ok(()) } else { Err(CeremonyError::TopOrigin) }
}

/// §7.1 step 14, §7.2 step 15.
pub(crate) fn rp_id_hash_is(found: &[u8; 32], expected: &[u8; 32]) -> Result<(), CeremonyError> {
    if found == expected { Ok(()) } else { Err(CeremonyError::RpIdHash) }
}

/// §7.1 step 15, §7.2 step 16.
pub(crate) const fn user_is_present(flags: Flags) -> Result<(), CeremonyError> {
    if flags.user_present() { Ok(()) } else { Err(CeremonyError::UserPresence) }
}

/// §7.1 step 16, §7.2 step 17.
pub(crate) const fn user_is_verified(flags: Flags) -> Result<(), CeremonyError> {
    if flags.user_verified() { Ok(()) } else { Err(CeremonyError::UserVerification) }
}

/// §7.1 step 17, §7.2 step 18.
pub(crate) const fn backup_flags_agree(flags: Flags) -> Result<(), CeremonyError> {
    if flags.backed_up() && !flags.backup_eligible() { Err(CeremonyError::BackupState) } else { Ok(()) }
}
