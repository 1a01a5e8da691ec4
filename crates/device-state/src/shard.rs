//! A shard: it owns some partitions of the queue and all devices in them, and is the only one that changes them.

use crate::cells::Cells;
use crate::delivery::Turn;
use crate::storing::End;
use crate::ticks::{self, Ticks};
use crate::timers::Timers;
use crate::visible::Visible;
use crate::{Commands, Metrics, StateOptions};
use fieldwatch_broker::{ConsumeError, Consumer, Next, Parking};
use fieldwatch_domain::{DeviceNumber, DeviceNumbers, SHELVES};
use fieldwatch_event_store::{Checkpoint, EventStore};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};
use tokio::{
    sync::{mpsc, watch},
    time::Instant,
};
use tracing::{error, info, warn};

/// How many entries are decided and stored together at most. Large enough that one sync of the disk is worth little per
/// reading, small enough that a batch is decided in a few milliseconds. A shard takes what is there, so the batch is as
/// large as the load makes it.
const MOST_ENTRIES: usize = 8_192;
/// A queue that has given nothing for so long holds nothing: whatever was received before has been heard.
const QUIET: Duration = Duration::from_millis(100);
/// How often the store is asked whether it wants a snapshot while nothing comes in.
const ASK_FOR_SNAPSHOT: Duration = Duration::from_secs(1);

/// One shard of the devices, ready to run. [`crate::DeviceStates::start`] gives each a thread; tests run them on a clock of theirs.
pub struct Shard {
    pub(crate) index: usize,
    pub(crate) partitions: u16,
    /// The partitions that it owns now; those of its share that other processes own come and go.
    pub(crate) owned: BTreeSet<u16>,
    /// Whether other processes consume the queue too, and partitions come and go.
    pub(crate) shares_queue: bool,
    /// The partitions that are its share of those of the process.
    pub(crate) share: BTreeSet<u16>,
    /// The partitions that it has given back because something was wrong: what, and when.
    pub(crate) standing_by: BTreeMap<u16, (String, Instant)>,
    /// The shelves whose devices it owns.
    pub(crate) shelves: Vec<usize>,
    /// How far each partition is decided, as far as this shard has stored it or was told at the start.
    pub(crate) decided: BTreeMap<u16, Checkpoint>,
    pub(crate) cells: Cells,
    pub(crate) timers: Timers,
    pub(crate) ticks: Ticks,
    /// Everything received before this tick has been decided and stored, as far as the shard knows.
    pub(crate) heard_through: u32,
    pub(crate) consumer: Box<dyn Consumer>,
    pub(crate) store: Arc<dyn EventStore>,
    pub(crate) parking: Arc<dyn Parking>,
    pub(crate) numbers: Arc<DeviceNumbers>,
    pub(crate) options: StateOptions,
    pub(crate) commands: Commands,
    pub(crate) metrics: Metrics,
    pub(crate) visible: Arc<Visible>,
    /// Room for the turns of a delivery, kept from one to the next.
    pub(crate) turns: Vec<Turn>,
    /// How many appends in a row met another version than expected.
    pub(crate) conflicts: u32,
    /// Whether trouble was said that may pass.
    pub(crate) troubled: bool,
    /// Shelves that have changed since their last snapshot.
    pub(crate) unsaved: [bool; SHELVES],
    /// Devices that were passivated because memory could not be made what was stored.
    pub(crate) half_folded: BTreeSet<DeviceNumber>,
    /// Which of `shelves` is asked about next.
    pub(crate) next_snapshot: usize,
    /// No snapshot before this, because the last one failed.
    pub(crate) no_snapshot_before: Instant,
    /// When to stop: `None` while it is to run.
    pub(crate) stop: watch::Receiver<Option<Instant>>,
    /// Dropped when the shard has ended, after everything else.
    pub(crate) ended: Option<mpsc::Sender<()>>,
}

impl std::fmt::Debug for Shard {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Shard").field("index", &self.index).finish_non_exhaustive()
    }
}

impl Shard {
    /// Runs until it is stopped, or until it has to stand down, which [`crate::Running::trouble`] tells.
    ///
    /// Dropping the future loses nothing: what it had in hand is still in the queue.
    pub async fn run(mut self) {
        let ended = self.ended.take();
        let stop = self.stop.clone();
        tokio::select! {
            biased;
            () = self.work_to_the_end() => {}
            () = deadline(stop) => warn!("a state shard stops in the middle of its work"),
        }
        drop(self);
        drop(ended);
    }

