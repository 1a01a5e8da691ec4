//! What memory is filled with after a start: the shelves' snapshots, then the log since.

use super::{
    heads::Head,
    records::{entry_of, read_error, records, told},
    shared::{Forgetting, Shared},
    snapshot_file::{Item, ShelfFile, path_of},
};
use crate::{DeviceState, Entry, ReadError, RecoverError, Recovered, Recovery};
use fieldwatch_domain::{Celsius, Device, DeviceEvent, Location, Presence, SHELVES, Tracking};
use fieldwatch_wire::stored::Record;
use parking_lot::Mutex;
use std::{
    collections::BTreeMap,
    fs,
    sync::{
        atomic::{AtomicU64, AtomicUsize, Ordering},
        mpsc::{SyncSender, sync_channel},
    },
    thread,
};

/// How many threads fill memory; different shelves go to different ones.
const THREADS: usize = 2;
/// Entries are handed to a thread so many at a time, about 300 KB.
const CHUNK: usize = 2048;
/// How many such chunks wait for a thread.
const CHUNKS_AHEAD: usize = 4;

type Visit<'a> = &'a (dyn Fn(Recovered<'_>) + Sync);

/// Fills the store's own memory and shows everything to `visit`. Blocks.
pub(super) fn recover(shared: &Shared, visit: Visit<'_>) -> Result<Recovery, RecoverError> {
    let saved = read_snapshots(shared, visit)?;
    let start = shared.log.start();
    for shelf in 0..SHELVES {
        let as_of = shared.as_of(shelf);
        if start > 0 && as_of < start {
            return Err(RecoverError::Damaged(format!(
                "the log begins at {start}, because older events were removed, and there is no usable snapshot of shelf {shelf} \
                 (file {shelf:02}) from there on: take the snapshots folder from a backup"
            )));
        }
    }
    let from = (0..SHELVES).map(|shelf| shared.as_of(shelf)).min().unwrap_or(0);
    let mut found = Found { checkpoints: saved.checkpoints, newest: saved.newest, entries: 0 };
    replay(shared, from, visit, &mut found)?;

    let mut committed = shared.committed.lock();
    committed.checkpoints = found.checkpoints;
    committed.newest = found.newest;
    shared.newest.store(found.newest, Ordering::Release);
    shared.recovered.store(true, Ordering::Release);
    Ok(Recovery { checkpoints: committed.checkpoints(), devices: saved.devices, entries: found.entries })
}

/// What the snapshots say besides devices.
#[derive(Default)]
struct Saved {
    devices: u64,
    newest: u64,
    /// Those of the newest snapshot, which is as of this address.
    checkpoints: BTreeMap<u16, Box<[u8]>>,
    as_of: u64,
}

fn read_snapshots(shared: &Shared, visit: Visit<'_>) -> Result<Saved, RecoverError> {
    let (saved, next, devices) = (Mutex::new(Saved::default()), AtomicUsize::new(0), AtomicU64::new(0));
    let read_shelves = || {
        loop {
            let shelf = next.fetch_add(1, Ordering::Relaxed);
            if shelf >= SHELVES {
                return Ok(());
            }
            if let Some(file) = usable_file(shared, shelf) {
                devices.fetch_add(take_shelf(shared, shelf, &file, visit, &saved)?, Ordering::Relaxed);
            }
        }
    };
    thread::scope(|scope| {
        let threads: Vec<_> = (0..THREADS).map(|_| scope.spawn(read_shelves)).collect();
        threads.into_iter().try_for_each(|thread| thread.join().unwrap_or_else(|_| Err(visitor_panicked())))
    })?;
    let saved = saved.into_inner();
    Ok(Saved { devices: devices.into_inner(), ..saved })
}

fn visitor_panicked() -> RecoverError {
    RecoverError::Failed("whoever takes the devices has failed on one".into())
}

/// The shelf's file; one that cannot be used counts as absent.
pub(super) fn usable_file(shared: &Shared, shelf: usize) -> Option<ShelfFile> {
    match ShelfFile::read(&shared.snapshots_dir(), shelf, shared.log.log_id()) {
        Ok(Some(file)) if file.header.as_of > shared.log.end() => {
            let (as_of, end) = (file.header.as_of, shared.log.end());
            tracing::error!(shelf, as_of, end, "a snapshot is ahead of the log and is not used; the log has lost its end");
            // Set aside, because the log will grow beyond that address again, with other content.
            let path = path_of(&shared.snapshots_dir(), shelf);
            if let Err(error) = fs::rename(&path, path.with_extension("ahead")) {
                tracing::error!(shelf, %error, "cannot set the snapshot aside");
            }
            None
        }
        Ok(file) => file,
        Err(error) => {
            let error = told(&error);
            tracing::warn!(shelf, error, "a snapshot cannot be used; the log is read instead");
            None
        }
    }
}

fn take_shelf(
    shared: &Shared,
    shelf: usize,
    file: &ShelfFile,
    visit: Visit<'_>,
    saved: &Mutex<Saved>,
) -> Result<u64, RecoverError> {
    let mut devices = 0;
    let mut checkpoints = BTreeMap::new();
    let shown = file.for_each(|item| match item {
        Item::Device { snapshot, observed } => {
            let number = shared.numbers.number(snapshot.device_id);
            let address = snapshot.prev.resolve(0).unwrap_or(0);
            shared.heads.set(number, Head::new(address, snapshot.device.version(), observed));
            visit(Recovered::Device(number, DeviceState { device: snapshot.device, tracking: snapshot.tracking }));
            devices += 1;
        }
        Item::Checkpoint { partition, progress } => {
            checkpoints.insert(partition, progress.into());
        }
        Item::Forgotten { device_id, position, erased } => {
            shared.forgotten.write().insert(shared.numbers.number(device_id), Forgetting { position, erased });
        }
    });
    shown.map_err(|damaged| RecoverError::Damaged(format!("snapshot of shelf {shelf}: {damaged}")))?;
    shared.shelves[shelf].as_of.store(file.header.as_of, Ordering::Release);
    let mut saved = saved.lock();
    saved.newest = saved.newest.max(file.header.newest);
    if file.header.as_of >= saved.as_of {
        saved.as_of = file.header.as_of;
        saved.checkpoints = checkpoints;
    }
    Ok(devices)
}

/// What the log says besides devices.
struct Found {
    checkpoints: BTreeMap<u16, Box<[u8]>>,
    newest: u64,
    entries: u64,
}

/// Reads the log from `from` on; this thread reads, others visit.
fn replay(shared: &Shared, from: u64, visit: Visit<'_>, found: &mut Found) -> Result<(), RecoverError> {
    thread::scope(|scope| {
        let (mut lanes, mut workers) = (Vec::with_capacity(THREADS), Vec::with_capacity(THREADS));
        for _ in 0..THREADS {
            let (chunks, inbox) = sync_channel::<Vec<Entry>>(CHUNKS_AHEAD);
            workers.push(scope.spawn(move || inbox.into_iter().flatten().for_each(|entry| visit(Recovered::Entry(&entry)))));
            lanes.push(Lane { chunk: Vec::with_capacity(CHUNK), chunks });
        }
        let read = read_log(shared, from, &mut lanes, found);
        let sent = read.and_then(|()| lanes.into_iter().try_for_each(Lane::finish));
        // Joined here, so that a panic of one is an error and not a panic of this thread too.
        let visited = workers.into_iter().try_for_each(|worker| worker.join().map_err(|_| visitor_panicked()));
        sent.and(visited)
    })
}

fn read_log(shared: &Shared, from: u64, lanes: &mut [Lane], found: &mut Found) -> Result<(), RecoverError> {
    let as_of: Vec<u64> = (0..SHELVES).map(|shelf| shared.as_of(shelf)).collect();
    let mut frames = shared.log.frames_from(from);
    while let Some(frame) = frames.next_frame().map_err(|error| unreadable(&error))? {
        for (address, record) in records(frame.payload, frame.address_of_payload) {
            let record = record.map_err(|damaged| RecoverError::Damaged(format!("at position {address}: {damaged}")))?;
            if let Some(entry) = take_record(shared, record, address, &as_of, found) {
                found.entries += 1;
                let lane = &mut lanes[entry.device().shelf() % THREADS];
                if let Some(before) = erased_before(&entry) {
                    lane.push(before)?;
                }
                move_head(shared, &entry, address);
                lane.push(entry)?;
            }
        }
    }
    Ok(())
}

/// Moves the store's own memory by one record, and gives the entry if its shelf's snapshot does not hold it already.
fn take_record(shared: &Shared, record: Record<'_>, address: u64, as_of: &[u64], found: &mut Found) -> Option<Entry> {
    if let Record::Checkpoint { partition, progress } = record {
        match found.checkpoints.get_mut(&partition) {
            // Most are as long as the one before: no allocation.
            Some(known) if known.len() == progress.len() => known.copy_from_slice(progress),
            Some(_) | None => {
                found.checkpoints.insert(partition, progress.into());
            }
        }
        return None;
    }
    let device = shared.numbers.number(super::records::device_id_of(&record)?);
    if let Record::Event(_) = &record {
        found.newest = found.newest.max(address);
    }
    if address < as_of[device.shelf()] {
        return None;
    }
    entry_of(record, device, address)
}

/// What was before a forgetting may be erased, or, after a crash in the middle of that, be erased in part: the fold cannot
/// count the versions there, so it is told, in the form of a state that is nothing but a version.
pub(crate) fn erased_before(entry: &Entry) -> Option<Entry> {
    let Entry::Event(event) = entry else { return None };
    let before = event.version.saturating_sub(1);
    matches!(event.event, DeviceEvent::Forgotten)
        .then(|| Entry::Passivated(Box::new((event.device, nothing_but_version(before), Tracking::default()))))
}

/// An unknown device at a version.
pub(crate) fn nothing_but_version(version: u64) -> Device {
    let (temperature, location) = (Celsius::default(), Location::default());
    Device::from_stored(version, Presence::Unknown, temperature, temperature, location, location, None)
}

fn move_head(shared: &Shared, entry: &Entry, address: u64) {
    let device = entry.device();
    let before = shared.heads.get(device);
    let head = match entry {
        Entry::Event(event) => {
            let forgotten = matches!(event.event, DeviceEvent::Forgotten);
            if forgotten {
                shared.forgotten.write().insert(device, Forgetting { position: address, erased: false });
            }
            Head::new(address, event.version, before.observed() && !forgotten)
        }
        Entry::Late(_) => Head::new(address, before.version(), before.observed()),
        Entry::Observation(_) => Head::new(before.address, before.version(), true),
        Entry::Passivated(state) => Head::new(address, state.1.version(), false),
    };
    shared.heads.set(device, head);
}

fn unreadable(error: &fieldwatch_segment_log::ReadError) -> RecoverError {
    let damaged = matches!(error, fieldwatch_segment_log::ReadError::Corrupt { .. });
    match read_error(error) {
        ReadError::Failed(text) if damaged => RecoverError::Damaged(text),
        other => RecoverError::Failed(told(&other)),
    }
}

/// The way to one of the threads that visit.
struct Lane {
    chunk: Vec<Entry>,
    chunks: SyncSender<Vec<Entry>>,
}

impl Lane {
    fn push(&mut self, entry: Entry) -> Result<(), RecoverError> {
        self.chunk.push(entry);
        if self.chunk.len() == CHUNK { self.send(Vec::with_capacity(CHUNK)) } else { Ok(()) }
    }

    fn finish(mut self) -> Result<(), RecoverError> {
        self.send(Vec::new())
    }

    fn send(&mut self, next: Vec<Entry>) -> Result<(), RecoverError> {
        self.chunks.send(std::mem::replace(&mut self.chunk, next)).map_err(|_| visitor_panicked())
    }
}
