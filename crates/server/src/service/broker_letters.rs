//! The dead letters at a broker, without those of devices that were forgotten.
//!
//! The broker knows nothing of that: the event store is asked whenever letters are shown, and again when things are tidied, which
//! removes them.

use std::sync::{Arc, OnceLock};

use anyhow::Context as _;
use fieldwatch_broker::{BoxFuture, DeadLetter, DeadLetterError, ForgottenDevices, LetterBox, NewLetter, Parking, RabbitQueue};
use fieldwatch_domain::{DeviceEvent, DeviceNumbers, Timestamp};
use fieldwatch_event_store::{EventStore, ReadError};
use tracing::info;

/// The dead letters at a broker.
pub(super) struct BrokerLetters {
    queue: Arc<RabbitQueue>,
    /// Once it has answered.
    store: OnceLock<(Arc<dyn EventStore>, Arc<DeviceNumbers>)>,
}

impl BrokerLetters {
    pub(super) fn new(queue: &Arc<RabbitQueue>) -> Self {
        Self { queue: Arc::clone(queue), store: OnceLock::new() }
    }

    /// From now on it is known whom to ask what was forgotten. To be called when the store has recovered.
    pub(super) fn store_is(&self, store: &Arc<dyn EventStore>, numbers: &Arc<DeviceNumbers>) {
        // A second one would be a bug, and the first is as good.
        let _ = self.store.set((Arc::clone(store), Arc::clone(numbers)));
    }

    /// Removes the letters of forgotten devices from before that.
    pub(super) async fn tidy(&self) -> anyhow::Result<()> {
        // Whoever looks at the letters meanwhile, from another process, does not see those that are in hand here.
        if self.queue.waiting() == 0 {
            return Ok(());
        }
        let devices = self.queue.letter_devices().await?;
        let forgotten = self.forgotten_among(devices.iter().map(String::as_str)).await?;
        if forgotten.is_empty() {
            return Ok(());
        }
        let letters = self.queue.erase_letters(&forgotten).await?;
        if letters > 0 {
            info!(letters, "erased dead letters of forgotten devices");
        }
        Ok(())
    }

    async fn forgotten_among(&self, ids: impl Iterator<Item = &str>) -> anyhow::Result<ForgottenDevices> {
        let (store, numbers) = self.store.get().context("the event store has not answered yet")?;
        forgotten_among(&**store, numbers, ids).await.context("cannot ask which devices were forgotten")
    }

    async fn told(&self) -> Result<Vec<DeadLetter>, DeadLetterError> {
        let mut letters = self.queue.list().await?;
        if !letters.is_empty() {
            let forgotten = self.forgotten_among(devices_of(&letters)).await;
            let forgotten = forgotten.map_err(|error| DeadLetterError { action: "show", detail: format!("{error:#}") })?;
            letters.retain(|letter| !forgotten.hide(letter.device_id.as_deref(), letter.parked_at));
        }
        Ok(letters)
    }
}

impl Parking for BrokerLetters {
    fn park<'a>(&'a self, letter: NewLetter<'a>) -> BoxFuture<'a, Result<(), DeadLetterError>> {
        self.queue.park(letter)
    }
}

impl LetterBox for BrokerLetters {
    fn list(&self) -> BoxFuture<'_, Result<Vec<DeadLetter>, DeadLetterError>> {
        Box::pin(self.told())
    }

    fn requeued(&self, ids: Vec<u64>, at: Timestamp) -> BoxFuture<'_, Result<(), DeadLetterError>> {
        self.queue.requeued(ids, at)
    }

    /// Those that are not shown any more count until things are tidied.
    fn waiting(&self) -> u64 {
        self.queue.waiting()
    }
}

/// The devices that letters are of.
pub(crate) fn devices_of(letters: &[DeadLetter]) -> impl Iterator<Item = &str> {
    letters.iter().filter_map(|letter| letter.device_id.as_deref())
}

/// Which of these devices were forgotten, and when.
pub(crate) async fn forgotten_among(
    store: &dyn EventStore,
    numbers: &DeviceNumbers,
    ids: impl Iterator<Item = &str>,
) -> Result<ForgottenDevices, ReadError> {
    let mut ids: Vec<&str> = ids.collect();
    ids.sort_unstable();
    ids.dedup();
    let mut forgotten = ForgottenDevices::default();
    for id in ids {
        // What was never a device was never forgotten either.
        if fieldwatch_domain::check_device_id(id).is_ok()
            && let Some(at) = forgotten_at(store, numbers, id).await?
        {
            forgotten.add(id, at);
        }
    }
    Ok(forgotten)
}

