//! The event log from outside, beside the process that writes it: here the test itself, with a real store.

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use fieldwatch_domain::{Celsius, DeviceEvent, DeviceNumbers, Location, RecordedEvent, Timestamp};
use fieldwatch_event_store::{Batch, EmbeddedOptions, EmbeddedStore, Entry, EventStore as _};
use fieldwatch_segment_log::SyncMode;
use serde_json::Value;

/// A data folder whose store this test writes.
struct Written {
    folder: tempfile::TempDir,
    store: Arc<EmbeddedStore>,
    numbers: Arc<DeviceNumbers>,
}

impl Written {
    async fn begin() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let numbers = Arc::new(DeviceNumbers::default());
        let options = EmbeddedOptions {
            dir: folder.path().join("store"),
            sync: SyncMode::Durable,
            retention: None,
            least_free_bytes: 0,
            snapshot_every_bytes: u64::MAX,
        };
        let store = EmbeddedStore::open(options, Arc::clone(&numbers)).expect("an empty store");
        store.recover(&|_| {}).await.expect("nothing to restore");
        Self { folder, store, numbers }
    }

    /// Stores the creation of each device.
    async fn create(&self, ids: &[&str]) {
        let time = Timestamp::from_unix_ms(1_767_225_600_000);
        let entries = ids.iter().map(|id| {
            Entry::Event(RecordedEvent {
                device: self.numbers.number(id),
                version: 1,
                position: 0,
                at: time,
                recorded_at: time,
                received_at: time,
                reading_id: None,
                event: DeviceEvent::Created { temperature: Celsius::from_stored(485_000), location: Location::default() },
            })
        });
        self.store.append(Batch { entries: entries.collect(), checkpoints: Vec::new() }).await.expect("stored");
    }

    fn events(&self, arguments: &[&str]) -> Output {
        program(self.folder.path()).arg("events").args(arguments).output().expect("the program starts")
    }
}

fn program(data: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_fieldwatch"));
    command.arg("--data-dir").arg(data).current_dir(data).stdin(Stdio::null());
    command
}

fn ids(output: &Output) -> Vec<String> {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = str::from_utf8(&output.stdout).expect("text");
    text.lines().map(id_in).collect()
}

fn id_in(line: &str) -> String {
    let event: Value = serde_json::from_str(line).expect("JSON");
    event["deviceId"].as_str().expect("a text").to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn events_are_exported_whole_or_of_one_device_or_after_a_position() {
    let written = Written::begin().await;
    written.create(&["a", "b", "ü"]).await;
    let all = written.events(&["export"]);
    assert_eq!(ids(&all), ["a", "b", "ü"]);
    assert_eq!(ids(&written.events(&["export", "--device", "ü"])), ["ü"]);
    assert_eq!(ids(&written.events(&["export", "--device", "never-heard-of"])), [""; 0]);
    let first: Value = serde_json::from_slice(all.stdout.split(|byte| *byte == b'\n').next().expect("a line")).expect("JSON");
    assert_eq!(ids(&written.events(&["export", "--after", &first["position"].to_string()])), ["b", "ü"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_that_is_whole_is_told_to_be() {
    let written = Written::begin().await;
    written.create(&["a", "b"]).await;
    let verified = written.events(&["verify"]);
    assert!(verified.status.success(), "{}", String::from_utf8_lossy(&verified.stderr));
    let text = String::from_utf8(verified.stdout).expect("text");
    assert!(text.contains("2 events of 2 devices") && text.ends_with("nothing is wrong\n"), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_folder_without_a_store_is_a_failure_that_names_it() {
    let folder = tempfile::tempdir().expect("a folder");
    for command in ["export", "tail", "verify"] {
        let output = program(folder.path()).args(["events", command]).output().expect("the program starts");
        assert_eq!(output.status.code(), Some(1), "{command}");
        let said = String::from_utf8(output.stderr).expect("text");
        assert!(said.contains(&folder.path().join("store").display().to_string()), "{said}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn tail_writes_what_is_stored_from_now_on_and_ends_well_on_sigterm() {
    let written = Written::begin().await;
    written.create(&["before"]).await;
    let mut tail = program(written.folder.path()).args(["events", "tail"]).stdout(Stdio::piped()).spawn().expect("it starts");
    let mut lines = BufReader::new(tail.stdout.take().expect("piped")).lines();
    let first_line = tokio::task::spawn_blocking(move || (lines.next(), lines));
    // Nobody tells when it has begun to follow, so devices are created until one of them is seen.
    let deadline = Instant::now() + Duration::from_secs(30);
    let mut created = 0;
    while !first_line.is_finished() && Instant::now() < deadline {
        written.create(&[&format!("since-{created}")]).await;
        created += 1;
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let (line, lines) = first_line.await.expect("no panic");
    let id = id_in(&line.expect("a line").expect("text"));
    assert!(id.starts_with("since-"), "{id}");

    let pid = rustix::process::Pid::from_raw(i32::try_from(tail.id()).expect("a process id")).expect("not zero");
    rustix::process::kill_process(pid, rustix::process::Signal::TERM).expect("it runs");
    let rest = tokio::task::spawn_blocking(move || lines.map(|line| id_in(&line.expect("text"))).collect::<Vec<_>>());
    assert!(!rest.await.expect("no panic").contains(&"before".to_owned()));
    assert_eq!(tail.wait().expect("it ends").code(), Some(0));
}
