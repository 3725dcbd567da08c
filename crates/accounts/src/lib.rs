//! The host's users, as Countersign sees them.
