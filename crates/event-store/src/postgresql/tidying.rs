//! Physically removes what belonged to forgotten devices, what is older than the retention, and what snapshots hold.

use super::{
    connection::{Connection, Failure, Purpose, jittered},
    schema::{TABLE_BITS, ensure_table_after, table_name},
    session::END_OWN,
    shared::Shared,
    window::{damage, next_packed},
};
use crate::{AppendError, embedded::device_id_of};
use fieldwatch_domain::SHELVES;
use std::{collections::HashMap, sync::atomic::Ordering, time::Duration};

/// Held by the one process that tidies. Any number will do.
const TIDY_LOCK: i64 = 0x4677_5469_6479_0001;
/// A table is begun anew when it has so many positions: an index of more rows than memory holds is slow to grow.
const MOST_POSITIONS: i64 = 200_000_000;
/// Dropping a table waits shortly for readers, so that appends do not wait behind it, and tries so often.
const DROP_TRIES: u32 = 5;
/// The pause before the next try.
const AFTER_FAILED_DROP: Duration = Duration::from_millis(500);
/// So many packed rows are looked through at a time.
const PACKED_PAGE: i64 = 500;

const TRY_LOCK: &str = "SELECT pg_try_advisory_lock($1)";
/// The table that is written, how much it holds, and whether it is older than so many seconds. A table that appends have
/// begun by themselves, because the one before was full, counts as begun when it is first seen.
const SEEN: &str = "INSERT INTO fieldwatch_event_tables (number, begun_at) SELECT position >> 32, now() FROM fieldwatch_log \
     ON CONFLICT (number) DO NOTHING";
const CURRENT: &str = "SELECT l.position >> 32, l.position & 4294967295, coalesce(t.begun_at <= now() - make_interval(secs => $1), false) \
     FROM fieldwatch_log AS l LEFT JOIN fieldwatch_event_tables AS t ON t.number = l.position >> 32";
const ROTATE: &str = "UPDATE fieldwatch_log SET position = ((position >> 32) + 1) << 32 WHERE position >> 32 = $1";
/// The newest table that is wholly older than the retention: the one before the newest that was begun before that.
const EXPIRED: &str = "SELECT max(number) - 1 FROM fieldwatch_event_tables WHERE begun_at <= now() - make_interval(secs => $1)";
const KEPT: &str = "SELECT earliest >> 32 FROM fieldwatch_log";
const UNSAVED: &str = "SELECT NOT EXISTS (SELECT 1 FROM fieldwatch_shelves HAVING count(*) FILTER (WHERE as_of >= $1) = $2)";
const FORGOTTEN: &str = "SELECT device_id, position, shelf FROM fieldwatch_forgotten WHERE NOT erased";
const ERASE_EVENTS: &str = "DELETE FROM fieldwatch_events AS e USING unnest($1::text[], $2::int8[]) AS f (device_id, position) \
     WHERE e.device_id = f.device_id AND e.position < f.position AND e.type <> 'DeviceHasBeenForgotten'";
const ERASE_LATE: &str = "DELETE FROM fieldwatch_late_readings AS l USING unnest($1::text[], $2::int8[]) AS f (device_id, position) \
     WHERE l.device_id = f.device_id AND l.position < f.position";
const ERASE_SNAPSHOTS: &str = "DELETE FROM fieldwatch_snapshots AS s USING unnest($1::text[], $2::int8[]) AS f (device_id, position) \
     WHERE s.device_id = f.device_id AND s.position < f.position";
const PACKED: &str = "SELECT position, records FROM fieldwatch_observations WHERE position > $1 AND position < $2 \
     AND shelf = ANY($3) ORDER BY position LIMIT $4";
const REPACK: &str = "UPDATE fieldwatch_observations SET records = $2 WHERE position = $1";
const UNPACK: &str = "DELETE FROM fieldwatch_observations WHERE position = $1";
const ERASED: &str = "UPDATE fieldwatch_forgotten AS f SET erased = true FROM unnest($1::text[], $2::int8[]) AS e (device_id, position) \
     WHERE f.device_id = e.device_id AND f.position = e.position";
