//! One device's entries, one device's state, and all events from a position.
//!
//! Each is one statement, so that what it finds is of one moment. What is hidden because its device was forgotten is left out
//! by the statement itself, for whichever process asks.

use super::{
    connection::Failure,
    shared::Shared,
    window::{Placed, damage, take, unpacked},
};
use crate::{
    DeviceState, Entry, EventsPage, HistoryEntry, HistoryPage, ReadError,
    embedded::{device_id_of, entry_of, erased_before},
};
use fieldwatch_domain::DeviceNumber;
use fieldwatch_wire::{
    Damaged,
    stored::{Record, read_record},
};
use std::sync::atomic::Ordering;

/// Events and late readings of a device, newest first. Where `before` is the position of an event, the index is entered there.
const HISTORY: &str = "WITH forgotten AS (SELECT coalesce(max(position), 0) AS position FROM fieldwatch_forgotten WHERE device_id = $1), \
     here AS (SELECT coalesce((SELECT version FROM fieldwatch_events WHERE position = $2 AND device_id = $1), 9223372036854775807) AS version) \
     SELECT position, record FROM ( \
       (SELECT e.position, e.record FROM fieldwatch_events AS e WHERE e.device_id = $1 AND e.version < (SELECT version FROM here) \
          AND e.position < $2 AND e.position >= (SELECT position FROM forgotten) ORDER BY e.version DESC LIMIT $3) \
       UNION ALL \
       (SELECT l.position, l.record FROM fieldwatch_late_readings AS l WHERE l.device_id = $1 AND l.position < $2 \
          AND l.position >= (SELECT position FROM forgotten) ORDER BY l.position DESC LIMIT $3) \
     ) AS entries ORDER BY position DESC LIMIT $3";

/// Whether retention has removed a part of a device's history, and before where.
const CUT: &str = "SELECT l.earliest FROM fieldwatch_log AS l WHERE l.earliest > 0 \
     AND NOT EXISTS (SELECT 1 FROM fieldwatch_forgotten WHERE device_id = $1 AND position >= l.earliest) \
     AND NOT EXISTS (SELECT 1 FROM fieldwatch_events WHERE device_id = $1 AND version = 1) \
     AND EXISTS (SELECT 1 FROM fieldwatch_snapshots WHERE device_id = $1 AND version > 0)";

const FORGOTTEN: &str = "SELECT position FROM fieldwatch_forgotten WHERE device_id = $1";

/// The device's snapshot, and everything of it since; what is packed is of its whole shelf, of which a snapshot holds everything
/// up to where it was saved.
const LOAD: &str = "WITH saved AS (SELECT position, version, state FROM fieldwatch_snapshots WHERE device_id = $1), \
     since AS (SELECT coalesce((SELECT position FROM saved), 0) AS position, coalesce((SELECT version FROM saved), 0) AS version) \
     SELECT 0, position, state FROM saved UNION ALL \
     SELECT 1, position, record FROM fieldwatch_events WHERE device_id = $1 AND version > (SELECT version FROM since) UNION ALL \
     SELECT 1, position, record FROM fieldwatch_late_readings WHERE device_id = $1 AND position > (SELECT position FROM since) UNION ALL \
     SELECT 2, position, records FROM fieldwatch_observations WHERE shelf = $2 AND last > greatest( \
       (SELECT position FROM since), (SELECT as_of FROM fieldwatch_shelves WHERE shelf = $2))";

/// The events after a position, and with each, or without any, how far the log reaches.
const READ_ALL: &str = "SELECT l.position, l.earliest, e.position, e.record FROM fieldwatch_log AS l LEFT JOIN LATERAL ( \
       SELECT e.position, e.record FROM fieldwatch_events AS e LEFT JOIN fieldwatch_forgotten AS f ON f.device_id = e.device_id \
       WHERE e.position > $1 AND (f.position IS NULL OR e.position >= f.position OR e.type = 'DeviceHasBeenForgotten') \
       ORDER BY e.position LIMIT $2) AS e ON true";

/// See [`EventStore::history`](crate::EventStore::history).
pub(super) async fn history(
    shared: &Shared,
    device: DeviceNumber,
    before: Option<u64>,
    limit: usize,
) -> Result<HistoryPage, ReadError> {
    let id = shared.numbers.id(device);
    let before = before.and_then(|before| i64::try_from(before).ok()).unwrap_or(i64::MAX);
    let one_more = i64::try_from(limit).unwrap_or(i64::MAX).saturating_add(1);
    let (id, before, one_more) = (&id.as_str(), &before, &one_more);
    let (rows, cut) = shared
        .asking
        .read(|connection| async move {
            let rows = connection.rows(HISTORY, &[id, before, one_more]).await?;
            let has_more = rows.len() > limit;
            let cut =
                if has_more { None } else { connection.rows(CUT, &[id]).await?.first().map(|row| row.get::<_, i64>(0) as u64) };
            Ok((rows, cut))
        })
        .await
        .map_err(|failure| failed(&failure))?;
    let mut found = Vec::with_capacity(rows.len());
    for row in rows.iter().take(limit) {
        take(row.get(1), row.get::<_, i64>(0) as u64, &shared.numbers, &mut found).map_err(|failure| failed(&failure))?;
    }
    let entries = found.into_iter().filter_map(|(_, entry)| match entry {
        Entry::Event(event) => Some(HistoryEntry::Event(event)),
        Entry::Late(late) => Some(HistoryEntry::Late(late)),
        Entry::Observation(_) | Entry::Passivated(_) => None,
    });
    Ok(HistoryPage { entries: entries.collect(), more: rows.len() > limit, cut_before: cut })
}

