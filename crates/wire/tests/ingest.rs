//! What ingest takes and what it refuses, sentence by sentence of the contract.

use fieldwatch_domain::{ReadingId, Timestamp};
use fieldwatch_wire::ingest::{
    Accepted, Limits, OriginalRefused, Parsed, ProblemCode, Refused, parse_json, parse_ndjson, parse_original,
};

/// 2026-01-01T00:00:00Z.
const NOW: Timestamp = Timestamp::from_unix_ms(1_767_225_600_000);
const GOOD: &str = r#"{"deviceId":"AL-0012","temperature":48.5,"lat":38.5698,"lon":45.6974}"#;

/// Reads a JSON body; ids are given as the reading's place.
fn json(body: &str) -> Result<(Parsed, Vec<Accepted<'_>>), Refused> {
    let mut readings = Vec::new();
    let new_id = |index| ReadingId::given(index as u64);
    let parsed = parse_json(body.as_bytes(), &Limits::default(), NOW, new_id, |accepted| readings.push(accepted))?;
    assert_eq!(parsed.accepted, readings.len());
    Ok((parsed, readings))
}

fn ndjson(body: &str) -> Result<(Parsed, Vec<Accepted<'_>>), Refused> {
    let mut readings = Vec::new();
    let new_id = |index| ReadingId::given(index as u64);
    let parsed = parse_ndjson(body.as_bytes(), &Limits::default(), NOW, new_id, |accepted| readings.push(accepted))?;
    assert_eq!(parsed.accepted, readings.len());
    Ok((parsed, readings))
}

/// The good reading with members put in place of its own; `None` leaves a member out.
fn reading_with(changes: &[(&str, Option<&str>)]) -> String {
    let mut members = vec![("deviceId", "\"AL-0012\""), ("temperature", "48.5"), ("lat", "38.5698"), ("lon", "45.6974")];
    for (name, value) in changes {
        members.retain(|(other, _)| other != name);
        members.extend(value.map(|value| (*name, value)));
    }
    let members: Vec<String> = members.iter().map(|(name, value)| format!("\"{name}\":{value}")).collect();
    format!("{{{}}}", members.join(","))
}

/// Field and reason of each rejection, `field: reason`.
fn rejections(parsed: &Parsed) -> Vec<String> {
    parsed.rejected.iter().map(|rejection| format!("{}: {}", rejection.field, rejection.reason)).collect()
}

fn refusals_of(body: &str) -> Vec<String> {
    let (parsed, _) = json(body).unwrap_or_else(|refused| panic!("{body} is refused whole: {refused}"));
    assert_eq!(parsed.is_refusal(), parsed.accepted == 0, "{body}");
    assert!(parsed.rejected.iter().all(|rejection| rejection.index == 0));
    rejections(&parsed)
}

fn check_refused(body: &str, expected: &[&str]) {
    assert_eq!(refusals_of(body), expected, "{body}");
}

fn code(body: &str) -> &'static str {
    match json(body) {
        Ok((parsed, _)) if parsed.is_refusal() => ProblemCode::InvalidReading.as_str(),
        Ok(_) => "taken",
        Err(refused) => refused.code().as_str(),
    }
}

mod one_reading {
    use super::*;

    #[test]
    fn a_reading_has_a_device_a_temperature_and_a_place() {
        let (parsed, readings) = json(GOOD).expect("a good body");
        assert_eq!(parsed, Parsed { accepted: 1, rejected: vec![], total: 1 });
        let Accepted { device_id, reading } = &readings[0];
        assert_eq!(device_id, "AL-0012");
        assert_eq!(reading.temperature.steps(), 485_000);
        assert_eq!((reading.location.latitude(), reading.location.longitude()), (385_698_000, 456_974_000));
        assert_eq!((reading.at, reading.received_at), (None, NOW));
        assert_eq!(reading.id, ReadingId::given(0));
    }