const SAVED_PACKED: &str =
    "DELETE FROM fieldwatch_observations AS o USING fieldwatch_shelves AS s WHERE o.shelf = s.shelf AND o.last <= s.as_of";
const OLD_LATE: &str = "DELETE FROM fieldwatch_late_readings AS l USING fieldwatch_shelves AS s, fieldwatch_log AS g \
     WHERE l.shelf = s.shelf AND l.position <= s.as_of AND l.position < g.earliest";
const OLD_WRITERS: &str = "DELETE FROM fieldwatch_writers WHERE seen_at < now() - interval '7 days'";
const SHELF_MARKS: &str = "SELECT shelf, as_of FROM fieldwatch_shelves";

/// See [`EventStore::tidy`](crate::EventStore::tidy). Of several processes one tidies; the others have nothing to do.
pub(super) async fn tidy(shared: &Shared) -> Result<(), AppendError> {
    let tidied = async {
        let connection = shared.connector.connect(Purpose::Tidy, None).await?;
        // One of this node's that was given up may hold the lock still.
        connection.row(END_OWN, &[&shared.connector.session_name(Purpose::Tidy)]).await?;
        for row in connection.rows(SHELF_MARKS, &[]).await? {
            shared.saved(row.get::<_, i16>(0) as usize % SHELVES, row.get::<_, i64>(1) as u64);
        }
        // Each process asks its own shelves to be saved.
        let expired = expired(shared, &connection).await?;
        if let Some(number) = expired {
            shared.wanted_at.fetch_max(((number + 1) << TABLE_BITS) as u64, Ordering::AcqRel);
        }
        if !connection.row(TRY_LOCK, &[&TIDY_LOCK]).await?.get::<_, bool>(0) {
            return Ok(());
        }
        // First of all what people asked for, and whatever becomes of the rest.
        let erased = erase(&connection).await;
        let expired = async {
            begin_tables(shared, &connection).await?;
            expire(shared, &connection).await
        };
        let expired = expired.await;
        let erased = erased?;
        expired?;
        let removed = connection.execute(SAVED_PACKED, &[]).await? + connection.execute(OLD_LATE, &[]).await?;
        connection.execute(OLD_WRITERS, &[]).await?;
        if erased || removed > 0 {
            vacuum(&connection, erased).await;
        }
        Ok(())
    };
    tidied.await.map_err(|failure: Failure| AppendError::Unavailable(format!("cannot tidy: {}", failure.text())))
}

fn seconds(duration: Duration) -> f64 {
    duration.as_secs_f64()
}

/// Begins a new table when the current one is old or large, and makes the one after it.
async fn begin_tables(shared: &Shared, connection: &Connection) -> Result<(), Failure> {
    connection.execute(SEEN, &[]).await?;
    ensure_table_after(connection, 1).await?;
    let age = shared.options.table_age();
    let current = connection.row(CURRENT, &[&age.map_or(f64::from(u32::MAX), seconds)]).await?;
    let (number, positions, is_old): (i64, i64, bool) = (current.get(0), current.get(1), current.get(2));
    if positions > 0 && (is_old || positions > MOST_POSITIONS) {
        connection.execute(ROTATE, &[&number]).await?;
        connection.execute(SEEN, &[]).await?;
        ensure_table_after(connection, 1).await?;
        tracing::info!(table = number + 1, "began a new table of events");
    }
    Ok(())
}

/// The newest table that is wholly older than the retention.
async fn expired(shared: &Shared, connection: &Connection) -> Result<Option<i64>, Failure> {
    let Some(retention) = shared.options.retention else { return Ok(None) };
    let expired: Option<i64> = connection.row(EXPIRED, &[&seconds(retention)]).await?.get(0);
    Ok(expired.filter(|number| *number >= 0))
}

