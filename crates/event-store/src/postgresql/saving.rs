//! Keeps the state of a shelf's devices in their snapshots.

use super::{columns::Joined, connection::Failure, rows::StateRows, shared::Shared};
use crate::{AppendError, ShelfSnapshot};
use fieldwatch_wire::stored::{DeviceSnapshot, Link};
use std::collections::BTreeMap;

/// So many devices are saved in one transaction.
const CHUNK: usize = 1_000;

/// Where the log ends, and whether the partitions of this shelf are still this process's.
const AS_OF: &str = "SELECT position, NOT EXISTS (SELECT 1 FROM unnest($1::int4[], $2::int8[]) AS held (partition, epoch) \
       LEFT JOIN fieldwatch_checkpoints AS c ON c.partition = held.partition WHERE c.epoch IS DISTINCT FROM held.epoch) \
     FROM fieldwatch_log";

/// Never an older state over a newer one, and none of a device that was forgotten since.
const SAVE: &str = "INSERT INTO fieldwatch_snapshots AS s (device_id, position, version, shelf, state) \
     SELECT n.device, $1, n.version, $2, n.state FROM unnest($3::text[], $4::int8[], $5::bytea[]) AS n (device, version, state) \
     WHERE NOT EXISTS (SELECT 1 FROM fieldwatch_forgotten AS f WHERE f.device_id = n.device AND f.position > $1) \
     ON CONFLICT (device_id) DO UPDATE SET position = excluded.position, version = excluded.version, state = excluded.state \
     WHERE s.position < excluded.position";

const SAVED: &str = "INSERT INTO fieldwatch_shelves AS s (shelf, as_of) VALUES ($1, $2) \
     ON CONFLICT (shelf) DO UPDATE SET as_of = greatest(s.as_of, excluded.as_of)";

/// See [`EventStore::save_snapshot`](crate::EventStore::save_snapshot).
///
/// The owner has nothing in flight for this shelf, so of its entries all lie at or before the end of the log now: the states
/// are as of there, and stay true of there even if the shelf is taken over while they are written.
pub(super) async fn save(shared: &Shared, snapshot: ShelfSnapshot) -> Result<(), AppendError> {
    let shelf = snapshot.shelf;
    let fence = shared.holds.fence(std::iter::once(shelf), std::iter::empty());
    let fence: BTreeMap<u16, u64> = fence.map_err(|not_held| AppendError::Fenced { partition: not_held.0 })?;
    let partitions: Vec<i32> = fence.keys().map(|partition| i32::from(*partition)).collect();
    let epochs: Vec<i64> = fence.values().map(|epoch| *epoch as i64).collect();
    let row = shared.saving.read(|connection| async move { connection.row(AS_OF, &[&partitions, &epochs]).await });
    let row = row.await.map_err(|failure| unavailable(&failure))?;
    let (as_of, is_owner) = (row.get::<_, i64>(0), row.get::<_, bool>(1));
    if let (false, Some(partition)) = (is_owner, fence.keys().next()) {
        shared.lose(*partition);
        return Err(AppendError::Fenced { partition: *partition });
    }
    let mut devices = snapshot.devices.into_iter();
    loop {
        let mut rows = StateRows::default();
        for (device, state) in devices.by_ref().take(CHUNK) {
            // A copy of the id, so that the numbers are not locked while the database is waited for.
            let id = shared.numbers.id(device);
            let snapshot =
                DeviceSnapshot { prev: Link::None, device_id: id.as_str(), device: state.device, tracking: state.tracking };
            rows.add(0, device, &snapshot);
        }
        if rows.offset.is_empty() {
            break;
        }
        let written = shared.saving.read(|connection| {
            let rows = &rows;
            async move {
                let [device, version, state] = [&rows.device, &rows.version, &rows.state].map(|column| Joined(vec![column]));
                connection.execute(SAVE, &[&as_of, &(shelf as i16), &device, &version, &state]).await
            }
        });
        written.await.map_err(|failure| unavailable(&failure))?;
    }
    let marked = shared.saving.read(|connection| async move { connection.execute(SAVED, &[&(shelf as i16), &as_of]).await });
    marked.await.map_err(|failure| unavailable(&failure))?;
    shared.saved(shelf, as_of as u64);
    tracing::debug!(shelf, as_of, "kept a snapshot");
    Ok(())
}

/// Writing a snapshot twice is harmless, so an answer that was lost is no more than that.
fn unavailable(failure: &Failure) -> AppendError {
    AppendError::Unavailable(format!("cannot keep a snapshot: {}", failure.text()))
}
