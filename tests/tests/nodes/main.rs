//! Several nodes on one PostgreSQL: what one begins another ends, what serves once serves once, and nothing that was answered is lost
//! when a node is killed, when the database is restarted, or when both happen in mid traffic.

#![expect(clippy::unwrap_used, reason = "helpers of tests")]

mod crashes;
mod failover;
mod moves;
mod pooler;
mod races;
mod site;
