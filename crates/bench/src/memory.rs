//! What a device costs in memory.

use std::time::Duration;

use anyhow::{Context as _, ensure};
use fieldwatch_simulator::load::{self, ChangeMix};

use crate::bench::Bench;
use crate::figure::{Measured, Row};
use crate::server::Server;
use crate::usage::Memory;
use crate::wording::{count, megabytes};

const GOAL_BYTES: f64 = 400.0;
const FILLED_WITHIN: Duration = Duration::from_mins(5);

pub(crate) fn measure(bench: &Bench) -> anyhow::Result<Measured> {
    let devices = bench.pick(1_000_000, 10_000);
    let folder = bench.folder("memory")?;
    let program = bench.start_program(&folder)?;
    let empty = settled(bench, &program)?;
    println!("  empty: {}", megabytes(empty.resident));
    let mut measured = Measured::default();
    let mut row = |what: &str, now: Memory, held: bool| {
        println!("  {what}: {}", megabytes(now.resident));
        let each = |now: u64, before: u64| now.saturating_sub(before) as f64 / f64::from(devices);
        let bytes = each(now.resident, empty.resident);
        let text = format!("{} bytes", count(bytes));
        measured.rows.push(if held {
            Row::held_to(format!("each, {what}"), text, "< 400 bytes", bytes < GOAL_BYTES)
        } else {
            Row::aside(format!("each, {what}"), text)
        });
        let anonymous = count(each(now.anonymous, empty.anonymous));
        measured.notes.push(format!(
            "{} {what}: {} resident, of it {} without mapped files ({anonymous} bytes each).",
            count(f64::from(devices)),
            megabytes(now.resident),
            megabytes(now.anonymous)
        ));
    };

    // What the issue asks for comes first; then the same fleet after a while, which remembers 16 readings of each device.
    report(bench, &program, devices, 1)?;
    row("after all have reported", settled(bench, &program)?, true);
    program.stop()?;
    let program = bench.start_program(&folder)?;
    row("after a restart", settled(bench, &program)?, false);
    report(bench, &program, devices, 1)?;
    row("after a restart and another report of each", settled(bench, &program)?, true);
    let more = bench.pick(20, 3);
    report(bench, &program, devices, more)?;
    row(&format!("after {more} more reports of each"), settled(bench, &program)?, false);
    program.stop()?;
    let program = bench.start_program(&folder)?;
    report(bench, &program, devices, 1)?;
    row("after those, a restart and another report", settled(bench, &program)?, false);
    let known = program.devices()?;
    ensure!(known == u64::from(devices), "{devices} devices reported, and {known} are known");

    measured.notes.push(format!("An empty server: {} resident. `VmRSS` once it has stopped to fall.", megabytes(empty.resident)));
    Ok(measured)
}

/// Lets every device report so often, and waits until all is decided.
fn report(bench: &Bench, program: &Server, devices: u32, rounds: u32) -> anyhow::Result<()> {
    let load = load::batch_rounds(program.url(), 4, devices, 1_000, rounds, ChangeMix::EveryReading, FILLED_WITHIN);
    let report = bench.load(load)?;
    let expected = u64::from(devices) * u64::from(rounds);
    ensure!(report.accepted == expected, "{} of {expected} readings were accepted: {:?}", report.accepted, report.first_failures);
    program.wait_until_decided(FILLED_WITHIN).context("wait until all devices are known")?;
    Ok(())
}

fn settled(bench: &Bench, program: &Server) -> anyhow::Result<Memory> {
    program.settled_memory(Duration::from_secs(bench.pick(60, 1)))
}
