//! `fieldwatch simulate`: a bounded load, and what came of it.

use std::time::SystemTime;

use anyhow::Error;
use fieldwatch_simulator::{Profile, SimulateError, SimulateOptions, Summary};

use super::wants_progress;
use crate::cli::{self, Common, Simulate};
use crate::failure::Failure;
use crate::limits::Limits;
use crate::output::write_text;
use crate::progress::Progress;
use crate::{open_files, runtime};

pub(crate) fn run(common: &Common, simulate: &Simulate) -> Result<(), Failure> {
    let options = options(simulate);
    let seed = options.seed;
    // Each connection is one; where they cannot be raised, connecting fails and is counted.
    let _ = open_files::raise(Limits::default().open_files);
    let mut progress = Progress::on_stderr(wants_progress(common));
    let mut summary = None;
    runtime::run(|stop| {
        let summary = &mut summary;
        let progress = &mut progress;
        async move {
            let tell = |now: fieldwatch_simulator::Progress| progress.show(|| line(&now));
            let done = fieldwatch_simulator::simulate(options, tell, stop.requested()).await.map_err(failure)?;
            *summary = Some(done);
            Ok(())
        }
    })?;
    progress.finish();
    match summary {
        Some(summary) => conclude(&summary, seed, simulate.json),
        None => Err(Failure::Told),
    }
}

fn options(simulate: &Simulate) -> SimulateOptions {
    SimulateOptions {
        interval: simulate.interval,
        duration: Some(simulate.duration),
        batch: (simulate.batch > 1).then_some(simulate.batch),
        profile: match simulate.profile {
            cli::Profile::Commute => Profile::Commute,
            cli::Profile::ColdChain => Profile::ColdChain,
            cli::Profile::Original => Profile::Original,
        },
        seed: simulate.seed.unwrap_or_else(any_seed),
        ..SimulateOptions::new(simulate.target.as_str(), simulate.devices)
    }
}

/// Another one each time, and short enough to be typed again.
fn any_seed() -> u64 {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(1, |since| since.as_millis() as u64 % 1_000_000_000)
}

fn line(now: &fieldwatch_simulator::Progress) -> String {
    let (seconds, rate) = (now.elapsed.as_secs(), now.rate);
    format!("{seconds} s: {} sent, {} accepted, {} failed, {rate:.0}/s", now.sent, now.accepted, now.failed)
}

fn conclude(summary: &Summary, seed: u64, json: bool) -> Result<(), Failure> {
    let text = if json {
        let mut object = summary.to_json();
        object["seed"] = seed.into();
        format!("{object}\n")
    } else {
        format!("{summary}\n  seed        {seed:>12}\n")
    };
    write_text(&text)?;
    if summary.is_clean() { Ok(()) } else { Err(Failure::Told) }
}

fn failure(error: SimulateError) -> Failure {
    match error {
        SimulateError::Target(_) | SimulateError::Option(_) => Failure::Usage(error.to_string()),
        other => Failure::Work(Error::new(other)),
    }
}
