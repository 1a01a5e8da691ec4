//! The rows of all devices.

use crate::{
    Counts, DeviceRow, DeviceView, ListPage, ListQuery, Status,
    search::{Search, Seen, has_one_of},
    shelf::Shelf,
};
use fieldwatch_domain::{DeviceNumber, DeviceNumbers, SHELVES, Timestamp};
use fieldwatch_event_store::{DeviceState, Entry, Recovered, Stored};
use parking_lot::RwLock;
use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

/// Idle devices are looked for so many times within `idle_after`, so that a status is wrong for at most a twentieth of it.
const LOOKS_PER_IDLE_AFTER: u32 = 20;
/// Each look passes over all devices; more often than this it would be felt.
const SHORTEST_IDLE_INTERVAL: Duration = Duration::from_millis(100);
/// Nobody should wait longer than this for a status that was due.
const LONGEST_IDLE_INTERVAL: Duration = Duration::from_secs(30);

/// Tells the wall clock's time.
pub type WallClock = Arc<dyn Fn() -> Timestamp + Send + Sync>;

/// How the directory is kept.
#[derive(Clone)]
pub struct DirectoryOptions {
    /// After so long without a reading a device is idle; `None`: never.
    pub idle_after: Option<Duration>,
    /// Tells the time against which `idle_after` is held.
    pub clock: WallClock,
}

/// Where every device is now.
///
/// Takes 56 bytes a device, and its name and labels. Each shelf has a lock of its own, held shortly: readers and the one
/// writer meet seldom. Nobody holds the locks of two shelves; where a shelf of ids is locked too, that comes first.
pub struct Directory {
    options: DirectoryOptions,
    numbers: Arc<DeviceNumbers>,
    shelves: Box<[RwLock<Shelf>]>,
    position: AtomicU64,
}

impl Directory {
    /// An empty one.
    pub fn new(options: DirectoryOptions, numbers: Arc<DeviceNumbers>) -> Self {
        let shelves = (0..SHELVES).map(|_| RwLock::default()).collect();
        Self { options, numbers, shelves, position: AtomicU64::new(0) }
    }

    /// Takes what the store's recovery came across; may be called by several threads for different shelves.
    pub fn recovered(&self, recovered: &Recovered<'_>) {
        match recovered {
            Recovered::Device(device, state) => self.shelf_of(*device).write().change(device.place(), |row| row.restore(state)),
            Recovered::Entry(Entry::Passivated(passivated)) => {
                let (device, state, tracking) = (**passivated).clone();
                let state = DeviceState { device: state, tracking };
                self.shelf_of(device).write().change(device.place(), |row| row.restore(&state));
            }
            Recovered::Entry(entry) => {
                let device = entry.device();
                self.shelf_of(device).write().change(device.place(), |row| row.apply(entry));
            }
        }
    }

    /// Says that recovery is over, and which event was the newest.
    pub fn caught_up(&self, newest: u64) {
        self.mark_idle();
        self.position.store(newest, Ordering::Release);
    }

    /// Takes a batch that was stored. To be called in the order of the log, by one thread.
    pub fn apply(&self, stored: &Stored) {
        let mut held = None;
        for entry in &stored.entries {
            let device = entry.device();
            // Entries of one shelf that follow one another are taken under one lock.
            let mut shelf = match held.take() {
                Some((number, shelf)) if number == device.shelf() => shelf,
                other => {
                    drop(other);
                    self.shelf_of(device).write()
                }
            };
            shelf.change(device.place(), |row| row.apply(entry));
            held = Some((device.shelf(), shelf));
        }
        drop(held);
        // An answer that was begun with the new position sees all of the batch.
        self.position.fetch_max(stored.newest, Ordering::AcqRel);
    }

    /// Position of the newest event that is in it.
    pub fn position(&self) -> u64 {
        self.position.load(Ordering::Acquire)
    }

    /// One device by id; `None` when it is unknown or was forgotten.
    pub fn find(&self, id: &str) -> Option<DeviceView> {
        let device = self.numbers.find(id)?;
        let (row, description) = {
            let shelf = self.shelf_of(device).read();
            let row = shelf.row(device.place())?;
            (row.values()?, row.description().cloned().unwrap_or_default())
        };
        Some(DeviceView { id: self.numbers.id(device), description, row })
    }

