//! A fleet that reports once a second, while somebody watches the stream.

use std::time::Duration;

use fieldwatch_simulator::load::{self, LoadReport};

use crate::arrivals::{Listening, Schedule, quantile};
use crate::bench::Bench;
use crate::figure::{Measured, Row};
use crate::wording::{count, millis};

const INTERVAL: Duration = Duration::from_secs(1);
const GOAL_P95: Duration = Duration::from_millis(10);
const GOAL_STREAM_P99: Duration = Duration::from_millis(100);
/// How long events may still come after the last answer.
const EVENTS_WITHIN: Duration = Duration::from_secs(10);

pub(crate) fn measure(bench: &Bench) -> anyhow::Result<Measured> {
    let devices = bench.pick(10_000, 1_000);
    let seconds = bench.pick(60, 2);
    let folder = bench.folder("steady")?;

    let floor = bench.start_floor(&folder, 1)?;
    let of_floor: LoadReport = bench.load(load::paced_posts(floor.url(), devices, INTERVAL, INTERVAL * bench.pick(15, 1)))?;
    drop(floor);

    let program = bench.start_program(&folder)?;
    let expected = u64::from(devices) * u64::from(seconds);
    let listening = Listening::start(&program, expected as usize)?;
    println!("  {} devices for {seconds} s", count(f64::from(devices)));
    let report = bench.load(load::paced_posts(program.url(), devices, INTERVAL, INTERVAL * seconds))?;
    let heard = listening.finish(expected, EVENTS_WITHIN)?;

    let delays = heard.delays(Schedule { started: report.started, devices, interval: INTERVAL });
    let [p50, p99, longest] = [0.5, 0.99, 1.0].map(|part| quantile(&delays, part));
    let failed = report.failed + report.not_sent;
    let missing = expected.saturating_sub(heard.count());
    let unbroken = missing == 0 && heard.interruptions.is_empty();

    let mut measured = Measured::default();
    let sent = format!("{} of {}", count(failed as f64), count(expected as f64));
    measured.rows.push(Row::held_to("readings that failed", sent, "none", failed == 0));
    let p95 = report.latency.p95;
    measured.rows.push(
        Row::held_to("p95 of answers, from when due", millis(p95), "< 10 ms", p95 < GOAL_P95)
            .beside(millis(of_floor.latency.p95), None),
    );
    let reached = p99 < GOAL_STREAM_P99 && unbroken;
    measured.rows.push(Row::held_to("p99 from reading to stream, from when due", millis(p99), "< 100 ms", reached));
    measured.notes.push(format!(
        "{} devices, single readings over 256 connections, {seconds} s. Answers: p50 {}, p99 {}, max {}. Stream: p50 {}, max {}.",
        count(f64::from(devices)),
        millis(report.latency.p50),
        millis(report.latency.p99),
        millis(report.latency.max),
        millis(p50),
        millis(longest)
    ));
    measured.notes.push("The load keeps time to the millisecond, so up to one of each figure is its own.".into());
    if !unbroken {
        measured
            .notes
            .push(format!("{missing} events did not arrive on the stream; it was interrupted by {:?}.", heard.interruptions));
    }
    if failed > 0 {
        measured.notes.push(format!("Failures: {:?}", report.first_failures));
    }
    Ok(measured)
}
