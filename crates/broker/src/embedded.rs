//! The queue that lives in the data folder.
//!
//! One segment log holds the entries of all partitions in the order in which they came. Publishers hand their entries to
//! the one writer thread, which commits everything that waits as one frame: while a commit is under way the next group
//! gathers, so that groups are as large as the disk is slow.
//!
//! A consumer reads the log from the least of its partitions' checkpoints, and takes what is its own. A segment that all
//! consumers have passed is removed.

mod pending;

mod writer;

mod patience;

mod claim;

mod consumer;

mod progress;

mod frame;

mod ledger;

mod commit_times;

mod room;

use crate::{Checkpoint, ConsumeError, Consumer, Entries, Metrics, PublishError, QueueHealth, ReadingQueue, queue::BoxFuture};
use fieldwatch_segment_log::{Log, LogOptions, LogReader, SEGMENT_HEADER_BYTES, SyncMode};
use ledger::{ConsumerId, Ledger};
use pending::{Chores, MAX_COMMIT_BYTES, Pending};
use room::Room;
use std::{
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    thread::{self, JoinHandle},
    time::Duration,
};
use tokio::sync::watch;

/// What the queue's segments say they are.
const KIND: [u8; 4] = *b"QUEU";
/// As an index.
const PARTITIONS: usize = fieldwatch_domain::SHELVES;
/// The usual size of a segment, after which it can be removed.
const SEGMENT_BYTES: u64 = 64 << 20;
/// A small queue has small segments, so that consuming makes room bit by bit: this many in its largest size.
const SEGMENTS_AT_LEAST: u64 = 16;
/// But not smaller than this: each costs a file.
const LEAST_SEGMENT_BYTES: u64 = 64 << 10;
/// Memory that whoever reads frames keeps for the next one. Larger frames are rare: requests of thousands of readings.
const MAX_FRAME_KEPT: usize = 1 << 20;

/// How the embedded queue is kept.
#[derive(Clone, Debug)]
pub struct EmbeddedQueueOptions {
    /// Its folder, made if absent. The caller holds the lock of the data folder.
    pub dir: PathBuf,
    /// Whether a commit waits for the disk; anything but `Durable` is for proving the tests.
    pub sync: SyncMode,
    /// Size beyond which nothing is taken. What waited when it was reached is still written.
    pub max_bytes: u64,
    /// Below so many free bytes on the disk nothing is taken, and again above it.
    pub least_free_bytes: u64,
}

/// The queue that lives in the data folder.
pub struct EmbeddedQueue {
    shared: Arc<Shared>,
    /// Taken when it is waited for.
    writer: Option<JoinHandle<()>>,
}

/// What publishers, consumers and the writer share.
struct Shared {
    pending: Pending,
    room: Room,
    ledger: Ledger,
    reader: LogReader,
    /// Wakes consumers at each commit. True once nothing more will come.
    closed: watch::Sender<bool>,
    /// When all have passed this, the writer can remove a segment.
    removable_at: AtomicU64,
    metrics: Metrics,
}

