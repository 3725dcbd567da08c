//! What is kept: one record that decides, and the text in pieces.

use std::time::Duration;

use countersign_primitives::{Id, UnixTime};
use countersign_storage_traits::{Batch, Kind, Stored};
use serde::{Deserialize, Serialize};

use crate::keys::{METADATA, METADATA_PIECE};

/// When the metadata is looked at next, and which issue is good. Every change expects the version that was read.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(super) struct Head {
    /// Nobody fetches before. Whoever does moves it on first, so that nobody does it beside him.
    pub(super) due: UnixTime,
    /// How often in a row it failed.
    #[serde(default)]
    pub(super) failures: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) issue: Option<Issue>,
}

impl Stored for Head {
    const KIND: Kind = METADATA;
}

/// An issue of the BLOB.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Issue {
    /// Drawn as it was stored; names its pieces.
    pub(super) id: Id,
    pub(super) number: u64,
    pub(super) fetched: UnixTime,
    pub(super) next_update: UnixTime,
    pub(super) pieces: u16,
    /// What its server calls this state of it (RFC 9110 §8.8.3).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) etag: Option<String>,
}

impl Issue {
    /// How long its pieces are kept beyond its end: far longer than an outdated issue should serve, and not for ever, so that what a
    /// crash left behind goes.
    const KEPT: Duration = Duration::from_secs(400 * 86_400);

    pub(super) fn pieces_expire(next_update: UnixTime, now: UnixTime) -> UnixTime {
        next_update.max(now).plus(Self::KEPT)
    }
}

/// A piece of the text.
#[derive(Debug, Serialize, Deserialize)]
#[serde(transparent)]
pub(super) struct Piece(pub(super) String);

impl Piece {
    /// The most bytes of text, which is base64url and dots: with the format's byte and quotes less than a record may have.
    pub(super) const MAX: usize = Batch::MAX_PAYLOAD - 1024;
}

impl Stored for Piece {
    const KIND: Kind = METADATA_PIECE;
}