    #[test]
    fn its_time_and_id_may_be_given() {
        let body = reading_with(&[("at", Some("\"2025-12-31T23:00:00.1239+00:00\"")), ("readingId", Some("\"x1\""))]);
        let (_, readings) = json(&body).expect("a good body");
        assert_eq!(readings[0].reading.at, Some(Timestamp::from_unix_ms(1_767_222_000_123)));
        assert_eq!(readings[0].reading.id.to_string(), "x1");
    }

    #[test]
    fn the_place_may_be_given_as_a_location() {
        let body = reading_with(&[("lat", None), ("lon", None), ("location", Some(r#"{"lon":-180,"lat":90}"#))]);
        let (_, readings) = json(&body).expect("a good body");
        assert_eq!(readings[0].reading.location.latitude(), 900_000_000);
        assert_eq!(readings[0].reading.location.longitude(), -1_800_000_000);
    }

    #[test]
    fn white_space_and_escapes_are_those_of_json() {
        let body = "\u{feff} \r\n\t{ \"device\\u0049d\" : \"\\u00e9\\ud83d\\ude00\\/\" ,\"temperature\": 1e1 ,\"lat\":0 ,\"lon\":-0.0 } \n";
        let (_, readings) = json(body).expect("a good body");
        assert_eq!(readings[0].device_id, "é😀/");
        assert_eq!(readings[0].reading.temperature.steps(), 100_000);
    }

    #[test]
    fn limits_hold_for_the_number_as_it_is_written_then_it_is_rounded() {
        for (value, steps) in [("100", 1_000_000), ("-100.0", -1_000_000), ("99.99995", 1_000_000), ("1E-400", 0), ("-0", 0)] {
            let body = reading_with(&[("temperature", Some(value))]);
            assert_eq!(json(&body).expect("a good body").1[0].reading.temperature.steps(), steps, "{value}");
        }
        for value in ["100.00001", "-100.000000000000000000000000000001", "1e999", "-1e999999999999999999", "1000"] {
            check_refused(&reading_with(&[("temperature", Some(value))]), &["temperature: must be from -100 to 100 °C"]);
        }
        check_refused(&reading_with(&[("lat", Some("90.00000000000001"))]), &["lat: must be from -90 to 90 degrees"]);
        check_refused(&reading_with(&[("lon", Some("-180.00000000000001"))]), &["lon: must be from -180 to 180 degrees"]);
    }

    #[test]
    fn every_bad_field_is_named_once() {
        check_refused(
            r#"{"temperature":"48.5","lat":91,"at":5,"readingId":"","deviceId":"."}"#,
            &[
                "deviceId: must not be '.' or '..'",
                "temperature: must be a number, is text",
                "lat: must be from -90 to 90 degrees",
                "lon: is missing",
                "at: must be an RFC 3339 time, is a number",
                "readingId: must not be empty",
            ],
        );
        check_refused("{}", &["deviceId: is missing", "temperature: is missing", "lat: is missing", "lon: is missing"]);
    }

    #[test]
    fn a_wrong_type_is_named_with_what_it_is() {
        for (value, kind) in
            [("null", "null"), ("true", "a boolean"), ("\"NaN\"", "text"), ("[48.5]", "an array"), ("{\"a\":[{}]}", "an object")]
        {
            check_refused(&reading_with(&[("temperature", Some(value))]), &[&format!("temperature: must be a number, is {kind}")]);
        }
        check_refused(&reading_with(&[("deviceId", Some("12"))]), &["deviceId: must be text, is a number"]);
        check_refused(&reading_with(&[("deviceId", Some("null"))]), &["deviceId: must be text, is null"]);
    }

    #[test]
    fn null_is_no_way_to_leave_a_member_out() {
        check_refused(
            &reading_with(&[("at", Some("null")), ("readingId", Some("null"))]),
            &[
                "at: must be an RFC 3339 time, is null; leave it out instead",
                "readingId: must be text, is null; leave it out instead",
            ],
        );
    }

    #[test]
    fn unknown_names_are_refused_with_the_known_one_that_was_meant() {
        check_refused(
            &reading_with(&[("temperature", None), ("Temperature", Some("48.5")), ("humidity", Some("{\"x\":[1]}"))]),
            &[
                "Temperature: is not known; did you mean temperature?",
                "humidity: is not known; known are deviceId, temperature, lat, lon, location, at, readingId",
                "temperature: is missing",
            ],
        );
    }

    #[test]
    fn an_unknown_name_is_told_once() {
        check_refused(
            &GOOD.replace('}', ",\"x\":1,\"y\":1,\"x\":1}"),
            &[
                "x: is not known; known are deviceId, temperature, lat, lon, location, at, readingId",
                "y: is not known; known are deviceId, temperature, lat, lon, location, at, readingId",
            ],
        );
    }

    #[test]
    fn so_many_unknown_names_cannot_make_a_giant_answer() {
        let members: Vec<String> = (0..1000).map(|number| format!("\"{number}{}\":0", "ü".repeat(1000))).collect();
        let parsed = json(&format!("{{{}}}", members.join(","))).expect("JSON").0;
        assert_eq!(parsed.rejected.len(), 8 + 1 + 4);
        assert!(parsed.rejected.iter().all(|rejection| rejection.field.chars().count() <= 64));
        assert_eq!(rejections(&parsed)[8], ": has more members that are not known");
    }

    #[test]
    fn repeated_names_are_refused_even_with_equal_values() {
        check_refused(&GOOD.replace('}', ",\"lat\":38.5698}"), &["lat: is given more than once"]);
        check_refused(&GOOD.replace('}', ",\"l\\u0061t\":38.5698}"), &["lat: is given more than once"]);
        check_refused(&GOOD.replace('}', ",\"lat\":true,\"lat\":1}"), &["lat: is given more than once"]);
        check_refused(
            &GOOD.replace('}', ",\"at\":\"2025-01-01T00:00:00Z\",\"at\":\"2025-01-01T00:00:00Z\"}"),
            &["at: is given more than once"],
        );
    }

    #[test]
    fn a_place_given_both_ways_is_given_twice() {
        let twice = ["location: says the place a second time, beside lat and lon"];
        check_refused(&GOOD.replace('}', ",\"location\":{\"lat\":1,\"lon\":1}}"), &twice);
        for left_out in ["lat", "lon"] {
            check_refused(&reading_with(&[("location", Some("{\"lat\":1,\"lon\":1}")), (left_out, None)]), &twice);
        }
        check_refused(
            &reading_with(&[("location", Some("7")), ("lat", Some("91"))]),
            &[twice[0], "lat: must be from -90 to 90 degrees"],
        );
    }

    #[test]
    fn fields_of_a_location_are_named_by_their_path() {
        let with_location = |location| reading_with(&[("lat", None), ("lon", None), ("location", Some(location))]);
        check_refused(
            &with_location(r#"{"lat":"1","lng":1}"#),
            &[
                "location.lng: is not known; known are lat, lon",
                "location.lat: must be a number, is text",
                "location.lon: is missing",
            ],
        );
        check_refused(&with_location(r#"{"lat":1,"lon":1,"lat":1}"#), &["location.lat: is given more than once"]);
        check_refused(&with_location("[1,2]"), &["location: must be an object, is an array"]);
        check_refused(&with_location("null"), &["location: must be an object, is null"]);
        check_refused(&with_location(r#"{"lat":1,"lon":1},"location":{"lat":1,"lon":1}"#), &["location: is given more than once"]);
        check_refused(&with_location(r#"5,"location":{"lat":1,"lon":1}"#), &["location: is given more than once"]);
    }

    #[test]
    fn a_time_lies_between_1970_and_five_minutes_from_now() {
        for (at, reason) in [
            ("1969-12-31T23:59:59.999Z", "must not be before 1970"),
            ("1970-01-01T00:59:00+01:00", "must not be before 1970"),
            ("2026-01-01T00:05:00.001Z", "must be at most 5 minutes ahead of the clock here"),
            ("9999-12-31T23:59:59Z", "must be at most 5 minutes ahead of the clock here"),
            ("yesterday", "must be an RFC 3339 time such as 2026-01-01T00:00:00.000Z"),
        ] {
            check_refused(&reading_with(&[("at", Some(&format!("\"{at}\"")))]), &[&format!("at: {reason}")]);
        }
        for at in ["1970-01-01T00:00:00Z", "2026-01-01T00:05:00.0009Z"] {
            assert_eq!(refusals_of(&reading_with(&[("at", Some(&format!("\"{at}\"")))])), [""; 0], "{at}");
        }
    }

    #[test]
    fn ids_are_held_to_their_rules() {
        for (id, reason) in [
            ("\"\"", "must not be empty".to_owned()),
            (&format!("\"{}\"", "x".repeat(10_240)), "has 10240 bytes, at most 128 are allowed".to_owned()),
            ("\"a\\u0000b\"", "must not contain control characters".to_owned()),
            ("\"a\\u0085b\"", "must not contain control characters".to_owned()),
        ] {
            check_refused(&reading_with(&[("deviceId", Some(id))]), &[&format!("deviceId: {reason}")]);
        }
        check_refused(
            &reading_with(&[("readingId", Some(&format!("\"{}\"", "x".repeat(65))))]),
            &["readingId: has 65 bytes, at most 64 are allowed"],
        );
        let html = reading_with(&[("deviceId", Some("\"<b>&amp;\\\"\""))]);
        assert_eq!(json(&html).expect("a good body").1[0].device_id, "<b>&amp;\"");
    }

    #[test]
    fn a_value_that_is_no_object_is_a_bad_reading() {
        for (body, kind) in [("5", "a number"), ("\"text\"", "text"), ("null", "null"), ("true", "a boolean")] {
            check_refused(body, &[&format!(": must be an object, is {kind}")]);
        }
    }
}

mod bodies {
    use super::*;

    #[test]
    fn what_is_not_json_is_refused_whole() {
        for body in [
            "",
            " ",
            "\u{feff}",
            "{",
            "}",
            "nul",
            "NaN",
            "{'deviceId':1}",
            "{\"deviceId\"}",
            "{\"deviceId\":}",
            "{\"deviceId\":\"a\",}",
            "{,}",
            "{deviceId:1}",
            "[1,]",
            "[,1]",
            "[1 2]",
            "[",
            "[[]",
            "[{\"a\":[1,]}]",
            "[{\"a\":{\"b\":1,}}]",
            "[{\"a\":{\"b\" 1}}]",
            "[{\"a\":[}]]",
            "{\"temperature\":NaN}",
            "{\"temperature\":+1}",
            "{\"temperature\":01}",
            "{\"temperature\":1.}",
            "{\"temperature\":.5}",
            "{\"temperature\":1e}",
            "{\"temperature\":-}",
            "{\"temperature\":0x10}",
            "{\"deviceId\":\"a\nb\"}",
            "{\"deviceId\":\"\\x\"}",
            "{\"deviceId\":\"\\u12g4\"}",
            "{\"deviceId\":\"\\ud800\"}",
            "{\"deviceId\":\"\\ud800\\u0041\"}",
            "{\"deviceId\":\"\\udc00\"}",
            "{\"deviceId\":\"\\",
            "{\"deviceId\":\"\\u12",
            "{\"deviceId\":\"a",
            "/* comment */ {}",
            "{} {}",
            "{}]",
            "\u{feff}\u{feff}{}",
        ] {
            assert_eq!(code(body), "not_json", "{body}");
        }
    }

    #[test]
    fn the_place_and_the_kind_of_the_fault_are_told() {
        let told = |body| json(body).expect_err("not JSON").to_string();
        assert_eq!(told(""), "the body is not JSON: the text ends where a value is expected at byte 0");
        assert_eq!(told("{\"deviceId\" 5}"), "the body is not JSON: expected ':' at byte 12");
        assert_eq!(told("{\"deviceId\":\"a\tb\"}"), "the body is not JSON: unescaped control character in a string at byte 14");
        assert_eq!(
            told("{\"a\":1,\"deviceId\":\"x\\ud800\"}"),
            "the body is not JSON: half a surrogate pair in a string at byte 19"
        );
        assert_eq!(told("{}x"), "the body is not JSON: expected the end at byte 2");
    }

    #[test]
    fn what_is_not_utf_8_is_refused_whole_with_its_place() {
        let body = [GOOD.as_bytes(), b"\n", &GOOD.as_bytes()[..15], b"\xff\"}"].concat();
        let limits = Limits::default();
        for refused in [
            parse_json(&body, &limits, NOW, |_| ReadingId::given(0), |_| {}).expect_err("not UTF-8"),
            parse_ndjson(&body, &limits, NOW, |_| ReadingId::given(0), |_| {}).expect_err("not UTF-8"),
        ] {
            assert_eq!(refused, Refused::NotUtf8 { at: GOOD.len() + 1 + 15 });
            assert_eq!(refused.code().as_str(), "not_utf8");
        }
    }

    #[test]
    fn sixteen_levels_of_nesting_are_taken_and_seventeen_refused_however_many_follow() {
        // The object is a level itself.
        let nested = |levels: usize| format!("{{\"a\":{}{}}}", "[".repeat(levels - 1), "]".repeat(levels - 1));
        assert_eq!(code(&nested(16)), "invalid_reading");
        assert_eq!(code(&nested(17)), "nesting_too_deep");
        assert_eq!(code(&"[".repeat(1_000_000)), "nesting_too_deep");
        assert_eq!(code(&"{\"a\":".repeat(1_000_000)), "nesting_too_deep");
        assert_eq!(code(&"[{\"a\":".repeat(1_000_000)), "nesting_too_deep");
        assert_eq!(
            json(&nested(17)).expect_err("too deep").to_string(),
            "the body is not taken: nested deeper than 16 levels at byte 20"
        );
    }
}

mod batches {
    use super::*;

    #[test]
    fn good_readings_of_an_array_are_taken_and_bad_ones_named_by_their_place() {
        let body = format!("[{GOOD},{},5,{GOOD}]", reading_with(&[("temperature", Some("null")), ("lat", None)]));
        let (parsed, readings) = json(&body).expect("JSON");
        assert_eq!((parsed.accepted, parsed.total), (2, 4));
        assert!(!parsed.is_refusal());
        assert_eq!(parsed.rejected.iter().map(|rejection| rejection.index).collect::<Vec<_>>(), [1, 1, 2]);
        assert_eq!(
            rejections(&parsed),
            ["temperature: must be a number, is null", "lat: is missing", ": must be an object, is a number"]
        );
        assert_eq!(readings.iter().map(|taken| taken.reading.id.clone()).collect::<Vec<_>>(), [0, 3].map(ReadingId::given));
    }

    #[test]
    fn a_batch_with_nothing_good_is_refused_and_an_empty_one_is_not() {
        assert_eq!(code("[{},{}]"), "invalid_reading");
        assert_eq!(code("[[]]"), "invalid_reading");
        assert_eq!(code("[]"), "taken");
        assert_eq!(code(" [ ] "), "taken");
        for empty in ["", "\n", " \t\r\n\n "] {
            assert_eq!(ndjson(empty).expect("a batch of nothing").0, Parsed::default(), "{empty:?}");
        }
    }

    #[test]
    fn a_malformed_array_is_refused_whole_wherever_the_fault_is() {
        for body in
            [format!("[{GOOD}"), format!("[{GOOD},"), format!("[{GOOD},x]"), format!("[{GOOD}]]"), format!("[{GOOD}{GOOD}]")]
        {
            assert_eq!(code(&body), "not_json", "{body}");
        }
        let whole = format!("[{GOOD},{GOOD}]");
        for length in 0..whole.len() {
            assert_eq!(code(&whole[..length]), "not_json", "cut to {length} bytes");
        }
    }

    #[test]
    fn a_malformed_line_is_one_bad_reading_and_blank_lines_do_not_count() {
        let body = format!("\n{GOOD}\r\n  \n{{\"oops\":1,\n{GOOD} {GOOD}\n{}\n\t{GOOD}", "[".repeat(17));
        let (parsed, readings) = ndjson(&body).expect("NDJSON");
        assert_eq!((parsed.accepted, parsed.total), (2, 5));
        assert_eq!(readings.iter().map(|taken| taken.reading.id.clone()).collect::<Vec<_>>(), [0, 4].map(ReadingId::given));
        assert_eq!(parsed.rejected.iter().map(|rejection| rejection.index).collect::<Vec<_>>(), [1, 2, 3]);
        assert_eq!(
            rejections(&parsed),
            [
                ": the line is not JSON: the text ends where a member's name is expected at byte 10".to_owned(),
                format!(": the line is not JSON: expected the end at byte {}", GOOD.len() + 1),
                ": the line is not JSON: nested deeper than 16 levels at byte 16".to_owned(),
            ]
        );
    }

    #[test]
    fn an_array_on_a_line_is_one_bad_reading() {
        let parsed = ndjson(&format!("[{GOOD}]\n{GOOD}")).expect("NDJSON").0;
        assert_eq!(rejections(&parsed), [": must be an object, is an array"]);
        assert_eq!(parsed.accepted, 1);
    }

    #[test]
    fn a_request_has_at_most_50_000_readings() {
        let lines = |count: usize| format!("{GOOD}\n").repeat(count);
        let array = |count: usize| format!("[{}]", vec![GOOD; count].join(","));
        assert_eq!(ndjson(&lines(50_000)).expect("as many as allowed").0.accepted, 50_000);
        assert_eq!(json(&array(50_000)).expect("as many as allowed").0.accepted, 50_000);
        for refused in [ndjson(&lines(50_001)).expect_err("one too many"), json(&array(50_001)).expect_err("one too many")] {
            assert_eq!(refused, Refused::TooManyReadings { most: 50_000 });
        }
    }

    #[test]
    fn every_bad_reading_is_named_even_when_there_is_no_room_for_every_field() {
        let parsed = ndjson(&"{}\n".repeat(50_000)).expect("NDJSON").0;
        let mut indexes: Vec<usize> = parsed.rejected.iter().map(|rejection| rejection.index).collect();
        indexes.dedup();
        assert!(indexes.iter().copied().eq(0..50_000));
        assert!(parsed.rejected.len() <= 100_000, "{}", parsed.rejected.len());
    }

    #[test]
    fn entries_are_written_as_the_contract_shows_them() {
        let parsed = json(&format!("[{GOOD},{}]", reading_with(&[("lat", Some("91"))]))).expect("JSON").0;
        assert_eq!(
            serde_json::to_string(&parsed.rejected).expect("serializes"),
            r#"[{"index":1,"field":"lat","reason":"must be from -90 to 90 degrees"}]"#
        );
    }
}

mod the_original_format {
    use super::*;

    const ORIGINAL: &str = r#"{"DevId":"AL-0012","Temp":48.5,"Lat":38.5698,"Lon":45.6974}"#;

    fn original(body: &str) -> Result<Accepted<'_>, OriginalRefused> {
        parse_original(body.as_bytes(), Some("application/json"), &Limits::default(), NOW, || ReadingId::given(7))
    }

    fn fields(body: &str) -> Vec<String> {
        match original(body) {
            Err(OriginalRefused::Reading(rejected)) => {
                rejected.iter().map(|rejection| format!("{}: {}", rejection.field, rejection.reason)).collect()
            }
            other => panic!("{body}: {other:?}"),
        }
    }

    #[test]
    fn a_reading_of_the_original_is_taken() {
        let Accepted { device_id, reading } = original(ORIGINAL).expect("a good body");
        assert_eq!((device_id.as_ref(), reading.temperature.steps(), reading.at), ("AL-0012", 485_000, None));
        assert_eq!((reading.location.latitude(), reading.location.longitude()), (385_698_000, 456_974_000));
        assert_eq!(reading.id, ReadingId::given(7));
    }

    #[test]
    fn names_come_in_any_case_unknown_ones_are_ignored_and_of_repeated_ones_the_last_counts() {
        let body = "\u{feff}{\"devid\":5,\"TEMP\":\"x\",\"Humidity\":{\"a\":[1,\"\\ud800\"]},\"temp\":1,\"lAT\":2,\"lon\":3,\"DEVID\":\"b\"}";
        let Accepted { device_id, reading } = original(body).expect("a good body");
        assert_eq!((device_id.as_ref(), reading.temperature.steps()), ("b", 10_000));
    }

    #[test]
    fn numbers_come_as_text_too() {
        let with_temperature = |text: &str| ORIGINAL.replace("48.5", &format!("\"{text}\""));
        for (text, steps) in [("48.5", 485_000), ("4.85e1", 485_000), ("-0", 0), ("+1", 10_000), ("007", 70_000)] {
            assert_eq!(original(&with_temperature(text)).expect("a good body").reading.temperature.steps(), steps, "{text}");
        }
        for text in ["", " 48.5", "48.5 ", "NaN", "Infinity", "-Infinity", "48,5", "0x10", "warm"] {
            assert_eq!(fields(&with_temperature(text)), ["Temp: must be a number, is text that does not spell one"], "{text}");
        }
    }

    #[test]
    fn all_four_members_are_wanted_and_believed() {
        assert_eq!(fields("{}"), ["DevId: is missing", "Temp: is missing", "Lat: is missing", "Lon: is missing"]);
        assert_eq!(
            fields(r#"{"DevId":null,"Temp":null,"Lat":"90.1","Lon":181}"#),
            [
                "DevId: must be text, is null",
                "Temp: must be a number, is null",
                "Lat: must be from -90 to 90 degrees",
                "Lon: must be from -180 to 180 degrees"
            ]
        );
    }

    #[test]
    fn an_array_or_another_value_is_a_bad_reading() {
        assert_eq!(fields(&format!("[{ORIGINAL}]")), [": must be an object, is an array"]);
        assert_eq!(fields("null"), [": must be an object, is null"]);
    }

    #[test]
    fn what_is_not_json_is_refused_before_its_members_are_judged() {
        for body in ["", "{", "{\"DevId\":1,}", &format!("{ORIGINAL}x"), &format!("[{ORIGINAL}"), "{\"a\":[}", "{\"DevId\":1"] {
            let refused = original(body).expect_err("not JSON");
            assert_eq!(refused.code(), ProblemCode::NotJson, "{body}");
        }
        let deep = format!("{{\"a\":{}", "[".repeat(100_000));
        assert_eq!(original(&deep).expect_err("too deep").code(), ProblemCode::NestingTooDeep);
    }

    #[test]
    fn another_content_type_is_refused_whatever_the_body() {
        let refused = parse_original(ORIGINAL.as_bytes(), Some("text/plain"), &Limits::default(), NOW, || ReadingId::given(7))
            .expect_err("text is not taken");
        assert_eq!(refused.code().as_str(), "unsupported_media_type");
        assert!(parse_original(ORIGINAL.as_bytes(), None, &Limits::default(), NOW, || ReadingId::given(7)).is_ok());
    }
}
