use super::*;
use fieldwatch_domain::{Description, Device, DeviceEvent, DeviceNumber, LocationChange, TemperatureChange, Tracking};
use proptest::prelude::*;

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
fn events_and_observations_are_written_as_postcard_writes_them() {
    for event in every_event() {
        for reading_id in [None, Some("x1"), Some("00000000000000ff"), Some("ffffffffffffffff"), Some(&*"x".repeat(64))] {
            for (version, moment) in [(1, 0), (127, 5), (1 << 40, 1_767_225_600_000), (u64::MAX, i64::MIN), (9, i64::MAX)] {
                for device_id in ["a", "AL-0012", &"x".repeat(127), &"ü".repeat(64)] {
                    let mut original = recorded(event.clone(), reading_id);
                    (original.version, original.received_at) = (version, Timestamp::from_unix_ms(moment));
                    let (mut written, mut expected) = (b"before".to_vec(), b"before".to_vec());
                    write_event(&mut written, Link::At(version), device_id, &original);
                    write_record(&mut expected, EVENT, &EventBody::of(Link::At(version), device_id, &original));
                    let (at, received_at) = (original.at, original.received_at);
                    write_observation(
                        &mut written,
                        &StoredObservation { device_id, at: received_at, received_at: at, fingerprint: version },
                    );
                    let (at, received_after) = (received_at.unix_ms(), at.unix_ms().wrapping_sub(received_at.unix_ms()));
                    let observation = ObservationBody { device_id, at, received_after, fingerprint: version };
                    write_record(&mut expected, OBSERVATION, &observation);
                    assert_eq!(written, expected);
                }
            }
        }
    }
}

proptest! {
    #[test]
    fn any_change_is_written_as_postcard_writes_it(values: [i32; 7], shifts in [0u32..32, 0u32..32, 0u32..32], prev: u64) {
        let [a, b, c, d, e, f, g] = values;
        let place = |latitude, longitude| Location::from_stored(latitude >> shifts[0], longitude >> shifts[1]);
        let degree = |steps: i32| Celsius::from_stored(steps >> shifts[2]);
        let temperature =
            TemperatureChange { temperature: degree(a), previous: degree(b), notified: degree(c), location: place(d, e) };
        let location =
            LocationChange { location: place(a, b), previous: place(c, d), notified: place(e, f), temperature: degree(g) };
        for event in [DeviceEvent::TemperatureIncreased(temperature), DeviceEvent::LocationChanged(location)] {
            let original = recorded(event, Some("x1"));
            let (mut written, mut expected) = (Vec::new(), Vec::new());
            write_event(&mut written, Link::At(prev), "AL-0012", &original);
            write_record(&mut expected, EVENT, &EventBody::of(Link::At(prev), "AL-0012", &original));
            prop_assert_eq!(written, expected);
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
