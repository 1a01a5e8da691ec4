//! One reading a request: the rate against the bare server's, and the latency at half of it.

use std::time::Duration;

use anyhow::ensure;
use fieldwatch_simulator::load::{self, LoadReport};

use crate::bench::Bench;
use crate::figure::{Measured, Row};
use crate::server::Server;
use crate::usage::Stopwatch;
use crate::wording::{median, micros, millis, per_second, series};

const CONNECTIONS: u32 = 256;
const GOAL_RATIO: f64 = 0.55;
const GOAL_P99: Duration = Duration::from_millis(25);
/// How long what was accepted may take to be decided after a run.
const DECIDED_WITHIN: Duration = Duration::from_mins(2);

pub(crate) fn measure(bench: &Bench) -> anyhow::Result<Measured> {
    let turns = bench.pick(3, 1);
    let folder = bench.folder("single")?;
    let program = bench.start_program(&folder)?;
    let floor = bench.start_floor(&folder, 1)?;
    let (mut of_program, mut of_floor) = (Turns::default(), Turns::default());
    for turn in 1..=turns {
        of_floor.take(bench, &floor)?;
        of_program.take(bench, &program)?;
        program.wait_until_decided(DECIDED_WITHIN)?;
        let (floor, program) = (of_floor.rates[turn - 1], of_program.rates[turn - 1]);
        println!("  turn {turn} of {turns}: floor {}, program {}", per_second(floor), per_second(program));
    }
    let (rate, floor_rate) = (median(&of_program.rates), median(&of_floor.rates));
    let ratio = rate / floor_rate;

    let half = (rate / 2.0).max(1.0) as u32;
    println!("  latency at {}", per_second(f64::from(half)));
    let (mut at_half, mut at_half_of_floor) = (Vec::new(), Vec::new());
    for _ in 0..turns {
        at_half_of_floor.push(paced(bench, &floor, half)?);
        at_half.push(paced(bench, &program, half)?);
        program.wait_until_decided(DECIDED_WITHIN)?;
    }
    let (p99, p99_of_floor) = (median_p99(&at_half), median_p99(&at_half_of_floor));
    let failed_at_half: u64 = at_half.iter().map(|report| report.failed + report.not_sent).sum();
    let failed = of_program.failed + failed_at_half;

    let mut measured = Measured::default();
    measured.rows.push(
        Row::held_to(
            "readings accepted durably",
            per_second(rate),
            "55 % of the floor",
            ratio >= GOAL_RATIO && of_program.failed == 0,
        )
        .beside(per_second(floor_rate), Some(ratio)),
    );
    measured.rows.push(
        Row::held_to(
            format!("p99 at {}, from when due", per_second(f64::from(half))),
            millis(p99),
            "< 25 ms",
            p99 < GOAL_P99 && failed_at_half == 0,
        )
        .beside(millis(p99_of_floor), None),
    );
    measured
        .rows
        .push(Row::aside("processor time a request, server", of_program.per_request()).beside(of_floor.per_request(), None));
    measured.rows.push(
        Row::aside("processor time a request, load", of_program.load_per_request()).beside(of_floor.load_per_request(), None),
    );
    measured.notes.push(format!(
        "{CONNECTIONS} keep-alive connections, each reading differs from its device's last and raises an event. Turns, readings a second: \
         program {}; floor {}.",
        series(&of_program.rates),
        series(&of_floor.rates)
    ));
    let each = |of: fn(&LoadReport) -> Duration| at_half.iter().map(|report| millis(of(report))).collect::<Vec<_>>().join(", ");
    measured.notes.push(format!(
        "At half the rate, each turn: p50 {}; p95 {}; p99 {}; max {}.",
        each(|report| report.latency.p50),
        each(|report| report.latency.p95),
        each(|report| report.latency.p99),
        each(|report| report.latency.max)
    ));
    if failed > 0 {
        let failures: Vec<&String> =
            of_program.failures.iter().chain(at_half.iter().flat_map(|report| &report.first_failures)).collect();
        measured.notes.push(format!("{failed} readings failed: {failures:?}"));
    }
    Ok(measured)
}

fn median_p99(reports: &[LoadReport]) -> Duration {
    let all: Vec<f64> = reports.iter().map(|report| report.latency.p99.as_secs_f64()).collect();
    Duration::from_secs_f64(median(&all))
}

/// What came of one server's turns.
#[derive(Default)]
struct Turns {
    rates: Vec<f64>,
    /// Nanoseconds of processor time a request in each turn, of the server and of the load.
    server: Vec<f64>,
    load: Vec<f64>,
    failed: u64,
    failures: Vec<String>,
}

impl Turns {
    fn take(&mut self, bench: &Bench, server: &Server) -> anyhow::Result<()> {
        let (duration, warmup) = bench.pick((8, 2), (1, 1));
        let (of_server, of_load) = (server.stopwatch()?, Stopwatch::start(std::process::id())?);
        let load = load::single_posts(server.url(), CONNECTIONS, Duration::from_secs(duration), Duration::from_secs(warmup));
        let report = bench.load(load)?;
        ensure!(report.accepted > 0, "nothing was accepted: {:?}", report.first_failures);
        let requests = report.requests + report.accepted_before;
        self.server.push(of_server.nanos_each(requests)?);
        self.load.push(of_load.nanos_each(requests)?);
        self.rates.push(report.rate);
        self.failed += report.failed;
        self.failures.extend(report.first_failures);
        Ok(())
    }

    fn per_request(&self) -> String {
        micros(median(&self.server))
    }

    fn load_per_request(&self) -> String {
        micros(median(&self.load))
    }
}

/// So many readings a second on schedule: first for a moment that does not count, then for the latency.
fn paced(bench: &Bench, server: &Server, per_second: u32) -> anyhow::Result<LoadReport> {
    let second = Duration::from_secs(1);
    bench.load(load::paced_posts(server.url(), per_second, second, second * bench.pick(2, 1)))?;
    bench.load(load::paced_posts(server.url(), per_second, second, second * bench.pick(10, 1)))
}