/// Drops the tables that are wholly older than the retention, as far as every shelf is saved beyond them: state never expires.
async fn expire(shared: &Shared, connection: &Connection) -> Result<(), Failure> {
    let Some(newest) = expired(shared, connection).await? else { return Ok(()) };
    shared.wanted_at.fetch_max(((newest + 1) << TABLE_BITS) as u64, Ordering::AcqRel);
    let oldest: i64 = connection.row(KEPT, &[]).await?.get(0);
    for number in oldest..=newest {
        let end = (number + 1) << TABLE_BITS;
        if connection.row(UNSAVED, &[&end, &(SHELVES as i64)]).await?.get(0) {
            tracing::info!(table = number, "events older than the retention wait for snapshots of all devices");
            return Ok(());
        }
        // The position row comes first, as for whoever appends: the other way round each would wait for the other.
        let drop = format!(
            "BEGIN; UPDATE fieldwatch_log SET earliest = {end}; DROP TABLE IF EXISTS {}; \
             DELETE FROM fieldwatch_event_tables WHERE number = {number}; COMMIT",
            table_name(number)
        );
        let mut tries = 0;
        while let Err(failure) = connection.batch(&drop).await {
            connection.batch("ROLLBACK").await?;
            tries += 1;
            if tries == DROP_TRIES {
                return Err(failure);
            }
            // Appends have waited behind it for the position row, and are let through.
            tokio::time::sleep(jittered(AFTER_FAILED_DROP)).await;
        }
        tracing::info!(table = number, "removed events older than the retention");
    }
    Ok(())
}

/// Removes everything of forgotten devices from before they were forgotten, and says whether there was any.
async fn erase(connection: &Connection) -> Result<bool, Failure> {
    let rows = connection.rows(FORGOTTEN, &[]).await?;
    if rows.is_empty() {
        return Ok(false);
    }
    let devices: Vec<&str> = rows.iter().map(|row| row.get(0)).collect();
    let positions: Vec<i64> = rows.iter().map(|row| row.get(1)).collect();
    let mut shelves: Vec<i16> = rows.iter().map(|row| row.get(2)).collect();
    shelves.sort_unstable();
    shelves.dedup();
    for statement in [ERASE_EVENTS, ERASE_LATE, ERASE_SNAPSHOTS] {
        connection.execute(statement, &[&devices, &positions]).await?;
    }
    let doomed: HashMap<&str, u64> = devices.iter().zip(&positions).map(|(device, at)| (*device, *at as u64)).collect();
    erase_packed(connection, &doomed, positions.iter().max().copied().unwrap_or(0), &shelves).await?;
    connection.execute(ERASED, &[&devices, &positions]).await?;
    tracing::info!(devices = devices.len(), "erased what belonged to forgotten devices");
    Ok(true)
}

/// Packs rows anew without the records of forgotten devices. Nobody else changes these rows.
async fn erase_packed(connection: &Connection, doomed: &HashMap<&str, u64>, before: i64, shelves: &[i16]) -> Result<(), Failure> {
    let mut after = 0_i64;
    loop {
        let rows = connection.rows(PACKED, &[&after, &before, &shelves, &PACKED_PAGE]).await?;
        let Some(last) = rows.last() else { return Ok(()) };
        after = last.get(0);
        for row in &rows {
            let (position, mut bytes): (i64, &[u8]) = (row.get(0), row.get(1));
            let (whole, mut kept) = (bytes.len(), Vec::new());
            while !bytes.is_empty() {
                let (at, record, length) =
                    next_packed(bytes, position as u64).map_err(|damaged| damage(position as u64, damaged))?;
                let goes = device_id_of(&record).and_then(|id| doomed.get(id)).is_some_and(|forgotten| at < *forgotten);
                if !goes {
                    kept.extend_from_slice(&bytes[..length]);
                }
                bytes = &bytes[length..];
            }
            if kept.is_empty() {
                connection.execute(UNPACK, &[&position]).await?;
            } else if kept.len() < whole {
                connection.execute(REPACK, &[&position, &kept]).await?;
            }
        }
    }
}

/// What was removed or replaced lies in the files until it is vacuumed.
async fn vacuum(connection: &Connection, erased: bool) {
    let mut tables = vec!["fieldwatch_observations", "fieldwatch_late_readings"];
    if erased {
        tables.extend(["fieldwatch_events", "fieldwatch_snapshots"]);
    }
    for table in tables {
        if let Err(failure) = connection.batch(&format!("VACUUM {table}")).await {
            tracing::warn!(table, error = failure.text(), "cannot vacuum; the database will do it in its own time");
        }
    }
}
