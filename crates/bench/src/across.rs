//! From a reading at one node to its event on a stream of another.

use std::time::Duration;

use fieldwatch_simulator::load;

use crate::arrivals::{Listening, Schedule, quantile};
use crate::bench::Bench;
use crate::figure::{Measured, Row};
use crate::ground::{Broker, Database, start_nodes};
use crate::server::Server;
use crate::shares::wait_until_even;
use crate::wording::{count, millis};

const INTERVAL: Duration = Duration::from_secs(1);
const GOAL_P99: Duration = Duration::from_millis(250);
const SHARED_WITHIN: Duration = Duration::from_mins(1);
const DECIDED_WITHIN: Duration = Duration::from_mins(1);
/// How long events may still come after the last answer.
const EVENTS_WITHIN: Duration = Duration::from_secs(15);
/// Even, so that the load begins again where each device's last reading was not.
const WARM_UP: u32 = 4;

pub(crate) fn measure(bench: &Bench) -> anyhow::Result<Measured> {
    let devices = bench.pick(5_000, 500);
    let seconds = bench.pick(20, 2);
    let broker = Broker::start()?;
    let database = Database::start()?;
    let folder = bench.folder("across")?;
    let ([entry, watched, third], _) = start_nodes(bench, &folder, (&broker, &database))?;
    wait_until_even(&[&entry, &watched, &third], SHARED_WITHIN)?;
    bench.load(load::paced_posts(entry.url(), devices, INTERVAL, INTERVAL * WARM_UP))?;
    for node in [&entry, &watched, &third] {
        node.wait_until_decided(DECIDED_WITHIN)?;
    }

    let mut measured = Measured::default();
    let (mut p99s, mut broken) = (Vec::new(), false);
    for turn in 1..=bench.pick(3, 1) {
        let (p99, unbroken) = one_turn(bench, (&entry, &watched), devices, seconds, turn, &mut measured)?;
        p99s.push(p99);
        broken |= !unbroken;
        for node in [&entry, &watched, &third] {
            node.wait_until_decided(DECIDED_WITHIN)?;
        }
    }
    p99s.sort_unstable();
    let p99 = p99s[(p99s.len() - 1) / 2];
    let what = format!("p99 from reading to stream at {}/s, from when due", count(f64::from(devices)));
    measured.rows.push(Row::held_to(what, millis(p99), "< 250 ms", p99 < GOAL_P99 && !broken));
    measured.notes.push(
        "Three nodes with all roles on one RabbitMQ and one PostgreSQL (commits wait for the disk), default settings; single readings to the \
         first over 256 connections, each raising an event; the stream is the second's, and two thirds of the partitions are not its own. All \
         nodes, both servers and the load share the processors. The middle one of three runs."
            .into(),
    );
    Ok(measured)
}

fn one_turn(
    bench: &Bench,
    (entry, watched): (&Server, &Server),
    devices: u32,
    seconds: u32,
    turn: u32,
    measured: &mut Measured,
) -> anyhow::Result<(Duration, bool)> {
    let expected = u64::from(devices) * u64::from(seconds);
    let listening = Listening::start(watched, expected as usize)?;
    let report = bench.load(load::paced_posts(entry.url(), devices, INTERVAL, INTERVAL * seconds))?;
    let heard = listening.finish(expected, EVENTS_WITHIN)?;
    let delays = heard.delays(Schedule { started: report.started, devices, interval: INTERVAL });
    let [p50, p95, p99, longest] = [0.5, 0.95, 0.99, 1.0].map(|part| quantile(&delays, part));
    let missing = expected.saturating_sub(heard.count());
    let failed = report.failed + report.not_sent;
    let unbroken = missing == 0 && failed == 0 && heard.interruptions.is_empty();
    println!("  turn {turn}: stream p50 {}, p99 {}, max {}", millis(p50), millis(p99), millis(longest));
    measured.notes.push(format!(
        "Run {turn}, {seconds} s: stream p50 {}, p95 {}, p99 {}, max {}; answers p50 {}, p99 {}; {failed} readings failed, {missing} events \
         missing{}.",
        millis(p50),
        millis(p95),
        millis(p99),
        millis(longest),
        millis(report.latency.p50),
        millis(report.latency.p99),
        if heard.interruptions.is_empty() { String::new() } else { format!(", interrupted by {:?}", heard.interruptions) }
    ));
    Ok((p99, unbroken))
}
