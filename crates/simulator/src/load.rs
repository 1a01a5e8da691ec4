//! Load for measurements: as much as a server takes, or a fixed rate, at the least cost to the machine that both share.
//!
//! All bodies are built before the clock starts, so that a measurement is not one of how fast text is written.

mod closed_loop;

use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::Instant;

use crate::client::RequestHead;
use crate::latency::{Percentiles, seconds};
use crate::open_model::{Run, Source};
use crate::pace::{Due, Pace};
use crate::summary::per_second;
use crate::tally::Tally;
use crate::target::{Target, TargetError};
use crate::verdict::Endpoint;
use closed_loop::{Span, Warmup, closed_loop};

/// How many devices one connection stands for in [`single_posts`].
const DEVICES_PER_CONNECTION: u32 = 32;
/// Which of the readings differ from what their device reported before, by 5 °C; all others repeat it exactly.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChangeMix {
    /// All of them: each raises one event.
    EveryReading,
    /// One in so many, always of the same devices.
    OneIn(NonZeroU32),
}

impl ChangeMix {
    fn changes(self, device: u32) -> bool {
        match self {
            ChangeMix::EveryReading => true,
            ChangeMix::OneIn(count) => device.is_multiple_of(count.get()),
        }
    }
}

/// What a server did under load. Only what was sent in the measured time counts, unless said otherwise.
#[derive(Debug, Clone, PartialEq)]
pub struct LoadReport {
    /// Requests that were sent.
    pub requests: u64,
    /// Readings that were accepted.
    pub accepted: u64,
    /// Readings that were sent and not accepted, refused ones included.
    pub failed: u64,
    /// Of the failed: refused with 429 or 503.
    pub refused: u64,
    /// Readings that were due and never sent; only where a rate was kept.
    pub not_sent: u64,
    /// How many events the accepted readings raise.
    pub events: u64,
    /// Readings accepted before the measured time; each device's first is among them, where there is a warm-up.
    pub accepted_before: u64,
    /// From the start of the measured time to its last answer.
    pub elapsed: Duration,
    /// When the measured time began: who waits until all is stored counts from here.
    pub started: std::time::Instant,
    /// Readings accepted per second.
    pub rate: f64,
    /// How long answers took: from when the request was due where a rate was kept, else from when it was sent.
    pub latency: Percentiles,
    /// From when a request was really sent.
    pub latency_from_sending: Percentiles,
    /// The first failures, in words; a bounded number of them.
    pub first_failures: Vec<String>,
}

impl LoadReport {
    fn of(tally: Tally, events: u64, accepted_before: u64, started: Instant, elapsed: Duration) -> LoadReport {
        LoadReport {
            requests: tally.requests,
            accepted: tally.accepted,
            failed: tally.failed,
            refused: tally.refused,
            not_sent: tally.not_sent,
            events,
            accepted_before,
            elapsed,
            started: started.into_std(),
            rate: per_second(tally.accepted, elapsed),
            latency: tally.from_intended.percentiles(),
            latency_from_sending: tally.from_sending.percentiles(),
            first_failures: tally.first_failures,
        }
    }

    /// One object; latencies in milliseconds.
    pub fn to_json(&self) -> Value {
        json!({
            "requests": self.requests,
            "accepted": self.accepted,
            "failed": self.failed,
            "refused": self.refused,
            "notSent": self.not_sent,
            "events": self.events,
            "acceptedBefore": self.accepted_before,
            "elapsedSeconds": seconds(self.elapsed),
            "ratePerSecond": (self.rate * 10.0).round() / 10.0,
            "latencyMs": self.latency.to_json(),
            "latencyFromSendingMs": self.latency_from_sending.to_json(),
            "firstFailures": self.first_failures,
        })
    }
}

