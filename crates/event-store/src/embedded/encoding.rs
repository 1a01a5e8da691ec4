//! A batch as the bytes of its records, linked to what each device had before.

use super::heads::{ByDevice, Head, Heads};
use crate::{AppendError, Batch, Entry};
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
    /// Each device in it, once.
    touched: Vec<Touched>,
}

/// What the batch does to the head of one device.
struct Touched {
    device: DeviceNumber,
    /// The head that the records were linked to and checked against.
    seen: Head,
    /// Where its last record of the chain begins in the bytes; `None`: only observations.
    last: Option<u32>,
    version: u64,
    observed: bool,
}

impl Encoded {
    /// Checks the versions of a batch against the heads and writes its records.
    pub(super) fn of(batch: &Batch, heads: &Heads, numbers: &DeviceNumbers) -> Result<Self, AppendError> {
        let count = batch.entries.len();
        let mut encoded = Self {
            bytes: Vec::with_capacity(count * USUAL_RECORD),
            offsets: Vec::with_capacity(count),
            touched: Vec::with_capacity(count),
        };
        let mut places = ByDevice::with_capacity_and_hasher(count, BuildHasherDefault::default());
        for entry in &batch.entries {
            let device = entry.device();
            let at = *places.entry(device).or_insert_with(|| {
                let seen = heads.get(device);
                let (version, observed) = (seen.version(), seen.observed());
                encoded.touched.push(Touched { device, seen, last: None, version, observed });
                encoded.touched.len() - 1
            });
            encoded.add(entry, at, numbers)?;
        }
        for checkpoint in &batch.checkpoints {
            stored::write_checkpoint(&mut encoded.bytes, checkpoint.partition, &checkpoint.progress);
        }
        Ok(encoded)
    }

    fn add(&mut self, entry: &Entry, at: usize, numbers: &DeviceNumbers) -> Result<(), AppendError> {
        let Self { bytes, offsets, touched } = self;
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
                touched.observed &= !matches!(event.event, DeviceEvent::Forgotten);
                numbers.with_id(event.device, |id| stored::write_event(bytes, prev, id, event));
            }
            Entry::Late(late) => numbers.with_id(late.device, |device_id| {
                let (at, received_at, reading_id) = (late.at, late.received_at, late.reading_id.clone());
                let (temperature, location) = (late.temperature, late.location);
                let record = StoredLateReading { device_id, prev, at, received_at, temperature, location, reading_id };
                stored::write_late(bytes, &record);
            }),
            Entry::Observation(seen) => numbers.with_id(seen.device, |device_id| {
                let (at, received_at, fingerprint) = (seen.at, seen.received_at, seen.fingerprint);
                stored::write_observation(bytes, &StoredObservation { device_id, at, received_at, fingerprint });
            }),
            Entry::Passivated(state) => {
                let (device, state, tracking) = &**state;
                expects(state.version(), touched)?;
                touched.observed = false;
                numbers.with_id(*device, |device_id| {
                    let snapshot = DeviceSnapshot { prev, device_id, device: state.clone(), tracking: tracking.clone() };
                    stored::write_snapshot(bytes, &snapshot);
                });
            }
        }
        if matches!(entry, Entry::Observation(_)) {
            touched.observed = true;
        } else {
            touched.last = Some(own);
        }
        offsets.push(own);
        Ok(())
    }

    /// Whether the heads are still those that the records were linked to.
    pub(super) fn is_current(&self, heads: &Heads) -> bool {
        self.touched.iter().all(|touched| heads.get(touched.device).is_at(touched.seen))
    }

    /// The devices in it.
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
            heads.set(touched.device, Head::new(newest, touched.version, touched.observed));
        }
    }
}
