//! How much processor time a reading costs in the formats it passes through, from the body of a request to the record of
//! the store: `cargo run --release -p fieldwatch-wire --example ingest_cost`.
//!
//! Prints nanoseconds of this thread's processor time a reading, the median and the best of many rounds; unlike time on a
//! clock they do not count what other programs take of a shared machine. Linux only, for where it finds them.

#![expect(clippy::print_stdout, reason = "printing is what the program is for")]

use fieldwatch_domain::{
    Celsius, DeviceEvent, DeviceNumber, Location, LocationChange, Reading, ReadingId, RecordedEvent, TemperatureChange, Timestamp,
};
use fieldwatch_wire::ingest::{Limits, parse_json, parse_ndjson};
use fieldwatch_wire::queued::{ENTRY_HEADER, Request, read_entry_header, read_request, write_reading};
use fieldwatch_wire::stored::{Link, StoredObservation, read_record, write_event, write_observation};
use std::hint::black_box;

const NOW: Timestamp = Timestamp::from_unix_ms(1_767_225_600_000);
const READINGS: usize = 1000;
const ROUNDS: usize = 15;
/// Repeats in a round: the kernel counts a running thread's time in ticks of some milliseconds, so that a round has to
/// take many of them.
const REPEATS: usize = 1000;

fn main() {
    let limits = Limits::default();
    let plain: Vec<String> = (0..READINGS)
        .map(|n| {
            format!(
                r#"{{"deviceId":"load-{n:010}","temperature":{}.{:02},"lat":48.{:07},"lon":11.{:07}}}"#,
                n % 90,
                n % 100,
                n * 7919 % 10_000_000,
                n * 104_729 % 10_000_000
            )
        })
        .collect();
    let full: Vec<String> = plain
        .iter()
        .enumerate()
        .map(|(n, reading)| reading.replace('}', &format!(r#","at":"2025-12-31T23:59:{:02}.000Z","readingId":"r-{n}"}}"#, n % 60)))
        .collect();
    let long: Vec<String> = plain.iter().map(|reading| reading.replace(",\"lon\"", "12345678, \"lon\"")).collect();
    let new_id = |index: usize| ReadingId::given((index as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15));
    for (what, lines) in [("plain", &plain), ("time and id", &full), ("15 decimals", &long)] {
        let (body, array) = (lines.join("\n"), format!("[{}]", lines.join(",")));
        measure(&format!("parse_ndjson, {what}"), || {
            parse_ndjson(body.as_bytes(), &limits, NOW, new_id, |taken| drop(black_box(taken))).expect("good").accepted
        });
        measure(&format!("parse_json, {what}"), || {
            parse_json(array.as_bytes(), &limits, NOW, new_id, |taken| drop(black_box(taken))).expect("good").accepted
        });
    }

    let body = plain.join("\n");
    let mut readings: Vec<(String, Reading)> = Vec::new();
    parse_ndjson(body.as_bytes(), &limits, NOW, new_id, |taken| readings.push((taken.device_id.into(), taken.reading)))
        .expect("good");
    let mut entries = Vec::new();
    measure("write_reading", || {
        entries.clear();
        for (id, reading) in &readings {
            write_reading(&mut entries, 7, id, black_box(reading));
        }
        readings.len()
    });
    measure("read_request", || {
        let (mut rest, mut count) = (&entries[..], 0);
        while let Some((header, after)) = rest.split_first_chunk::<ENTRY_HEADER>() {
            let (body, after) = after.split_at(read_entry_header(*header).1);
            let (id, Request::Record(reading)) = read_request(body).expect("as written") else { return count };
            black_box((id, reading));
            (rest, count) = (after, count + 1);
        }
        count
    });

    let mut records = Vec::new();
    measure("write_observation", || {
        records.clear();
        for (device_id, reading) in &readings {
            let (at, received_at) = (reading.received_at, reading.received_at);
            let observation = StoredObservation { device_id, at, received_at, fingerprint: reading.id.fingerprint() };
            write_observation(&mut records, black_box(&observation));
        }
        readings.len()
    });
    measure("read_record, observation", || read_all(&records));
    let events: Vec<(&str, RecordedEvent)> =
        readings.iter().enumerate().map(|(n, (id, reading))| (id.as_str(), event(n, reading))).collect();
    measure("write_event", || {
        records.clear();
        for (id, event) in &events {
            write_event(&mut records, Link::At(123_456_789), id, black_box(event));
        }
        events.len()
    });
    measure("read_record, event", || read_all(&records));
}

/// Temperatures and locations by turns.
fn event(n: usize, Reading { temperature, location, received_at, id, .. }: &Reading) -> RecordedEvent {
    let (temperature, location) = (*temperature, *location);
    let (previous, notified) = (Celsius::from_stored(214_900), Celsius::from_stored(201_000));
    let event = if n.is_multiple_of(2) {
        DeviceEvent::SimilarTemperatureTraced(TemperatureChange { temperature, previous, notified, location })
    } else {
        let (previous, notified) =
            (Location::from_stored(481_234_567, 111_234_567), Location::from_stored(481_000_000, 112_000_000));
        DeviceEvent::LocationChanged(LocationChange { location, previous, notified, temperature })
    };
    RecordedEvent {
        device: DeviceNumber::from_u32(n as u32),
        version: n as u64 + 1,
        position: 0,
        at: *received_at,
        recorded_at: Timestamp::from_unix_ms(received_at.unix_ms() + 5),
        received_at: *received_at,
        reading_id: Some(id.clone()),
        event,
    }
}

fn read_all(mut records: &[u8]) -> usize {
    let mut count = 0;
    while !records.is_empty() {
        let (record, length) = read_record(records).expect("as written");
        black_box(record);
        (records, count) = (&records[length..], count + 1);
    }
    count
}

fn measure(what: &str, mut round: impl FnMut() -> usize) {
    let mut nanos: Vec<f64> = (0..ROUNDS)
        .map(|_| {
            let from = processor_ns();
            for _ in 0..REPEATS {
                assert_eq!(black_box(round()), READINGS, "every reading is good");
            }
            (processor_ns() - from) as f64 / (REPEATS * READINGS) as f64
        })
        .collect();
    nanos.sort_unstable_by(f64::total_cmp);
    println!("{what:<28} {:>6.1} ns a reading, best {:>6.1}", nanos[ROUNDS / 2], nanos[0]);
}

/// Processor time of this thread, in nanoseconds.
fn processor_ns() -> u64 {
    let told = std::fs::read_to_string("/proc/thread-self/schedstat").expect("Linux tells a thread's processor time");
    told.split(' ').next().and_then(|first| first.parse().ok()).expect("the first number is the time")
}
