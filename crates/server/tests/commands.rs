//! The program from outside: exit codes, and what is said before and without a running server.
//!
//! What needs a whole server is tested in `tests/` of the repository, against the release binary.

#[path = "../../simulator/tests/stand_in/mod.rs"]
mod stand_in;

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpListener;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::thread;

use fieldwatch_segment_log::DirectoryLock;
use serde_json::Value;
use stand_in::StandIn;
use tempfile::TempDir;

/// The program in a folder of its own, without settings from the environment of whoever tests.
fn program(folder: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_fieldwatch"));
    command.current_dir(folder).stdin(Stdio::null());
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("FIELDWATCH_")) {
        command.env_remove(name);
    }
    command
}

struct Ended {
    code: Option<i32>,
    stdout: String,
    stderr: String,
}

impl From<Output> for Ended {
    fn from(output: Output) -> Self {
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("text");
        Self { code: output.status.code(), stdout: text(output.stdout), stderr: text(output.stderr) }
    }
}

fn run(folder: &Path, arguments: &[&str]) -> Ended {
    program(folder).args(arguments).output().expect("the program starts").into()
}

fn folder() -> TempDir {
    tempfile::tempdir().expect("a folder")
}

#[test]
fn settings_that_ask_for_what_is_not_built_end_with_two_before_anything_is_opened() {
    for (file, said) in [
        ("[store]\nkind = \"kurrentdb\"\nkurrentdb.url = \"kurrentdb://host\"", "store.kind = \"kurrentdb\" is not built yet"),
        ("[push]\nkind = \"pushpin\"\npushpin.control_url = \"http://host\"", "push.kind = \"pushpin\" is not built yet"),
        ("[server]\noriginal_endpoints = \"token\"", "\"token\" is not built yet"),
        ("[server]\nroles = [\"ingest\", \"api\"]", "server.roles"),
        ("[server]\nlisten = \"0.0.0.0:0\"", "can be reached by other machines"),
        ("[devices]\nrestor = true", "devices.restore"),
    ] {
        let folder = folder();
        fs::write(folder.path().join("fieldwatch.toml"), file).expect("written");
        for command in ["serve", "demo"] {
            let ended = run(folder.path(), &[command]);
            assert_eq!(ended.code, Some(2), "{file}: {}", ended.stderr);
            assert!(ended.stderr.contains(said), "{}", ended.stderr);
        }
        assert!(!folder.path().join("fieldwatch-data").exists(), "{file}");
    }
}

#[test]
fn a_port_in_use_ends_with_one_and_is_named() {
    let folder = folder();
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("bound").to_string();
    let ended = run(folder.path(), &["serve", "--listen", &address]);
    assert_eq!(ended.code, Some(1));
    assert!(ended.stderr.contains(&format!("{address} is in use")), "{}", ended.stderr);
}

#[test]
fn a_folder_that_another_process_holds_is_refused_with_its_name() {
    let folder = folder();
    let data = folder.path().join("data");
    let _lock = DirectoryLock::acquire(&data, "process 7, http://127.0.0.1:1").expect("free");
    let arguments = ["serve", "--listen", "127.0.0.1:0", "--data-dir", data.to_str().expect("text"), "--log-format", "json"];
    let ended = run(folder.path(), &arguments);
    assert_eq!(ended.code, Some(1));
    let last: Value = serde_json::from_str(ended.stderr.lines().last().expect("a line")).expect("JSON");
    assert_eq!(last["level"], "ERROR");
    assert!(last["error"].as_str().expect("a text").contains("in use by process 7, http://127.0.0.1:1"), "{last}");
}

