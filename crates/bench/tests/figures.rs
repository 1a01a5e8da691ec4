//! The figures that are measured over HTTP, measured quickly against the stand-in of `examples/stand_in.rs`.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

/// Cargo builds examples before tests run, and puts them beside the program.
fn stand_in() -> PathBuf {
    Path::new(env!("CARGO_BIN_EXE_bench")).with_file_name("examples").join("stand_in")
}

fn command(work: &Path, program: &Path, command: &str) -> Command {
    let mut bench = Command::new(env!("CARGO_BIN_EXE_bench"));
    bench.arg(command).arg("--quick").arg("--work").arg(work).arg("--program").arg(program).arg("--repository").arg(work);
    bench
}

fn bench(work: &Path, program: &Path, figure: &str) -> Output {
    command(work, program, figure).output().expect("started")
}

fn wait_until(what: &str, condition: impl Fn() -> bool) {
    let end = Instant::now() + Duration::from_mins(1);
    while !condition() {
        assert!(Instant::now() < end, "within a minute it was not so that {what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// How many servers run on data in that folder.
fn servers_on(folder: &Path) -> usize {
    let folder = folder.as_os_str().as_encoded_bytes();
    let processes = std::fs::read_dir("/proc").expect("readable").filter_map(Result::ok);
    let lines = processes.filter_map(|process| std::fs::read(process.path().join("cmdline")).ok());
    lines.filter(|line| line.split(|byte| *byte == 0).any(|word| word.starts_with(folder) && word.ends_with(b"/data"))).count()
}

fn names_in(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).expect("readable");
    entries.map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned()).collect()
}

fn kept(work: &Path, figure: &str) -> Value {
    let kept = std::fs::read(work.join(format!("quick/{figure}.json"))).expect("kept");
    serde_json::from_slice(&kept).expect("JSON")
}

#[test]
fn every_figure_over_http_is_measured_and_kept_and_nothing_stays_behind() {
    let folder = tempfile::tempdir().expect("a folder");
    for figure in ["single", "batches", "steady", "memory", "restart"] {
        let output = bench(folder.path(), &stand_in(), figure);
        assert!(output.status.success(), "{output:?}");
        let figure = kept(folder.path(), figure);
        let rows = figure["rows"].as_array().expect("rows");
        assert!(!rows.is_empty() && rows.iter().all(|row| row["verdict"] != "notMeasured"), "{figure}");
        assert!(
            rows.iter().all(|row| row["measured"].as_str().is_some_and(|measured| measured.contains(|c: char| c.is_ascii_digit())))
        );
    }
    let output = bench(folder.path(), &stand_in(), "report");
    assert!(output.status.success(), "{output:?}");
    let page = std::fs::read_to_string(folder.path().join("quick/benchmarks.md")).expect("written");
    for part in ["## Machine", "| readings accepted durably |", "Not measured yet: `bench page`."] {
        assert!(page.contains(part), "{part} is not in\n{page}");
    }
    assert_eq!(names_in(folder.path()), ["quick"]);
}

#[test]
fn what_cannot_be_measured_fails_the_run_and_says_why() {
    let folder = tempfile::tempdir().expect("a folder");
    // The folder is no repository either, so there is no example to run.
    for (figure, why) in [("single", "there is no program at"), ("append", "run the example append")] {
        let output = bench(folder.path(), Path::new("no-such-program"), figure);
        assert_eq!(output.status.code(), Some(1), "{output:?}");
        let figure = kept(folder.path(), figure);
        assert_eq!(figure["rows"][0]["verdict"], "notMeasured");
        assert!(figure["rows"][0]["measured"].as_str().is_some_and(|reason| reason.contains(why)), "{figure}");
    }
}

#[test]
fn a_program_that_ends_at_its_start_is_quoted() {
    let folder = tempfile::tempdir().expect("a folder");
    let output = bench(folder.path(), Path::new("/bin/ls"), "single");
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let figure = kept(folder.path(), "single");
    assert!(figure["rows"][0]["measured"].as_str().is_some_and(|reason| reason.contains("/bin/ls:")), "{figure}");
}

#[test]
fn interrupted_it_ends_what_it_started_and_the_next_run_removes_what_was_left() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut run = command(folder.path(), &stand_in(), "single").spawn().expect("started");
    wait_until("a server runs", || servers_on(folder.path()) == 1);
    let pid = Pid::from_raw(i32::try_from(run.id()).expect("an id")).expect("an id");
    kill_process(pid, Signal::TERM).expect("sent");
    assert_eq!(run.wait().expect("ended").code(), Some(130));
    wait_until("no server runs", || servers_on(folder.path()) == 0);

    let output = bench(folder.path(), &stand_in(), "report");
    assert!(output.status.success(), "{output:?}");
    assert_eq!(names_in(folder.path()), ["quick"]);
}
