//! How much processor time a line of the broker's partitions costs: `cargo run --release -p fieldwatch-wire --example line_rate`.
//!
//! Prints nanoseconds a line, the best of many rounds, for writing and reading.

#![expect(clippy::print_stdout, reason = "printing is what the program is for")]

use fieldwatch_domain::{Celsius, Location, Reading, ReadingId, Timestamp};
use fieldwatch_wire::queued::Request;
use fieldwatch_wire::queued_line::{read_line, write_line};
use std::hint::black_box;
use std::time::Instant;

const LINES: i32 = 1000;
const ROUNDS: usize = 400;

fn main() {
    let requests: Vec<(String, Request)> = (0..LINES)
        .map(|n| {
            let reading = Reading {
                temperature: Celsius::from_stored(200_000 + n),
                location: Location::from_stored(385_698_000 + n, 456_974_000 - n),
                at: Some(Timestamp::from_unix_ms(1_767_225_600_000)),
                received_at: Timestamp::from_unix_ms(1_767_225_600_123),
                id: ReadingId::given(u64::from(n.unsigned_abs()) << 40),
            };
            (format!("AL-{n:04}"), Request::Record(reading))
        })
        .collect();
    let mut text = String::new();
    let writing = best(|| {
        text.clear();
        for (device_id, request) in &requests {
            write_line(&mut text, device_id, request);
        }
    });
    let reading = best(|| {
        for line in text.lines() {
            black_box(read_line(line.as_bytes()).expect("a line that was written"));
        }
    });
    println!("{} bytes a line; written in {writing:.0} ns, read in {reading:.0} ns", text.len() / requests.len());
}

/// Nanoseconds a line in the best round.
fn best(mut round: impl FnMut()) -> f64 {
    let rounds = (0..ROUNDS).map(|_| {
        let begun = Instant::now();
        round();
        begun.elapsed().as_secs_f64()
    });
    rounds.fold(f64::MAX, f64::min) * 1e9 / f64::from(LINES)
}
