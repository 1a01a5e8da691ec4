//! All devices of this process, before they run.

use crate::cells::Cells;
use crate::restored::RestoredShelf;
use crate::shard::partition_of;
use crate::ticks::Ticks;
use crate::timers::Timers;
use crate::visible::Visible;
use crate::{Commands, Metrics, Running, Shard};
use fieldwatch_broker::{Parking, ReadingQueue};
use fieldwatch_domain::{DeviceNumbers, Rules, SHELVES, Timestamp};
use fieldwatch_event_store::{Checkpoint, EventStore, Recovered};
use parking_lot::Mutex;
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};
use tokio::sync::{mpsc, watch};
use tokio::time::Instant;

/// Tells the wall clock's time. Waiting and silence are measured on tokio's monotonic clock instead.
pub type WallClock = Arc<dyn Fn() -> Timestamp + Send + Sync>;

/// How devices are kept.
#[derive(Clone)]
pub struct StateOptions {
    /// By which readings are judged.
    pub rules: Rules,
    /// After so long without a reading a device is passivated; `None`: never.
    pub idle_after: Option<Duration>,
    /// After so long without a reading a device is silent; `None`: never.
    pub silent_after: Option<Duration>,
    /// Whether repeats are recognised; anything but `true` is for proving the tests.
    pub recognise_repeats: bool,
    /// How many shards there are, each a thread. At least one; not more than there are partitions are made.
    pub shards: usize,
    /// Tells the time of recording.
    pub clock: WallClock,
    /// The turn of a device with this id panics: for tests of that.
    pub panics_on: Option<String>,
}

/// All devices, as far as they are restored, before they start.
pub struct DeviceStates {
    options: StateOptions,
    commands: Commands,
    metrics: Metrics,
    numbers: Arc<DeviceNumbers>,
    shelves: Box<[Mutex<RestoredShelf>]>,
}

/// Why devices could not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The queue does not give its entries.
    #[error("the queue cannot be consumed")]
    Queue(#[from] fieldwatch_broker::ConsumeError),
    /// No thread could be started.
    #[error("no thread can be started")]
    Thread(#[from] std::io::Error),
    /// A partition's devices would not be whole shelves.
    #[error("a queue of {0} partitions cannot be consumed: their number has to divide {SHELVES}")]
    Partitions(u16),
}

impl DeviceStates {
    /// None yet.
    pub fn new(options: StateOptions, numbers: Arc<DeviceNumbers>) -> Self {
        Self::reporting_to(Commands::default(), Metrics::default(), options, numbers)
    }

    /// None yet; whoever asks for something waits at these commands, and what happens is counted here.
    pub fn reporting_to(commands: Commands, metrics: Metrics, options: StateOptions, numbers: Arc<DeviceNumbers>) -> Self {
        Self { options, commands, metrics, numbers, shelves: (0..SHELVES).map(|_| Mutex::default()).collect() }
    }

    /// Takes what the store's recovery came across; may be called by several threads for different shelves.
    pub fn recovered(&self, recovered: &Recovered<'_>) {
        let shelf = match recovered {
            Recovered::Device(device, _) => device.shelf(),
            Recovered::Entry(entry) => entry.device().shelf(),
        };
        self.shelves[shelf].lock().take(recovered);
    }

    /// Starts the shards, each on a thread of its own. `decided` is what the store's recovery gave.
    ///
    /// # Errors
    /// When the queue cannot be consumed or a thread cannot be started; nothing runs then.
    #[expect(clippy::needless_pass_by_value, reason = "each shard keeps its own reference, so the caller need not")]
    pub fn start(
        self,
        store: Arc<dyn EventStore>,
        queue: &Arc<dyn ReadingQueue>,
        parking: &Arc<dyn Parking>,
        decided: &[Checkpoint],
    ) -> Result<Running, StartError> {
        let (running, shards) = self.into_shards(&store, queue, parking, decided)?;
        for shard in shards {
            // When one cannot be started, `running` is dropped, and those that run already end.
            running.spawn(shard)?;
        }
        Ok(running)
    }

    /// The shards, to be run by the caller, all of them ([`Shard::run`]): for tests on a clock of their own.
    ///
    /// # Errors
    /// When the queue cannot be consumed.
    pub fn into_shards(
        self,
        store: &Arc<dyn EventStore>,
        queue: &Arc<dyn ReadingQueue>,
        parking: &Arc<dyn Parking>,
        decided: &[Checkpoint],
    ) -> Result<(Running, Vec<Shard>), StartError> {
        let partitions = queue.partitions();
        if partitions == 0 || !SHELVES.is_multiple_of(usize::from(partitions)) {
            return Err(StartError::Partitions(partitions));
        }
        let count = self.options.shards.clamp(1, usize::from(partitions));
        let visible = Arc::new(Visible::new(count));
        let (ask_to_stop, stop) = watch::channel(None);
        let (ended, all_ended) = mpsc::channel(1);
        let (commands, metrics) = (self.commands.clone(), self.metrics.clone());
        let ticks = Ticks::starting_now();
        let mut shards = Vec::with_capacity(count);
        for index in 0..count {
            let owned: Vec<u16> = (0..partitions).filter(|partition| usize::from(*partition) % count == index).collect();
            let mut shard = Shard {
                index,
                partitions,
                shelves: Vec::new(),
                shares_queue: queue.is_shared(),
                share: owned.iter().copied().collect(),
                standing_by: BTreeMap::new(),
                owned: if queue.is_shared() { BTreeSet::new() } else { owned.iter().copied().collect() },
                decided: decided.iter().map(|decided| (decided.partition, decided.clone())).collect(),
                cells: Cells::default(),
                timers: Timers::new(&self.options),
                ticks,
                heard_through: 0,
                consumer: queue.consume(&owned, decided)?,
                store: store.clone(),
                parking: parking.clone(),
                numbers: self.numbers.clone(),
                options: self.options.clone(),
                commands: commands.clone(),
                metrics: metrics.clone(),
                visible: visible.clone(),
                turns: Vec::new(),
                conflicts: 0,
                troubled: false,
                unsaved: [false; SHELVES],
                half_folded: BTreeSet::new(),
                next_snapshot: 0,
                no_snapshot_before: Instant::now(),
                stop: stop.clone(),
                ended: Some(ended.clone()),
            };
            shard.owned_changed();
            // With a store of its own a process knows the devices of all partitions, whoever consumes them.
            for shelf in (0..SHELVES).filter(|shelf| owned.contains(&partition_of(*shelf, partitions))) {
                shard.move_in(shelf, std::mem::take(&mut *self.shelves[shelf].lock()));
            }
            shards.push(shard);
        }
        Ok((Running::new(commands, metrics, visible, ask_to_stop, all_ended), shards))
    }
}
