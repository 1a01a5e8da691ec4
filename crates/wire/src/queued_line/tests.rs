use super::*;
use fieldwatch_domain::{Celsius, Change, Description, Edit, Location};
use proptest::prelude::*;

const GOLDEN: &str = include_str!("../../golden/queued_line_v1.ndjson");

fn reading(temperature: i32, (latitude, longitude): (i32, i32), at: Option<i64>, id: &str) -> Request {
    Request::Record(Reading {
        temperature: Celsius::from_stored(temperature),
        location: Location::from_stored(latitude, longitude),
        at: at.map(Timestamp::from_unix_ms),
        received_at: Timestamp::from_unix_ms(1_767_225_600_123),
        id: ReadingId::new(id).expect("a valid id"),
    })
}

fn describe(id: u64, name: Option<&str>, labels: &[&str]) -> Request {
    let labels: Vec<String> = labels.iter().map(|label| (*label).to_owned()).collect();
    Request::Describe(id, Box::new(Description::new(name, &labels).expect("a valid description")))
}

fn edit(id: u64, name: Change<Option<&str>>, labels: Change<&[String]>) -> Request {
    Request::Edit(id, Box::new(Edit::new(name, labels).expect("a valid edit")))
}

fn golden() -> Vec<(&'static str, Request)> {
    vec![
        ("AL-0012", reading(485_000, (385_698_000, 456_974_000), Some(1_767_225_600_000), "x1")),
        ("ü\"\\", reading(-2_731_500, (-900_000_000, 1_800_000_000), None, "00000000000000ff")),
        ("AL-0012", describe(9, Some("Truck"), &["cold", "EU"])),
        ("AL-0012", describe(10, None, &[])),
        ("AL-0012", Request::Forget(u64::MAX)),
        ("AL-0012", edit(11, Change::Becomes(None), Change::Stays)),
        ("AL-0012", edit(12, Change::Stays, Change::Becomes(&["EU".to_owned()]))),
        ("AL-0012", edit(13, Change::Becomes(Some("Truck")), Change::Becomes(&[]))),
    ]
}

#[test]
fn lines_are_written_as_the_golden_file_says() {
    let mut written = String::new();
    for (device_id, request) in golden() {
        write_line(&mut written, device_id, &request);
    }
    assert_eq!(written, GOLDEN);
}

#[test]
fn the_golden_file_is_read_back() {
    for (line, (device_id, request)) in GOLDEN.lines().zip(golden()) {
        assert_eq!(read_line(line.as_bytes()), Ok((Cow::Borrowed(device_id), request.clone())), "{line}");
        assert_eq!(read_line(format!("{line}\r\n").as_bytes()), Ok((Cow::Borrowed(device_id), request)), "{line}");
    }
}

#[test]
fn a_line_that_was_written_here_takes_the_short_way() {
    let line = GOLDEN.lines().next().expect("a first line");
    let (device_id, _) = read_usual(line).expect("the short way");
    assert!(matches!(device_id, Cow::Borrowed("AL-0012")));
}

#[test]
fn members_may_stand_in_any_order_with_any_space() {
    let line = r#" { "receivedAt" : "2026-01-01T01:00:00.123+01:00", "location":{"lat":38.5698,"lon":45.6974},
        "temperature":4.85e1, "deviceId":"AL-0012", "at":"2026-01-01T00:00:00Z", "readingId":"x1" } "#;
    assert_eq!(read_line(line.as_bytes()), Ok((Cow::Borrowed("AL-0012"), golden().remove(0).1)));
}

