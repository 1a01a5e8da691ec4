//! Checks a store from its files: checksums, versions, chains, and whether replay gives the states that were kept.

mod report;
mod trail;

pub use report::VerifyReport;

use super::{
    LOG_KIND, events_dir,
    heads::ByDevice,
    open_error,
    records::{device_id_of, entry_of, link_of, records, told},
    recovery::nothing_but_version,
    snapshot_file::{Item, ShelfFile},
};
use crate::{DeviceState, Entry, OpenError};
use fieldwatch_domain::{DeviceEvent, DeviceNumber, DeviceNumbers, SHELVES, Tracking};
use fieldwatch_segment_log::{Frame, LogReader, SEGMENT_HEADER_BYTES};
use fieldwatch_wire::stored::{Link, Record};
use std::{
    collections::{BTreeSet, HashSet},
    path::{Path, PathBuf},
};
use trail::Trail;

/// Checks the store in `dir` (the folder of [`EmbeddedOptions::dir`](crate::EmbeddedOptions)), all of it or what concerns one
/// device. Works beside a running server, changes nothing, and reads the log twice. Blocks.
///
/// Memory grows with the number of devices, not of events: about half a kilobyte each.
///
/// # Errors
/// When there is no store to be checked; what is wrong with one is in the report.
pub fn verify(dir: impl AsRef<Path>, device: Option<&str>) -> Result<VerifyReport, OpenError> {
    let events = events_dir(dir.as_ref());
    let log = LogReader::open_read_only(&events, LOG_KIND);
    let mut check = Check::new(dir.as_ref().join("snapshots"), device);
    match &log {
        Ok(log) => check.list_snapshots(log),
        Err(fieldwatch_segment_log::OpenError::Absent { .. }) => {}
        Err(error) => check.report.problem(told(error)),
    }
    let scan = |on_frame: &mut dyn FnMut(Frame<'_>)| {
        fieldwatch_segment_log::verify(&events, LOG_KIND, on_frame).map_err(|error| open_error(&error))
    };
    scan(&mut |frame| check.note_forgotten(&frame))?;
    let found = scan(&mut |frame| check.frame(&frame))?;
    check.compare_up_to(u64::MAX);
    let mut report = check.report;
    for damage in &found.damages {
        report.problem(format!(
            "segment {} at byte {}, {} bytes: {}",
            damage.path.display(),
            damage.offset,
            damage.bytes,
            damage.damage
        ));
    }
    (report.segments, report.frames, report.frame_bytes) = (found.segments, found.frames, found.frame_bytes);
    report.unfinished_bytes = found.unfinished_bytes;
    report.devices = check.trails.len() as u64;
    Ok(report)
}

struct Check<'a> {
    only: Option<&'a str>,
    snapshots: PathBuf,
    log_id: Option<fieldwatch_segment_log::LogId>,
    /// Shelves whose snapshots are still to be compared, by the address they are as of.
    to_compare: BTreeSet<(u64, usize)>,
    numbers: DeviceNumbers,
    trails: ByDevice<Trail>,
    forgotten: ByDevice<u64>,
    /// Whether the log begins with its first record; `None` before the first frame.
    complete: Option<bool>,
    report: VerifyReport,
}

impl<'a> Check<'a> {
    fn new(snapshots: PathBuf, only: Option<&'a str>) -> Self {
        Self {
            only,
            snapshots,
            log_id: None,
            to_compare: BTreeSet::new(),
            numbers: DeviceNumbers::default(),
            trails: ByDevice::default(),
            forgotten: ByDevice::default(),
            complete: None,
            report: VerifyReport::default(),
        }
    }

    fn list_snapshots(&mut self, log: &LogReader) {
        self.log_id = Some(log.log_id());
        for shelf in 0..SHELVES {
            if let Some(file) = self.read_snapshot(shelf) {
                self.report.snapshot_files += 1;
                if file.header.as_of > log.end() {
                    let (as_of, end) = (file.header.as_of, log.end());
                    self.report.problem(format!("snapshot {shelf:02} is as of {as_of}, but the log ends at {end}"));
                } else {
                    self.to_compare.insert((file.header.as_of, shelf));
                }
            }
        }
    }

    fn read_snapshot(&mut self, shelf: usize) -> Option<ShelfFile> {
        let read = ShelfFile::read(&self.snapshots, shelf, self.log_id?);
        read.unwrap_or_else(|error| {
            self.report.problem(format!("snapshot {shelf:02}: {}", told(&error)));
            None
        })
    }

    fn is_asked_for(&self, id: &str) -> bool {
        self.only.is_none_or(|only| only == id)
    }

    fn note_forgotten(&mut self, frame: &Frame<'_>) {
        for (address, record) in records(frame.payload, frame.address_of_payload) {
            if let Ok(Record::Event(event)) = record
                && matches!(event.event, DeviceEvent::Forgotten)
            {
                self.forgotten.insert(self.numbers.number(event.device_id), address);
            }
        }
    }

