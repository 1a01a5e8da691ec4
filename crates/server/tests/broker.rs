//! The commands that work at a broker, from outside, with a real one.

use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use fieldwatch_broker::{LetterBox as _, NewLetter, Parking as _, RabbitAddress, RabbitOptions, RabbitQueue, ReadingQueue as _};
use fieldwatch_domain::{Celsius, DeviceEvent, DeviceNumbers, Location, RecordedEvent, Timestamp};
use fieldwatch_event_store::{Batch, Entry, EventStore as _, PostgresOptions, PostgresStore};
use fieldwatch_real_servers::{Missing, postgresql::PostgreSql, rabbitmq::RabbitMq, skipped};
use fieldwatch_wire::queued::EntryForm;

const PATIENCE: Duration = Duration::from_mins(1);
const READING: &str = r#"{"deviceId":"AL-0012","temperature":48.5,"lat":38.5698,"lon":45.6974,"readingId":"x1","receivedAt":"2026-01-01T00:00:00.000Z"}"#;

/// The one broker of these tests; it ends with this process.
fn broker(test: &str) -> Option<&'static RabbitMq> {
    static BROKER: OnceLock<Result<RabbitMq, Missing>> = OnceLock::new();
    BROKER.get_or_init(RabbitMq::start).as_ref().inspect_err(|missing| skipped(test, &missing.0)).ok()
}

struct Ended {
    code: Option<i32>,
    stdout: String,
    stderr: String,
}

/// Runs the program with a broker for its queue, and more settings as variables.
async fn run(url: &str, arguments: &str, more: &[(&str, &str)]) -> Ended {
    let mut command = Command::new(env!("CARGO_BIN_EXE_fieldwatch"));
    let folder = tempfile::tempdir().expect("a folder");
    clean(&mut command, folder.path());
    command.env("FIELDWATCH_QUEUE__KIND", "rabbitmq").env("FIELDWATCH_QUEUE__RABBITMQ__URL", url);
    command.env("FIELDWATCH_QUEUE__RABBITMQ__PARTITIONS", "4").envs(more.iter().copied()).args(arguments.split(' '));
    let output = tokio::task::spawn_blocking(move || command.output()).await.expect("no panic").expect("the program starts");
    assert_eq!(std::fs::read_dir(folder.path()).expect("a folder").count(), 0, "it leaves no data folder");
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("text");
    Ended { code: output.status.code(), stdout: text(output.stdout), stderr: text(output.stderr) }
}

fn clean(command: &mut Command, folder: &Path) {
    command.current_dir(folder).stdin(Stdio::null());
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("FIELDWATCH_")) {
        command.env_remove(name);
    }
}

/// A process that takes readings in, and nothing else.
async fn taking_in(url: &str) -> Arc<RabbitQueue> {
    let address = RabbitAddress::parse(url).expect("an address");
    let options = RabbitOptions { partitions: 4, consumes: false, ..RabbitOptions::new(address, "test") };
    let queue = RabbitQueue::open(options);
    queue.ready(PATIENCE).await.expect("it is ready");
    queue
}

async fn park(queue: &RabbitQueue, place: u64, device_id: Option<&str>, parked_at: Timestamp, body: &str) {
    let (form, body) = (EntryForm::Line, body.as_bytes());
    let letter = NewLetter { place, partition: 3, parked_at, reason: "it\nfailed", device_id, form, body };
    queue.park(letter).await.expect("parked");
}

