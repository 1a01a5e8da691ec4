//! The event store that lives in the data folder.
//!
//! One log holds the records of all devices; where each device's newest record lies is in memory, the older ones are found
//! from there. One thread writes, one tells. `append` encodes in its caller, so that shards do that side by side:
//!
//! ```text
//! append: encode against the heads ─▶ writer: check heads, commit all that waits, move heads ─▶ announcer: subscribers, answer
//! ```

mod encoding;
mod writer;

mod announcer;

mod recovery;
mod saving;
mod snapshot_file;

mod feed;
mod history;
mod records;

mod tidying;

mod event_log;
mod verification;

mod heads;
mod shared;

use crate::{
    AppendError, Batch, BoxFuture, DeviceState, EventStore, EventsPage, HistoryPage, Metrics, ReadError, RecoverError, Recovered,
    Recovery, ShelfSnapshot, StoreHealth, Stored, Subscriber,
};
pub use event_log::EventLogReader;
pub use verification::{VerifyReport, verify};
// Whatever keeps the records of `fieldwatch_wire::stored` means the same by them.
pub(crate) use heads::{ByDevice, DeviceSet};
pub(crate) use records::{device_id_of, entry_of, told};
pub(crate) use recovery::erased_before;

use encoding::Encoded;
use fieldwatch_domain::{DeviceNumber, DeviceNumbers, EventType};
use fieldwatch_segment_log::{Log, LogOptions, SEGMENT_HEADER_BYTES, SyncMode};
use shared::{Shared, Trouble};
use std::{
    io,
    path::PathBuf,
    sync::{Arc, atomic::Ordering, mpsc::sync_channel},
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};
use tokio::sync::{mpsc, oneshot};
use writer::{Command, Request, Writer};

/// Marks the segments of this log.
pub(crate) const LOG_KIND: [u8; 4] = *b"EVNT";
/// The largest batch, in bytes as stored: far beyond what a shard decides at once.
const MAX_BATCH_BYTES: u32 = 64 << 20;

/// How the embedded store is kept.
#[derive(Clone, Debug)]
pub struct EmbeddedOptions {
    /// Its folder, made if absent. The caller holds the lock of the data folder.
    pub dir: PathBuf,
    /// Whether a commit waits for the disk; anything but `Durable` is for proving the tests.
    pub sync: SyncMode,
    /// How long events are kept; `None`: forever.
    pub retention: Option<Duration>,
    /// Below so many free bytes on the disk batches are refused, and accepted again above it.
    pub least_free_bytes: u64,
    /// A shelf wants a snapshot when the log has grown by so many bytes since its last one.
    pub snapshot_every_bytes: u64,
}

/// The event store that lives in the data folder. What it promises to read is to be awaited in a tokio runtime, because the
/// disk is read on that runtime's threads for blocking work.
pub struct EmbeddedStore {
    shared: Arc<Shared>,
    /// Taken when the store is dropped, which ends the writer.
    writer: Option<mpsc::Sender<Command>>,
    threads: Vec<JoinHandle<()>>,
}

/// Why the store could not be opened.
pub use crate::store::RecoverError as OpenError;

impl EmbeddedStore {
    /// Opens the store, or begins one. Starts its threads; they end when the last reference is dropped, which waits until
    /// everything handed over is stored.
    pub fn open(options: EmbeddedOptions, numbers: Arc<DeviceNumbers>) -> Result<Arc<Self>, OpenError> {
        Self::open_with_segments(options, LogOptions::new(LOG_KIND).segment_bytes, numbers)
    }

    /// As [`EmbeddedStore::open`], with segments of another size in bytes: for tests that want many of them.
    pub fn open_with_segments(
        options: EmbeddedOptions,
        segment_bytes: u64,
        numbers: Arc<DeviceNumbers>,
    ) -> Result<Arc<Self>, OpenError> {
        let log_options =
            LogOptions { segment_bytes, max_frame_bytes: MAX_BATCH_BYTES, sync: options.sync, ..LogOptions::new(LOG_KIND) };
        let (log, opened) = Log::open(events_dir(&options.dir), log_options).map_err(|error| open_error(&error))?;
        let shared = Arc::new(Shared::new(options, numbers, log.reader()));
        // A store that begins has nothing to recover.
        shared.recovered.store(opened.end <= SEGMENT_HEADER_BYTES, Ordering::Release);
        let (writer, inbox) = mpsc::channel(writer::WRITER_QUEUE);
        let (announcer, announcements) = sync_channel(announcer::ANNOUNCER_QUEUE);
        let failed = |error: io::Error| OpenError::Failed(format!("cannot start a thread: {error}"));
        let telling = Arc::clone(&shared);
        let announcing =
            thread::Builder::new().name("event-announcer".into()).spawn(move || announcer::run(&telling, &announcements));
        let writing = Writer::new(log, Arc::clone(&shared), inbox, announcer);
        let writing = thread::Builder::new().name("event-writer".into()).spawn(move || writing.run());
        let threads = vec![writing.map_err(failed)?, announcing.map_err(failed)?];
        Ok(Arc::new(Self { shared, writer: Some(writer), threads }))
    }

    fn writer(&self) -> &mpsc::Sender<Command> {
        self.writer.as_ref().expect("it is taken only when the store is dropped")
    }

