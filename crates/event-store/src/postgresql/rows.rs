//! A batch as the columns of its rows, not yet stored: what can be known of them without their position.

use super::columns::Column;
use crate::{AppendError, Batch, Entry, LateReading};
use fieldwatch_domain::{Celsius, DeviceEvent, DeviceNumber, DeviceNumbers, Ids, Location, ReadingId, RecordedEvent, SHELVES};
use fieldwatch_wire::stored::{self, DeviceSnapshot, Link, StoredLateReading, StoredObservation};
use std::collections::BTreeSet;

use crate::embedded::ByDevice;

/// Bytes before each record in a packed row: how far its position is behind that of the row, little-endian.
pub(super) const PACKED_HEADER: usize = 4;

/// A batch as columns. Offsets count from `start`.
#[derive(Debug, Default)]
pub(super) struct Rows {
    /// How many entries there are, which is how many positions are wanted.
    pub(super) entries: usize,
    /// The place of the last event among them.
    pub(super) last_event: Option<usize>,
    /// The shelves of all devices.
    pub(super) shelves: BTreeSet<usize>,
    /// Each device whose version is checked or changed.
    pub(super) touched: Vec<Touched>,
    pub(super) events: EventRows,
    pub(super) late: LateRows,
    pub(super) packed: Vec<PackedRow>,
    pub(super) states: StateRows,
    pub(super) forgotten: ForgottenRows,
}

/// What the batch does to the version of one device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Touched {
    pub(super) device: DeviceNumber,
    /// The version that the batch goes on from.
    pub(super) expected: u64,
    /// The version that it leads to.
    pub(super) version: u64,
}

/// Columns of `fieldwatch_events`.
#[derive(Debug, Default)]
pub(super) struct EventRows {
    pub(super) offset: Vec<usize>,
    pub(super) version: Column,
    pub(super) at: Column,
    pub(super) recorded_at: Column,
    pub(super) latitude: Column,
    pub(super) longitude: Column,
    pub(super) temperature: Column,
    pub(super) event_type: Column,
    pub(super) shelf: Column,
    pub(super) device: Column,
    pub(super) reading: Column,
    pub(super) record: Column,
}

/// Columns of `fieldwatch_late_readings`.
#[derive(Debug, Default)]
pub(super) struct LateRows {
    pub(super) offset: Vec<usize>,
    pub(super) at: Column,
    pub(super) received_at: Column,
    pub(super) latitude: Column,
    pub(super) longitude: Column,
    pub(super) temperature: Column,
    pub(super) shelf: Column,
    pub(super) device: Column,
    pub(super) record: Column,
}

/// A row of `fieldwatch_observations`.
#[derive(Debug)]
pub(super) struct PackedRow {
    pub(super) offset: usize,
    pub(super) shelf: usize,
    pub(super) records: Vec<u8>,
}

/// Columns of `fieldwatch_snapshots`.
#[derive(Debug, Default)]
pub(super) struct StateRows {
    pub(super) offset: Vec<usize>,
    pub(super) version: Column,
    pub(super) shelf: Column,
    pub(super) device: Column,
    pub(super) state: Column,
}

/// Columns of `fieldwatch_forgotten`.
#[derive(Debug, Default)]
pub(super) struct ForgottenRows {
    pub(super) offset: Vec<usize>,
    pub(super) shelf: Column,
    pub(super) device: Column,
}

impl Rows {
    /// Checks that the versions within the batch go on without gap, and writes its columns.
    pub(super) fn of(batch: &Batch, numbers: &DeviceNumbers) -> Result<Self, AppendError> {
        let devices: Vec<DeviceNumber> = batch.entries.iter().map(Entry::device).collect();
        let ids: Ids = numbers.ids(&devices);
        let mut rows = Self { entries: devices.len(), ..Self::default() };
        let mut places = ByDevice::default();
        let mut packed_of = [None; SHELVES];
        for (offset, entry) in batch.entries.iter().enumerate() {
            let (device, id) = (devices[offset], ids.get(offset));
            rows.shelves.insert(device.shelf());
            match entry {
                Entry::Event(event) => {
                    rows.touch(&mut places, device, event.version.wrapping_sub(1), event.version)?;
                    rows.last_event = Some(offset);
                    rows.events.add(offset, id, event);
                    if matches!(event.event, DeviceEvent::Forgotten) {
                        rows.forgotten.add(offset, id, device);
                    }
                }
                Entry::Late(late) => rows.late.add(offset, id, late),
                Entry::Observation(seen) => {
                    let (at, received_at, fingerprint) = (seen.at, seen.received_at, seen.fingerprint);
                    let records = rows.packed(&mut packed_of, offset, device);
                    stored::write_observation(records, &StoredObservation { device_id: id, at, received_at, fingerprint });
                }
                Entry::Passivated(state) => {
                    let version = state.1.version();
                    rows.touch(&mut places, device, version, version)?;
                    let (prev, tracking) = (Link::None, state.2.clone());
                    let snapshot = DeviceSnapshot { prev, device_id: id, device: state.1.clone(), tracking };
                    rows.states.add(offset, device, &snapshot);
                    stored::write_snapshot(rows.packed(&mut packed_of, offset, device), &snapshot);
                }
            }
        }
        Ok(rows)
    }

