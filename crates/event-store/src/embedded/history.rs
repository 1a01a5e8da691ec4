//! One device's entries: walking its chain backwards, and rebuilding its state from it.

use super::{
    records::{RecordReader, device_id_of, entry_of, link_of, read_error, records, told},
    recovery::{nothing_but_version, usable_file},
    shared::Shared,
    snapshot_file::Item,
};
use crate::{DeviceState, Entry, HistoryEntry, HistoryPage, ReadError};
use fieldwatch_domain::{DeviceEvent, DeviceNumber, Tracking};

/// A walk from a record of a device to the ones before it.
struct Walk<'a> {
    device: DeviceNumber,
    id: &'a str,
    reader: RecordReader<'a>,
    next: Option<u64>,
}

impl Walk<'_> {
    /// The entry where the walk stands; the walk moves to the one before. `None`: there is none before.
    fn step(&mut self) -> Result<Option<(u64, Entry)>, ReadError> {
        let Some(address) = self.next else { return Ok(None) };
        let record = self.reader.read(address)?;
        let Some(link) = link_of(&record) else {
            // Erased, as what a device had before it was forgotten.
            self.next = None;
            return Ok(None);
        };
        if device_id_of(&record) != Some(self.id) {
            return Err(ReadError::Failed(format!("the record at position {address} is of another device")));
        }
        // Only backwards, so that damaged links cannot make a walk without end.
        self.next = link.resolve(address).filter(|before| *before < address);
        Ok(entry_of(record, self.device, address).map(|entry| (address, entry)))
    }
}

fn is_forgotten(entry: &Entry) -> bool {
    matches!(entry, Entry::Event(event) if matches!(event.event, DeviceEvent::Forgotten))
}

/// See [`EventStore::history`](crate::EventStore::history).
pub(super) fn history(shared: &Shared, device: DeviceNumber, before: Option<u64>, limit: usize) -> Result<HistoryPage, ReadError> {
    let id = shared.numbers.id(device);
    let head = shared.heads.get(device).address;
    let mut walk = Walk { device, id: id.as_str(), reader: RecordReader::new(&shared.log), next: (head > 0).then_some(head) };
    if let Some(before) = before
        && let Some(link) = link_at(shared, id.as_str(), before)?
    {
        // The next page of a walk goes on where the last one ended, not from the head.
        if shared.is_forgotten(device, before.saturating_sub(1)) {
            return Ok(HistoryPage::default());
        }
        walk.next = link.resolve(before);
    }
    let mut page = HistoryPage::default();
    loop {
        if page.entries.len() == limit {
            page.more = walk.next.is_some();
            return Ok(page);
        }
        let (position, entry) = match walk.step() {
            Ok(Some(found)) => found,
            Ok(None) => return Ok(page),
            Err(ReadError::Gone { earliest }) => {
                page.cut_before = Some(earliest);
                return Ok(page);
            }
            Err(error) => return Err(error),
        };
        let is_last = is_forgotten(&entry);
        if before.is_none_or(|before| position < before) {
            match entry {
                Entry::Event(event) => page.entries.push(HistoryEntry::Event(event)),
                Entry::Late(late) => page.entries.push(HistoryEntry::Late(late)),
                Entry::Observation(_) | Entry::Passivated(_) => {}
            }
        }
        if is_last {
            return Ok(page);
        }
    }
}

/// The link of the device's record at exactly this position, which may be any number: so the frame is walked, and nothing
/// that only looks like a record can be taken for one.
fn link_at(shared: &Shared, id: &str, position: u64) -> Result<Option<fieldwatch_wire::stored::Link>, ReadError> {
    if position < shared.log.start() || position >= shared.log.end() {
        return Ok(None);
    }
    let frame = shared.log.seek_frame(position).map_err(|error| read_error(&error))?;
    let mut frames = shared.log.frames_from(frame);
    let Some(frame) = frames.next_frame().map_err(|error| read_error(&error))? else { return Ok(None) };
    for (address, record) in records(frame.payload, frame.address_of_payload) {
        if address == position {
            let record = record.map_err(|damaged| ReadError::Failed(told(&damaged)))?;
            return Ok(link_of(&record).filter(|_| device_id_of(&record) == Some(id)));
        }
        if address > position {
            break;
        }
    }
    Ok(None)
}

/// How often a rebuilding begins anew because what it read was replaced meanwhile.
const TRIES: usize = 3;

/// See [`EventStore::load`](crate::EventStore::load): exactly the state that a recovery would give.
pub(super) fn load(shared: &Shared, device: DeviceNumber) -> Result<DeviceState, ReadError> {
    let mut state = try_load(shared, device);
    for _ in 1..TRIES {
        // A newer snapshot was made and retention removed what it holds.
        if !matches!(state, Err(ReadError::Gone { .. })) {
            break;
        }
        state = try_load(shared, device);
    }
    state
}

