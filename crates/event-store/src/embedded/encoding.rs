//! A batch as the bytes of its records, linked to what each device had before.

use super::heads::{ByDevice, Head, Heads};
use crate::{AppendError, Batch, Entry, Observation};
use fieldwatch_domain::{DeviceEvent, DeviceNumber, DeviceNumbers};
use fieldwatch_wire::stored::{self, DeviceSnapshot, Link, StoredLateReading, StoredObservation};
use std::hash::BuildHasherDefault;

/// Bytes of a usual event's record, to begin with a buffer that need not grow.
const USUAL_RECORD: usize = 96;

/// The records of a batch, not yet stored: what can be known of them without their address.
pub(super) struct Encoded {
    /// The records, entries first, then checkpoints.
    pub(super) bytes: Vec<u8>,
    /// Where each entry's record begins in `bytes`.
    offsets: Vec<u32>,
    /// Each device whose chain of records goes on, once.
    touched: Vec<Touched>,
    /// The devices of the observations that nothing after them takes back.
    observed: Vec<DeviceNumber>,
}

/// What the batch does to the head of one device.
struct Touched {
    device: DeviceNumber,
    /// The head that the records were linked to and checked against.
    seen: Head,
    /// Where its last record of the chain begins in the bytes.
    last: Option<u32>,
    version: u64,
    /// Where the last record begins that says everything, whatever was observed before it.
    says_everything: Option<u32>,
}

impl Encoded {
    /// Checks the versions of a batch against the heads and writes its records.
    pub(super) fn of(batch: &Batch, heads: &Heads, numbers: &DeviceNumbers) -> Result<Self, AppendError> {
        let count = batch.entries.len();
        let mut encoded = Self {
            bytes: Vec::with_capacity(count * USUAL_RECORD),
            offsets: Vec::with_capacity(count),
            touched: Vec::new(),
            observed: Vec::with_capacity(count),
        };
        let ids = numbers.ids(&batch.entries.iter().map(Entry::device).collect::<Vec<_>>());
        // Most entries are observations, which are neither linked nor checked.
        let linked = |entry: &&Entry| !matches!(entry, Entry::Observation(_));
        let linked: Vec<DeviceNumber> = batch.entries.iter().filter(linked).map(Entry::device).collect();
        let mut seen = heads.get_all(&linked).into_iter();
        let mut places = ByDevice::with_capacity_and_hasher(linked.len(), BuildHasherDefault::default());
        for (at, entry) in batch.entries.iter().enumerate() {
            encoded.offsets.push(encoded.bytes.len() as u32);
            let id = ids.get(at);
            if let Entry::Observation(observation) = entry {
                encoded.observe(observation, id);
                continue;
            }
            let device = entry.device();
            let seen = seen.next().expect("one was asked for with each entry that is linked");
            let at = *places.entry(device).or_insert_with(|| {
                encoded.touched.push(Touched { device, seen, last: None, version: seen.version(), says_everything: None });
                encoded.touched.len() - 1
            });
            encoded.add(entry, at, id)?;
        }
        if encoded.touched.iter().any(|touched| touched.says_everything.is_some()) {
            encoded.take_back(batch, &places);
        }
        for checkpoint in &batch.checkpoints {
            stored::write_checkpoint(&mut encoded.bytes, checkpoint.partition, &checkpoint.progress);
        }
        Ok(encoded)
    }

    fn observe(&mut self, seen: &Observation, device_id: &str) {
        let (at, received_at, fingerprint) = (seen.at, seen.received_at, seen.fingerprint);
        stored::write_observation(&mut self.bytes, &StoredObservation { device_id, at, received_at, fingerprint });
        self.observed.push(seen.device);
    }

    /// Forgets the observations that are followed by a record that says everything.
    fn take_back(&mut self, batch: &Batch, places: &ByDevice<usize>) {
        let Self { offsets, touched, observed, .. } = self;
        observed.clear();
        for (entry, offset) in batch.entries.iter().zip(offsets) {
            let Entry::Observation(Observation { device, .. }) = entry else { continue };
            let says_everything = places.get(device).and_then(|at| touched[*at].says_everything);
            if says_everything.is_none_or(|record| record < *offset) {
                observed.push(*device);
            }
        }
    }