    fn frame(&mut self, frame: &Frame<'_>) {
        self.complete.get_or_insert(frame.start() == SEGMENT_HEADER_BYTES);
        self.compare_up_to(frame.start());
        for (address, record) in records(frame.payload, frame.address_of_payload) {
            match record {
                Ok(record) => self.record(address, record),
                Err(damaged) => self.report.problem(format!("at position {address}: {damaged}")),
            }
        }
    }

    fn record(&mut self, address: u64, record: Record<'_>) {
        let Some(id) = device_id_of(&record) else {
            self.report.erased += u64::from(matches!(record, Record::Erased));
            return;
        };
        if !self.is_asked_for(id) {
            return;
        }
        let (id, device, link) = (id.to_owned(), self.numbers.number(id), link_of(&record));
        let Some(entry) = entry_of(record, device, address) else { return };
        match &entry {
            Entry::Event(_) => self.report.events += 1,
            Entry::Late(_) => self.report.late_readings += 1,
            Entry::Observation(_) => self.report.observations += 1,
            Entry::Passivated(_) => self.report.passivated += 1,
        }
        let complete = self.complete == Some(true);
        let trail =
            self.trails.entry(device).or_insert_with(|| Trail { state: complete.then(DeviceState::default), ..Trail::default() });
        match (self.forgotten.get(&device), &entry) {
            // Some of it may be erased already.
            (Some(forgotten), _) if address < *forgotten => return,
            (Some(forgotten), Entry::Event(event)) if address == *forgotten => {
                let state = DeviceState { device: nothing_but_version(event.version), tracking: Tracking::default() };
                *trail = Trail { last: address, version: event.version, state: Some(state) };
                return;
            }
            (Some(_) | None, _) => {}
        }
        let is_known = trail.last > 0 || complete;
        if let Some(link) = link {
            if is_known && link.resolve(address).unwrap_or(0) != trail.last {
                let points_to = link_text(link, address);
                self.report.problem(format!(
                    "device {id}: the record at {address} points to {points_to}, the one before is at {}",
                    trail.last
                ));
            }
            trail.last = address;
        }
        trail.take(&id, address, entry, is_known, &mut self.report);
    }

    /// Compares the snapshots as of this address or before with what the log has given so far.
    fn compare_up_to(&mut self, address: u64) {
        while let Some((as_of, shelf)) = self.to_compare.first().copied().filter(|(as_of, _)| *as_of <= address) {
            self.to_compare.remove(&(as_of, shelf));
            let Some(file) = self.read_snapshot(shelf) else { continue };
            if file.header.as_of == as_of {
                self.compare(shelf, &file);
            } else if address < u64::MAX {
                // A running server has replaced it since; its turn comes later.
                self.to_compare.insert((file.header.as_of, shelf));
            }
        }
    }

    fn compare(&mut self, shelf: usize, file: &ShelfFile) {
        let complete = self.complete == Some(true);
        let Self { only, numbers, trails, forgotten, report, .. } = self;
        let mut seen: HashSet<DeviceNumber> = HashSet::new();
        let shown = file.for_each(|item| {
            let Item::Device { snapshot, .. } = item else { return };
            let id = snapshot.device_id;
            let device = numbers.number(id);
            seen.insert(device);
            let is_forgotten_later = forgotten.get(&device).is_some_and(|position| *position >= file.header.as_of);
            if only.is_some_and(|only| only != id) || is_forgotten_later {
                return;
            }
            let head = snapshot.prev.resolve(0).unwrap_or(0);
            let state = DeviceState { device: snapshot.device, tracking: snapshot.tracking };
            let trail =
                trails.entry(device).or_insert_with(|| Trail { state: complete.then(DeviceState::default), ..Trail::default() });
            match &trail.state {
                Some(replayed) => {
                    report.states_compared += 1;
                    if *replayed != state {
                        report.problem(format!("device {id}: snapshot {shelf:02} keeps another state than its events give"));
                    }
                    if head != trail.last {
                        let last = trail.last;
                        report.problem(format!(
                            "device {id}: snapshot {shelf:02} names {head} as its newest record, which is at {last}"
                        ));
                    }
                }
                None => *trail = Trail { last: head, version: state.device.version(), state: Some(state) },
            }
        });
        if let Err(damaged) = shown {
            report.problem(format!("snapshot {shelf:02}: {damaged}"));
            return;
        }
        for (device, trail) in trails.iter().filter(|(device, trail)| device.shelf() == shelf && trail.last > 0) {
            let is_forgotten_later = forgotten.get(device).is_some_and(|position| *position >= file.header.as_of);
            if !is_forgotten_later && !seen.contains(device) {
                report.problem(format!(
                    "device {}: snapshot {shelf:02} lacks it, though it has a record at {}",
                    numbers.id(*device),
                    trail.last
                ));
            }
        }
    }
}

fn link_text(link: Link, address: u64) -> String {
    link.resolve(address).map_or_else(|| "nothing".into(), |at| at.to_string())
}
