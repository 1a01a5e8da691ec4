//! From kill -9 to a right answer for every device.

use std::fs;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use fieldwatch_simulator::load::{self, ChangeMix};
use serde_json::Value;

use crate::bench::{Bench, Folder};
use crate::figure::{Measured, Row};
use crate::server::Server;
use crate::wording::{count, median, megabytes, seconds};

/// How many events each device has.
const ROUNDS: u32 = 20;
/// How many devices are asked for, spread over all.
const SAMPLES: u32 = 200;
const FILLED_WITHIN: Duration = Duration::from_mins(10);

pub(crate) fn measure(bench: &Bench) -> anyhow::Result<Measured> {
    let mut measured = Measured::default();
    for (devices, goal) in [(100_000, 1), (1_000_000, 5)] {
        one_fleet(bench, bench.pick(devices, devices / 100), Duration::from_secs(goal), &mut measured)?;
    }
    measured.notes.push(format!(
        "From the start of the process until `/health/ready` is 200 and {SAMPLES} devices, spread over all, are answered for with the state \
         they had before the kill. The first kill comes as soon as all readings are decided, each other one right after the start before."
    ));
    Ok(measured)
}

fn one_fleet(bench: &Bench, devices: u32, goal: Duration, measured: &mut Measured) -> anyhow::Result<()> {
    let folder = bench.folder("restart")?;
    let program = bench.start_program(&folder)?;
    let events = u64::from(devices) * u64::from(ROUNDS);
    let size = format!("{} devices, {} events", count(f64::from(devices)), count(events as f64));
    println!("  {size}: filling");
    let load = load::batch_rounds(program.url(), 4, devices, 1_000, ROUNDS, ChangeMix::EveryReading, FILLED_WITHIN);
    let report = bench.load(load)?;
    ensure!(report.accepted == events, "{} of {events} readings were accepted: {:?}", report.accepted, report.first_failures);
    program.wait_until_decided(FILLED_WITHIN)?;
    let before = sampled(&program, devices)?;
    for device in &before {
        ensure!(device["version"] == ROUNDS, "a device has another version than its {ROUNDS} events: {device}");
    }
    program.kill()?;

    let mut times = Vec::new();
    for _ in 0..bench.pick(3, 2) {
        let (program, took) = restarted(bench, &folder, devices, &before)?;
        println!("  {size}: {}", seconds(took));
        times.push(took.as_secs_f64());
        program.kill()?;
    }
    let took = Duration::from_secs_f64(median(&times));
    let all: Vec<String> = times.iter().map(|time| format!("{time:.2}")).collect();
    let text = format!("{} ({})", seconds(took), all.join(", "));
    measured.rows.push(Row::held_to(&size, text, format!("≤ {} s", goal.as_secs()), took <= goal));

    measured.notes.push(format!("The folder of {size}: {}.", megabytes(folder.bytes())));
    if bench.quick() {
        // To forget what others read would slow down tests that run beside this one.
        return Ok(());
    }
    let cold = match drop_page_cache() {
        Ok(()) => {
            let (program, took) = restarted(bench, &folder, devices, &before)?;
            program.kill()?;
            seconds(took)
        }
        Err(error) => format!("not measured: {error:#}"),
    };
    println!("  {size}, from a cold disk: {cold}");
    measured.rows.push(Row::aside(format!("{size}, nothing in the page cache"), cold));
    Ok(())
}

/// Starts the program on what a killed one left, and says how long it took until it answers rightly for the devices.
fn restarted(bench: &Bench, folder: &Folder, devices: u32, before: &[Value]) -> anyhow::Result<(Server, Duration)> {
    let mut program = bench.spawn_program(folder)?;
    program.wait_until_ready()?;
    let after = sampled(&program, devices)?;
    let took = program.spawned().elapsed();
    for (before, after) in before.iter().zip(&after) {
        ensure!(before == after, "a device came back as {after}, and had been {before}");
    }
    let known = program.devices()?;
    ensure!(known == u64::from(devices), "{known} of {devices} devices came back");
    Ok((program, took))
}

/// What is said of some devices, as far as a restart may not change it.
fn sampled(program: &Server, devices: u32) -> anyhow::Result<Vec<Value>> {
    let some =
        (0..SAMPLES.min(devices)).map(|sample| (u64::from(sample) * u64::from(devices) / u64::from(SAMPLES.min(devices))) as u32);
    let lasting = |mut device: Value| -> Value {
        ["deviceId", "temperature", "location", "lastSeen", "version"]
            .map(|key| (key.to_owned(), device[key].take()))
            .into_iter()
            .collect()
    };
    some.map(|device| Ok(lasting(program.json(&format!("/api/v1/devices/load-{device:06}"))?))).collect()
}

/// Makes the next read come from the disk. Only root may.
fn drop_page_cache() -> anyhow::Result<()> {
    ensure!(Command::new("sync").status().context("run sync")?.success(), "sync failed");
    fs::write("/proc/sys/vm/drop_caches", "3").context("drop the page cache, which takes root")
}
