//! Devices are loaded from the store: those that were passivated, and those whose state is suspect.

use crate::{Shard, backoff::Backoff, storing::End};
use fieldwatch_domain::DeviceNumber;
use fieldwatch_event_store::{DeviceState, ReadError};
use tokio::task::JoinSet;

/// How many devices are loaded at the same time: enough to keep a disk busy or to hide a network, and few enough that
/// history and lists still get their turn.
const LOADS_AT_A_TIME: usize = 32;

impl Shard {
    /// Loads one device, and tries until it can be read.
    ///
    /// # Errors
    /// When the shard is asked to stop meanwhile.
    pub(crate) async fn load(&mut self, device: DeviceNumber) -> Result<DeviceState, End> {
        let mut backoff = Backoff::default();
        loop {
            match self.store.load(device).await {
                Ok(state) => {
                    self.store_answered();
                    return Ok(state);
                }
                Err(refusal) => self.cannot_load(&mut backoff, &refusal).await?,
            }
        }
    }

    /// Loads several devices, in any order.
    ///
    /// # Errors
    /// When the shard is asked to stop meanwhile.
    pub(crate) async fn load_all(&mut self, devices: Vec<DeviceNumber>) -> Result<Vec<(DeviceNumber, DeviceState)>, End> {
        let mut loaded = Vec::with_capacity(devices.len());
        let mut waiting = devices.into_iter();
        let mut loads = JoinSet::new();
        loop {
            while loads.len() < LOADS_AT_A_TIME
                && let Some(device) = waiting.next()
            {
                let store = self.store.clone();
                loads.spawn(async move { (device, store.load(device).await) });
            }
            match loads.join_next().await {
                None => return Ok(loaded),
                Some(Ok((device, Ok(state)))) => loaded.push((device, state)),
                // Whatever is wrong with the store is likely wrong for the next one too: go on one by one.
                Some(Ok((device, Err(_)))) => loaded.push((device, self.load(device).await?)),
                Some(Err(failed)) => return Err(End::Trouble(format!("the store failed while a device was loaded: {failed}"))),
            }
        }
    }

    /// Brings those of the devices back into memory that are passivated.
    ///
    /// # Errors
    /// When the shard is asked to stop meanwhile.
    pub(crate) async fn restore_passivated(&mut self, devices: impl Iterator<Item = DeviceNumber>) -> Result<(), End> {
        let mut passivated: Vec<DeviceNumber> = Vec::new();
        for device in devices {
            if self.cells.cell(device).is_passivated() {
                passivated.push(device);
            }
        }
        if passivated.is_empty() {
            return Ok(());
        }
        passivated.sort_unstable();
        passivated.dedup();
        for (device, state) in self.load_all(passivated).await? {
            self.bring_in(device, state);
        }
        Ok(())
    }

    /// Takes a loaded state as the device's.
    pub(crate) fn bring_in(&mut self, device: DeviceNumber, state: DeviceState) {
        self.half_folded.remove(&device);
        let cell = self.cells.cell(device);
        if !cell.is_known() && state == DeviceState::default() {
            return;
        }
        cell.put(Box::new(state));
        self.visible.set_active(device, true);
        // Also when no reading brought it back: it has to be passivated again.
        self.timers.arm(device, cell);
    }

    async fn cannot_load(&mut self, backoff: &mut Backoff, refusal: &ReadError) -> Result<(), End> {
        self.pause(backoff, "a device cannot be loaded", &refusal.to_string()).await
    }
}
