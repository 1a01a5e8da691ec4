//! The devices while they run, as the rest of the program sees them.

use crate::visible::Visible;
use crate::{Commands, Metrics, Shard};
use fieldwatch_domain::DeviceNumber;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::{io, sync::Arc, time::Duration};
use tokio::sync::{Mutex, mpsc, watch};
use tokio::time::Instant;
use tracing::error;

/// The running shards. When it is dropped they end, with what they have in hand still in the queue.
#[derive(Debug)]
pub struct Running {
    commands: Commands,
    metrics: Metrics,
    visible: Arc<Visible>,
    ask_to_stop: watch::Sender<Option<Instant>>,
    /// Closed once every shard has ended.
    all_ended: Mutex<mpsc::Receiver<()>>,
}

impl Running {
    pub(crate) fn new(
        commands: Commands,
        metrics: Metrics,
        visible: Arc<Visible>,
        ask_to_stop: watch::Sender<Option<Instant>>,
        all_ended: mpsc::Receiver<()>,
    ) -> Self {
        Self { commands, metrics, visible, ask_to_stop, all_ended: Mutex::new(all_ended) }
    }

    /// Gives a shard a thread and a runtime of its own.
    pub(crate) fn spawn(&self, mut shard: Shard) -> io::Result<()> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let ended = shard.ended.take();
        let (index, visible) = (shard.index, self.visible.clone());
        std::thread::Builder::new().name(format!("state-{index}")).spawn(move || {
            let run = catch_unwind(AssertUnwindSafe(|| {
                runtime.block_on(shard.run());
                drop(runtime);
            }));
            if run.is_err() {
                error!(shard = index, "a state shard has failed");
                visible.set_trouble(index, Some("it has failed; only a new start helps".into()));
                visible.set_failed();
            }
            // Only now: whoever waits for the end may rely on the store and the queue being released.
            drop(ended);
        })?;
        Ok(())
    }

    /// Where commands wait for their devices.
    pub fn commands(&self) -> &Commands {
        &self.commands
    }

    /// Its metrics, to be registered by whoever serves them.
    pub fn metrics(&self) -> &Metrics {
        &self.metrics
    }

    /// The mailboxes of active devices, the longest first, at most `most`: how many entries in hand wait for each.
    pub fn mailboxes(&self, most: usize) -> Vec<(DeviceNumber, u64)> {
        self.visible.mailboxes(most)
    }

    /// How many devices are active in memory, that is, not passivated.
    pub fn active(&self) -> u64 {
        self.visible.active()
    }

    /// Whether a shard has ended by a failure of its own: its partitions have no owner here any more.
    pub fn has_failed(&self) -> bool {
        self.visible.has_failed()
    }

    /// What is wrong with a shard, for people; `None` when all work.
    pub fn trouble(&self) -> Option<String> {
        self.visible.trouble()
    }

    /// Finishes the batches in hand, saves snapshots of what has changed, and ends the shards; at the deadline it stops
    /// where it is, which loses nothing: what is not stored is still in the queue.
    ///
    /// Cancel-safe: the shards end all the same.
    pub async fn stop(&self, deadline: Duration) {
        // A second caller does not move the deadline of the first.
        self.ask_to_stop.send_if_modified(|stop| {
            let first = stop.is_none();
            stop.get_or_insert_with(|| Instant::now() + deadline);
            first
        });
        // Nothing is ever sent; this ends when the last shard drops its end.
        self.all_ended.lock().await.recv().await;
    }
}
