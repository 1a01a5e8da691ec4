use super::super::json::Cursor;
use super::super::refusal::Rejections;
use super::super::{parse_json, v1_reading};
use super::*;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, select};

const NOW: Timestamp = Timestamp::from_unix_ms(1_767_225_600_000);

fn given() -> ReadingId {
    ReadingId::given(7)
}

/// What the short cut takes, the careful way takes to the same reading and the same place. Answers whether it was taken.
fn agrees(text: &str) -> bool {
    let limits = Limits::default();
    let Some((usual, behind)) = take(text, 0, &limits, NOW) else { return false };
    let taken = usual.accepted(NOW, given);
    let mut rejections = Rejections::new(9);
    // The careful way sees nothing of what follows, so that it can stop nowhere but where the short cut did.
    let mut cursor = Cursor::new(&text[..behind], limits.max_nesting);
    let careful = v1_reading::take(&mut cursor, 0, &limits, NOW, &mut |_| given(), &mut rejections);
    assert_eq!(careful, Ok(Some(taken)), "{text}");
    assert_eq!(cursor.end(), Ok(()), "{text}");
    true
}

/// Numbers of every shape, most of them usual.
fn number() -> impl Strategy<Value = String> {
    prop_oneof![
        4 => "-?(0|[1-9][0-9]{0,1})(\\.[0-9]{1,16})?",
        1 => "-?[0-9]{1,4}(\\.[0-9]{0,18}[05]{0,12})?([eE][+-]?[0-9])?",
        1 => "-?(90|180|100|99)(\\.0{0,17}[01])?",
        1 => select(vec!["-", ".5", "1.", "+1", "1..2", "1_0", "\"1\"", "null", "1/", "1:", "1\u{660}"]).prop_map(Into::into),
    ]
}

fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        6 => "[ !#-\\[\\]-~]{1,40}".prop_map(|text| format!("\"{text}\"")),
        1 => "[ -~é\\x7f\\x00\u{85}\\\\\"]{0,140}".prop_map(|text| format!("\"{text}\"")),
        1 => select(vec!["\".\"", "\"..\"", "\"\"", "\"a\\u0041\"", "1", "\"", "\"00000000000000ff\""]).prop_map(Into::into),
    ]
}

fn time() -> impl Strategy<Value = String> {
    "\"(19[67]|20[0-2])[0-9]-(0[1-9]|1[0-3])-[0-3][0-9][Tt ][0-2][0-9]:[0-6][0-9]:[0-6][0-9](\\.[0-9]{1,5})?(Z|[+-]0[0-9]:[03]0)\""
}

fn space() -> impl Strategy<Value = &'static str> {
    select(vec!["", "", "", " ", "  ", "\t", "\r", "\n"])
}

/// Members of a reading in any order, most of them good.
fn reading() -> impl Strategy<Value = String> {
    let member = |name: &'static str, value: BoxedStrategy<String>| {
        (space(), space(), space(), value, space())
            .prop_map(move |(a, b, c, value, d)| format!("{a}\"{name}\"{b}:{c}{value}{d}"))
            .boxed()
    };
    let wanted = (
        member("deviceId", text().boxed()),
        member("temperature", number().boxed()),
        member("lat", number().boxed()),
        member("lon", number().boxed()),
    );
    let more = prop_oneof![
        member("at", time().boxed()),
        member("readingId", text().boxed()),
        member("lon", number().boxed()),
        member("lot", number().boxed()),
        member("location", Just("{\"lat\":1,\"lon\":1}".to_owned()).boxed()),
    ];
    (wanted, vec(more, 0..3))
        .prop_map(|((id, temperature, lat, lon), more)| [vec![id, temperature, lat, lon], more].concat())
        .prop_shuffle()
        .prop_map(|members| format!("{{{}}}", members.join(",")))
}

#[test]
fn the_usual_reading_takes_the_short_cut() {
    for text in [
        r#"{"deviceId":"load-0000012345","temperature":21.37,"lat":48.1234567,"lon":11.1234567}"#,
        r#"{"lon": -11, "lat": 0, "temperature": -0.5, "deviceId": "a"}"#,
        r#"{"deviceId":"a","temperature":1,"lat":48.123456789012345,"lon":1.5,"at":"2025-12-31T23:59:59.5Z","readingId":"r 1"} x"#,
    ] {
        assert!(agrees(text), "{text}");
    }
}

#[test]
fn what_is_not_quite_usual_is_left_to_the_careful_way() {
    for text in [
        r#"{"deviceId":"ä","temperature":1,"lat":1,"lon":1}"#,
        r#"{"deviceId":"a","temperature":1,"lat":1,"lon":1,"lon":1}"#,
        r#"{"deviceId":"a","temperature":1,"lat":1}"#,
        r#"{"deviceId":"a","temperature":1e1,"lat":1,"lon":1}"#,
        r#"{"deviceId":"a","temperature":01,"lat":1,"lon":1}"#,
        r#"{"deviceId":"a","temperature":1.,"lat":1,"lon":1}"#,
        r#"{"deviceId":"a","temperature":1,"lat":90.0000000000000001,"lon":1}"#,
        r#"{"deviceId":"a","temperature":100.00000000000001,"lat":1,"lon":1}"#,
        r#"{"deviceId":"a","temperature":1,"lat":1,"lon":1,}"#,
        "{\"deviceId\":\"a\",\n\"temperature\":1,\"lat\":1,\"lon\":1}",
        "",
    ] {
        assert!(!agrees(text), "{text}");
    }
}

#[test]
fn nesting_that_is_not_allowed_stays_refused() {
    let limits = Limits { max_nesting: 0, ..Limits::default() };
    let body = br#"{"deviceId":"a","temperature":1,"lat":1,"lon":1}"#;
    assert!(parse_json(body, &limits, NOW, |_| given(), |_| {}).is_err());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(20_000))]

    #[test]
    fn the_short_cut_leads_where_the_careful_way_does(reading in reading(), behind in "(|[ \n}0-9x].*)") {
        agrees(&(reading + &behind));
    }

    #[test]
    fn also_where_bytes_were_changed(reading in reading(), changes in vec((any::<Index>(), any::<u8>()), 1..3), end: Index) {
        let mut bytes = reading.into_bytes();
        for (place, byte) in changes {
            let at = place.index(bytes.len());
            bytes[at] = byte;
        }
        bytes.truncate(end.index(bytes.len() * 4));
        if let Ok(text) = std::str::from_utf8(&bytes) {
            agrees(text);
        }
    }
}
