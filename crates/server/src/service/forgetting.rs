//! What is forgotten leaves the dead letters, too.
//!
//! The store tells of it on its own thread, where nothing may wait for a disk: there the letters are only hidden. A task notes
//! it durably right after; the hourly tidying erases them. What a crash between these steps loses is asked of the store at the next
//! start.

use std::sync::Arc;

use anyhow::Context as _;
use fieldwatch_broker::DeadLetters;
use fieldwatch_domain::{DeviceEvent, DeviceNumbers};
use fieldwatch_event_store::{Entry, EventStore, Stored};
use tokio::sync::Notify;
use tokio::task::spawn_blocking;
use tracing::warn;

/// Between the event store and the dead letters.
pub(super) struct Forgetting {
    letters: DeadLetters,
    numbers: Arc<DeviceNumbers>,
    news: Notify,
}

impl Forgetting {
    /// Hides what was forgotten before this start. To be called when the store has recovered, before any device takes a turn.
    pub(super) async fn after_recovery(
        store: &dyn EventStore,
        letters: DeadLetters,
        numbers: Arc<DeviceNumbers>,
    ) -> anyhow::Result<Self> {
        for id in letters.device_ids() {
            // A device that the store has never heard of was never forgotten.
            let Some(device) = numbers.find(&id) else { continue };
            let forgotten =
                store.last_forgotten(device).await.context("cannot ask which devices with dead letters were forgotten")?;
            if let Some(position) = forgotten {
                letters.device_forgotten(&id, position);
            }
        }
        letters.events_told(store.newest());
        let forgetting = Self { letters, numbers, news: Notify::new() };
        forgetting.news.notify_one();
        Ok(forgetting)
    }

    /// Takes a batch that was stored. Quick, and does not block.
    pub(super) fn told(&self, stored: &Stored) {
        for entry in &stored.entries {
            if let Entry::Event(event) = entry
                && matches!(event.event, DeviceEvent::Forgotten)
            {
                self.letters.device_forgotten(self.numbers.id(event.device).as_str(), event.position);
                self.news.notify_one();
            }
        }
        // Only now: what is parked from here on is from after that.
        self.letters.events_told(stored.newest);
    }

    /// Notes durably what was told, for ever.
    pub(super) async fn settle(self: Arc<Self>) {
        loop {
            self.news.notified().await;
            let letters = self.letters.clone();
            match spawn_blocking(move || letters.settle()).await {
                Ok(Ok(())) => {}
                Ok(Err(error)) => {
                    warn!(%error, "dead letters of a forgotten device are hidden; that is noted when things are tidied");
                }
                Err(error) => warn!(%error, "noting what leaves the dead letters failed"),
            }
        }
    }
}
