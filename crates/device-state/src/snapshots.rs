//! Snapshots of shelves, so that the next start reads little.

use crate::{Shard, storing::End};
use fieldwatch_domain::DeviceNumber;
use fieldwatch_event_store::{AppendError, ShelfSnapshot};
use std::time::Duration;
use tokio::time::Instant;
use tracing::{debug, warn};

/// After a snapshot failed no other is tried for so long: it would only add to whatever is wrong.
const PAUSE_AFTER_FAILURE: Duration = Duration::from_secs(30);

impl Shard {
    /// Asks about one of its shelves in turn, and saves that if the store wants it.
    ///
    /// # Errors
    /// When the store has stopped, or the shard is asked to stop.
    pub(crate) async fn save_if_wanted(&mut self) -> Result<(), End> {
        if self.shelves.is_empty() || Instant::now() < self.no_snapshot_before {
            return Ok(());
        }
        let shelf = self.shelves[self.next_snapshot % self.shelves.len()];
        self.next_snapshot = (self.next_snapshot + 1) % self.shelves.len();
        if !self.store.wants_snapshot(shelf) {
            return Ok(());
        }
        match self.save(shelf).await? {
            Ok(()) => Ok(()),
            Err(AppendError::Stopped(why)) => Err(End::Trouble(format!("the store has stopped: {why}"))),
            Err(
                refusal @ (AppendError::Unavailable(_)
                | AppendError::Unknown(_)
                | AppendError::VersionConflict { .. }
                | AppendError::Fenced { .. }),
            ) => {
                warn!(shard = self.index, shelf, %refusal, "a snapshot was not saved");
                self.no_snapshot_before = Instant::now() + PAUSE_AFTER_FAILURE;
                Ok(())
            }
        }
    }

    /// Saves all shelves that have changed; the first failure ends it, since nothing but a slower start is lost.
    pub(crate) async fn save_unsaved(&mut self) {
        for shelf in self.shelves.clone() {
            if !self.unsaved[shelf] {
                continue;
            }
            match self.save(shelf).await {
                Ok(Ok(())) => {}
                Ok(Err(refusal)) => {
                    warn!(shard = self.index, shelf, %refusal, "a snapshot was not saved");
                    return;
                }
                // The devices that are not in memory could not be read at once.
                Err(_) => return,
            }
        }
    }

    async fn save(&mut self, shelf: usize) -> Result<Result<(), AppendError>, End> {
        // A shared store has kept each passivated device's state with its passivation.
        let keeps_passivated = self.store.shared().is_some();
        let (mut devices, mut passivated) = (Vec::new(), Vec::new());
        for (place, cell) in self.cells.shelf(shelf).iter() {
            let device = DeviceNumber::at(shelf, place);
            match cell.state() {
                Some(state) => devices.push((device, state.clone())),
                None if cell.is_passivated() && (!keeps_passivated || self.half_folded.contains(&device)) => {
                    passivated.push(device);
                }
                None => {}
            }
        }
        devices.extend(self.load_all(passivated).await?);
        devices.sort_unstable_by_key(|(device, _)| *device);
        debug!(shard = self.index, shelf, devices = devices.len(), "saving a snapshot");
        let saved = self.store.save_snapshot(ShelfSnapshot { shelf, devices }).await;
        if saved.is_ok() {
            self.unsaved[shelf] = false;
        }
        Ok(saved)
    }
}