/// See [`EventStore::last_forgotten`](crate::EventStore::last_forgotten).
pub(super) async fn last_forgotten(shared: &Shared, device: DeviceNumber) -> Result<Option<u64>, ReadError> {
    let id = shared.numbers.id(device);
    let id = &id.as_str();
    let rows = shared.asking.read(|connection| async move { connection.rows(FORGOTTEN, &[id]).await });
    let rows = rows.await.map_err(|failure| failed(&failure))?;
    Ok(rows.first().map(|row| row.get::<_, i64>(0) as u64))
}

/// See [`EventStore::load`](crate::EventStore::load): exactly the state that a recovery would give.
pub(super) async fn load(shared: &Shared, device: DeviceNumber) -> Result<DeviceState, ReadError> {
    let id = shared.numbers.id(device);
    let (id, shelf) = (id.as_str(), device.shelf() as i16);
    let rows = shared.pool.read(|connection| async move { connection.rows(LOAD, &[&id, &shelf]).await });
    let rows = rows.await.map_err(|failure| failed(&failure))?;
    let (mut state, mut since) = (DeviceState::default(), 0);
    let mut found: Vec<Placed> = Vec::new();
    for row in &rows {
        let (position, bytes) = (row.get::<_, i64>(1) as u64, row.get::<_, &[u8]>(2));
        let unreadable = |damaged| failed(&damage(position, damaged));
        match row.get::<_, i32>(0) {
            0 => {
                let (record, _) = read_record(bytes).map_err(unreadable)?;
                let Record::Snapshot(snapshot) = record else { return Err(unreadable(Damaged("device snapshot"))) };
                state = DeviceState { device: snapshot.device, tracking: snapshot.tracking };
                since = position;
            }
            1 => take(bytes, position, &shared.numbers, &mut found).map_err(|failure| failed(&failure))?,
            _ => {
                for record in unpacked(bytes, position) {
                    let (position, record) = record.map_err(unreadable)?;
                    if device_id_of(&record) == Some(id) {
                        found.extend(entry_of(record, device, position).map(|entry| (position, entry)));
                    }
                }
            }
        }
    }
    found.retain(|(position, _)| *position > since);
    found.sort_by_key(|(position, _)| *position);
    for (_, entry) in found {
        if let Some(before) = erased_before(&entry) {
            state.apply(&before);
        }
        state.apply(&entry);
    }
    Ok(state)
}

/// See [`EventStore::read_all`](crate::EventStore::read_all).
pub(super) async fn read_all(shared: &Shared, after: u64, limit: usize) -> Result<EventsPage, ReadError> {
    let from = i64::try_from(after).map_err(|_| ReadError::NotInLog(after))?;
    let most = i64::try_from(limit).unwrap_or(i64::MAX);
    let rows = shared.asking.read(|connection| async move { connection.rows(READ_ALL, &[&from, &most]).await });
    let rows = rows.await.map_err(|failure| failed(&failure))?;
    let log = rows.first().ok_or_else(|| ReadError::Failed("the log has no end".into()))?;
    let (end, earliest) = (log.get::<_, i64>(0) as u64, log.get::<_, i64>(1) as u64);
    shared.end.fetch_max(end, Ordering::AcqRel);
    if after > end {
        return Err(ReadError::NotInLog(after));
    }
    if after > 0 && after < earliest {
        return Err(ReadError::Gone { earliest });
    }
    let mut found = Vec::with_capacity(rows.len());
    for row in &rows {
        if let (Some(position), Some(record)) = (row.get::<_, Option<i64>>(2), row.get::<_, Option<&[u8]>>(3)) {
            take(record, position as u64, &shared.numbers, &mut found).map_err(|failure| failed(&failure))?;
        }
    }
    let at_end = found.len() < limit;
    let next = if at_end { end } else { found.last().map_or(after, |(position, _)| *position) };
    let events = found.into_iter().filter_map(|(_, entry)| match entry {
        Entry::Event(event) => Some(event),
        Entry::Late(_) | Entry::Observation(_) | Entry::Passivated(_) => None,
    });
    Ok(EventsPage { events: events.collect(), next, at_end })
}

fn failed(failure: &Failure) -> ReadError {
    ReadError::Failed(failure.text())
}