fn try_load(shared: &Shared, device: DeviceNumber) -> Result<DeviceState, ReadError> {
    let head = shared.heads.get(device);
    if head == super::heads::Head::default() {
        return Ok(DeviceState::default());
    }
    let id = shared.numbers.id(device);
    // What is before this address need not be walked: the shelf's snapshot holds it.
    let as_of = shared.as_of(device.shelf());
    let mut walk =
        Walk { device, id: id.as_str(), reader: RecordReader::new(&shared.log), next: (head.address > 0).then_some(head.address) };
    let mut entries = Vec::new();
    let mut base = None;
    while base.is_none() && walk.next.is_some_and(|address| address >= as_of || (entries.is_empty() && !head.observed())) {
        let Some((address, entry)) = walk.step_in(as_of)? else { break };
        base = state_from(&entry).map(|state| (state, address));
        entries.push(entry);
    }
    let (mut state, from) = if let Some((state, address)) = base {
        entries.pop();
        (state, address + 1)
    } else {
        entries.retain(|entry| position_of(entry).is_none_or(|position| position >= as_of));
        (saved_state(shared, device.shelf(), id.as_str(), as_of)?, as_of)
    };
    if head.observed() {
        // Observations are in no chain: everything since has to be looked through.
        apply_from_log(shared, device, id.as_str(), from, &mut state)?;
    } else {
        entries.iter().rev().for_each(|entry| state.apply(entry));
    }
    Ok(state)
}

impl Walk<'_> {
    /// As [`Walk::step`]; a record that retention removed ends the walk, if the snapshot holds it.
    fn step_in(&mut self, as_of: u64) -> Result<Option<(u64, Entry)>, ReadError> {
        let stands_at = self.next.unwrap_or(0);
        match self.step() {
            Err(ReadError::Gone { .. }) if stands_at < as_of => Ok(None),
            other => other,
        }
    }
}

fn position_of(entry: &Entry) -> Option<u64> {
    match entry {
        Entry::Event(event) => Some(event.position),
        Entry::Late(late) => Some(late.position),
        Entry::Observation(_) | Entry::Passivated(_) => None,
    }
}

/// The whole state after an entry that says it all.
fn state_from(entry: &Entry) -> Option<DeviceState> {
    match entry {
        Entry::Passivated(state) => Some(DeviceState { device: state.1.clone(), tracking: state.2.clone() }),
        Entry::Event(event) if is_forgotten(entry) => {
            let device = nothing_but_version(event.version);
            Some(DeviceState { device, tracking: Tracking::default() })
        }
        Entry::Event(_) | Entry::Late(_) | Entry::Observation(_) => None,
    }
}

/// The device as its shelf's snapshot has it; the default state without one.
fn saved_state(shared: &Shared, shelf: usize, id: &str, as_of: u64) -> Result<DeviceState, ReadError> {
    let mut state = DeviceState::default();
    if as_of == 0 {
        return Ok(state);
    }
    let file = usable_file(shared, shelf).ok_or_else(|| ReadError::Failed(format!("the snapshot of shelf {shelf} is gone")))?;
    if file.header.as_of != as_of {
        // Replaced by a newer one since: begin anew.
        return Err(ReadError::Gone { earliest: file.header.as_of });
    }
    let shown = file.for_each(|item| {
        if let Item::Device { snapshot, .. } = item
            && snapshot.device_id == id
        {
            state = DeviceState { device: snapshot.device, tracking: snapshot.tracking };
        }
    });
    shown.map_err(|damaged| ReadError::Failed(format!("snapshot of shelf {shelf}: {damaged}")))?;
    Ok(state)
}

/// Applies everything of the device from an address on, observations too.
fn apply_from_log(shared: &Shared, device: DeviceNumber, id: &str, from: u64, state: &mut DeviceState) -> Result<(), ReadError> {
    let frame = shared.log.seek_frame(from.max(shared.log.start())).map_err(|error| read_error(&error))?;
    let mut frames = shared.log.frames_from(frame);
    while let Some(frame) = frames.next_frame().map_err(|error| read_error(&error))? {
        for (address, record) in records(frame.payload, frame.address_of_payload) {
            let record = record.map_err(|damaged| ReadError::Failed(format!("at position {address}: {damaged}")))?;
            if address >= from
                && device_id_of(&record) == Some(id)
                && let Some(entry) = entry_of(record, device, address)
            {
                state.apply(&entry);
            }
        }
    }
    Ok(())
}
