use super::*;
use std::time::Duration;

/// 2026-01-01T00:00:00Z.
const NOW: Timestamp = Timestamp::from_unix_ms(1_767_225_600_000);
const BODY: &str = r#"{"At":"2026-01-01 00:59:00","DeviceId":"AL-0012","Temperature":48.5,"Latitude":38.5698,"Longitude":45.6974}"#;

fn amsterdam() -> LocalClock {
    LocalClock::in_zone("Europe/Amsterdam").expect("a known zone")
}

fn parse<'a>(body: &'a str, message_id: Option<&str>) -> Result<OriginalMessage<'a>, OriginalRefused> {
    parse_original_message(body.as_bytes(), message_id, &amsterdam(), &Limits::default(), NOW)
}

fn taken<'a>(body: &'a str, message_id: Option<&str>) -> OriginalMessage<'a> {
    parse(body, message_id).unwrap_or_else(|refused| panic!("{body}: {refused}"))
}

fn reasons(body: &str) -> Vec<String> {
    match parse(body, None).expect_err(body) {
        OriginalRefused::Reading(rejections) => {
            rejections.iter().map(|rejection| format!("{}: {}", rejection.field, rejection.reason)).collect()
        }
        OriginalRefused::Body(refused) => vec![refused.to_string()],
        OriginalRefused::MediaType(error) => panic!("a message has no media type: {error}"),
    }
}

fn id(body: &str, message_id: Option<&str>) -> String {
    taken(body, message_id).accepted.reading.id.to_string()
}

#[test]
fn a_message_is_a_reading_at_the_local_time_of_its_publisher() {
    let OriginalMessage { accepted, too_far_ahead } = taken(BODY, None);
    assert_eq!((accepted.device_id.as_ref(), too_far_ahead), ("AL-0012", None));
    assert_eq!(accepted.reading.temperature.steps(), 485_000);
    assert_eq!((accepted.reading.location.latitude(), accepted.reading.location.longitude()), (385_698_000, 456_974_000));
    assert_eq!(accepted.reading.at, Some(Timestamp::from_unix_ms(NOW.unix_ms() - 60_000)));
    assert_eq!(accepted.reading.received_at, NOW);
}

#[test]
fn names_may_be_in_any_case_numbers_may_be_text_and_of_repeated_names_the_last_counts() {
    let lenient = r#"{"longitude":1,"AT":"2026-01-01 00:59:00","deviceid":"AL-0012","TEMPERATURE":"48.5","extra":[{}],
        "latitude":"38.5698","LONGITUDE":"45.6974"}"#;
    let (mut lenient, usual) = (taken(lenient, None), taken(BODY, None));
    lenient.accepted.reading.id = usual.accepted.reading.id.clone();
    assert_eq!(lenient, usual);
    assert_eq!(taken(&format!("\u{feff}{BODY}"), None).accepted.device_id, "AL-0012");
}

#[test]
fn a_time_more_than_five_minutes_ahead_counts_as_that_of_receipt_and_is_told() {
    let five_minutes_ahead = BODY.replace("00:59:00", "01:05:00");
    let more = BODY.replace("00:59:00", "01:05:01");
    let in_five_minutes = NOW.plus(Duration::from_mins(5));
    let taken_as_it_is = taken(&five_minutes_ahead, None);
    assert_eq!((taken_as_it_is.accepted.reading.at, taken_as_it_is.too_far_ahead), (Some(in_five_minutes), None));
    let corrected = taken(&more, None);
    assert_eq!(
        (corrected.accepted.reading.at, corrected.too_far_ahead),
        (None, Some(in_five_minutes.plus(Duration::from_secs(1))))
    );
    assert_eq!(corrected.accepted.reading.received_at, NOW);
}

#[test]
fn its_id_is_the_message_id_where_that_can_be_one() {
    assert_eq!(id(BODY, Some("m-1")), "m-1");
    assert_eq!(id(BODY, Some(&"x".repeat(64))), "x".repeat(64));
    for impossible in ["", &"x".repeat(65), "ü", "a\nb"] {
        assert_eq!(id(BODY, Some(impossible)), id(BODY, None), "{impossible}");
    }
}

#[test]
fn the_same_bytes_are_the_same_reading_in_every_version() {
    assert_eq!(id(BODY, None), "a0ecd0442cc9abee");
    assert_ne!(id(&BODY.replace("48.5", "48.6"), None), id(BODY, None));
    assert_ne!(id(&format!("{BODY} "), None), id(BODY, None), "other bytes, another reading");
}

#[test]
fn what_makes_a_message_unusable_is_told_by_the_name_of_its_member() {
    assert_eq!(
        reasons(r#"{"Temperature":"warm","Latitude":91}"#),
        [
            "At: is missing",
            "DeviceId: is missing",
            "Temperature: must be a number, is text that does not spell one",
            "Latitude: must be from -90 to 90 degrees",
            "Longitude: is missing"
        ]
    );
    let at = |at: &str| reasons(&BODY.replace("\"2026-01-01 00:59:00\"", at));
    assert_eq!(at("null"), ["At: must be text, is null"]);
    assert_eq!(at("1767225600"), ["At: must be text, is a number"]);
    assert_eq!(at("\"yesterday\""), ["At: must be a time such as 2026-01-01 00:00:00"]);
    assert_eq!(at("\"1970-01-01 00:59:59\""), ["At: must not be before 1970"]);
    assert_eq!(reasons("[]"), [": must be an object, is an array"]);
    assert_eq!(reasons("{"), ["the body is not JSON: the text ends where a member's name is expected at byte 1"]);
}
