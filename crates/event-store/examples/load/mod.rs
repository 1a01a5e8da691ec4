//! Readings for the measurements of appends.

use fieldwatch_domain::{Celsius, DeviceEvent, DeviceNumber, Location, ReadingId, RecordedEvent, TemperatureChange, Timestamp};
use fieldwatch_event_store::{Batch, Checkpoint, Entry};

/// As many events of devices drawn at random, each the next version of its device.
pub(crate) fn batch(devices: &[DeviceNumber], versions: &mut [u64], random: &mut u64, events: usize) -> Batch {
    let entries = (0..events).map(|_| {
        *random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let at = (*random >> 33) as usize % devices.len();
        versions[at] += 1;
        let now = Timestamp::from_unix_ms(1_767_225_600_000 + (*random >> 50) as i64);
        let (temperature, previous) = (Celsius::from_stored(485_000), Celsius::from_stored(462_300));
        let location = Location::from_stored(385_698_000, 456_974_000);
        Entry::Event(RecordedEvent {
            device: devices[at],
            version: versions[at],
            position: 0,
            at: now,
            recorded_at: now,
            received_at: now,
            reading_id: Some(ReadingId::given(*random)),
            event: DeviceEvent::TemperatureIncreased(TemperatureChange { temperature, previous, notified: previous, location }),
        })
    });
    let entries = entries.collect();
    Batch { entries, checkpoints: vec![Checkpoint { partition: 1, progress: random.to_le_bytes().into() }] }
}
