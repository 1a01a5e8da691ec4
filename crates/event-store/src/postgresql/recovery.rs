//! What memory is filled with: snapshots of devices, then the log since, all as of one moment.

use super::{
    connection::{Connection, Failure},
    session::watched,
    shared::Shared,
    window::{WindowReader, damage, next_row},
};
use crate::{
    Checkpoint, DeviceState, Entry, RecoverError, Recovered, Recovery,
    embedded::{ByDevice, erased_before},
};
use fieldwatch_domain::SHELVES;
use fieldwatch_wire::{
    Damaged,
    stored::{Record, read_record},
};
use futures_util::pin_mut;
use std::{sync::atomic::Ordering, time::Duration};

/// All of it takes this long at most; each answer has the deadline of a read besides.
const RECOVERY_DEADLINE: Duration = Duration::from_hours(1);

const END: &str = "SELECT position, newest_event FROM fieldwatch_log";
const SHELF_MARKS: &str = "SELECT shelf, as_of FROM fieldwatch_shelves";
const SNAPSHOTS: &str = "SELECT position, state FROM fieldwatch_snapshots WHERE shelf = ANY($1)";
const CHECKPOINTS: &str = "SELECT partition, progress FROM fieldwatch_checkpoints WHERE progress IS NOT NULL ORDER BY partition";
const TAKE_OVER_ALL: &str =
    "SELECT p.number, t.epoch FROM generate_series(0, $1 - 1) AS p (number), LATERAL fieldwatch_take_over(p.number, $2) AS t";
const TAKE_OVER: &str = "SELECT epoch, progress FROM fieldwatch_take_over($1, $2)";