/// Why the queue could not be opened.
#[derive(Debug, thiserror::Error)]
#[error("the reading queue cannot be opened")]
pub struct OpenError(#[from] pub fieldwatch_segment_log::OpenError);

impl EmbeddedQueue {
    /// Number of partitions: as many as there are shelves of devices, so that a partition's devices are a shelf.
    pub const PARTITIONS: u16 = fieldwatch_domain::SHELVES as u16;

    /// Opens the queue, or begins one. Starts its writer thread, which ends when the last reference is dropped.
    ///
    /// Dropping waits for that: for the commit under way and one more. After it the folder may be opened again.
    pub fn open(options: EmbeddedQueueOptions) -> Result<Arc<Self>, OpenError> {
        let EmbeddedQueueOptions { dir, sync, max_bytes, least_free_bytes } = options;
        let log_options = LogOptions {
            segment_bytes: (max_bytes / SEGMENTS_AT_LEAST).clamp(LEAST_SEGMENT_BYTES, SEGMENT_BYTES),
            max_frame_bytes: MAX_COMMIT_BYTES as u32,
            sync,
            ..LogOptions::new(KIND)
        };
        let (log, opened) = Log::open(&dir, log_options)?;
        let shared = Arc::new(Shared {
            pending: Pending::default(),
            room: Room::new(dir.clone(), max_bytes, least_free_bytes, log.bytes()),
            ledger: Ledger::new(opened.end),
            reader: log.reader(),
            closed: watch::Sender::new(false),
            removable_at: AtomicU64::new(u64::MAX),
            metrics: Metrics::default(),
        });
        let for_writer = Arc::clone(&shared);
        let writer = thread::Builder::new().name("queue-writer".into()).spawn(move || writer::run(log, &for_writer));
        let writer = writer.map_err(|source| fieldwatch_segment_log::OpenError::Failed {
            action: "start a thread that writes to",
            path: dir,
            source,
        })?;
        Ok(Arc::new(Self { shared, writer: Some(writer) }))
    }

    /// Takes nothing more; whoever consumes gets what is there and then [`ConsumeError::Closed`].
    ///
    /// Does not wait. What was handed over before is still made durable, and its publishers are told.
    pub fn close(&self) {
        self.shared.pending.close();
    }

    /// The first place that may still be delivered again: everything before is stored as decided. 0 while a partition has no
    /// owner.
    pub fn undecided_from(&self) -> u64 {
        self.shared.ledger.passed().unwrap_or(0)
    }

    /// Finishes the newest segment if all of it is consumed or it is older than an hour, and removes what is consumed. Called
    /// about every hour, it sees to it that readings do not lie around for ever on a quiet system. Does not wait.
    pub fn tidy(&self) {
        self.shared.pending.ask(Chores { tidy: true, ..Chores::default() });
    }
}

impl Drop for EmbeddedQueue {
    fn drop(&mut self) {
        self.close();
        if self.writer.take().is_some_and(|writer| writer.join().is_err()) {
            tracing::error!("the writer of the reading queue has panicked");
        }
    }
}

impl ReadingQueue for EmbeddedQueue {
    fn kind(&self) -> &'static str {
        "embedded"
    }

    fn partitions(&self) -> u16 {
        Self::PARTITIONS
    }

    fn publish(&self, entries: Entries) -> BoxFuture<'_, Result<(), PublishError>> {
        Box::pin(async move {
            if entries.is_empty() {
                return Ok(());
            }
            self.shared.check_room().map_err(PublishError::Full)?;
            let outcome = self.shared.pending.hand_over(entries.into_bytes())?;
            outcome.wait().await.clone()
        })
    }

    fn consume(&self, partitions: &[u16], decided: &[Checkpoint]) -> Result<Box<dyn Consumer>, ConsumeError> {
        Ok(Box::new(claim::claim(&self.shared, partitions, decided)?))
    }

    fn depths(&self) -> Vec<u64> {
        self.shared.ledger.depths()
    }

    fn lag(&self) -> Duration {
        self.shared.ledger.lag()
    }

    fn health(&self) -> QueueHealth {
        QueueHealth { trouble: self.shared.pending.refused().or_else(|| self.shared.check_room().err()) }
    }

    fn metrics(&self) -> &Metrics {
        &self.shared.metrics
    }
}

impl Shared {
    /// Whether there is room, and why not; has room made where that is possible.
    fn check_room(&self) -> Result<(), String> {
        self.room.check().inspect_err(|_| {
            // Consumed entries in the newest segment, which is otherwise kept, may be what takes the room.
            if self.room.log_bytes() > SEGMENT_HEADER_BYTES && self.ledger.all_is_passed() {
                self.pending.ask(Chores { make_room: true, ..Chores::default() });
            }
        })
    }

    /// A consumer has passed everything up to `address`.
    fn pass(&self, id: ConsumerId, address: u64) {
        let passed = self.ledger.pass(id, address);
        if passed.is_some_and(|passed| passed >= self.removable_at.load(Relaxed)) {
            self.pending.ask(Chores { remove: true, ..Chores::default() });
        }
    }
}
