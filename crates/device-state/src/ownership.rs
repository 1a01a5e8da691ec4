//! Partitions come and go while a shard runs, when several processes share the queue.
//!
//! Who owns a partition is for the queue to say. That this process may write for it is for the store to say: it is asked
//! when a partition is gained, and from then on refuses whoever owned it before. A shard that is refused itself forgets
//! what it knew, and gives the partition back.

use crate::restored::RestoredShelf;
use crate::shard::partition_of;
use crate::{Shard, storing::End};
use fieldwatch_broker::GivingUp;
use fieldwatch_domain::{DeviceNumber, SHELVES};
use fieldwatch_event_store::{Checkpoint, RecoverError, Recovered, SharedStore};
use parking_lot::Mutex;
use std::time::Duration;
use tokio::time::Instant;
use tracing::{info, warn};

/// What was wrong with a partition that was given back is told for so long. While nobody else can own it either, it comes back
/// sooner, and what is wrong is told again.
const TOLD_FOR: Duration = Duration::from_secs(15);

impl Shard {
    /// Begins to work on a partition that the queue has given to this process.
    pub(crate) async fn gain(&mut self, partition: u16) -> Result<(), End> {
        let begun = Instant::now();
        let store = self.store.clone();
        let decided = match store.shared() {
            // Nobody else writes, so what is in memory is right, whoever consumed meanwhile.
            None => {
                self.begin_silence_anew(partition);
                self.decided.get(&partition).cloned()
            }
            Some(shared) => {
                // Whatever was known is of a former time.
                self.let_go(partition);
                match self.restore_partition(shared, partition).await {
                    Ok(decided) => decided,
                    Err(why) => {
                        self.stand_by(partition, &format!("its devices cannot be restored: {why}"), GivingUp::CannotBegin);
                        return Ok(());
                    }
                }
            }
        };
        self.owned.insert(partition);
        self.owned_changed();
        self.standing_by.remove(&partition);
        self.tell_trouble();
        self.consumer.begin(partition, decided.as_ref());
        let elapsed_ms = begun.elapsed().as_millis() as u64;
        info!(shard = self.index, partition, elapsed_ms, "works on a partition");
        Ok(())
    }

    /// Stops to work on a partition that the queue has taken from this process.
    pub(crate) fn lose(&mut self, partition: u16) {
        info!(shard = self.index, partition, "does not work on a partition any more");
        self.owned.remove(&partition);
        self.standing_by.remove(&partition);
        self.tell_trouble();
        self.let_go(partition);
    }

    /// Gives a partition back to the queue, because something is wrong: somebody else may own it, this process after a while
    /// too. Until then people are told.
    pub(crate) fn stand_by(&mut self, partition: u16, why: &str, giving_up: GivingUp) {
        warn!(shard = self.index, partition, why, "stands by for a partition");
        self.standing_by.insert(partition, (why.to_owned(), Instant::now()));
        self.tell_trouble();
        self.give_back(partition, giving_up);
    }

    /// Gives a partition back that another process has taken over: nothing is wrong about that.
    pub(crate) fn yield_to_another(&mut self, partition: u16) {
        info!(shard = self.index, partition, "another process has taken a partition over");
        // The store has answered: it is not what people have to look at.
        self.store_answered();
        self.give_back(partition, GivingUp::InDoubt);
    }

    fn give_back(&mut self, partition: u16, why: GivingUp) {
        self.owned.remove(&partition);
        self.let_go(partition);
        self.consumer.give_up(partition, why);
    }

    /// Says no more what was wrong with partitions that did not come back for some time: others have them.
    pub(crate) fn forget_old_trouble(&mut self) {
        let before = self.standing_by.len();
        self.standing_by.retain(|_, (_, since)| since.elapsed() < TOLD_FOR);
        if self.standing_by.len() < before && !self.troubled {
            self.tell_trouble();
        }
    }

    /// Says for people what is wrong with its partitions, or that nothing is.
    pub(crate) fn tell_trouble(&self) {
        let said: Vec<String> =
            self.standing_by.iter().map(|(partition, (why, _))| format!("partition {partition}: {why}")).collect();
        self.visible.set_trouble(self.index, (!said.is_empty()).then(|| said.join("; ")));
    }

    /// Forgets what is known of a partition's devices, unless this process is the only one that writes for them.
    pub(crate) fn let_go(&mut self, partition: u16) {
        let store = self.store.clone();
        let Some(shared) = store.shared() else { return };
        shared.let_go(partition);
        for shelf in self.shelves_of(partition) {
            self.cells.put(shelf, crate::cells::Shelf::default());
            self.visible.clear(shelf);
            self.unsaved[shelf] = false;
        }
        let partitions = self.partitions;
        self.half_folded.retain(|device| partition_of(device.shelf(), partitions) != partition);
        self.timers.retain(|device| partition_of(device.shelf(), partitions) != partition);
        self.owned_changed();
    }

    /// Takes the partition's devices over in the store, and into memory.
    pub(crate) async fn restore_partition(
        &mut self,
        shared: &dyn SharedStore,
        partition: u16,
    ) -> Result<Option<Checkpoint>, RecoverError> {
        let shelves = self.shelves_of(partition);
        let restored: Vec<Mutex<RestoredShelf>> = shelves.iter().map(|_| Mutex::default()).collect();
        let visit = |found: Recovered<'_>| {
            let shelf = match &found {
                Recovered::Device(device, _) => device.shelf(),
                Recovered::Entry(entry) => entry.device().shelf(),
            };
            if let Some(at) = shelves.iter().position(|owned| *owned == shelf) {
                restored[at].lock().take(&found);
            }
        };
        let decided = shared.take_over(partition, &shelves, &visit).await?;
        for (shelf, restored) in shelves.iter().zip(restored) {
            self.move_in(*shelf, restored.into_inner());
        }
        Ok(decided)
    }

    /// Puts a restored shelf in its place. The time of each device's silence begins now.
    pub(crate) fn move_in(&mut self, number: usize, restored: RestoredShelf) {
        let (now, Self { cells, visible, timers, unsaved, .. }) = (self.ticks.now(), self);
        unsaved[number] = restored.unsaved;
        let mut shelf = restored.shelf;
        for (place, cell) in shelf.iter_mut() {
            let device = DeviceNumber::at(number, place);
            let may_go_silent = cell.state().is_some_and(crate::timers::may_go_silent);
            if cell.is_passivated() {
                cell.passivate();
            } else if cell.is_known() {
                visible.set_active(device, true);
            } else {
                continue;
            }
            cell.received = now;
            timers.arm_again(device, cell, now, may_go_silent);
        }
        cells.put(number, shelf);
    }

    /// Which shelves are looked after changes with the partitions that are owned. With a store of its own a process looks after
    /// all of its share, whoever consumes: nobody else does.
    pub(crate) fn owned_changed(&mut self) {
        let (owned, partitions) = (if self.store.shared().is_some() { &self.owned } else { &self.share }, self.partitions);
        self.shelves = (0..SHELVES).filter(|shelf| owned.contains(&partition_of(*shelf, partitions))).collect();
    }

    /// While nothing could come of a partition, nothing could be heard of its devices.
    fn begin_silence_anew(&mut self, partition: u16) {
        let now = self.ticks.now();
        for shelf in self.shelves_of(partition) {
            self.cells.shelf_mut(shelf).iter_mut().for_each(|(_, cell)| cell.received = now);
        }
    }

    fn shelves_of(&self, partition: u16) -> Vec<usize> {
        (0..SHELVES).filter(|shelf| partition_of(*shelf, self.partitions) == partition).collect()
    }
}
