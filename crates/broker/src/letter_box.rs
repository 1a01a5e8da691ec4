//! What every place for dead letters promises, wherever it is.

use crate::{BoxFuture, DeadLetter, DeadLetterError, DeadLetters};
use fieldwatch_domain::Timestamp;
use fieldwatch_wire::queued::EntryForm;
use tokio::task::spawn_blocking;

/// An entry that is to be parked.
#[derive(Clone, Copy, Debug)]
pub struct NewLetter<'a> {
    /// Its place in the queue; one from the same place is parked once.
    pub place: u64,
    /// The partition it came from.
    pub partition: u16,
    /// When it is parked.
    pub parked_at: Timestamp,
    /// Why, for people.
    pub reason: &'a str,
    /// Whose it is, where that could be read.
    pub device_id: Option<&'a str>,
    /// In which form the body is.
    pub form: EntryForm,
    /// The entry's body as it came.
    pub body: &'a [u8],
}

/// Keeps entries that could not be processed.
pub trait Parking: Send + Sync + 'static {
    /// Parks an entry, durably. Those who wait may be held up for one sync, or one confirmation of a broker.
    ///
    /// # Errors
    /// When it is not known to be durable; the entry will be parked again.
    fn park<'a>(&'a self, letter: NewLetter<'a>) -> BoxFuture<'a, Result<(), DeadLetterError>>;
}

/// Gives parked entries to people, who look at them and have them tried again.
pub trait LetterBox: Parking {
    /// The letters, oldest first; of very many, as many as can be looked at.
    fn list(&self) -> BoxFuture<'_, Result<Vec<DeadLetter>, DeadLetterError>>;

    /// Notes that letters were given to their devices again.
    ///
    /// # Errors
    /// When that is not durable for all of them. Giving them again is harmless, because they are recognised.
    fn requeued(&self, ids: Vec<u64>, at: Timestamp) -> BoxFuture<'_, Result<(), DeadLetterError>>;

    /// How many letters wait, as far as is known.
    fn waiting(&self) -> u64;
}

impl Parking for DeadLetters {
    fn park<'a>(&'a self, letter: NewLetter<'a>) -> BoxFuture<'a, Result<(), DeadLetterError>> {
        // It blocks for one sync. Letters are rare, and a shard has nothing better to do meanwhile.
        Box::pin(async move {
            Self::park(self, letter.place, letter.parked_at, letter.reason, letter.device_id, letter.body).map(|_id| ())
        })
    }
}

/// Letters are files, and reading and syncing them blocks: so it happens on a thread for that.
impl LetterBox for DeadLetters {
    fn list(&self) -> BoxFuture<'_, Result<Vec<DeadLetter>, DeadLetterError>> {
        let letters = self.clone();
        Box::pin(async move { settled(spawn_blocking(move || Self::list(&letters)).await, "read") })
    }

    fn requeued(&self, ids: Vec<u64>, at: Timestamp) -> BoxFuture<'_, Result<(), DeadLetterError>> {
        let letters = self.clone();
        Box::pin(async move {
            let note = move || ids.into_iter().try_for_each(|id| Self::requeued(&letters, id, at));
            settled(spawn_blocking(note).await, "requeue from")
        })
    }

    fn waiting(&self) -> u64 {
        Self::waiting(self)
    }
}

fn settled<T>(
    done: Result<Result<T, DeadLetterError>, tokio::task::JoinError>,
    action: &'static str,
) -> Result<T, DeadLetterError> {
    done.unwrap_or_else(|panicked| Err(DeadLetterError { action, detail: panicked.to_string() }))
}
