//! Readings that could not be processed, parked so that they hold up nothing.

use fieldwatch_domain::Timestamp;
use fieldwatch_segment_log::SyncMode;
use std::path::Path;

/// The parked entries of the embedded queue: a small log of its own. One process writes; others may read beside it.
pub struct DeadLetters {}

/// One parked entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeadLetter {
    /// By which it is shown and requeued; grows.
    pub id: u64,
    /// Its place in the queue it came from.
    pub place: u64,
    /// When it was parked.
    pub parked_at: Timestamp,
    /// Why, for people.
    pub reason: String,
    /// The device's id, where the entry could be read that far.
    pub device_id: Option<String>,
    /// The entry's body as it lay in the queue.
    pub body: Vec<u8>,
    /// When it was given to its device again.
    pub requeued_at: Option<Timestamp>,
}

/// What went wrong with the letters.
#[derive(Debug, thiserror::Error)]
#[error("cannot {action} the dead letters: {detail}")]
pub struct DeadLetterError {
    /// What was tried.
    pub action: &'static str,
    /// What went wrong.
    pub detail: String,
}

impl DeadLetters {
    /// Opens the letters in `dir` for writing, or begins them. The caller holds the lock of the data folder.
    pub fn open(_dir: &Path, _sync: SyncMode) -> Result<Self, DeadLetterError> {
        unimplemented!()
    }

    /// Reads all letters beside whoever writes them; none when there is no such folder yet.
    pub fn read_only(_dir: &Path) -> Result<Vec<DeadLetter>, DeadLetterError> {
        unimplemented!()
    }

    /// Parks an entry, durably. One from the same place is parked once. Gives its id. Blocks for one sync.
    pub fn park(
        &self,
        _place: u64,
        _parked_at: Timestamp,
        _reason: &str,
        _device_id: Option<&str>,
        _body: &[u8],
    ) -> Result<u64, DeadLetterError> {
        unimplemented!()
    }

    /// All letters, oldest first.
    pub fn list(&self) -> Result<Vec<DeadLetter>, DeadLetterError> {
        unimplemented!()
    }

    /// Notes, durably, that a letter was given to its device again. Blocks for one sync.
    pub fn requeued(&self, _id: u64, _at: Timestamp) -> Result<(), DeadLetterError> {
        unimplemented!()
    }

    /// How many letters wait (parked, not requeued).
    pub fn waiting(&self) -> u64 {
        unimplemented!()
    }
}
