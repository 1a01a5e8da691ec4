//! The machine and the program that the figures are of.

use std::fmt::Write as _;
use std::fs::{self, File};
use std::io::Write as _;
use std::path::Path;
use std::process::Command;
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::Context as _;

/// Now, UTC, to the second.
pub(crate) fn now() -> String {
    let now = jiff::Timestamp::now();
    jiff::Timestamp::from_second(now.as_second()).unwrap_or(now).to_string()
}

/// The commit a repository is at; says so where files differ from it.
pub(crate) fn commit(repository: &Path) -> String {
    let git = |arguments: &[&str]| said(Command::new("git").arg("-C").arg(repository).args(arguments));
    let Some(commit) = git(&["rev-parse", "--short=12", "HEAD"]) else { return "unknown".into() };
    match git(&["status", "--porcelain", "--untracked-files=no"]) {
        Some(changes) if changes.is_empty() => commit,
        Some(_) | None => format!("{commit} with changes"),
    }
}

/// What the machine does besides, over a second.
pub(crate) fn idle_percent() -> f64 {
    let before = processor_ticks();
    sleep(Duration::from_secs(1));
    match (before, processor_ticks()) {
        (Some((idle_before, all_before)), Some((idle, all))) if all > all_before => {
            (idle - idle_before) as f64 * 100.0 / (all - all_before) as f64
        }
        _ => f64::NAN,
    }
}

/// Idle ones, waiting for the disk included, and all.
fn processor_ticks() -> Option<(u64, u64)> {
    let stat = fs::read_to_string("/proc/stat").ok()?;
    let ticks: Vec<u64> = stat.lines().next()?.split_whitespace().skip(1).filter_map(|ticks| ticks.parse().ok()).collect();
    Some((ticks.get(3)? + ticks.get(4)?, ticks.iter().take(8).sum()))
}

/// The lines of a table that say what machine this is; `folder` lies on the disk that was measured.
pub(crate) fn described(folder: &Path) -> anyhow::Result<Vec<(&'static str, String)>> {
    let unknown = || "unknown".to_owned();
    let cpus = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = cpus.lines().find_map(|line| Some(line.strip_prefix("model name")?.split_once(':')?.1.trim().to_owned()));
    let cores = std::thread::available_parallelism().map_or(0, std::num::NonZero::get);
    let memory = fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let memory =
        memory.lines().find_map(|line| line.strip_prefix("MemTotal:")?.trim().trim_end_matches("kB").trim().parse::<u64>().ok());
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").map_or_else(|_| unknown(), |release| release.trim().to_owned());
    Ok(vec![
        ("processor", format!("{}, {cores} cores", model.unwrap_or_else(unknown))),
        ("memory", memory.map_or_else(unknown, |kilobytes| format!("{:.1} GiB", kilobytes as f64 / f64::from(1 << 20)))),
        ("kernel", format!("Linux {kernel}")),
        ("disk", disk(folder).unwrap_or_else(unknown)),
        ("fsync", syncs(folder)?),
        ("compiler", said(Command::new("rustc").arg("--version")).unwrap_or_else(unknown)),
    ])
}

/// The mount a folder lies on: the longest one that is a start of its path.
fn disk(folder: &Path) -> Option<String> {
    let mounts = fs::read_to_string("/proc/self/mounts").ok()?;
    let mounts = mounts.lines().filter_map(|line| {
        let mut fields = line.split(' ');
        Some((fields.next()?, fields.next()?, fields.next()?))
    });
    let (device, at, kind) = mounts.filter(|(_, at, _)| folder.starts_with(at)).max_by_key(|(_, at, _)| at.len())?;
    Some(format!("{device}, {kind} at {at}"))
}

/// How often a second 4 KiB can be appended and synced, which bounds every durable answer.
fn syncs(folder: &Path) -> anyhow::Result<String> {
    const PROBE: Duration = Duration::from_secs(2);
    let path = folder.join("fsync-probe");
    let mut file = File::create(&path).with_context(|| format!("create {}", path.display()))?;
    let mut took = Vec::new();
    let begun = Instant::now();
    while begun.elapsed() < PROBE {
        let before = Instant::now();
        file.write_all(&[7; 4096]).context("write to the disk")?;
        file.sync_data().context("sync the disk")?;
        took.push(before.elapsed());
    }
    fs::remove_file(&path).with_context(|| format!("remove {}", path.display()))?;
    took.sort_unstable();
    let mut text = format!("{:.0} a second, appending 4 KiB each", took.len() as f64 / PROBE.as_secs_f64());
    let [p50, p99] = [50, 99].map(|percent| took[(took.len() * percent / 100).min(took.len() - 1)].as_secs_f64() * 1e3);
    write!(text, "; p50 {p50:.2} ms, p99 {p99:.2} ms").context("write to memory")?;
    Ok(text)
}

/// What a command says, without the end of its line; `None` where it fails.
fn said(command: &mut Command) -> Option<String> {
    let output = command.output().ok().filter(|output| output.status.success())?;
    Some(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}