/// Posts single readings over `connections` keep-alive connections, each the next as soon as the last is answered.
///
/// Every reading differs from its device's last by 5 °C. What is sent in `warmup` does not count.
pub async fn single_posts(target: &str, connections: u32, duration: Duration, warmup: Duration) -> Result<LoadReport, TargetError> {
    let target = Arc::new(target.parse::<Target>()?);
    let head = RequestHead::post(&target, Endpoint::Readings.path(), "application/json");
    let rounds = (0..connections.max(1)).map(|connection| {
        let first = connection * DEVICES_PER_CONNECTION;
        let devices: Vec<u32> = (first..first + DEVICES_PER_CONNECTION).collect();
        Rounds::of(&head, &devices, 1, ChangeMix::EveryReading, Separator::None)
    });
    Ok(closed_loop(&target, rounds.collect(), Warmup::For(warmup), Span::For(duration)).await)
}

/// Posts NDJSON batches of `batch_size` readings of `devices` devices over `connections` connections, each the next as
/// soon as the last is answered.
///
/// All devices report once before the measured time begins. A device belongs to one connection, so that its readings stay in order.
/// All bodies are kept in memory: about 150 bytes per device.
pub async fn batches(
    target: &str,
    connections: u32,
    devices: u32,
    batch_size: u32,
    duration: Duration,
    change: ChangeMix,
) -> Result<LoadReport, TargetError> {
    let target = Arc::new(target.parse::<Target>()?);
    let lanes = batch_lanes(&target, connections, devices, batch_size, change);
    Ok(closed_loop(&target, lanes, Warmup::OneRound, Span::For(duration)).await)
}

/// The batches of each connection. A device belongs to one of them.
fn batch_lanes(target: &Target, connections: u32, devices: u32, batch_size: u32, change: ChangeMix) -> Vec<Rounds> {
    let head = RequestHead::post(target, Endpoint::Readings.path(), "application/x-ndjson");
    let connections = connections.clamp(1, devices.max(1));
    let bound = |connection: u32| (u64::from(devices.max(1)) * u64::from(connection) / u64::from(connections)) as u32;
    let lane = |connection: u32| {
        let devices: Vec<u32> = (bound(connection)..bound(connection + 1)).collect();
        Rounds::of(&head, &devices, batch_size.max(1), change, Separator::NewLine)
    };
    (0..connections).map(lane).collect()
}

/// Posts NDJSON batches as [`batches`] does, until every device has reported `rounds` times, its first report included, or
/// `at_most` has passed.
///
/// With [`ChangeMix::EveryReading`] each report raises one event, so a device that did not exist before has version `rounds`.
pub async fn batch_rounds(
    target: &str,
    connections: u32,
    devices: u32,
    batch_size: u32,
    rounds: u32,
    change: ChangeMix,
    at_most: Duration,
) -> Result<LoadReport, TargetError> {
    let target = Arc::new(target.parse::<Target>()?);
    let lanes = batch_lanes(&target, connections, devices, batch_size, change);
    Ok(closed_loop(&target, lanes, Warmup::For(Duration::ZERO), Span::Rounds { rounds, at_most }).await)
}

/// Posts one reading per device and interval, spread evenly, whatever the server does. Every reading differs from its
/// device's last by 5 °C. There is no warm-up: connections are made as they are needed.
pub async fn paced_posts(target: &str, devices: u32, interval: Duration, duration: Duration) -> Result<LoadReport, TargetError> {
    const CONNECTIONS: u32 = 256;
    let target = Arc::new(target.parse::<Target>()?);
    let bodies = (0..devices.max(1)).map(|device| [0, 1].map(|variant| line(device, variant)));
    let source = Arc::new(AlternatingReadings { bodies: bodies.collect() });
    let interval = interval.max(Duration::from_nanos(1));
    let pace = Pace { units: devices.max(1), interval, duration: Some(duration) };
    let started = Instant::now();
    let mut run = Run::start(&target, pace, CONNECTIONS, &source);
    run.ended().await;
    let tally = run.tally();
    let events = tally.accepted;
    Ok(LoadReport::of(tally, events, 0, started, run.elapsed()))
}

