//! Readings that could not be processed, parked so that they hold up nothing.
//!
//! A small segment log of its own keeps what was parked and what was requeued, as records of the format described in
//! [`record`]. Memory holds a few bytes for each letter ever parked, so that a repeat is recognised.

mod record;

mod read;

use fieldwatch_domain::{Timestamp, fnv1a_64};
use fieldwatch_segment_log::{Log, LogOptions, LogReader, OpenError, SyncMode};
use fieldwatch_wire::queued::EntryForm;
use record::{Parked, Record, Requeued};
use std::{
    collections::{HashMap, HashSet},
    error::Error,
    path::Path,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

/// What the letters' segments say they are.
const KIND: [u8; 4] = *b"DEAD";
/// A record holds an entry's body of up to 64 KiB twice as long, and an id and a reason in JSON.
const MAX_RECORD_BYTES: u32 = 1 << 20;
/// Letters are few.
const SEGMENT_BYTES: u64 = 16 << 20;
/// Of a longer reason the first so many characters are kept.
const MAX_REASON_CHARS: usize = 1_000;

/// The parked entries of the embedded queue: a small log of its own. One process writes; others may read beside it.
/// Cheap to clone.
#[derive(Clone)]
pub struct DeadLetters {
    letters: Arc<Mutex<Letters>>,
}

struct Letters {
    log: Log,
    /// Ids by place and body: after the queue was begun anew, another entry may lie at the same place.
    parked: HashMap<(u64, u64), u64>,
    waiting: HashSet<u64>,
    last_id: u64,
}

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
    /// In which form the body is.
    pub form: EntryForm,
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
    pub fn open(dir: &Path, sync: SyncMode) -> Result<Self, DeadLetterError> {
        let options = LogOptions { segment_bytes: SEGMENT_BYTES, max_frame_bytes: MAX_RECORD_BYTES, sync, ..LogOptions::new(KIND) };
        let (log, _) = Log::open(dir, options).map_err(|error| failed("open", &error))?;
        let reader = log.reader();
        let mut letters = Letters { log, parked: HashMap::new(), waiting: HashSet::new(), last_id: 0 };
        read::records(&reader, |record| letters.apply(&record))?;
        Ok(Self { letters: Arc::new(Mutex::new(letters)) })
    }

    /// Reads the letters beside whoever writes them; none when there is no such folder yet. As many as [`Self::list`] gives.
    pub fn read_only(dir: &Path) -> Result<Vec<DeadLetter>, DeadLetterError> {
        if !dir.exists() {
            return Ok(Vec::new());
        }
        match LogReader::open_read_only(dir, KIND) {
            Ok(log) => read::letters(&log, read::MOST_WAITING, read::MOST_REQUEUED),
            Err(OpenError::Absent { .. }) => Ok(Vec::new()),
            Err(error) => Err(failed("open", &error)),
        }
    }

    /// Parks an entry, durably. One from the same place is parked once. Gives its id. Blocks for one sync.
    ///
    /// Of a reason longer than 1 000 characters the beginning is kept.
    pub fn park(
        &self,
        place: u64,
        parked_at: Timestamp,
        reason: &str,
        device_id: Option<&str>,
        body: &[u8],
    ) -> Result<u64, DeadLetterError> {
        let mut letters = self.letters();
        if let Some(id) = letters.parked.get(&key(place, body)) {
            return Ok(*id);
        }
        let id = letters.last_id + 1;
        letters.keep(&Record::Parked(Parked {
            id,
            place,
            at: parked_at.unix_ms(),
            reason: reason.chars().take(MAX_REASON_CHARS).collect(),
            device_id: device_id.map(Into::into),
            body: body.into(),
        }))?;
        Ok(id)
    }

    /// The letters, oldest first: the oldest 10 000 that wait, and the newest 1 000 that were requeued. Reads them from
    /// the disk.
    pub fn list(&self) -> Result<Vec<DeadLetter>, DeadLetterError> {
        // Nobody who wants to park has to wait for this.
        let log = self.letters().log.reader();
        read::letters(&log, read::MOST_WAITING, read::MOST_REQUEUED)
    }

    /// Notes, durably, that a letter was given to its device again. Blocks for one sync. A second time changes nothing.
    ///
    /// # Errors
    /// When there is no such letter, or it cannot be noted.
    pub fn requeued(&self, id: u64, at: Timestamp) -> Result<(), DeadLetterError> {
        let mut letters = self.letters();
        if id == 0 || id > letters.last_id {
            return Err(DeadLetterError { action: "requeue from", detail: format!("there is no letter {id}") });
        }
        if !letters.waiting.contains(&id) {
            return Ok(());
        }
        letters.keep(&Record::Requeued(Requeued { id, at: at.unix_ms() }))
    }

    /// How many letters wait (parked, not requeued).
    pub fn waiting(&self) -> u64 {
        self.letters().waiting.len() as u64
    }

    fn letters(&self) -> MutexGuard<'_, Letters> {
        self.letters.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Letters {
    /// Durable first, then known.
    fn keep(&mut self, record: &Record) -> Result<(), DeadLetterError> {
        self.log.commit(&[&record.encode()]).map_err(|error| failed("write to", &error))?;
        self.apply(record);
        Ok(())
    }

    fn apply(&mut self, record: &Record) {
        match record {
            Record::Parked(parked) => {
                self.last_id = self.last_id.max(parked.id);
                self.parked.insert(key(parked.place, &parked.body), parked.id);
                self.waiting.insert(parked.id);
            }
            Record::Requeued(requeued) => {
                self.waiting.remove(&requeued.id);
            }
        }
    }
}

fn key(place: u64, body: &[u8]) -> (u64, u64) {
    (place, fnv1a_64(body))
}

fn failed(action: &'static str, error: &dyn Error) -> DeadLetterError {
    let detail = error.source().map_or_else(|| error.to_string(), |cause| format!("{error}: {cause}"));
    DeadLetterError { action, detail }
}