#[test]
fn requeuing_beside_a_server_asks_that_server() {
    let folder = folder();
    let data = folder.path().join("data");
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let note = format!("process 7, http://{}", listener.local_addr().expect("bound"));
    let _lock = DirectoryLock::acquire(&data, &note).expect("free");
    let server = thread::spawn(move || {
        [("200 OK", "{}"), ("404 Not Found", "{\"detail\":\"there is no letter 8\"}")].map(|(status, body)| {
            let (mut stream, _) = listener.accept().expect("a client");
            let mut line = String::new();
            let mut head = BufReader::new(stream.try_clone().expect("a handle"));
            head.read_line(&mut line).expect("a request");
            let mut rest = String::new();
            while rest != "\r\n" {
                rest.clear();
                head.read_line(&mut rest).expect("a header");
            }
            write!(stream, "HTTP/1.1 {status}\r\ncontent-length: {}\r\n\r\n{body}", body.len()).expect("a reader");
            line
        })
    });
    let data = data.to_str().expect("text");
    let done = run(folder.path(), &["dead-letters", "requeue", "7", "--data-dir", data]);
    assert_eq!((done.code, done.stdout.as_str()), (Some(0), "requeued 7\n"), "{}", done.stderr);
    let refused = run(folder.path(), &["dead-letters", "requeue", "8", "--data-dir", data]);
    assert_eq!(refused.code, Some(1));
    assert!(refused.stderr.contains("there is no letter 8"), "{}", refused.stderr);
    let asked = server.join().expect("no panic");
    assert_eq!(
        asked.map(|line| line.trim_end().to_owned()),
        [7, 8].map(|id| format!("POST /api/v1/dead-letters/{id}/requeue HTTP/1.1"))
    );
}

#[test]
fn a_reader_that_has_seen_enough_is_no_failure() {
    let folder = folder();
    for arguments in [["config", "print"], ["completions", "bash"]] {
        let mut child =
            program(folder.path()).args(arguments).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("it starts");
        drop(child.stdout.take());
        let mut said = String::new();
        child.stderr.take().expect("piped").read_to_string(&mut said).expect("text");
        assert_eq!((child.wait().expect("it ends").code(), said.as_str()), (Some(0), ""));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_simulation_sums_up_in_json_and_ends_with_one_when_a_reading_failed() {
    let folder = folder();
    let server = StandIn::start([]).await;
    let url = server.url();
    let simulate = |target: String, seed: &'static str| {
        let folder = folder.path().to_owned();
        tokio::task::spawn_blocking(move || {
            let line = format!("simulate --target {target} --devices 3 --interval 50ms --duration 200ms --seed {seed} --json");
            run(&folder, &line.split(' ').collect::<Vec<_>>())
        })
    };
    let clean = simulate(url.clone(), "7").await.expect("no panic");
    assert_eq!(clean.code, Some(0), "{}", clean.stderr);
    let summary: Value = serde_json::from_str(&clean.stdout).expect("JSON");
    assert_eq!((summary["sent"].as_u64(), summary["failed"].as_u64()), (Some(server.taken().len() as u64), Some(0)), "{summary}");
    assert_eq!(summary["seed"], 7);

    let busy = StandIn::start([stand_in::Behavior::Refuse(503, Some(1))]).await;
    let failed = simulate(busy.url(), "7").await.expect("no panic");
    assert_eq!(failed.code, Some(1));
    let summary: Value = serde_json::from_str(&failed.stdout).expect("JSON");
    assert_eq!(summary["failed"], 1, "{summary}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_is_sent_and_what_was_refused_is_listed_with_its_line() {
    let folder = folder();
    let server = StandIn::start([]).await;
    let text = "at,deviceId,temperature,lat,lon\n2026-01-01T00:00:00Z,a,1,2,3\n2026-01-01T00:00:01Z,a,1,91,3\n";
    fs::write(folder.path().join("readings.csv"), text).expect("written");
    let (path, url) = (folder.path().to_owned(), server.url());
    let sending = tokio::task::spawn_blocking(move || run(&path, &["send", "readings.csv", "--target", &url]));
    let ended = sending.await.expect("no panic");
    assert_eq!(ended.code, Some(1), "{}", ended.stderr);
    assert!(ended.stdout.contains("1 accepted, 1 refused") && ended.stdout.contains("line 3: lat:"), "{}", ended.stdout);
    assert_eq!(server.taken().len(), 1);
}
