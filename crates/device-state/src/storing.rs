//! What a shard does when the store or the dead letters refuse: wait, load again, or stand down.

use crate::shard::{partition_of, stopping};
use crate::{Shard, backoff::Backoff};
use fieldwatch_broker::{DeliveredEntry, EntryForm, GivingUp, NewLetter};
use fieldwatch_domain::DeviceNumber;
use fieldwatch_event_store::{AppendError, Checkpoint, RecoverError};
use tracing::{error, warn};

/// The partitions of a refused batch of which nothing may be tried again.
#[derive(Debug, Default)]
pub(crate) struct DoneWith {
    /// The batch turned out to be stored.
    pub(crate) stored: Vec<u16>,
    /// They are not this process's any more.
    pub(crate) lost: Vec<u16>,
}

impl DoneWith {
    fn lost(partitions: Vec<u16>) -> Self {
        Self { lost: partitions, ..Self::default() }
    }

    pub(crate) fn contains(&self, partition: u16) -> bool {
        self.stored.contains(&partition) || self.lost.contains(&partition)
    }
}

/// Why a shard's work ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// It was asked to.
    Stopped,
    /// The queue is being closed.
    Closed,
    /// It stands down, for a reason that people have to see.
    Trouble(String),
}

impl Shard {
    /// Takes in that a batch of these devices and checkpoints was not stored: waits until it may be tried again, loads what
    /// another owner has written, or stands by for the partitions that are not this process's any more. Gives the partitions
    /// of which nothing may be tried again.
    ///
    /// # Errors
    /// When there is no sense in trying again: asked to stop, stopped for good, or the second conflict in a row.
    pub(crate) async fn refused(
        &mut self,
        refusal: AppendError,
        devices: Vec<DeviceNumber>,
        checkpoints: &[Checkpoint],
        backoff: &mut Backoff,
    ) -> Result<DoneWith, End> {
        let shared = self.store.shared().is_some();
        match refusal {
            AppendError::Unknown(why) if shared && !self.shares_queue => {
                return self.find_out(self.partitions_of(&devices, checkpoints), &why, backoff).await;
            }
            AppendError::Fenced { .. } | AppendError::VersionConflict { .. } if shared && !self.shares_queue => {
                return Err(End::Trouble(format!("another process writes the same devices ({refusal}); this shard stands down")));
            }
            AppendError::Unavailable(why) => self.pause(backoff, "the store cannot take anything now", &why).await?,
            AppendError::Fenced { partition } if shared => {
                self.yield_to_another(partition);
                return Ok(DoneWith::lost(vec![partition]));
            }
            AppendError::VersionConflict { device, expected, actual } if shared => {
                let partition = partition_of(device.shelf(), self.partitions);
                self.stand_by(
                    partition,
                    &format!("a device is at version {actual} in the store, not {expected}"),
                    GivingUp::InDoubt,
                );
                return Ok(DoneWith::lost(vec![partition]));
            }
            AppendError::VersionConflict { device, expected, actual } => {
                self.conflict(device, expected, actual, devices).await?;
            }
            AppendError::Unknown(why) if shared => {
                let partitions = self.partitions_of(&devices, checkpoints);
                for partition in &partitions {
                    self.stand_by(
                        *partition,
                        &format!("nobody knows whether the store has taken a batch: {why}"),
                        GivingUp::InDoubt,
                    );
                }
                return Ok(DoneWith::lost(partitions));
            }
            // Of a store of its own, neither happens before it has stopped.
            refusal @ (AppendError::Unknown(_) | AppendError::Fenced { .. }) => {
                return Err(End::Trouble(format!("{refusal}; only a new start finds out what is stored")));
            }
            AppendError::Stopped(why) => return Err(End::Trouble(format!("the store has stopped: {why}"))),
        }
        Ok(DoneWith::default())
    }

