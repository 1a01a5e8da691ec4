//! A queue in a temporary folder, and what a test does with it again and again.

use fieldwatch_broker::{
    Checkpoint, ConsumeError, Consumer, Delivery, EmbeddedQueue, EmbeddedQueueOptions, Entries, Next, PublishError, ReadingQueue,
};
use fieldwatch_domain::{Celsius, Location, Reading, ReadingId, Timestamp, fnv1a_64};
use fieldwatch_segment_log::SyncMode;
use fieldwatch_wire::queued::{Request, read_request};
use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, Instant},
};
use tempfile::TempDir;

/// Whatever is waited for comes long before.
const DEADLINE: Duration = Duration::from_mins(1);

pub(crate) fn folder() -> TempDir {
    tempfile::tempdir().expect("temporary folder")
}

/// Segments of 64 KiB. What these tests prove does not depend on the disk, which may be slow to sync.
pub(crate) fn options(dir: &Path) -> EmbeddedQueueOptions {
    EmbeddedQueueOptions { dir: dir.to_path_buf(), sync: SyncMode::Never, max_bytes: 1 << 20, least_free_bytes: 0 }
}

/// The same with room for whatever a test publishes.
pub(crate) fn roomy(dir: &Path) -> Arc<EmbeddedQueue> {
    open(EmbeddedQueueOptions { max_bytes: 1 << 40, ..options(dir) })
}

pub(crate) fn open(options: EmbeddedQueueOptions) -> Arc<EmbeddedQueue> {
    EmbeddedQueue::open(options).expect("open the queue")
}

pub(crate) fn partition(device: &str) -> u16 {
    (fnv1a_64(device.as_bytes()) % u64::from(EmbeddedQueue::PARTITIONS)) as u16
}

pub(crate) fn all_partitions() -> Vec<u16> {
    (0..EmbeddedQueue::PARTITIONS).collect()
}

/// A device of this partition.
pub(crate) fn device_of(wanted: u16) -> String {
    (0..u32::MAX)
        .map(|number| format!("device-{number}"))
        .find(|device| partition(device) == wanted)
        .expect("partitions are hit evenly")
}

/// A reading that says which one it is.
pub(crate) fn reading(number: u64) -> Reading {
    Reading {
        temperature: Celsius::from_stored(485_000),
        location: Location::from_stored(1, 2),
        at: None,
        received_at: Timestamp::from_unix_ms(1_767_225_600_000),
        id: ReadingId::given(number),
    }
}

pub(crate) fn entries(readings: impl IntoIterator<Item = (String, u64)>) -> Entries {
    let mut entries = Entries::new(EmbeddedQueue::PARTITIONS);
    readings.into_iter().for_each(|(device, number)| entries.record(&device, &reading(number)));
    entries
}

pub(crate) async fn publish(queue: &EmbeddedQueue, device: &str, numbers: impl IntoIterator<Item = u64>) {
    let entries = entries(numbers.into_iter().map(|number| (device.to_owned(), number)));
    queue.publish(entries).await.expect("publish");
}

/// Publishes requests of 100 readings until the queue is full, and gives how many readings it took.
pub(crate) async fn fill_up(queue: &EmbeddedQueue, device: &str, first: u64) -> u64 {
    for number in (first..).step_by(100) {
        match queue.publish(entries((number..number + 100).map(|number| (device.to_owned(), number)))).await {
            Ok(()) => {}
            Err(PublishError::Full(_)) => return number - first,
            Err(error) => panic!("a full queue must be told as one: {error}"),
        }
    }
    unreachable!("numbers do not end")
}

pub(crate) fn consume(queue: &EmbeddedQueue, partitions: &[u16], decided: &[Checkpoint]) -> Box<dyn Consumer> {
    queue.consume(partitions, decided).expect("consume")
}

pub(crate) fn numbers(delivery: &Delivery) -> Vec<u64> {
    let number = |request| match request {
        Request::Record(reading) => reading.id.number().expect("the id is a number"),
        other => panic!("not a reading: {other:?}"),
    };
    let bodies = delivery.entries.iter().map(|entry| &delivery.bytes[entry.body.clone()]);
    bodies.map(|body| number(read_request(body).expect("a body as it was written").1)).collect()
}

/// What comes next: entries, since nobody else consumes an embedded queue.
pub(crate) async fn delivery(consumer: &mut Box<dyn Consumer>, limit: usize) -> Result<Delivery, ConsumeError> {
    match consumer.next(limit).await? {
        Next::Delivery(delivery) => Ok(delivery),
        change @ (Next::Gained(_) | Next::Lost(_)) => panic!("the owner of an embedded queue never changes: {change:?}"),
    }
}

pub(crate) async fn next(consumer: &mut Box<dyn Consumer>, limit: usize) -> Delivery {
    within(delivery(consumer, limit)).await.expect("a delivery")
}

/// Takes everything up to the end of a closed queue, stores it, and gives the numbers of the readings.
pub(crate) async fn drain(consumer: &mut Box<dyn Consumer>) -> Vec<u64> {
    let mut drained = Vec::new();
    loop {
        match within(delivery(consumer, 1000)).await {
            Ok(delivery) => {
                drained.extend(numbers(&delivery));
                consumer.stored(delivery.delivered);
            }
            Err(ConsumeError::Closed) => return drained,
            Err(error) => panic!("the queue must be readable to its end: {error}"),
        }
    }
}

/// Takes so many readings at least, stores them, and gives their numbers.
pub(crate) async fn take(consumer: &mut Box<dyn Consumer>, at_least: u64) -> Vec<u64> {
    let mut taken = Vec::new();
    while (taken.len() as u64) < at_least {
        let delivery = next(consumer, 1000).await;
        taken.extend(numbers(&delivery));
        consumer.stored(delivery.delivered);
    }
    taken
}

/// Checkpoints as a store keeps them.
pub(crate) fn keep(kept: &mut BTreeMap<u16, Checkpoint>, delivery: &Delivery) {
    kept.extend(delivery.checkpoints.iter().map(|checkpoint| (checkpoint.partition, checkpoint.clone())));
}

pub(crate) fn segment_files(dir: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(dir).expect("list the folder").map(|entry| entry.expect("list the folder").path());
    let mut files: Vec<_> = entries.filter(|path| path.extension().is_some_and(|ending| ending == "seg")).collect();
    files.sort();
    files
}

pub(crate) async fn within<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(DEADLINE, future).await.expect("it comes before the deadline")
}

pub(crate) async fn wait_until(what: &str, mut condition: impl FnMut() -> bool) {
    let deadline = Instant::now() + DEADLINE;
    while !condition() {
        assert!(Instant::now() < deadline, "still waiting until {what}");
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}
