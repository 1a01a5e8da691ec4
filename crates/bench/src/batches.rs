//! A thousand readings a request, from the first byte sent until the last event is stored.

use std::num::NonZeroU32;
use std::time::Duration;

use anyhow::ensure;
use fieldwatch_simulator::load::{self, ChangeMix};

use crate::bench::Bench;
use crate::figure::{Measured, Row};
use crate::server::Server;
use crate::wording::{median, per_second, series};

const CONNECTIONS: u32 = 4;
const BATCH: u32 = 1_000;
/// How long what was accepted may take to be decided after a run.
const DECIDED_WITHIN: Duration = Duration::from_mins(3);

pub(crate) fn measure(bench: &Bench) -> anyhow::Result<Measured> {
    let one_in_50 = ChangeMix::OneIn(NonZeroU32::new(50).expect("50 is above zero"));
    let mut measured = Measured::default();
    measured.notes.push(format!(
        "NDJSON of {BATCH} readings without times and ids over {CONNECTIONS} connections, made before the clock starts; it stops when the \
         queue is empty, which is when all events are stored. The floor takes the same bodies and forgets them."
    ));
    for (what, mix, goal) in
        [("every reading raises an event", ChangeMix::EveryReading, 500_000.0), ("one reading in 50 does", one_in_50, 1_000_000.0)]
    {
        one_mix(bench, what, mix, goal, &mut measured)?;
    }
    Ok(measured)
}

fn one_mix(bench: &Bench, what: &str, mix: ChangeMix, goal: f64, measured: &mut Measured) -> anyhow::Result<()> {
    let turns = bench.pick(3, 1);
    let folder = bench.folder("batches")?;
    let program = bench.start_program(&folder)?;
    let floor = bench.start_floor(&folder, BATCH)?;
    let (mut end_to_end, mut accepting, mut of_floor, mut processor) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for turn in 1..=turns {
        of_floor.push(send(bench, &floor, mix, bench.pick(4, 1))?.rate);

        let (events_before, stopwatch) = (program.events()?, program.stopwatch()?);
        let report = send(bench, &program, mix, bench.pick(10, 1))?;
        let decided = program.wait_until_decided(DECIDED_WITHIN)?;
        let rate = report.accepted as f64 / (decided - report.started).as_secs_f64();
        ensure!(report.failed == report.refused, "readings failed: {:?}", report.first_failures);
        let stored = program.events()?.saturating_sub(events_before);
        ensure!(stored >= report.events, "{} events were to be stored, and {stored} were", report.events);
        processor.push(stopwatch.nanos_each(report.accepted + report.accepted_before)?);
        println!(
            "  {what}, turn {turn} of {turns}: {} end to end, {} accepted, {} refused; floor {}",
            per_second(rate),
            per_second(report.rate),
            report.refused,
            per_second(of_floor[turn - 1])
        );
        end_to_end.push(rate);
        accepting.push(report.rate);
    }
    let (rate, floor_rate) = (median(&end_to_end), median(&of_floor));
    measured.rows.push(
        Row::held_to(what, per_second(rate), format!("≥ {}", per_second(goal)), rate >= goal)
            .beside(per_second(floor_rate), Some(rate / floor_rate)),
    );
    measured.notes.push(format!(
        "Turns when {what}, readings a second: end to end {}; accepting alone {}; floor {}. Processor time of the program: {:.0} ns a reading.",
        series(&end_to_end),
        series(&accepting),
        series(&of_floor),
        median(&processor)
    ));
    Ok(())
}

fn send(bench: &Bench, server: &Server, mix: ChangeMix, seconds: u64) -> anyhow::Result<load::LoadReport> {
    let devices = bench.pick(100_000, 10_000);
    let report = bench.load(load::batches(server.url(), CONNECTIONS, devices, BATCH, Duration::from_secs(seconds), mix))?;
    ensure!(report.accepted > 0, "nothing was accepted: {:?}", report.first_failures);
    Ok(report)
}
