//! The queue that lives in the data folder.

use crate::{Checkpoint, ConsumeError, Consumer, Entries, Metrics, PublishError, QueueHealth, ReadingQueue, queue::BoxFuture};
use fieldwatch_segment_log::SyncMode;
use std::{path::PathBuf, sync::Arc, time::Duration};

/// How the embedded queue is kept.
#[derive(Clone, Debug)]
pub struct EmbeddedQueueOptions {
    /// Its folder, made if absent. The caller holds the lock of the data folder.
    pub dir: PathBuf,
    /// Whether a commit waits for the disk; anything but `Durable` is for proving the tests.
    pub sync: SyncMode,
    /// Size beyond which nothing is taken.
    pub max_bytes: u64,
    /// Below so many free bytes on the disk nothing is taken, and again above it.
    pub least_free_bytes: u64,
}

/// The queue that lives in the data folder.
pub struct EmbeddedQueue {}

/// Why the queue could not be opened.
#[derive(Debug, thiserror::Error)]
#[error("the reading queue cannot be opened")]
pub struct OpenError(#[from] pub fieldwatch_segment_log::OpenError);

impl EmbeddedQueue {
    /// Number of partitions: as many as there are shelves of devices, so that a partition's devices are a shelf.
    pub const PARTITIONS: u16 = fieldwatch_domain::SHELVES as u16;

    /// Opens the queue, or begins one. Starts its writer thread, which ends when the last reference is dropped.
    pub fn open(_options: EmbeddedQueueOptions) -> Result<Arc<Self>, OpenError> {
        unimplemented!()
    }

    /// Takes nothing more; whoever consumes gets what is there and then [`ConsumeError::Closed`].
    pub fn close(&self) {
        unimplemented!()
    }
}

impl ReadingQueue for EmbeddedQueue {
    fn kind(&self) -> &'static str {
        unimplemented!()
    }
    fn partitions(&self) -> u16 {
        unimplemented!()
    }
    fn publish(&self, _entries: Entries) -> BoxFuture<'_, Result<(), PublishError>> {
        unimplemented!()
    }
    fn consume(&self, _partitions: &[u16], _decided: &[Checkpoint]) -> Result<Box<dyn Consumer>, ConsumeError> {
        unimplemented!()
    }
    fn depths(&self) -> Vec<u64> {
        unimplemented!()
    }
    fn lag(&self) -> Duration {
        unimplemented!()
    }
    fn health(&self) -> QueueHealth {
        unimplemented!()
    }
    fn metrics(&self) -> &Metrics {
        unimplemented!()
    }
}
