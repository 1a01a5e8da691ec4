//! What a process costs the machine, as Linux counts it.

use std::fs;
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::Context as _;

/// How long memory has to stay where it is to count as settled.
const STEADY_FOR: Duration = Duration::from_secs(5);
/// What it may fall meanwhile and still count as staying.
const STEADY_WITHIN: f64 = 0.002;

/// Memory of a process, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Memory {
    /// `VmRSS`: all that is resident, mapped files included.
    pub(crate) resident: u64,
    /// `RssAnon`: of it, what is no file.
    pub(crate) anonymous: u64,
}

pub(crate) fn memory(pid: u32) -> anyhow::Result<Memory> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).context("read the memory of a server")?;
    let bytes = |name: &str| -> anyhow::Result<u64> {
        let line = status.lines().find_map(|line| line.strip_prefix(name)).with_context(|| format!("find {name}"))?;
        let kilobytes: u64 = line.trim().trim_end_matches("kB").trim().parse().with_context(|| format!("read {name}"))?;
        Ok(kilobytes << 10)
    };
    Ok(Memory { resident: bytes("VmRSS:")?, anonymous: bytes("RssAnon:")? })
}

/// Memory once it has stopped to fall, or after `at_most`: freed pages go back to the system a while later.
pub(crate) fn settled_memory(pid: u32, at_most: Duration) -> anyhow::Result<Memory> {
    let end = Instant::now() + at_most;
    let mut lowest = memory(pid)?;
    let mut since = Instant::now();
    while since.elapsed() < STEADY_FOR && Instant::now() < end {
        sleep(Duration::from_millis(250));
        let now = memory(pid)?;
        if (now.resident as f64) < lowest.resident as f64 * (1.0 - STEADY_WITHIN) {
            since = Instant::now();
            lowest = now;
        }
    }
    memory(pid)
}

/// Measures the processor time of a process, all threads together, in steps of 10 ms.
pub(crate) struct Stopwatch {
    pid: u32,
    before: Duration,
}

impl Stopwatch {
    pub(crate) fn start(pid: u32) -> anyhow::Result<Stopwatch> {
        Ok(Stopwatch { pid, before: processor_time(pid)? })
    }

    /// Nanoseconds since the start for each of so many.
    pub(crate) fn nanos_each(&self, count: u64) -> anyhow::Result<f64> {
        let spent = processor_time(self.pid)?.saturating_sub(self.before);
        Ok(spent.as_secs_f64() * 1e9 / count.max(1) as f64)
    }
}

/// Since the process was started.
fn processor_time(pid: u32) -> anyhow::Result<Duration> {
    const TICKS_PER_SECOND: u64 = 100;
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).context("read the processor time of a server")?;
    // The name before may hold anything, but the last parenthesis closes it; `utime` and `stime` are fields 14 and 15.
    let (_, fields) = stat.rsplit_once(") ").context("read the processor time of a server")?;
    let ticks = |field: usize| -> anyhow::Result<u64> {
        fields.split(' ').nth(field - 3).context("find a processor time")?.parse().context("read a processor time")
    };
    Ok(Duration::from_millis((ticks(14)? + ticks(15)?) * 1_000 / TICKS_PER_SECOND))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_has_memory_and_takes_time() {
        let pid = std::process::id();
        let memory = memory(pid).expect("readable");
        assert!(memory.anonymous > 0 && memory.anonymous <= memory.resident, "{memory:?}");
        let end = Instant::now() + Duration::from_mins(1);
        while processor_time(pid).expect("readable").is_zero() {
            assert!(Instant::now() < end, "no processor time within a minute of work");
        }
    }
}