type Visit<'a> = &'a (dyn Fn(Recovered<'_>) + Sync);

/// How much was visited.
#[derive(Clone, Copy, Default)]
struct Visited {
    end: u64,
    newest: u64,
    devices: u64,
    entries: u64,
}

/// See [`EventStore::recover`](crate::EventStore::recover). The feed goes on behind what is visited here.
pub(super) async fn recover(shared: &Shared, visit: Visit<'_>) -> Result<Recovery, RecoverError> {
    let shelves: Vec<usize> = (0..SHELVES).collect();
    let work = |connection: std::sync::Arc<Connection>| {
        let shelves = &shelves;
        async move {
            let visited = visit_shelves(shared, &connection, shelves, visit).await?;
            let rows = connection.rows(CHECKPOINTS, &[]).await?;
            let checkpoints = rows
                .iter()
                .map(|row| Checkpoint { partition: row.get::<_, i32>(0) as u16, progress: row.get::<_, &[u8]>(1).into() });
            Ok((visited, checkpoints.collect()))
        }
    };
    let (visited, checkpoints) =
        shared.filling.read_at_one_moment(RECOVERY_DEADLINE, work).await.map_err(|failure| recover_error(&failure))?;
    shared.told.store(visited.end, Ordering::Release);
    shared.newest.store(visited.newest, Ordering::Release);
    shared.recovered.store(true, Ordering::Release);
    Ok(Recovery { checkpoints, devices: visited.devices, entries: visited.entries })
}

/// See [`SharedStore::take_over`](crate::SharedStore::take_over).
pub(super) async fn take_over(
    shared: &Shared,
    partition: u16,
    shelves: &[usize],
    visit: Visit<'_>,
) -> Result<Option<Checkpoint>, RecoverError> {
    let taken = shared.filling.read_within(shared.options.append_deadline, |connection| async move {
        let pid = connection.row("SELECT pg_backend_pid()", &[]).await?.get(0);
        let (partition, node) = (i32::from(partition), &shared.options.node);
        watched(connection.row(TAKE_OVER, &[&partition, node]), &shared.connector, pid).await
    });
    let taken = Box::pin(taken).await.map_err(|failure| recover_error(&failure))?;
    let (epoch, progress) = (taken.get::<_, i64>(0) as u64, taken.get::<_, Option<&[u8]>>(1));
    // What this process knew may be from before another one wrote.
    for shelf in shelves {
        shared.versions.forget(*shelf);
    }
    let work = |connection: std::sync::Arc<Connection>| async move { visit_shelves(shared, &connection, shelves, visit).await };
    shared.filling.read_at_one_moment(RECOVERY_DEADLINE, work).await.map_err(|failure| recover_error(&failure))?;
    shared.holds.take(partition, shelves, epoch);
    Ok(progress.map(|progress| Checkpoint { partition, progress: progress.into() }))
}

/// See [`SharedStore::take_over_all`](crate::SharedStore::take_over_all).
pub(super) async fn take_over_all(shared: &Shared, partitions: u16) -> Result<(), RecoverError> {
    let taken = shared.filling.read_within(shared.options.append_deadline, |connection| async move {
        let pid = connection.row("SELECT pg_backend_pid()", &[]).await?.get(0);
        let (partitions, node) = (i32::from(partitions), &shared.options.node);
        watched(connection.rows(TAKE_OVER_ALL, &[&partitions, node]), &shared.connector, pid).await
    });
    let taken = Box::pin(taken).await.map_err(|failure| recover_error(&failure))?;
    for row in taken {
        let (partition, epoch) = (row.get::<_, i32>(0) as u16, row.get::<_, i64>(1) as u64);
        let shelves: Vec<usize> = (0..SHELVES).filter(|shelf| *shelf as u16 % partitions == partition).collect();
        shared.holds.take(partition, &shelves, epoch);
    }
    Ok(())
}

async fn visit_shelves(shared: &Shared, connection: &Connection, shelves: &[usize], visit: Visit<'_>) -> Result<Visited, Failure> {
    let seen = shared.end.load(Ordering::Acquire);
    let end = connection.row(END, &[]).await?;
    let (end, newest) = (end.get::<_, i64>(0) as u64, end.get::<_, i64>(1) as u64);
    let mut visited = Visited { end, newest, ..Visited::default() };
    if let Some(reason) = shared.went_back(seen, end) {
        return Err(Failure::Damaged(reason));
    }
    let mut as_of = [0; SHELVES];
    for row in connection.rows(SHELF_MARKS, &[]).await? {
        let (shelf, at) = (row.get::<_, i16>(0) as usize, row.get::<_, i64>(1) as u64);
        as_of[shelf % SHELVES] = at;
        shared.saved(shelf % SHELVES, at);
    }
    let wanted: Vec<i16> = shelves.iter().map(|shelf| *shelf as i16).collect();
    let mut saved_since = ByDevice::default();
    {
        let snapshots = connection.stream(SNAPSHOTS, &[&wanted]).await?;
        pin_mut!(snapshots);
        while let Some(row) = next_row(&mut snapshots).await? {
            let position = row.get::<_, i64>(0) as u64;
            let (record, _) = read_record(row.get(1)).map_err(|damaged| damage(position, damaged))?;
            let Record::Snapshot(snapshot) = record else { return Err(damage(position, Damaged("device snapshot"))) };
            let device = shared.numbers.number(snapshot.device_id);
            if position > as_of[device.shelf()] {
                saved_since.insert(device, position);
            }
            shared.versions.set(device, snapshot.device.version());
            visit(Recovered::Device(device, DeviceState { device: snapshot.device, tracking: snapshot.tracking }));
            visited.devices += 1;
        }
    }
    let mut after = shelves.iter().map(|shelf| as_of[*shelf]).min().unwrap_or(end);
    let reader =
        WindowReader { connection, numbers: &shared.numbers, shelves: (shelves.len() < SHELVES).then_some(wanted.as_slice()) };
    while after < end {
        let (found, upto) = reader.next(after, end).await?;
        for (position, entry) in found {
            let device = entry.device();
            if position <= as_of[device.shelf()] || saved_since.get(&device).is_some_and(|saved| position <= *saved) {
                continue;
            }
            if let Some(before) = erased_before(&entry) {
                visit(Recovered::Entry(&before));
            }
            match &entry {
                Entry::Event(event) => shared.versions.set(device, event.version),
                Entry::Passivated(state) => shared.versions.set(device, state.1.version()),
                Entry::Late(_) | Entry::Observation(_) => {}
            }
            visit(Recovered::Entry(&entry));
            visited.entries += 1;
        }
        after = upto;
    }
    for shelf in shelves {
        shared.versions.complete(*shelf);
    }
    Ok(visited)
}

fn recover_error(failure: &Failure) -> RecoverError {
    match failure {
        Failure::Damaged(text) => RecoverError::Damaged(text.clone()),
        other => RecoverError::Failed(other.text()),
    }
}
