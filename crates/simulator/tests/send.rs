//! `send` against a stand-in for the server.

mod stand_in;

use std::collections::HashMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use fieldwatch_simulator::{Refusal, SendError, SendOptions, SendSummary, send_file};
use stand_in::{Behavior, StandIn};
use tempfile::TempDir;

const HEADER: &str = "at,deviceId,temperature,lat,lon\n";

/// A file of `count` readings of some devices, a second apart.
fn recorded(count: u32, devices: u32) -> (TempDir, PathBuf) {
    let mut content = HEADER.to_owned();
    for number in 0..count {
        let (minute, second, device) = (number / 60, number % 60, number % devices);
        writeln!(content, "2026-01-01T00:{minute:02}:{second:02}Z,d{device},{number}e-2,1.5,2").expect("written");
    }
    file("readings.csv", &content)
}

fn file(name: &str, content: &str) -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join(name);
    std::fs::write(&path, content).expect("written");
    (folder, path)
}

fn progress_file(path: &Path) -> PathBuf {
    path.with_file_name(format!("{}.fieldwatch-progress", path.file_name().expect("named").to_string_lossy()))
}

async fn send(options: SendOptions) -> Result<SendSummary, SendError> {
    send_file(options, |_| {}).await
}

/// That the server took the readings of [`recorded`], each once and in order.
fn assert_all_taken_once(server: &StandIn, count: u32) {
    let numbers: Vec<u32> =
        server.taken().iter().map(|reading| (reading["temperature"].as_f64().expect("a number") * 100.0).round() as u32).collect();
    assert_eq!(numbers, (0..count).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_file_is_sent_whole_in_order_with_its_own_times() {
    let server = StandIn::start([]).await;
    let (_folder, path) = recorded(1_000, 100);
    let mut seen = Vec::new();
    let options = SendOptions { batch: 300, ..SendOptions::new(&path, server.url()) };
    let summary = send_file(options, |progress| seen.push(progress)).await.expect("sent");
    assert_eq!((summary.accepted, summary.refused, summary.retries), (1_000, 0, 0));
    assert_all_taken_once(&server, 1_000);
    assert_eq!(server.taken()[61]["at"], "2026-01-01T00:01:01Z");
    assert_eq!(seen.iter().map(|progress| progress.accepted).collect::<Vec<_>>(), [300, 600, 900, 1_000]);
    assert_eq!(seen.last().map(|progress| (progress.line, progress.part >= 1.0)), Some((1_001, true)));
    assert!(!progress_file(&path).exists());
}

#[tokio::test]
async fn refused_readings_are_listed_with_their_line_field_and_reason() {
    let server = StandIn::start([]).await;
    let content = format!(
        "{HEADER}2026-01-01T00:00:00Z,a,1,2,3\n\n2026-01-01T00:00:01Z,a,101,91,3\n\
         2026-01-01T00:00:02Z,a,warm,2,3\n2026-01-01T00:00:03Z,a,2,2,3\n2026-01-01T00:00:04Z,a,102,2,3\n"
    );
    let (_folder, path) = file("a.csv", &content);
    // With two lines a request, the last one has nothing good in it and is answered with 422.
    for batch in [500, 2] {
        let summary = send(SendOptions { batch, ..SendOptions::new(&path, server.url()) }).await.expect("sent");
        let refusal = |line, field: &str, reason: &str| Refusal { line, field: field.into(), reason: reason.into() };
        assert_eq!(
            summary.refusals,
            [
                refusal(4, "temperature", "out of range"),
                refusal(4, "lat", "out of range"),
                refusal(5, "temperature", "it is not a number"),
                refusal(7, "temperature", "out of range"),
            ]
        );
        assert_eq!((summary.accepted, summary.refused), (2, 3), "batches of {batch}");
        assert!(summary.to_string().contains("line 4: lat: out of range"), "{summary}");
    }
}

#[tokio::test]
async fn all_refusals_are_counted_and_a_thousand_kept() {
    let server = StandIn::start([]).await;
    let content = HEADER.to_owned() + &"2026-01-01T00:00:00Z,a,hot,2,3\n".repeat(2_500);
    let (_folder, path) = file("a.csv", &content);
    let summary = send(SendOptions::new(&path, server.url())).await.expect("sent");
    assert_eq!((summary.accepted, summary.refused, summary.refusals.len()), (0, 2_500, 1_000));
    assert!(summary.to_string().ends_with("and 1500 more that are not listed"));
    assert_eq!(server.requests(), []);
}

#[tokio::test]
async fn an_answer_that_was_lost_or_a_busy_server_changes_nothing() {
    use Behavior::{Cut, Refuse, Take, TakeAndCut};
    // Two devices only: a batch of any size still holds no more than the server knows again.
    for devices in [2, 500] {
        let script = [Take, TakeAndCut, Refuse(503, Some(0)), TakeAndCut, Cut, Take, Refuse(429, None), Refuse(500, None)];
        let server = StandIn::start(script).await;
        let (_folder, path) = recorded(500, devices);
        let summary = send(SendOptions { batch: 100, ..SendOptions::new(&path, server.url()) }).await.expect("sent");
        assert_eq!((summary.accepted, summary.refused, summary.retries), (500, 0, 6));
        assert_all_taken_once(&server, 500);
    }
}

#[tokio::test]
async fn a_server_that_asks_for_time_gets_it() {
    let server = StandIn::start([Behavior::Refuse(503, Some(1))]).await;
    let (_folder, path) = recorded(1, 1);
    let started = Instant::now();
    send(SendOptions::new(&path, server.url())).await.expect("sent");
    assert!(started.elapsed() >= Duration::from_secs(1));
}

#[tokio::test]
async fn a_sending_that_gave_up_resumes_behind_what_was_answered() {
    let (_folder, path) = recorded(1_000, 100);
    // The third request is taken, but its answer is lost, and the server is away from then on.
    let script = [Behavior::Take, Behavior::Take, Behavior::TakeAndCut].into_iter();
    let server = StandIn::start(script.chain(std::iter::repeat_n(Behavior::Cut, 1_000))).await;
    let retry_for = Duration::from_millis(500);
    let options = SendOptions { retry_for, batch: 100, ..SendOptions::new(&path, server.url()) };
    let error = send(options.clone()).await.expect_err("the server is away");
    assert!(matches!(error, SendError::GaveUp { resume_at: 202, .. }), "{error}");
    assert!(error.to_string().contains("resume at line 202"), "{error}");
    assert_eq!(server.taken().len(), 300);

    let other_target = SendOptions { target: "http://127.0.0.1:1".into(), ..options.clone() };
    assert!(matches!(send(other_target).await, Err(SendError::OtherSending { .. })));

    server.heal();
    let summary = send(options).await.expect("sent");
    assert_eq!((summary.accepted, summary.refused, summary.resumed_after_line), (1_000, 0, Some(201)));
    assert!(!progress_file(&path).exists());
    // The hundred that had been taken without an answer came again under the same ids, and were known.
    assert_all_taken_once(&server, 1_000);
    let sent_after: usize = server.requests().iter().map(|request| request.readings.len()).sum();
    assert_eq!(sent_after, 300 + 800);
}

#[tokio::test]
async fn a_file_that_changed_since_is_not_resumed() {
    let (_folder, path) = recorded(300, 100);
    let server = StandIn::start([Behavior::Take, Behavior::Refuse(403, None)]).await;
    let options = SendOptions { batch: 100, ..SendOptions::new(&path, server.url()) };
    let error = send(options.clone()).await.expect_err("refused");
    assert!(matches!(error, SendError::Answer { status: 403, resume_at: 102, .. }), "{error}");
    let mut content = std::fs::read_to_string(&path).expect("read");
    content.push_str("2026-01-02T00:00:00Z,d0,1,2,3\n");
    std::fs::write(&path, content).expect("written");
    let error = send(options).await.expect_err("changed");
    assert!(error.to_string().contains("the file has been changed since"), "{error}");
    assert_eq!(server.taken().len(), 100);
}

#[tokio::test]
async fn with_a_speed_the_recorded_time_passes_faster() {
    let server = StandIn::start([]).await;
    // 21 readings over 20 s, at 40 times the speed: half a second.
    let (_folder, path) = recorded(21, 3);
    let started = Instant::now();
    let summary = send(SendOptions { speed: Some(40.0), ..SendOptions::new(&path, server.url()) }).await.expect("sent");
    assert!(started.elapsed() >= Duration::from_millis(500));
    assert_eq!((summary.accepted, summary.out_of_order), (21, 0));
    assert!(server.requests().len() > 1, "what is not due yet waits for a request of its own");
    assert_all_taken_once(&server, 21);
}

#[tokio::test]
async fn ndjson_is_sent_as_it_stands_with_ids_put_in() {
    let server = StandIn::start([]).await;
    let content = "{\"deviceId\":\"a\",\"temperature\":1,\"lat\":2,\"lon\":3}\nno\n\
        {\"readingId\":\"own\",\"deviceId\":\"a\",\"temperature\":1,\"lat\":2,\"lon\":3}\n";
    let (_folder, path) = file("a.ndjson", content);
    let summary = send(SendOptions::new(&path, server.url())).await.expect("sent");
    assert_eq!((summary.accepted, summary.refused), (2, 1));
    assert_eq!(summary.refusals[0].line, 2);
    let taken = server.taken();
    assert!(taken[0]["readingId"].as_str().expect("an id").starts_with("line-1-"));
    assert_eq!(taken[1]["readingId"], "own");
}

#[tokio::test]
async fn a_gzipped_file_that_is_cut_is_sent_as_far_as_it_goes_and_then_an_error() {
    use std::io::Write as _;
    let (folder, path) = recorded(20_000, 1_000);
    let mut gzipped = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gzipped.write_all(&std::fs::read(path).expect("read")).expect("packed");
    let gzipped = gzipped.finish().expect("packed");
    let path = folder.path().join("cut.csv.gz");
    std::fs::write(&path, &gzipped[..gzipped.len() / 2]).expect("written");
    let server = StandIn::start([]).await;
    let error = send(SendOptions::new(&path, server.url())).await.expect_err("cut");
    assert!(matches!(error, SendError::Read { .. }), "{error}");
    assert!(server.taken().len() > 1_000);
}

#[tokio::test]
async fn the_recorded_birds_arrive_each_with_its_own_track() {
    use std::io::Write as _;
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data/oystercatchers-2018.csv.gz");
    if !path.exists() {
        // Directly and in one piece, because what a test that passes prints is not shown, and scripts/test.sh counts these lines.
        let test = "the_recorded_birds_arrive_each_with_its_own_track";
        let line = format!("SKIPPED {test}: the recorded readings are not at {}\n", path.display());
        let _ = std::io::stderr().write_all(line.as_bytes());
        return;
    }
    let server = StandIn::start([Behavior::Take, Behavior::TakeAndCut, Behavior::Refuse(503, Some(0))]).await;
    let folder = tempfile::tempdir().expect("a folder");
    let options = SendOptions { progress_file: Some(folder.path().join("progress")), ..SendOptions::new(&path, server.url()) };
    let summary = send(options).await.expect("sent");
    assert_eq!((summary.accepted, summary.refused), (14_893, 0));
    let mut birds: HashMap<String, String> = HashMap::new();
    for reading in server.taken() {
        let at = reading["at"].as_str().expect("a time").to_owned();
        let before = birds.insert(reading["deviceId"].to_string(), at.clone());
        assert!(before.is_none_or(|before| before <= at), "the order of {reading} was lost");
    }
    assert_eq!((server.taken().len(), birds.len()), (14_893, 3));
}
