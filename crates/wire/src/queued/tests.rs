use super::*;
use proptest::prelude::*;

fn bodies(bytes: &[u8]) -> Vec<(u16, &[u8])> {
    let (mut bodies, mut at) = (Vec::new(), 0);
    while at < bytes.len() {
        let (partition, length) = read_entry_header(bytes[at..at + ENTRY_HEADER].try_into().expect("four bytes"));
        at += ENTRY_HEADER;
        bodies.push((partition, &bytes[at..at + length]));
        at += length;
    }
    bodies
}

#[test]
fn what_was_queued_is_read_back() {
    let reading = |id: &str, at| Reading {
        temperature: Celsius::from_stored(-5),
        location: Location::from_stored(-900_000_000, 1_800_000_000),
        at,
        received_at: Timestamp::from_unix_ms(1_767_225_600_000),
        id: ReadingId::new(id).expect("a valid id"),
    };
    let described = Description::new(Some("Truck"), &["cold".into()]).expect("valid");
    let mut bytes = Vec::new();
    write_reading(&mut bytes, 7, "AL-0012", &reading("x1", None));
    write_reading(&mut bytes, 63, "ü", &reading("00000000000000ff", Some(Timestamp::from_unix_ms(5))));
    write_describe(&mut bytes, 1, "AL-0012", 9, &described);
    write_forget(&mut bytes, 2, "AL-0012", 10);
    let entries = bodies(&bytes);
    assert_eq!(entries.iter().map(|entry| entry.0).collect::<Vec<_>>(), [7, 63, 1, 2]);
    assert_eq!(read_request(entries[0].1), Ok(("AL-0012", Request::Record(reading("x1", None)))));
    assert_eq!(
        read_request(entries[1].1),
        Ok(("ü", Request::Record(reading("00000000000000ff", Some(Timestamp::from_unix_ms(5))))))
    );
    assert_eq!(read_request(entries[2].1), Ok(("AL-0012", Request::Describe(9, Box::new(described)))));
    assert_eq!(read_request(entries[3].1), Ok(("AL-0012", Request::Forget(10))));
    assert!(read_request(&entries[0].1[..5]).is_err());
}

/// A reading with values of every length, and the same as postcard is to see it.
fn check_against_postcard(device_id: &str, reading: &Reading) {
    let queued = Queued::Reading {
        device_id,
        temperature: reading.temperature.steps(),
        latitude: reading.location.latitude(),
        longitude: reading.location.longitude(),
        at: reading.at.map(Timestamp::unix_ms),
        received_at: reading.received_at.unix_ms(),
        id: StoredReadingId::of(&reading.id),
    };
    let (mut written, mut expected) = (b"before".to_vec(), b"before".to_vec());
    write_reading(&mut written, 0x1234, device_id, reading);
    write_entry(&mut expected, 0x1234, &queued);
    assert_eq!(written, expected);
    assert_eq!(read_request(&written[6 + ENTRY_HEADER..]), Ok((device_id, Request::Record(reading.clone()))));
}

/// What postcard alone makes of an entry's body, as far as it is a reading.
fn read_by_postcard(body: &[u8]) -> Option<Result<(&str, Reading), Damaged>> {
    let Ok(queued) = postcard::from_bytes(body) else { return Some(Err(Damaged("queue entry"))) };
    let Queued::Reading { device_id, temperature, latitude, longitude, at, received_at, id } = queued else { return None };
    Some(id.restore().map(|id| {
        let (temperature, location) = (Celsius::from_stored(temperature), Location::from_stored(latitude, longitude));
        let (at, received_at) = (at.map(Timestamp::from_unix_ms), Timestamp::from_unix_ms(received_at));
        (device_id, Reading { temperature, location, at, received_at, id })
    }))
}

fn any_reading() -> impl Strategy<Value = Reading> {
    let small = || (any::<i32>(), 0u32..32).prop_map(|(bits, shift)| bits >> shift);
    let large = || (any::<i64>(), 0u32..64).prop_map(|(bits, shift)| bits >> shift);
    let id = prop_oneof![
        large().prop_map(|bits| ReadingId::given(bits as u64)),
        "[ -~]{1,64}".prop_map(|text| ReadingId::new(&text).expect("printable ASCII")),
    ];
    (small(), small(), small(), proptest::option::of(large()), large(), id).prop_map(
        |(temperature, latitude, longitude, at, received_at, id)| Reading {
            temperature: Celsius::from_stored(temperature),
            location: Location::from_stored(latitude, longitude),
            at: at.map(Timestamp::from_unix_ms),
            received_at: Timestamp::from_unix_ms(received_at),
            id,
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4000))]

    #[test]
    fn a_reading_is_written_as_postcard_writes_it_and_read_back(device_id in "\\PC{1,40}|[a-z]{120,128}", reading in any_reading()) {
        check_against_postcard(&device_id, &reading);
    }

    #[test]
    fn damaged_bytes_are_read_as_postcard_reads_them(
        reading in any_reading(),
        changes in proptest::collection::vec((any::<proptest::sample::Index>(), any::<u8>()), 0..3),
        end: proptest::sample::Index,
    ) {
        let mut bytes = Vec::new();
        write_reading(&mut bytes, 0, "AL-0012", &reading);
        bytes.drain(..ENTRY_HEADER);
        for (place, byte) in changes {
            let at = place.index(bytes.len());
            bytes[at] = byte;
        }
        bytes.truncate(end.index(bytes.len() * 4));
        if let Some(expected) = read_by_postcard(&bytes) {
            let read = read_request(&bytes);
            prop_assert_eq!(read, expected.map(|(device_id, reading)| (device_id, Request::Record(reading))));
        }
    }
}