/// When a device was forgotten last; `None` when it never was, or longer ago than events are kept: then its letters are long erased.
async fn forgotten_at(store: &dyn EventStore, numbers: &DeviceNumbers, id: &str) -> Result<Option<Timestamp>, ReadError> {
    // Another process may have heard of it, and this one not.
    let device = numbers.number(id);
    let Some(position) = store.last_forgotten(device).await? else { return Ok(None) };
    let page = match store.read_all(position.saturating_sub(1), 1).await {
        Ok(page) => page,
        Err(ReadError::Gone { .. }) => return Ok(None),
        Err(error) => return Err(error),
    };
    let event = page.events.first().filter(|event| event.position == position && matches!(event.event, DeviceEvent::Forgotten));
    Ok(event.map(|event| event.recorded_at))
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;
    use std::time::Duration;

    use fieldwatch_broker::{RabbitAddress, RabbitOptions};
    use fieldwatch_domain::{Celsius, DeviceNumber, Location, RecordedEvent};
    use fieldwatch_event_store::{Batch, EmbeddedOptions, EmbeddedStore, Entry};
    use fieldwatch_real_servers::rabbitmq::RabbitMq;
    use fieldwatch_segment_log::SyncMode;
    use fieldwatch_wire::queued::EntryForm;

    use super::*;

    fn moment(unix_s: i64) -> Timestamp {
        Timestamp::from_unix_ms(unix_s * 1_000)
    }

    async fn append(store: &dyn EventStore, device: DeviceNumber, version: u64, unix_s: i64, event: DeviceEvent) {
        let at = moment(unix_s);
        let event = RecordedEvent { device, version, position: 0, at, recorded_at: at, received_at: at, reading_id: None, event };
        store.append(Batch { entries: vec![Entry::Event(event)], checkpoints: Vec::new() }).await.expect("stored");
    }

    async fn shown(letters: &dyn LetterBox) -> Vec<(String, i64)> {
        let listed = letters.list().await.expect("a list");
        let of = |letter: &DeadLetter| (letter.device_id.clone().unwrap_or_default(), letter.parked_at.unix_ms() / 1_000);
        listed.iter().map(of).collect()
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn letters_of_a_forgotten_device_are_hidden_at_once_and_erased_when_things_are_tidied() {
        let broker = match tokio::task::spawn_blocking(RabbitMq::start).await.expect("no panic") {
            Ok(broker) => broker,
            Err(missing) => {
                let test = "letters_of_a_forgotten_device_are_hidden_at_once_and_erased_when_things_are_tidied";
                // Directly, because what a test that passes prints is not shown.
                let _ = std::io::stderr().write_all(format!("SKIPPED {test}: {}\n", missing.0).as_bytes());
                return;
            }
        };
        let address = RabbitAddress::parse(&broker.url(&broker.create_vhost())).expect("an address");
        let queue = RabbitQueue::open(RabbitOptions { consumes: false, ..RabbitOptions::new(address, "a") });
        queue.ready(Duration::from_mins(1)).await.expect("it is ready");
        let letters = BrokerLetters::new(&queue);
        let mut place = 0;
        let mut new_letter = |device_id, unix_s| {
            place += 1;
            let (parked_at, form) = (moment(unix_s), EntryForm::Line);
            NewLetter { place, partition: 0, parked_at, reason: "it failed", device_id: Some(device_id), form, body: b"{}" }
        };
        for (device, unix_s) in [("a", 10), ("b", 10), ("a", 11)] {
            letters.park(new_letter(device, unix_s)).await.expect("parked");
        }
        letters.list().await.expect_err("nobody can say yet what was forgotten");

        let folder = tempfile::tempdir().expect("a folder");
        let numbers = Arc::new(DeviceNumbers::default());
        let options = EmbeddedOptions {
            dir: folder.path().to_owned(),
            sync: SyncMode::Durable,
            retention: None,
            least_free_bytes: 0,
            snapshot_every_bytes: u64::MAX,
        };
        let store = EmbeddedStore::open(options, Arc::clone(&numbers)).expect("an empty store");
        store.recover(&|_| {}).await.expect("nothing to restore");
        let store: Arc<dyn EventStore> = store;
        letters.store_is(&store, &numbers);
        let created = || DeviceEvent::Created { temperature: Celsius::default(), location: Location::default() };
        let whole = [("a".to_owned(), 10), ("b".to_owned(), 10), ("a".to_owned(), 11)];
        for id in ["a", "b"] {
            append(&*store, numbers.number(id), 1, 5, created()).await;
        }
        assert_eq!(shown(&letters).await, whole);
        append(&*store, numbers.number("a"), 2, 20, DeviceEvent::Forgotten).await;
        assert_eq!(shown(&letters).await, whole[1..2], "hidden at once");

        // It comes anew, and fails again.
        append(&*store, numbers.number("a"), 3, 30, created()).await;
        letters.park(new_letter("a", 31)).await.expect("parked");
        let kept = [whole[1].clone(), ("a".to_owned(), 31)];
        assert_eq!(shown(&letters).await, kept);
        assert_eq!(queue.list().await.expect("a list").len(), 4, "not erased yet");
        letters.tidy().await.expect("tidy");
        let left: Vec<_> = queue.list().await.expect("a list").iter().map(|letter| letter.parked_at).collect();
        assert_eq!(left, [moment(10), moment(31)], "erased");
        assert_eq!(shown(&letters).await, kept);
    }
}