    /// The values of one device; `None` when it is unknown or was forgotten.
    pub fn row(&self, device: DeviceNumber) -> Option<DeviceRow> {
        self.shelf_of(device).read().row(device.place())?.values()
    }

    /// Whether a device has one of these labels.
    pub fn has_label(&self, device: DeviceNumber, labels: &[String]) -> bool {
        let shelf = self.shelf_of(device).read();
        let row = shelf.row(device.place()).filter(|row| row.status().is_some());
        row.and_then(|row| row.description()).is_some_and(|description| has_one_of(description, labels))
    }

    /// All known devices of one shelf with their values, for snapshots.
    pub fn shelf(&self, shelf: usize) -> Vec<(DeviceNumber, DeviceRow)> {
        let rows = self.shelves[shelf].read();
        rows.rows().filter_map(|(place, row)| Some((DeviceNumber::at(shelf, place), row.values()?))).collect()
    }

    /// Answers a list. Looks at every device, so it takes time in proportion to all of them: call it where that may block.
    pub fn list(&self, query: &ListQuery) -> ListPage {
        // Read before the rows are: they may be newer than the answer says, never older.
        let position = self.position();
        let mut search = Search::new(query);
        for shelf in 0..SHELVES {
            self.look_through(shelf, &mut search);
        }
        search.into_page(position)
    }

    fn look_through(&self, shelf: usize, search: &mut Search<'_>) {
        let ids = self.numbers.read(shelf);
        for block in 0.. {
            // Locked anew for each block: a look for a text takes long, and the writer is not to wait for a whole shelf.
            let rows = self.shelves[shelf].read();
            let Some(block) = rows.block(block) else { return };
            for (place, row) in block.take_while(|(place, _)| *place < ids.len()) {
                if let Some(values) = row.values() {
                    search.look_at(&Seen { id: ids.id(place), row: values, description: row.description() });
                }
            }
        }
    }

    /// How many devices have which status.
    pub fn counts(&self) -> Counts {
        let mut sum = [0; 3];
        for shelf in &self.shelves {
            for (sum, count) in sum.iter_mut().zip(shelf.read().counts()) {
                *sum += count;
            }
        }
        let of = |status: Status| sum[usize::from(status.number())];
        Counts { active: of(Status::Active), idle: of(Status::Idle), silent: of(Status::Silent) }
    }

    /// Looks for devices that have become idle since the last call, marks them and gives them. To be called from time to
    /// time ([`Directory::idle_interval`]). A silent device is not among them: it stays silent.
    pub fn mark_idle(&self) -> Vec<DeviceNumber> {
        let Some(idle_after) = self.options.idle_after else { return Vec::new() };
        let idle_after = i64::try_from(idle_after.as_millis()).unwrap_or(i64::MAX);
        let since = Timestamp::from_unix_ms((self.options.clock)().unix_ms().saturating_sub(idle_after));
        let mut newly_idle = Vec::new();
        for (number, shelf) in self.shelves.iter().enumerate() {
            // Mostly none is due, and then the writer is not kept waiting.
            let due = shelf.read().due(since);
            if due.is_empty() {
                continue;
            }
            let mut shelf = shelf.write();
            for place in due {
                shelf.change(place, |row| {
                    // A reading may have come while the lock was changed.
                    if row.is_due(since) {
                        row.mark_idle();
                        if row.status() == Some(Status::Idle) {
                            newly_idle.push(DeviceNumber::at(number, place));
                        }
                    }
                });
            }
        }
        newly_idle
    }

    /// How often [`Directory::mark_idle`] wants to be called; `None`: never.
    pub fn idle_interval(&self) -> Option<Duration> {
        let idle_after = self.options.idle_after?;
        Some((idle_after / LOOKS_PER_IDLE_AFTER).clamp(SHORTEST_IDLE_INTERVAL, LONGEST_IDLE_INTERVAL))
    }

    fn shelf_of(&self, device: DeviceNumber) -> &RwLock<Shelf> {
        &self.shelves[device.shelf()]
    }
}