    fn add(&mut self, entry: &Entry, at: usize, device_id: &str) -> Result<(), AppendError> {
        let Self { bytes, touched, .. } = self;
        let touched = &mut touched[at];
        let own = bytes.len() as u32;
        let prev = match touched.last {
            Some(before) => Link::Back(u64::from(own - before)),
            None if touched.seen.address == 0 => Link::None,
            None => Link::At(touched.seen.address),
        };
        let expects = |expected: u64, touched: &Touched| {
            let (device, actual) = (touched.device, touched.version);
            if expected == actual { Ok(()) } else { Err(AppendError::VersionConflict { device, expected, actual }) }
        };
        match entry {
            Entry::Event(event) => {
                // Version 0 does not exist; nothing is stored that could go before it.
                expects(event.version.wrapping_sub(1), touched)?;
                touched.version = event.version;
                if matches!(event.event, DeviceEvent::Forgotten) {
                    touched.says_everything = Some(own);
                }
                stored::write_event(bytes, prev, device_id, event);
            }
            Entry::Late(late) => {
                let (at, received_at, reading_id) = (late.at, late.received_at, late.reading_id.clone());
                let (temperature, location) = (late.temperature, late.location);
                let record = StoredLateReading { device_id, prev, at, received_at, temperature, location, reading_id };
                stored::write_late(bytes, &record);
            }
            Entry::Observation(_) => unreachable!("observations have no link"),
            Entry::Passivated(state) => {
                let (_, state, tracking) = &**state;
                expects(state.version(), touched)?;
                touched.says_everything = Some(own);
                let snapshot = DeviceSnapshot { prev, device_id, device: state.clone(), tracking: tracking.clone() };
                stored::write_snapshot(bytes, &snapshot);
            }
        }
        touched.last = Some(own);
        Ok(())
    }

    /// Whether the heads are still those that the records were linked to.
    pub(super) fn is_current(&self, heads: &Heads) -> bool {
        self.touched.iter().all(|touched| heads.get(touched.device).is_at(touched.seen))
    }

    /// The devices whose chains go on; of others nothing is linked or checked, so they go along with anything.
    pub(super) fn devices(&self) -> impl Iterator<Item = DeviceNumber> {
        self.touched.iter().map(|touched| touched.device)
    }

    /// Fills in the positions of the entries, now that the bytes are stored at `address`.
    pub(super) fn place(&self, entries: &mut [Entry], address: u64) {
        for (entry, offset) in entries.iter_mut().zip(&self.offsets) {
            match entry {
                Entry::Event(event) => event.position = address + u64::from(*offset),
                Entry::Late(late) => late.position = address + u64::from(*offset),
                Entry::Observation(_) | Entry::Passivated(_) => {}
            }
        }
    }

    /// Moves the heads to the records, now that the bytes are stored at `address`.
    pub(super) fn move_heads(&self, heads: &Heads, address: u64) {
        for touched in &self.touched {
            let newest = touched.last.map_or(touched.seen.address, |last| address + u64::from(last));
            let observed = touched.says_everything.is_none() && heads.get(touched.device).observed();
            heads.set(touched.device, Head::new(newest, touched.version, observed));
        }
        heads.observe(&self.observed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use fieldwatch_domain::{Celsius, Location, RecordedEvent, Timestamp};
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    fn event(device: DeviceNumber, version: u64, event: DeviceEvent) -> Entry {
        let (at, recorded_at, received_at) = (Timestamp::EPOCH, Timestamp::EPOCH, Timestamp::EPOCH);
        Entry::Event(RecordedEvent { device, version, position: 0, at, recorded_at, received_at, reading_id: None, event })
    }

    proptest! {
        #[test]
        fn heads_move_as_if_each_entry_was_stored_by_itself(
            batches in proptest::collection::vec(proptest::collection::vec((0usize..4, 0u8..4), 1..30), 1..4),
        ) {
            let (heads, numbers) = (Heads::default(), DeviceNumbers::default());
            let devices = ["a", "b", "c", "d"].map(|id| numbers.number(id));
            // Of each device: the address of its newest record, its version, and whether it was observed since.
            let mut expected: BTreeMap<DeviceNumber, (u64, u64, bool)> = devices.map(|device| (device, (0, 0, false))).into();
            let mut address = 1_000;
            for steps in batches {
                let mut batch = Batch::default();
                let mut effects = Vec::new();
                for (device, kind) in steps {
                    let device = devices[device];
                    let (version, says_everything) = (expected[&device].1 + 1, kind == 1);
                    let (temperature, location, at) = (Celsius::default(), Location::default(), Timestamp::EPOCH);
                    batch.entries.push(match kind {
                        0 => event(device, version, DeviceEvent::Created { temperature, location }),
                        1 => event(device, version, DeviceEvent::Forgotten),
                        _ => Entry::Observation(Observation { device, at, received_at: at, fingerprint: 7 }),
                    });
                    if kind < 2 {
                        expected.get_mut(&device).expect("it is one of them").1 = version;
                    }
                    effects.push((device, kind >= 2, says_everything));
                }
                let encoded = Encoded::of(&batch, &heads, &numbers).expect("versions go on");
                encoded.move_heads(&heads, address);
                for ((device, observation, says_everything), offset) in effects.into_iter().zip(&encoded.offsets) {
                    let (newest, _, observed) = expected.get_mut(&device).expect("it is one of them");
                    *observed = observation || *observed && !says_everything;
                    if !observation {
                        *newest = address + u64::from(*offset);
                    }
                }
                address += encoded.bytes.len() as u64;
                for (device, (newest, version, observed)) in &expected {
                    prop_assert_eq!(heads.get(*device), Head::new(*newest, *version, *observed));
                }
            }
        }
    }
}
