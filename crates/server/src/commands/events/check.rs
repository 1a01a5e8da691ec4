//! `fieldwatch events verify`: whether the log is whole, and says what the stored state says.

use std::fmt::Write as _;

use anyhow::Context as _;
use fieldwatch_event_store::{VerifyReport, verify};

use crate::data_folder::DataFolder;
use crate::failure::Failure;
use crate::output::write_text;
use crate::progress::{Progress, while_working};

pub(super) fn run(folder: &DataFolder, device: Option<&str>, progress: Progress) -> Result<(), Failure> {
    let dir = folder.store();
    let report = while_working("checking the event log", progress, || verify(&dir, device))
        .with_context(|| format!("cannot check the event log in {}", dir.display()))?;
    if let Some(id) = device
        && report.is_sound()
        && report.events + report.late_readings == 0
    {
        // Otherwise a slip of the pen would pass for a check.
        return Err(anyhow::anyhow!("nothing of a device {id} is in the event log").into());
    }
    conclude(&report)
}

fn conclude(report: &VerifyReport) -> Result<(), Failure> {
    write_text(&looked_at(report))?;
    if report.is_sound() {
        write_text("nothing is wrong\n")?;
        return Ok(());
    }
    for problem in &report.problems {
        eprintln!("{problem}");
    }
    let problems = report.problems.len() as u64 + report.further_problems;
    eprintln!("{problems} {} found", if problems == 1 { "problem" } else { "problems" });
    Err(Failure::Told)
}

/// What was looked at.
fn looked_at(report: &VerifyReport) -> String {
    let mut text = format!(
        "{} events of {} devices, {} late readings, in {} commits of {} segments ({} bytes)\n{} kept states in {} snapshots compared with what replay gives\n",
        report.events,
        report.devices,
        report.late_readings,
        report.frames,
        report.segments,
        report.frame_bytes,
        report.states_compared,
        report.snapshot_files,
    );
    if report.unfinished_bytes > 0 {
        let _ = writeln!(
            text,
            "{} bytes at the end are no whole commit: one in progress, or one that a crash cut short",
            report.unfinished_bytes
        );
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sound_log_ends_well_and_a_problem_does_not() {
        assert!(conclude(&VerifyReport::default()).is_ok());
        let damaged = VerifyReport { problems: vec!["segment 0".to_owned()], ..VerifyReport::default() };
        assert!(matches!(conclude(&damaged), Err(Failure::Told)));
    }

    #[test]
    fn a_commit_in_progress_is_told_and_is_no_problem() {
        let report = VerifyReport { unfinished_bytes: 7, ..VerifyReport::default() };
        assert!(looked_at(&report).contains("7 bytes at the end"));
        assert!(conclude(&report).is_ok());
    }
}
