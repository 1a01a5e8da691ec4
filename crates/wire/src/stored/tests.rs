use super::*;
use fieldwatch_domain::{Description, Device, DeviceEvent, DeviceNumber, LocationChange, TemperatureChange, Tracking};

fn every_event() -> Vec<DeviceEvent> {
    let (here, there) = (Location::from_stored(-900_000_000, 1_800_000_000), Location::from_stored(900_000_000, -1_800_000_000));
    let (cold, warm) = (Celsius::LOWEST, Celsius::HIGHEST);
    let temperature = TemperatureChange { temperature: cold, previous: warm, notified: Celsius::from_stored(1), location: here };
    let location = LocationChange { location: here, previous: there, notified: Location::from_stored(0, 1), temperature: warm };
    let description = Description::new(Some("Truck"), &["cold".into()]).expect("valid");
    vec![
        DeviceEvent::Created { temperature: cold, location: here },
        DeviceEvent::TemperatureIncreased(temperature),
        DeviceEvent::TemperatureDecreased(temperature),
        DeviceEvent::SimilarTemperatureTraced(temperature),
        DeviceEvent::LocationChanged(location),
        DeviceEvent::LocationChangedToAVeryCloseOne(location),
        DeviceEvent::GoneSilent { last_seen: Timestamp::from_unix_ms(5) },
        DeviceEvent::IsBack { silent_since: Timestamp::from_unix_ms(6) },
        DeviceEvent::Described(Box::new(description)),
        DeviceEvent::Forgotten,
    ]
}

fn recorded(event: DeviceEvent, reading_id: Option<&str>) -> RecordedEvent {
    RecordedEvent {
        device: DeviceNumber::from_u32(3),
        version: 1 << 40,
        position: 77,
        at: Timestamp::from_unix_ms(0),
        recorded_at: Timestamp::from_unix_ms(1_767_225_600_250),
        received_at: Timestamp::from_unix_ms(1_767_225_600_249),
        reading_id: reading_id.map(|id| ReadingId::new(id).expect("a valid id")),
        event,
    }
}

#[test]
fn every_event_is_read_back_as_it_was_written() {
    for event in every_event() {
        for reading_id in [None, Some("x1"), Some("00000000000000ff")] {
            for prev in [Link::None, Link::Back(0), Link::Back(9), Link::At(1 << 50)] {
                let (mut bytes, original) = (Vec::new(), recorded(event.clone(), reading_id));
                write_event(&mut bytes, prev, "AL-0012", &original);
                let (record, length) = read_record(&bytes).expect("a whole record");
                assert_eq!(length, bytes.len());
                let Record::Event(stored) = record else { panic!("an event was written") };
                assert_eq!((stored.prev, stored.device_id), (prev, "AL-0012"));
                assert_eq!(stored.recorded(original.device, original.position), original);
            }
        }
    }
}

#[test]
fn a_device_is_read_back_as_it_was_written() {
    let mut device = Device::default();
    for event in every_event().into_iter().take(9) {
        device.apply(&event, Timestamp::from_unix_ms(9));
    }
    let mut tracking = Tracking::default();
    (1..30u64)
        .for_each(|n| tracking.observe_fingerprint(Timestamp::from_unix_ms(n as i64), Timestamp::from_unix_ms(n as i64 + 1), n));
    tracking.observe_late(Timestamp::from_unix_ms(50), u64::MAX);
    for (device, tracking) in [(device, tracking), (Device::default(), Tracking::default())] {
        let snapshot = DeviceSnapshot { prev: Link::At(64), device_id: "AL-0012", device, tracking };
        let mut bytes = Vec::new();
        write_snapshot(&mut bytes, &snapshot);
        assert_eq!(read_record(&bytes).expect("a whole record").0, Record::Snapshot(Box::new(snapshot)));
    }
}

#[test]
fn a_record_cut_anywhere_is_refused_and_never_misread() {
    let mut bytes = Vec::new();
    write_event(&mut bytes, Link::At(64), "AL-0012", &recorded(every_event().remove(1), Some("x1")));
    for end in 0..bytes.len() {
        assert!(read_record(&bytes[..end]).is_err());
    }
}

#[test]
fn an_erased_record_keeps_its_length_and_nothing_else() {
    let mut bytes = Vec::new();
    write_event(&mut bytes, Link::At(64), "planted-marker", &recorded(every_event().remove(1), Some("x1")));
    let length = bytes.len();
    erase_record(&mut bytes);
    assert_eq!(read_record(&bytes), Ok((Record::Erased, length)));
    assert!(bytes[RECORD_HEADER..].iter().all(|byte| *byte == 0));
}