#[test]
fn what_is_no_entry_is_refused() {
    let reading = r#""deviceId":"a","temperature":1,"lat":2,"lon":3"#;
    let time = r#""receivedAt":"2026-01-01T00:00:00.000Z""#;
    for line in [
        String::new(),
        "{}".into(),
        "[]".into(),
        "null".into(),
        format!("{{{reading}}}"),
        format!("[{{{reading},{time}}}]"),
        format!("{{{reading},{time},{time}}}"),
        format!("{{{time},{reading},{time}}}"),
        format!("{{{reading},\"more\":1,{time}}}"),
        format!("{{{reading},\"temperature\":1,{time}}}"),
        format!("{{{reading},\"receivedAt\":1}}"),
        format!("{{{reading},\"receivedAt\":\"yesterday\"}}"),
        format!("{{{reading},\"receivedAt\":\"1969-12-31T23:59:59.999Z\"}}"),
        format!("{{{reading},\"receivedAt\":\"9999-12-31T23:59:59.999Z\"}}"),
        format!("{{{reading},{time}}}{{}}"),
        format!("{{\"deviceId\":\"a\",\"temperature\":10001,\"lat\":2,\"lon\":3,{time}}}"),
        format!("{{\"deviceId\":\"a\",\"temperature\":1,\"lat\":91,\"lon\":3,{time}}}"),
        format!("{{\"deviceId\":\"\",\"temperature\":1,\"lat\":2,\"lon\":3,{time}}}"),
        r#"{"command":"forget","deviceId":"a"}"#.into(),
        r#"{"command":"forget","deviceId":"..","id":1}"#.into(),
        r#"{"command":"forget","deviceId":"a","id":1,"id":2}"#.into(),
        r#"{"command":"forget","deviceId":"a","id":1,"name":"b"}"#.into(),
        r#"{"command":"edit","deviceId":"a","id":1,"name":""}"#.into(),
        r#"{"command":"edit","deviceId":"a","id":1,"labels":null}"#.into(),
        r#"{"command":"paint","deviceId":"a","id":1}"#.into(),
        r#"{"command":"describe","deviceId":"a","id":1,"name":"","labels":[]}"#.into(),
    ] {
        assert!(read_line(line.as_bytes()).is_err(), "{line}");
    }
    assert!(read_line(b"\xff").is_err());
}

#[test]
fn a_line_without_a_reading_id_has_the_same_one_each_time_it_comes() {
    let id = |line: &str| match read_line(line.as_bytes()) {
        Ok((_, Request::Record(reading))) => reading.id,
        other => panic!("{other:?}"),
    };
    let line = r#"{"deviceId":"a","temperature":1,"lat":2,"lon":3,"receivedAt":"2026-01-01T00:00:00.000Z"}"#;
    let later = line.replace("00.000Z", "00.001Z");
    assert_eq!(id(line), id(line));
    assert_ne!(id(line), id(&later));
}

proptest! {
    #[test]
    fn what_was_written_is_read_back(
        device_id in "[^\\p{Cc}]{1,30}",
        temperature in -2_731_500..=100_000_000,
        latitude in -900_000_000..=900_000_000,
        longitude in -1_800_000_000..=1_800_000_000,
        at in proptest::option::of(0i64..1_767_225_600_123),
        id in "[ -~]{1,64}",
    ) {
        prop_assume!(device_id != "." && device_id != "..");
        let request = reading(temperature, (latitude, longitude), at, &id);
        let mut line = String::new();
        write_line(&mut line, &device_id, &request);
        prop_assert_eq!(read_line(line.as_bytes()), Ok((Cow::Owned(device_id), request)), "{}", line);
    }

    #[test]
    fn no_line_panics(line in "[{}\"a-zA-Z:,0-9 .]{0,80}|.*", bytes in proptest::collection::vec(any::<u8>(), 0..80)) {
        let _ = read_line(line.as_bytes());
        let _ = read_line(&bytes);
    }

    #[test]
    fn a_line_with_a_byte_changed_does_not_panic(line in 0usize..5, at in 0usize..200, byte in any::<u8>()) {
        let mut line = GOLDEN.lines().nth(line).expect("a line").as_bytes().to_vec();
        let at = at % line.len();
        line[at] = byte;
        let _ = read_line(&line);
    }
}