    /// Runs something that reads the disk on a thread where that is allowed.
    async fn read<T: Send + 'static>(
        &self,
        read: impl FnOnce(&Shared) -> Result<T, ReadError> + Send + 'static,
    ) -> Result<T, ReadError> {
        let shared = Arc::clone(&self.shared);
        let outcome = tokio::task::spawn_blocking(move || read(&shared)).await;
        outcome.unwrap_or_else(|error| Err(ReadError::Failed(error.to_string())))
    }

    async fn hand_over(&self, batch: Batch) -> Result<Arc<Stored>, AppendError> {
        if !self.shared.recovered.load(Ordering::Acquire) {
            return Err(match self.shared.trouble.lock().as_ref() {
                Some(Trouble::Stopped(reason)) => AppendError::Stopped(reason.clone()),
                Some(_) | None => AppendError::Unavailable("it has not been recovered yet".into()),
            });
        }
        if batch.entries.is_empty() && batch.checkpoints.is_empty() {
            return Ok(Arc::new(Stored { entries: Vec::new(), newest: self.newest() }));
        }
        let encoded = Encoded::of(&batch, &self.shared.heads, &self.shared.numbers)?;
        let (answer, answered) = oneshot::channel();
        let request = Request { batch, encoded, handed_over: Instant::now(), answer };
        let stopped = || AppendError::Stopped("its threads have ended".into());
        self.writer().send(Command::Append(request)).await.map_err(|_| stopped())?;
        answered.await.unwrap_or_else(|_| Err(stopped()))
    }
}

/// Where the log lies.
pub(crate) fn events_dir(dir: &std::path::Path) -> PathBuf {
    dir.join("events")
}

fn open_error(error: &fieldwatch_segment_log::OpenError) -> OpenError {
    use fieldwatch_segment_log::OpenError as LogError;
    match error {
        LogError::Failed { .. } | LogError::Absent { .. } => OpenError::Failed(told(error)),
        _ => OpenError::Damaged(told(error)),
    }
}

impl Drop for EmbeddedStore {
    fn drop(&mut self) {
        self.writer = None;
        // A subscriber may have held the last reference; then this is the announcer itself, for which the writer may wait.
        if self.threads.iter().all(|thread| thread.thread().id() != thread::current().id()) {
            for thread in self.threads.drain(..) {
                let _ = thread.join();
            }
        }
    }
}

impl EventStore for EmbeddedStore {
    fn kind(&self) -> &'static str {
        "embedded"
    }

    fn log_id(&self) -> &str {
        &self.shared.log_id
    }

    fn newest(&self) -> u64 {
        self.shared.newest.load(Ordering::Acquire)
    }

    /// Reads on threads of its own, and keeps the calling one waiting: it is called once, before there is anything else to do.
    fn recover<'a>(&'a self, visit: &'a (dyn Fn(Recovered<'_>) + Sync)) -> BoxFuture<'a, Result<Recovery, RecoverError>> {
        Box::pin(async move { recovery::recover(&self.shared, visit) })
    }

    fn append(&self, batch: Batch) -> BoxFuture<'_, Result<Arc<Stored>, AppendError>> {
        Box::pin(self.hand_over(batch))
    }

    fn subscribe(&self, subscriber: Subscriber) {
        self.shared.subscribers.write().push(subscriber);
    }

    fn load(&self, device: DeviceNumber) -> BoxFuture<'_, Result<DeviceState, ReadError>> {
        Box::pin(self.read(move |shared| history::load(shared, device)))
    }

    fn history(&self, device: DeviceNumber, before: Option<u64>, limit: usize) -> BoxFuture<'_, Result<HistoryPage, ReadError>> {
        Box::pin(self.read(move |shared| history::history(shared, device, before, limit)))
    }

    fn last_forgotten(&self, device: DeviceNumber) -> BoxFuture<'_, Result<Option<u64>, ReadError>> {
        let position = self.shared.forgotten.read().get(&device).map(|forgotten| forgotten.position);
        Box::pin(async move { Ok(position) })
    }

    fn read_all(&self, after: u64, limit: usize) -> BoxFuture<'_, Result<EventsPage, ReadError>> {
        Box::pin(self.read(move |shared| {
            let shown = |device, position, event| event == EventType::Forgotten || !shared.is_forgotten(device, position);
            feed::events_after(&shared.log, &shared.numbers, after, limit, &shown)
        }))
    }

    fn wants_snapshot(&self, shelf: usize) -> bool {
        let marks = &self.shared.shelves[shelf];
        let as_of = marks.as_of.load(Ordering::Acquire);
        let grown = self.shared.log.end().saturating_sub(as_of);
        grown >= self.shared.options.snapshot_every_bytes || as_of < marks.wanted_at.load(Ordering::Acquire)
    }

    fn save_snapshot(&self, snapshot: ShelfSnapshot) -> BoxFuture<'_, Result<(), AppendError>> {
        Box::pin(async move {
            let shared = Arc::clone(&self.shared);
            let saved = tokio::task::spawn_blocking(move || saving::save(&shared, snapshot)).await;
            saved.unwrap_or_else(|error| Err(AppendError::Unavailable(error.to_string())))
        })
    }

    fn health(&self) -> StoreHealth {
        let trouble = match self.shared.trouble.lock().clone() {
            // Nobody may append while nothing is accepted, so the disk is asked here too.
            Some(Trouble::LittleSpace(_)) => self.shared.little_space(),
            Some(Trouble::Failing(reason) | Trouble::Stopped(reason)) => Some(reason),
            None => None,
        };
        StoreHealth { trouble }
    }

    fn tidy(&self) -> BoxFuture<'_, Result<(), AppendError>> {
        Box::pin(async move {
            let (shared, writer) = (Arc::clone(&self.shared), self.writer().clone());
            let tidied = tokio::task::spawn_blocking(move || tidying::tidy(&shared, &writer)).await;
            tidied.unwrap_or_else(|error| Err(AppendError::Unavailable(error.to_string())))
        })
    }

    fn metrics(&self) -> &Metrics {
        &self.shared.metrics
    }
}