    async fn work_to_the_end(&mut self) {
        let end = self.work().await;
        self.visible.nothing_in_hand(self.index);
        match end {
            End::Stopped => {}
            End::Closed => {
                info!(shard = self.index, "the queue is closed, the state shard waits to be stopped");
                stopping(&mut self.stop).await;
            }
            End::Trouble(why) => {
                error!(shard = self.index, why, "a state shard stands down");
                self.visible.set_trouble(self.index, Some(why));
                return;
            }
        }
        // Whoever takes the partitions over reads the log since the last snapshot sooner than this is written.
        if !(self.shares_queue && self.store.shared().is_some()) {
            self.save_unsaved().await;
        }
    }

    async fn work(&mut self) -> End {
        loop {
            if let Err(end) = self.step().await {
                return end;
            }
        }
    }

    /// Looks after timers, then takes what comes next.
    async fn step(&mut self) -> Result<(), End> {
        self.forget_old_trouble();
        self.expire_due().await?;
        self.save_if_wanted().await?;
        let wake = self.wake();
        tokio::select! {
            biased;
            () = stopping(&mut self.stop) => Err(End::Stopped),
            delivery = self.consumer.next(MOST_ENTRIES) => match delivery {
                Ok(Next::Delivery(delivery)) => self.deliver(delivery).await,
                Ok(Next::Gained(partition)) => self.gain(partition).await,
                Ok(Next::Lost(partition)) => {
                    self.lose(partition);
                    Ok(())
                }
                Err(ConsumeError::Closed) => Err(End::Closed),
                Err(ConsumeError::Failed(why)) => Err(End::Trouble(format!("the queue cannot be read: {why}"))),
            },
            () = tokio::time::sleep_until(wake.at) => {
                // Of a partition that others own nothing can come, however much was received.
                if wake.means_quiet && (self.store.shared().is_some() || self.owned.len() == self.share.len()) {
                    self.heard_through = self.ticks.now();
                }
                Ok(())
            }
        }
    }

    /// When to look after timers and snapshots if nothing comes in.
    fn wake(&self) -> Wake {
        let now = Instant::now();
        match self.timers.next_due() {
            Some(due) if due <= self.heard_through => Wake { at: now, means_quiet: false },
            Some(due) => {
                let at = self.ticks.instant(due).clamp(now + QUIET, now + ASK_FOR_SNAPSHOT);
                Wake { at, means_quiet: true }
            }
            None => Wake { at: now + ASK_FOR_SNAPSHOT, means_quiet: true },
        }
    }

    /// Notes that everything was heard that was received more than `lag_ms` before now.
    ///
    /// While a queue is worked off, a device whose readings wait in it must not be taken for silent.
    pub(crate) fn heard_with_lag(&mut self, now: u32, lag_ms: u64) {
        let lag = ticks::at_least(Duration::from_millis(lag_ms));
        self.heard_through = self.heard_through.max(now.saturating_sub(lag));
    }

    /// Whether this is the device's partition: only there its entries have an order, and only its owner may decide.
    pub(crate) fn belongs(&self, device: DeviceNumber, partition: u16) -> bool {
        partition_of(device.shelf(), self.partitions) == partition
    }
}

struct Wake {
    at: Instant,
    /// Whether so much time will have passed that the queue must be empty.
    means_quiet: bool,
}

/// The partition of all devices of a shelf. Both a device's partition and its shelf are remainders of one hash, and the
/// number of partitions divides that of shelves.
pub(crate) fn partition_of(shelf: usize, partitions: u16) -> u16 {
    shelf as u16 % partitions
}

/// Waits until the shards are asked to stop. Cancel-safe.
pub(crate) async fn stopping(stop: &mut watch::Receiver<Option<Instant>>) {
    // An error says that nobody can ask any more: that is a stop, too.
    let _ = stop.wait_for(Option::is_some).await.map(drop);
}

/// Waits until there is no more time after the shards were asked to stop.
async fn deadline(mut stop: watch::Receiver<Option<Instant>>) {
    stopping(&mut stop).await;
    let deadline = *stop.borrow();
    if let Some(deadline) = deadline {
        tokio::time::sleep_until(deadline).await;
    }
}
