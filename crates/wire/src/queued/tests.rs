use super::*;
use proptest::prelude::*;
use std::fmt::Write;

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

fn edit(name: Change<Option<&str>>, labels: Change<&[String]>) -> Edit {
    Edit::new(name, labels).expect("valid")
}

/// One of each kind of entry, under what the golden file calls it.
fn golden_entries() -> Vec<(&'static str, Request)> {
    let described = Description::new(Some("Truck"), &["cold".into(), "north".into()]).expect("valid");
    let reading = Reading {
        temperature: Celsius::from_stored(485_000),
        location: Location::from_stored(385_698_000, 456_974_000),
        at: Some(Timestamp::from_unix_ms(1_767_225_600_000)),
        received_at: Timestamp::from_unix_ms(1_767_225_600_500),
        id: ReadingId::new("x1").expect("a valid id"),
    };
    let untimed = Reading { at: None, id: ReadingId::given(u64::MAX), ..reading.clone() };
    let labels = ["cold".to_owned(), "north".to_owned()];
    let edit = |name, labels| Request::Edit(9, Box::new(edit(name, labels)));
    vec![
        ("reading", Request::Record(reading)),
        ("reading-untimed", Request::Record(untimed)),
        ("describe", Request::Describe(9, Box::new(described))),
        ("forget", Request::Forget(10)),
        ("edit-nothing", edit(Change::Stays, Change::Stays)),
        ("edit-name-cleared", edit(Change::Becomes(None), Change::Stays)),
        ("edit-name-set", edit(Change::Becomes(Some("Truck")), Change::Stays)),
        ("edit-labels", edit(Change::Stays, Change::Becomes(&labels))),
        ("edit-both", edit(Change::Becomes(Some("Truck")), Change::Becomes(&[]))),
    ]
}

#[test]
fn version_1_is_written_byte_for_byte_as_the_golden_file_and_read_back() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/golden/queue_entries_v1.txt");
    let mut written = String::new();
    for (name, request) in golden_entries() {
        let mut entry = Vec::new();
        match &request {
            Request::Record(reading) => write_reading(&mut entry, 7, "AL-0012", reading),
            Request::Describe(command, description) => write_describe(&mut entry, 7, "AL-0012", *command, description),
            Request::Forget(command) => write_forget(&mut entry, 7, "AL-0012", *command),
            Request::Edit(command, edit) => write_edit(&mut entry, 7, "AL-0012", *command, edit),
        }
        written.push_str(name);
        written.push(' ');
        for byte in &entry {
            write!(written, "{byte:02x}").expect("a text takes any number of characters");
        }
        written.push('\n');
    }
    if std::env::var_os("WRITE_GOLDEN").is_some() {
        std::fs::write(path, &written).expect("write the golden file");
    }
    let golden = std::fs::read_to_string(path).expect("read the golden file");
    assert_eq!(golden, written);
    for (line, (_, request)) in golden.lines().zip(golden_entries()) {
        let (_, digits) = line.split_once(' ').expect("a name and bytes");
        let pairs = digits.as_bytes().chunks(2).map(|pair| std::str::from_utf8(pair).expect("digits"));
        let entry: Vec<u8> = pairs.map(|pair| u8::from_str_radix(pair, 16).expect("hexadecimal")).collect();
        let entries = bodies(&entry);
        assert_eq!((entries[0].0, read_request(entries[0].1)), (7, Ok(("AL-0012", request))));
    }
}

#[test]
fn an_edit_that_no_device_could_take_is_damage() {
    for (name, labels) in [(StoredName::Set(""), None), (StoredName::Stays, Some(vec!["a", "a"]))] {
        let mut bytes = Vec::new();
        write_entry(&mut bytes, 0, &Queued::Edit { device_id: "a", command: 1, name, labels });
        assert_eq!(read_request(&bytes[ENTRY_HEADER..]), Err(Damaged("edit of a description")));
    }
}

#[test]
fn the_largest_edit_fits_into_an_entry() {
    let labels: Vec<String> = (0..32).map(|at| format!("{at:02}{}", "\u{1f69a}".repeat(62))).collect();
    let largest = edit(Change::Becomes(Some(&"\u{1f69a}".repeat(200))), Change::Becomes(&labels));
    let (mut bytes, id) = (Vec::new(), "i".repeat(128));
    write_edit(&mut bytes, 0, &id, u64::MAX, &largest);
    assert_eq!(read_request(bodies(&bytes)[0].1), Ok((&*id, Request::Edit(u64::MAX, Box::new(largest)))));
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
