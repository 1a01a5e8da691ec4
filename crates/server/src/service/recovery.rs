//! Fills memory from what is stored: once, before the first reading is taken.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::Context as _;
use fieldwatch_device_state::DeviceStates;
use fieldwatch_directory::Directory;
use fieldwatch_domain::{Device, DeviceNumber, DeviceNumbers};
use fieldwatch_event_store::{Checkpoint, Entry, EventStore, Recovered};
use tokio::time::interval_at;
use tracing::info;

use super::unrestored::only_version;

/// What is to be filled.
pub(super) struct Memory<'a> {
    pub(super) directory: Option<&'a Directory>,
    pub(super) states: Option<&'a DeviceStates>,
    pub(super) numbers: &'a Arc<DeviceNumbers>,
}

impl Memory<'_> {
    fn take(&self, recovered: &Recovered<'_>) {
        if let Some(directory) = self.directory {
            directory.recovered(recovered);
        }
        if let Some(states) = self.states {
            states.recovered(recovered);
        }
    }
}

/// Gives memory what the store has of devices, and gives back how far the queue was decided.
pub(super) async fn recover(
    store: &dyn EventStore,
    memory: &Memory<'_>,
    restore: bool,
    progress_interval: Duration,
) -> anyhow::Result<Vec<Checkpoint>> {
    let begun = Instant::now();
    let progress = tokio::spawn(tell_progress(Arc::clone(memory.numbers), progress_interval));
    let versions = Versions::default();
    let visit = |recovered: Recovered<'_>| {
        if restore {
            memory.take(&recovered);
        } else {
            versions.take(&recovered);
        }
    };
    let recovered = store.recover(&visit).await;
    progress.abort();
    let recovery = recovered.context("cannot restore the devices")?;
    versions.give(|recovered| memory.take(recovered));
    if let Some(directory) = memory.directory {
        directory.caught_up(store.newest());
    }
    let elapsed_ms = begun.elapsed().as_millis() as u64;
    info!(devices = memory.numbers.len(), in_snapshots = recovery.devices, replayed = recovery.entries, elapsed_ms, "restored");
    Ok(recovery.checkpoints)
}

/// A task of its own: the restore may keep its thread busy.
async fn tell_progress(numbers: Arc<DeviceNumbers>, every: Duration) {
    let begun = Instant::now();
    let mut tick = interval_at(tokio::time::Instant::now() + every, every);
    loop {
        tick.tick().await;
        info!(devices = numbers.len(), elapsed_s = begun.elapsed().as_secs(), "restoring devices");
    }
}

/// With `devices.restore = false`: the newest version of each device, which is all that is taken over.
#[derive(Default)]
struct Versions(Mutex<HashMap<DeviceNumber, u64>>);

impl Versions {
    fn take(&self, recovered: &Recovered<'_>) {
        let (device, version) = match recovered {
            Recovered::Device(device, state) => (*device, state.device.version()),
            Recovered::Entry(Entry::Event(event)) => (event.device, event.version),
            Recovered::Entry(Entry::Passivated(state)) => (state.0, Device::version(&state.1)),
            Recovered::Entry(Entry::Late(_) | Entry::Observation(_)) => return,
        };
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(device, version);
    }

    fn give(self, visit: impl Fn(&Recovered<'_>)) {
        for (device, version) in self.0.into_inner().unwrap_or_else(PoisonError::into_inner) {
            visit(&Recovered::Device(device, only_version(version)));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use fieldwatch_event_store::DeviceState;

    use super::*;

    #[test]
    fn the_newest_version_is_what_is_taken_over() {
        let (versions, device) = (Versions::default(), DeviceNumber::from_u32(1));
        for version in [5, 7] {
            versions.take(&Recovered::Device(device, only_version(version)));
        }
        let given: RefCell<Vec<(DeviceNumber, DeviceState)>> = RefCell::default();
        versions.give(|recovered| match recovered {
            Recovered::Device(device, state) => given.borrow_mut().push((*device, state.clone())),
            Recovered::Entry(entry) => panic!("{entry:?} was made up"),
        });
        assert_eq!(given.into_inner(), [(device, only_version(7))]);
    }
}