    /// Nobody knows whether a batch was stored, and nobody else could go on with these partitions, for the queue gives each
    /// delivery once in a process's life: takes them over anew in the store, which tells it, and restores their devices.
    ///
    /// # Errors
    /// When the shard is asked to stop meanwhile, or what is stored is damaged.
    async fn find_out(&mut self, partitions: Vec<u16>, why: &str, backoff: &mut Backoff) -> Result<DoneWith, End> {
        let store = self.store.clone();
        let Some(shared) = store.shared() else { return Ok(DoneWith::default()) };
        warn!(shard = self.index, why, "nobody knows whether the store has taken a batch, so its partitions are taken over anew");
        let mut done_with = DoneWith::default();
        for partition in partitions {
            loop {
                self.let_go(partition);
                match self.restore_partition(shared, partition).await {
                    Ok(decided) => {
                        if decided.as_ref() != self.decided.get(&partition) {
                            done_with.stored.push(partition);
                        }
                        match decided {
                            Some(decided) => drop(self.decided.insert(partition, decided)),
                            None => drop(self.decided.remove(&partition)),
                        }
                        break;
                    }
                    Err(RecoverError::Failed(why)) => {
                        self.pause(backoff, "nobody knows whether the store has taken a batch", &why).await?;
                    }
                    Err(damaged @ RecoverError::Damaged(_)) => return Err(End::Trouble(damaged.to_string())),
                }
            }
        }
        self.store_answered();
        Ok(done_with)
    }

    /// The partitions of these devices and checkpoints, each once.
    fn partitions_of(&self, devices: &[DeviceNumber], checkpoints: &[Checkpoint]) -> Vec<u16> {
        let of_devices = devices.iter().map(|device| partition_of(device.shelf(), self.partitions));
        let mut partitions: Vec<u16> = of_devices.chain(checkpoints.iter().map(|checkpoint| checkpoint.partition)).collect();
        partitions.sort_unstable();
        partitions.dedup();
        partitions
    }

    /// Takes in that another owner has written: drops what is known of these devices and loads it again.
    ///
    /// # Errors
    /// When it is the second conflict in a row: then two owners write, and this one stands down.
    pub(crate) async fn conflict(
        &mut self,
        device: DeviceNumber,
        expected: u64,
        actual: u64,
        devices: Vec<DeviceNumber>,
    ) -> Result<(), End> {
        warn!(shard = self.index, device = device.as_u32(), expected, actual, "a device was changed by another owner");
        self.conflicts += 1;
        if self.conflicts > 1 {
            return Err(End::Trouble(format!(
                "another process writes the same devices (one is at version {actual}, not {expected}); this shard stands down"
            )));
        }
        for (device, state) in self.load_all(devices).await? {
            self.bring_in(device, state);
        }
        Ok(())
    }

    /// A batch was stored: whatever was wrong is not any more.
    pub(crate) fn went_well(&mut self) {
        self.conflicts = 0;
        self.store_answered();
    }

    /// The store, or the dead letters, do again what they refused.
    pub(crate) fn store_answered(&mut self) {
        if std::mem::take(&mut self.troubled) {
            self.tell_trouble();
        }
    }

    /// Says what is wrong and waits a while before it is tried again.
    ///
    /// # Errors
    /// When the shard is asked to stop meanwhile.
    pub(crate) async fn pause(&mut self, backoff: &mut Backoff, what: &'static str, why: &str) -> Result<(), End> {
        if !std::mem::replace(&mut self.troubled, true) {
            warn!(shard = self.index, what, why, "a state shard waits and tries again");
        }
        self.visible.set_trouble(self.index, Some(format!("{what}: {why}")));
        tokio::select! {
            biased;
            () = stopping(&mut self.stop) => Err(End::Stopped),
            () = tokio::time::sleep(backoff.next()) => Ok(()),
        }
    }

    /// Parks an entry, and tries until it is durable: only then its checkpoint may move.
    ///
    /// # Errors
    /// When the shard is asked to stop meanwhile.
    pub(crate) async fn park(
        &mut self,
        entry: &DeliveredEntry,
        (form, body): (EntryForm, &[u8]),
        reason: &str,
        device_id: Option<&str>,
    ) -> Result<(), End> {
        error!(shard = self.index, place = entry.place, reason, device = device_id, "an entry is parked in the dead letters");
        let mut backoff = Backoff::default();
        loop {
            let parked_at = (self.options.clock)();
            let letter = NewLetter { place: entry.place, partition: entry.partition, parked_at, reason, device_id, form, body };
            match self.parking.park(letter).await {
                Ok(()) => return Ok(()),
                Err(refusal) => self.pause(&mut backoff, "an entry cannot be parked", &refusal.to_string()).await?,
            }
        }
    }
}