    fn touch(
        &mut self,
        places: &mut ByDevice<usize>,
        device: DeviceNumber,
        expected: u64,
        version: u64,
    ) -> Result<(), AppendError> {
        let at = *places.entry(device).or_insert_with(|| {
            self.touched.push(Touched { device, expected, version: expected });
            self.touched.len() - 1
        });
        let actual = self.touched[at].version;
        if actual != expected || version < expected {
            return Err(AppendError::VersionConflict { device, expected, actual });
        }
        self.touched[at].version = version;
        Ok(())
    }

    /// Where the next record of a device is to be packed; its offset is written already.
    fn packed(&mut self, packed_of: &mut [Option<usize>; SHELVES], offset: usize, device: DeviceNumber) -> &mut Vec<u8> {
        let shelf = device.shelf();
        let at = *packed_of[shelf].get_or_insert_with(|| {
            self.packed.push(PackedRow { offset, shelf, records: Vec::with_capacity(64) });
            self.packed.len() - 1
        });
        let row = &mut self.packed[at];
        row.records.extend_from_slice(&((offset - row.offset) as u32).to_le_bytes());
        &mut row.records
    }

    /// About how many bytes it has.
    pub(super) fn size(&self) -> usize {
        self.entries * 200
    }
}

impl EventRows {
    fn add(&mut self, offset: usize, id: &str, event: &RecordedEvent) {
        self.offset.push(offset);
        self.version.i64(event.version as i64);
        self.at.time(event.at.unix_ms());
        self.recorded_at.time(event.recorded_at.unix_ms());
        match event.event.measured() {
            Some((temperature, location)) => {
                write_values(&mut self.latitude, &mut self.longitude, &mut self.temperature, location, temperature);
            }
            None => [&mut self.latitude, &mut self.longitude, &mut self.temperature].into_iter().for_each(Column::null),
        }
        // Arrays of the server count from 1.
        self.event_type.i16(event.event.event_type() as i16 + 1);
        self.shelf.i16(event.device.shelf() as i16);
        self.device.text(id);
        match &event.reading_id {
            Some(id) => write_reading_id(&mut self.reading, id),
            None => self.reading.null(),
        }
        let (record, start) = self.record.begin();
        stored::write_event(record, Link::None, id, event);
        self.record.end(start);
    }
}

impl LateRows {
    fn add(&mut self, offset: usize, id: &str, late: &LateReading) {
        self.offset.push(offset);
        self.at.time(late.at.unix_ms());
        self.received_at.time(late.received_at.unix_ms());
        write_values(&mut self.latitude, &mut self.longitude, &mut self.temperature, late.location, late.temperature);
        self.shelf.i16(late.device.shelf() as i16);
        self.device.text(id);
        let (at, received_at, reading_id) = (late.at, late.received_at, late.reading_id.clone());
        let (temperature, location, prev) = (late.temperature, late.location, Link::None);
        let (record, start) = self.record.begin();
        let late = StoredLateReading { device_id: id, prev, at, received_at, temperature, location, reading_id };
        stored::write_late(record, &late);
        self.record.end(start);
    }
}

impl StateRows {
    pub(super) fn add(&mut self, offset: usize, device: DeviceNumber, snapshot: &DeviceSnapshot<'_>) {
        self.offset.push(offset);
        self.version.i64(snapshot.device.version() as i64);
        self.shelf.i16(device.shelf() as i16);
        self.device.text(snapshot.device_id);
        let (state, start) = self.state.begin();
        stored::write_snapshot(state, snapshot);
        self.state.end(start);
    }
}

impl ForgottenRows {
    fn add(&mut self, offset: usize, id: &str, device: DeviceNumber) {
        self.offset.push(offset);
        self.shelf.i16(device.shelf() as i16);
        self.device.text(id);
    }
}

fn write_values(latitude: &mut Column, longitude: &mut Column, temperature: &mut Column, location: Location, celsius: Celsius) {
    latitude.f64(f64::from(location.latitude()) / f64::from(Location::STEPS_PER_DEGREE));
    longitude.f64(f64::from(location.longitude()) / f64::from(Location::STEPS_PER_DEGREE));
    temperature.f32((f64::from(celsius.steps()) / f64::from(Celsius::STEPS_PER_DEGREE)) as f32);
}

fn write_reading_id(column: &mut Column, id: &ReadingId) {
    match id.text() {
        Some(text) => column.text(text),
        None => column.text(&id.to_string()),
    }
}
