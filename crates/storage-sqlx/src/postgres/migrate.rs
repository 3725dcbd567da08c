//! The tables: which version there is, and how the next comes to be.

use sqlx::postgres::PgConnection;
use sqlx::{Connection as _, Row as _};

use super::error::{Place, ServerError, ServerTrouble, code};
use super::open::Dialect;

/// One step from a schema to the next, as SQL that may be run by hand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Migration {
    /// The schema's number after it.
    pub version: i32,
    /// Several statements, the last of which notes the number; to be run in one transaction.
    pub sql: &'static str,
}

/// Every step, in order: `migrations/postgres/*.sql` of this crate.
pub const POSTGRES_MIGRATIONS: [Migration; 2] = [
    Migration { version: 1, sql: include_str!("../../migrations/postgres/0001_tables.sql") },
    Migration { version: FUNCTIONS, sql: include_str!("../../migrations/postgres/0002_functions.sql") },
];
/// The step that a database without PL/pgSQL leaves out.
const FUNCTIONS: i32 = 2;
/// The newest schema that this version knows.
pub(super) const NEWEST: i32 = 2;

/// Nodes that start together take turns by this advisory lock: "csgn" twice.
const LOCK: &str = "SELECT pg_advisory_xact_lock(7166189461283464046)";
const IS_THERE: &str = "SELECT to_regclass('countersign_schema') IS NOT NULL";
const VERSION: &str = "SELECT coalesce(max(version), 0)::integer FROM countersign_schema";
const NOTE: &str = "INSERT INTO countersign_schema (version) VALUES (2)";
/// How often nodes that start together may get in each other's way where there is no lock.
const ATTEMPTS: u32 = 20;

/// Sees that the tables are as this version needs them. A newer schema is left as it is.
pub(super) async fn prepare(
    connection: &mut PgConnection,
    place: &Place,
    dialect: Dialect,
    migrate: bool,
) -> Result<(), ServerError> {
    for attempt in 1.. {
        let found = found(connection).await.map_err(|error| place.error(error))?;
        if found > NEWEST {
            return Err(place.trouble(ServerTrouble::Newer { found, known: NEWEST }));
        }
        if found == NEWEST {
            return Ok(());
        }
        if !migrate {
            return Err(place.trouble(ServerTrouble::NotMigrated { found, known: NEWEST }));
        }
        match advance(connection, dialect).await {
            Ok(()) => {}
            // Without a lock two nodes may both have set out: the table is there, or its row, or one has to wait.
            Err(error) if attempt < ATTEMPTS && matches!(code(&error), "40001" | "42P07" | "23505") => {}
            Err(error) => return Err(place.error(error)),
        }
    }
    Ok(())
}

async fn found(connection: &mut PgConnection) -> Result<i32, sqlx::Error> {
    // Not prepared: these are asked once, and a pooler's other connection would not know them.
    let is_there: bool = sqlx::raw_sql(IS_THERE).fetch_one(&mut *connection).await?.try_get(0)?;
    if is_there { sqlx::raw_sql(VERSION).fetch_one(connection).await?.try_get(0) } else { Ok(0) }
}

/// Takes every step that is missing, all of them or none.
async fn advance(connection: &mut PgConnection, dialect: Dialect) -> Result<(), sqlx::Error> {
    let mut transaction = connection.begin().await?;
    if dialect == Dialect::Postgres {
        sqlx::raw_sql(LOCK).execute(&mut *transaction).await?;
    }
    // Looked at again under the lock: another node may have been here meanwhile.
    let found = found(&mut transaction).await?;
    for step in POSTGRES_MIGRATIONS.iter().filter(|step| step.version > found) {
        let skipped = step.version == FUNCTIONS && dialect == Dialect::Distributed;
        sqlx::raw_sql(if skipped { NOTE } else { step.sql }).execute(&mut *transaction).await?;
        tracing::info!(version = step.version, "the database's schema was brought forward");
    }
    transaction.commit().await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_steps_are_numbered_and_note_their_numbers() {
        for (at, step) in POSTGRES_MIGRATIONS.iter().enumerate() {
            assert_eq!(step.version, i32::try_from(at).unwrap() + 1);
            let note = format!("INSERT INTO countersign_schema (version) VALUES ({});", step.version);
            assert!(step.sql.trim_end().ends_with(&note), "{}", step.version);
        }
        assert_eq!(POSTGRES_MIGRATIONS[POSTGRES_MIGRATIONS.len() - 1].version, NEWEST);
    }
}