async fn wait_for(what: &str, mut is_so: impl FnMut() -> bool) {
    let give_up = Instant::now() + PATIENCE;
    while !is_so() {
        assert!(Instant::now() < give_up, "{what} did not happen");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reset_says_what_it_deleted_or_why_it_was_refused() {
    let kinds = [("FIELDWATCH_QUEUE__KIND", "embedded")];
    let wrong = run("amqp://nobody", "broker reset", &kinds).await;
    assert_eq!(wrong.code, Some(2), "{}", wrong.stderr);
    assert!(wrong.stderr.contains("broker reset is for queue.kind = \"rabbitmq\""), "{}", wrong.stderr);

    let test = "a_reset_says_what_it_deleted_or_why_it_was_refused";
    let Some(broker) = tokio::task::block_in_place(|| broker(test)) else { return };
    let url = broker.url(&broker.create_vhost());
    let queue = taking_in(&url).await;
    let refused = run(&url, "broker reset", &[]).await;
    assert_eq!((refused.code, refused.stdout.as_str()), (Some(1), ""));
    assert!(refused.stderr.contains("not reset: 1 process(es) use the broker: stop them first"), "{}", refused.stderr);
    assert!(!refused.stderr.contains("lapin"), "{}", refused.stderr);

    park(&queue, 1, None, Timestamp::from_unix_ms(1), "?").await;
    queue.close();
    let give_up = Instant::now() + PATIENCE;
    let done = loop {
        let ended = run(&url, "broker reset", &[]).await;
        // Its connections end a moment later.
        if ended.code == Some(0) || !ended.stderr.contains("use the broker") || Instant::now() > give_up {
            break ended;
        }
    };
    assert_eq!(done.code, Some(0), "{}", done.stderr);
    assert_eq!(
        done.stdout,
        "deleted 4 partitions: the queues fieldwatch.readings.0 to fieldwatch.readings.3\n\
         deleted what the broker remembered: the number of partitions and the store's log\n\
         1 dead letters stay in the queue fieldwatch.dead-letters\n"
    );
    assert_eq!(done.stderr, "");
}

#[tokio::test(flavor = "multi_thread")]
async fn letters_at_a_broker_are_listed_shown_and_requeued() {
    let Some(broker) = tokio::task::block_in_place(|| broker("letters_at_a_broker_are_listed_shown_and_requeued")) else { return };
    let url = broker.url(&broker.create_vhost());
    let nothing = run(&url, "dead-letters list", &[]).await;
    assert_eq!(nothing.code, Some(1));
    assert!(nothing.stderr.contains("nobody has used this broker for readings yet"), "{}", nothing.stderr);

    let queue = taking_in(&url).await;
    let empty = run(&url, "dead-letters list", &[]).await;
    assert_eq!((empty.code, empty.stdout.as_str(), empty.stderr.as_str()), (Some(0), "", ""));
    let parked_at = Timestamp::from_unix_ms(1_767_225_600_000);
    park(&queue, 1, Some("AL-0012"), parked_at, READING).await;
    park(&queue, 2, Some("AL-0012"), parked_at, &READING.replace("x1", "x2")).await;
    park(&queue, 3, None, parked_at, "{no reading}").await;
    let listed = run(&url, "dead-letters list", &[]).await;
    let lines: Vec<Vec<&str>> = listed.stdout.lines().map(|line| line.split('\t').collect()).collect();
    assert_eq!(lines.len(), 3, "{}{}", listed.stdout, listed.stderr);
    assert_eq!(lines[0][1..], ["2026-01-01T00:00:00.000Z", "AL-0012", "it failed"]);
    assert_eq!(lines[2][1..], ["2026-01-01T00:00:00.000Z", "-", "it failed"]);

    let first = lines[0][0];
    let shown = run(&url, &format!("dead-letters show {first}"), &[]).await;
    assert!(shown.stdout.ends_with(&format!("\ntext      {READING}\n")), "{}{}", shown.stdout, shown.stderr);
    assert_eq!(run(&url, "dead-letters show 7", &[]).await.code, Some(1));

    // Who is configured for another number of partitions would put them where their device does not look.
    let other = run(&url, "dead-letters requeue --all", &[("FIELDWATCH_QUEUE__RABBITMQ__PARTITIONS", "8")]).await;
    assert_eq!(other.code, Some(1));
    assert!(other.stderr.contains("set up for 4 partitions, and this process is configured for 8"), "{}", other.stderr);

    let one = run(&url, &format!("dead-letters requeue {first}"), &[]).await;
    assert_eq!((one.code, one.stdout), (Some(0), format!("requeued {first}\n")), "{}", one.stderr);
    let all = run(&url, "dead-letters requeue --all", &[]).await;
    assert_eq!(all.stdout, "requeued 1; 1 cannot be, because they cannot be read\n", "{}", all.stderr);
    let left = queue.list().await.expect("a list");
    assert_eq!(left.iter().map(|letter| letter.body.as_slice()).collect::<Vec<_>>(), [b"{no reading}"]);
    wait_for("both are in the queue", || queue.depths().iter().sum::<u64>() == 2).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broker_that_is_away_is_told_in_words() {
    let ended = run("amqp://u:secret@127.0.0.1:1", "dead-letters list", &[]).await;
    assert_eq!(ended.code, Some(1));
    assert!(ended.stderr.contains("the broker cannot be used: no connection to the broker"), "{}", ended.stderr);
    assert!(!ended.stderr.contains("secret"), "{}", ended.stderr);
}

#[tokio::test(flavor = "multi_thread")]
async fn letters_of_a_device_that_the_database_knows_to_be_forgotten_are_not_shown() {
    let test = "letters_of_a_device_that_the_database_knows_to_be_forgotten_are_not_shown";
    let Some(broker) = tokio::task::block_in_place(|| broker(test)) else { return };
    let server = match tokio::task::spawn_blocking(PostgreSql::start).await.expect("no panic") {
        Ok(server) => server,
        Err(missing) => return skipped(test, &missing.0),
    };
    let database = server.url(&server.create_database().expect("a database"));
    let numbers = Arc::new(DeviceNumbers::default());
    let store = PostgresStore::connect(PostgresOptions::new(&database, "test"), Arc::clone(&numbers)).await.expect("a store");
    store.recover(&|_| {}).await.expect("nothing to restore");
    let (device, forgotten_at) = (numbers.number("AL-0012"), Timestamp::from_unix_ms(2_000_000));
    let created = DeviceEvent::Created { temperature: Celsius::default(), location: Location::default() };
    for (version, event) in [(1, created), (2, DeviceEvent::Forgotten)] {
        let at = forgotten_at;
        let event = RecordedEvent { device, version, position: 0, at, recorded_at: at, received_at: at, reading_id: None, event };
        store.append(Batch { entries: vec![Entry::Event(event)], checkpoints: Vec::new() }).await.expect("stored");
    }

    let url = broker.url(&broker.create_vhost());
    let queue = taking_in(&url).await;
    park(&queue, 1, Some("AL-0012"), Timestamp::from_unix_ms(1_000_000), READING).await;
    park(&queue, 2, Some("other"), Timestamp::from_unix_ms(1_000_000), READING).await;
    park(&queue, 3, Some("AL-0012"), Timestamp::from_unix_ms(3_000_000), READING).await;
    let settings = [("FIELDWATCH_STORE__KIND", "postgresql"), ("FIELDWATCH_STORE__POSTGRESQL__URL", database.as_str())];
    let listed = run(&url, "dead-letters list", &settings).await;
    assert_eq!(listed.code, Some(0), "{}", listed.stderr);
    let shown: Vec<&str> = listed.stdout.lines().filter_map(|line| line.split('\t').nth(1)).collect();
    assert_eq!(shown, ["1970-01-01T00:16:40.000Z", "1970-01-01T00:50:00.000Z"], "{}", listed.stdout);
    assert!(listed.stdout.contains("\tother\t"), "{}", listed.stdout);
}