/// Two bodies per device, sent in turn.
struct AlternatingReadings {
    bodies: Vec<[String; 2]>,
}

impl Source for AlternatingReadings {
    fn endpoint(&self) -> Endpoint {
        Endpoint::Readings
    }

    fn content_type(&self) -> &'static str {
        "application/json"
    }

    fn readings(&self, _unit: u32) -> u64 {
        1
    }

    fn write_body(&self, due: Due, body: &mut Vec<u8>) {
        body.extend_from_slice(self.bodies[due.unit as usize][(due.step % 2) as usize].as_bytes());
    }
}

/// The reading of a device in one of its two variants, which differ by 5 °C and in nothing else.
fn line(device: u32, variant: u32) -> String {
    let temperature = 10 + 5 * variant + device % 20;
    let (lat, lon) = (f64::from(device % 1_200) / 10.0 - 60.0, f64::from(device % 3_400) / 10.0 - 170.0);
    format!(r#"{{"deviceId":"load-{device:06}","temperature":{temperature}.5,"lat":{lat:.4},"lon":{lon:.4}}}"#)
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Separator {
    None,
    NewLine,
}

/// The requests of one connection: all its devices in one variant, then in the other, and so on.
struct Rounds {
    /// The same batches twice, in one variant and in the other.
    variants: [Vec<PreparedRequest>; 2],
}

struct PreparedRequest {
    bytes: Vec<u8>,
    readings: u64,
    /// How many of the readings differ from the other variant's.
    changes: u64,
}

impl Rounds {
    fn of(head: &RequestHead, devices: &[u32], batch_size: u32, change: ChangeMix, separator: Separator) -> Rounds {
        let variants = [0, 1].map(|variant| {
            let batches = devices.chunks(batch_size as usize).map(|batch| {
                let mut body = String::new();
                for &device in batch {
                    body.push_str(&line(device, if change.changes(device) { variant } else { 0 }));
                    if separator == Separator::NewLine {
                        body.push('\n');
                    }
                }
                PreparedRequest {
                    bytes: head.request(body.as_bytes()),
                    readings: batch.len() as u64,
                    changes: batch.iter().filter(|&&device| change.changes(device)).count() as u64,
                }
            });
            batches.collect()
        });
        Rounds { variants }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bodies(rounds: &Rounds, variant: usize) -> Vec<String> {
        let text = |request: &PreparedRequest| String::from_utf8(request.bytes.clone()).expect("text");
        let body = |request: String| request.split_once("\r\n\r\n").expect("a head and a body").1.to_owned();
        rounds.variants[variant].iter().map(text).flat_map(|r| body(r).lines().map(str::to_owned).collect::<Vec<_>>()).collect()
    }

    #[test]
    fn the_two_variants_differ_exactly_where_a_reading_is_to_change() {
        let target: Target = "http://a".parse().expect("a target");
        let head = RequestHead::post(&target, "/x", "application/x-ndjson");
        let devices: Vec<u32> = (0..1_000).collect();
        let one_in_50 = ChangeMix::OneIn(NonZeroU32::new(50).expect("above zero"));
        for (mix, changes) in [(ChangeMix::EveryReading, 1_000), (one_in_50, 20)] {
            let rounds = Rounds::of(&head, &devices, 300, mix, Separator::NewLine);
            let (first, second) = (bodies(&rounds, 0), bodies(&rounds, 1));
            assert_eq!(first.len(), 1_000);
            let differing = first.iter().zip(&second).filter(|(a, b)| a != b).count();
            assert_eq!(differing, changes, "{mix:?}");
            assert_eq!(rounds.variants[1].iter().map(|request| request.changes).sum::<u64>(), changes as u64);
            assert_eq!(rounds.variants[1].iter().map(|request| request.readings).sum::<u64>(), 1_000);
        }
    }
}
