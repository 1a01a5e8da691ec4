//! The tables: created and changed by the program, one numbered file after the other, and never behind a newer program's back.

use super::{
    connection::{Connection, Failure},
    options::OpenError,
};

/// The steps from nothing to the newest version; step n leads to version n. A step that was released is never changed.
const STEPS: [&str; 1] = [include_str!("schema/0001.sql")];
/// The newest version that this program knows.
const KNOWN: i32 = STEPS.len() as i32;
/// The oldest server that will do, as it numbers itself.
const OLDEST_SERVER: i32 = 130_000;
/// Taken by whoever changes the tables, so that of several processes that start together one does it. Any number will do.
const SCHEMA_LOCK: i64 = 0x4677_5363_6865_6d61;

/// Each table of events has so many positions, as a power of two. Positions stay exact in JSON (2^53) for two million tables.
pub(super) const TABLE_BITS: u32 = 32;

/// Brings the tables to the version that this program knows; says how the log is called.
pub(super) async fn prepare(connection: &Connection) -> Result<String, OpenError> {
    let server = connection.row("SELECT current_setting('server_version_num')::int4, version()", &[]).await.map_err(refusal)?;
    if server.get::<_, i32>(0) < OLDEST_SERVER {
        return Err(OpenError::NotSupported { found: server.get(1) });
    }
    let encoding: String = connection.row("SHOW server_encoding", &[]).await.map_err(refusal)?.get(0);
    if encoding != "UTF8" {
        return Err(OpenError::Encoding { found: encoding });
    }
    if version(connection).await?.is_none_or(|found| found < KNOWN) {
        migrate(connection).await?;
    }
    match version(connection).await? {
        Some(found) if found > KNOWN => return Err(OpenError::NewerSchema { found, known: KNOWN }),
        Some(_) => {}
        None => return Err(OpenError::Failed("they are gone again".into())),
    }
    let log_id = connection.row("SELECT log_id FROM fieldwatch_log", &[]).await.map_err(refusal)?.get(0);
    for table in [0, 1] {
        ensure_table_after(connection, table).await.map_err(refusal)?;
    }
    Ok(log_id)
}

async fn version(connection: &Connection) -> Result<Option<i32>, OpenError> {
    let exists = connection.row("SELECT to_regclass('fieldwatch_log') IS NOT NULL", &[]).await.map_err(refusal)?;
    if !exists.get::<_, bool>(0) {
        return Ok(None);
    }
    let row = connection.row("SELECT schema_version FROM fieldwatch_log", &[]).await.map_err(refusal)?;
    Ok(Some(row.get(0)))
}

async fn migrate(connection: &Connection) -> Result<(), OpenError> {
    // Before the transaction, and not in it: only one that begins sees what another process did while this one waited.
    connection.batch(&format!("SELECT pg_advisory_lock({SCHEMA_LOCK})")).await.map_err(refusal)?;
    connection.batch("BEGIN").await.map_err(refusal)?;
    let from = version(connection).await?.unwrap_or(0);
    for (at, step) in STEPS.iter().enumerate().skip(usize::try_from(from).unwrap_or(usize::MAX)) {
        let to = at + 1;
        connection.batch(&format!("{step}; UPDATE fieldwatch_log SET schema_version = {to}")).await.map_err(refusal)?;
        tracing::info!(version = to, "changed the tables of the event store");
    }
    connection.batch(&format!("COMMIT; SELECT pg_advisory_unlock({SCHEMA_LOCK})")).await.map_err(refusal)
}

/// Sees to it that the table of events that is written `ahead` tables after the current one exists.
///
/// It is made beside and then attached, which disturbs nobody; made in its place it would wait for every reader.
pub(super) async fn ensure_table_after(connection: &Connection, ahead: i64) -> Result<(), Failure> {
    let number: i64 = connection.row("SELECT position >> 32 FROM fieldwatch_log", &[]).await?.get::<_, i64>(0) + ahead;
    let name = table_name(number);
    let exists = connection.row("SELECT to_regclass($1) IS NOT NULL", &[&name]).await?;
    if exists.get::<_, bool>(0) {
        return Ok(());
    }
    let (from, to) = (number << TABLE_BITS, (number + 1) << TABLE_BITS);
    let created = connection
        .batch(&format!(
            "BEGIN; SELECT pg_advisory_xact_lock({SCHEMA_LOCK});
             CREATE TABLE {name} (LIKE fieldwatch_events INCLUDING DEFAULTS INCLUDING CONSTRAINTS);
             ALTER TABLE {name} ADD CONSTRAINT {name}_position PRIMARY KEY (position);
             ALTER TABLE {name} ADD CONSTRAINT {name}_version UNIQUE (device_id, version);
             ALTER TABLE fieldwatch_events ATTACH PARTITION {name} FOR VALUES FROM ({from}) TO ({to});
             COMMIT"
        ))
        .await;
    match created {
        Ok(()) => Ok(()),
        Err(failure) => {
            connection.batch("ROLLBACK").await?;
            // Whoever else made it at the same time has done what was wanted.
            if failure.is("42P07") { Ok(()) } else { Err(failure) }
        }
    }
}

/// The name of a table of events.
pub(super) fn table_name(number: i64) -> String {
    format!("fieldwatch_events_{number}")
}

/// What a failure means to whoever opens the store.
pub(super) fn refusal(failure: Failure) -> OpenError {
    match failure {
        Failure::Unreachable(text) | Failure::Lost(text) => OpenError::Unreachable(text),
        Failure::Damaged(text) => OpenError::Failed(text),
        Failure::Refused { code, message } => match code.code() {
            // Still starting or stopping, or no connection left.
            "57P03" | "57P01" | "57P02" | "53300" => OpenError::Unreachable(message),
            // Invalid authorisation or password, no such database, not permitted.
            "28000" | "28P01" | "3D000" | "42501" => OpenError::Refused(message),
            code => OpenError::Failed(format!("{message} ({code})")),
        },
    }
}
