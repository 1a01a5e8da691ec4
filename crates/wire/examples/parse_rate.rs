//! How much processor time a reading costs in ingest: `cargo run --release -p fieldwatch-wire --example parse_rate`.
//!
//! Prints nanoseconds a reading, the median and the best of many rounds, beside the plainest thing that `serde_json` can do
//! with the same bytes: floating-point numbers, nothing checked.

#![expect(clippy::print_stdout, reason = "printing is what the program is for")]

use fieldwatch_domain::{ReadingId, Timestamp};
use fieldwatch_wire::ingest::{Limits, parse_json, parse_ndjson, parse_original};
use serde::Deserialize;
use std::hint::black_box;
use std::time::Instant;

const NOW: Timestamp = Timestamp::from_unix_ms(1_767_225_600_000);
const READINGS: usize = 1000;
const ROUNDS: usize = 400;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Unchecked<'a> {
    device_id: &'a str,
    temperature: f64,
    lat: f64,
    lon: f64,
}

fn main() {
    let limits = Limits::default();
    let plain: Vec<String> = (0..READINGS)
        .map(|n| format!(r#"{{"deviceId":"AL-{n:04}","temperature":{}.{},"lat":38.{:04},"lon":45.{:04}}}"#, n % 90, n % 10, n, n))
        .collect();
    let full: Vec<String> = plain
        .iter()
        .enumerate()
        .map(|(n, reading)| reading.replace('}', &format!(r#","at":"2025-12-31T23:59:{:02}.000Z","readingId":"r-{n}"}}"#, n % 60)))
        .collect();
    println!("{} bytes a plain reading, {} with time and id", plain[0].len(), full[0].len());

    let (lines, full_lines) = (plain.join("\n"), full.join("\n"));
    let array = format!("[{}]", plain.join(","));
    let new_id = |index| ReadingId::given(index as u64);
    measure("NDJSON", || {
        parse_ndjson(lines.as_bytes(), &limits, NOW, new_id, |taken| drop(black_box(taken))).expect("good").accepted
    });
    measure("NDJSON with time and id", || {
        parse_ndjson(full_lines.as_bytes(), &limits, NOW, new_id, |taken| drop(black_box(taken))).expect("good").accepted
    });
    measure("array", || parse_json(array.as_bytes(), &limits, NOW, new_id, |taken| drop(black_box(taken))).expect("good").accepted);
    measure("one a body", || {
        let one = |body: &String| {
            parse_json(body.as_bytes(), &limits, NOW, new_id, |taken| drop(black_box(taken))).expect("good").accepted
        };
        plain.iter().map(one).sum()
    });
    let original: Vec<String> = (0..READINGS)
        .map(|n| format!(r#"{{"DevId":"AL-{n:04}","Temp":{}.{},"Lat":38.{:04},"Lon":45.{:04}}}"#, n % 90, n % 10, n, n))
        .collect();
    measure("original", || {
        for body in &original {
            black_box(
                parse_original(body.as_bytes(), Some("application/json"), &limits, NOW, || ReadingId::given(1)).expect("good"),
            );
        }
        READINGS
    });
    measure("serde_json, unchecked", || {
        for line in lines.split('\n') {
            let unchecked: Unchecked<'_> = serde_json::from_str(line).expect("good");
            black_box((unchecked.device_id, unchecked.temperature, unchecked.lat, unchecked.lon));
        }
        READINGS
    });
}

fn measure(what: &str, mut round: impl FnMut() -> usize) {
    let mut nanos: Vec<u128> = (0..ROUNDS)
        .map(|_| {
            let from = Instant::now();
            assert_eq!(black_box(round()), READINGS, "every reading is good");
            from.elapsed().as_nanos() / READINGS as u128
        })
        .collect();
    nanos.sort_unstable();
    println!("{what:<26} {:>5} ns a reading, best {:>5}", nanos[ROUNDS / 2], nanos[0]);
}
