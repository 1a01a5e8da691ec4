//! Readings that could not be processed, parked so that they hold up nothing.
//!
//! A small segment log of its own keeps what was parked and what was requeued, as records of the format described in
//! [`record`]. Memory holds a few bytes for each letter, so that a repeat is recognised.
//!
//! Letters of a device that was forgotten are not shown from then on, and neither those that were requeued long ago;
//! [`DeadLetters::tidy`] erases them. Which letters are from before a forgetting is told by positions of the event store, not by
//! clocks: a letter keeps the newest one that was told of when it was parked.

mod record;

mod known;

mod read;

mod tidying;

use fieldwatch_domain::Timestamp;
use fieldwatch_segment_log::{Log, LogOptions, LogReader, OpenError, SyncMode};
use fieldwatch_wire::queued::EntryForm;
use known::Known;
use record::{Parked, Record, Requeued};
use std::{
    collections::{BTreeSet, HashMap},
    error::Error,
    path::Path,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

/// What the letters' segments say they are.
const KIND: [u8; 4] = *b"DEAD";
/// A record holds an entry's body of up to 64 KiB twice as long, and an id and a reason in JSON.
const MAX_RECORD_BYTES: u32 = 1 << 20;
/// Letters are few.
const SEGMENT_BYTES: u64 = 16 << 20;
/// Of a longer reason the first so many characters are kept.
const MAX_REASON_CHARS: usize = 1_000;
/// A letter that was requeued is kept for so long, for whoever wonders what became of it.
const REQUEUED_KEPT: Duration = Duration::from_hours(30 * 24);

/// The parked entries of the embedded queue: a small log of its own. One process writes; others may read beside it.
/// Cheap to clone.
#[derive(Clone)]
pub struct DeadLetters {
    letters: Arc<Mutex<Letters>>,
    /// Forgotten devices whose letters are not hidden yet, each with its position. Never locked for long, unlike the letters.
    forgotten: Arc<Mutex<HashMap<Box<str>, u64>>>,
    /// Position of the newest event that was told of.
    newest_event: Arc<AtomicU64>,
}

struct Letters {
    log: Log,
    known: Known,
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
        let mut letters = Letters { log, known: Known::default() };
        read::records(&reader, |record| letters.known.apply(&record)).map_err(read::Fault::into_error)?;
        Ok(Self { letters: Arc::new(Mutex::new(letters)), forgotten: Arc::default(), newest_event: Arc::default() })
    }

    /// Reads the letters beside whoever writes them; none when there is no such folder yet. As many as [`Self::list`] gives.
    pub fn read_only(dir: &Path) -> Result<Vec<DeadLetter>, DeadLetterError> {
        if !dir.exists() {
            return Ok(Vec::new());
        }
        read::undisturbed(|| match LogReader::open_read_only(dir, KIND) {
            Ok(log) => read::letters(&log, &BTreeSet::new(), read::MOST_WAITING, read::MOST_REQUEUED),
            Err(OpenError::Absent { .. }) => Ok(Vec::new()),
            Err(error) => Err(failed("open", &error).into()),
        })
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
        if let Some(id) = letters.known.at(place, body) {
            return Ok(id);
        }
        let id = letters.known.last_id() + 1;
        letters.keep(&Record::Parked(Parked {
            id,
            place,
            at: parked_at.unix_ms(),
            reason: reason.chars().take(MAX_REASON_CHARS).collect(),
            device_id: device_id.map(Into::into),
            body: body.into(),
            position: self.newest_event.load(Ordering::Acquire),
        }))?;
        Ok(id)
    }

    /// The letters, oldest first: the oldest 10 000 that wait, and the newest 1 000 that were requeued. Reads them from
    /// the disk.
    pub fn list(&self) -> Result<Vec<DeadLetter>, DeadLetterError> {
        // Nobody who wants to park has to wait for this.
        let (log, hidden) = {
            let letters = self.letters();
            (letters.log.reader(), letters.known.hidden().clone())
        };
        read::undisturbed(|| read::letters(&log, &hidden, read::MOST_WAITING, read::MOST_REQUEUED))
    }

    /// Notes, durably, that a letter was given to its device again. Blocks for one sync. A second time changes nothing.
    ///
    /// # Errors
    /// When there is no such letter, or it cannot be noted.
    pub fn requeued(&self, id: u64, at: Timestamp) -> Result<(), DeadLetterError> {
        let mut letters = self.letters();
        if id == 0 || id > letters.known.last_id() {
            return Err(DeadLetterError { action: "requeue from", detail: format!("there is no letter {id}") });
        }
        if !letters.known.waits(id) {
            return Ok(());
        }
        letters.keep(&Record::Requeued(Requeued { id, at: at.unix_ms() }))
    }

    /// How many letters wait (parked, not requeued).
    pub fn waiting(&self) -> u64 {
        self.letters().known.waiting() as u64
    }

    /// Tells that a device was forgotten: position of the event. Its letters from before are not shown any more from now on.
    ///
    /// Never waits for the disk. [`DeadLetters::settle`] makes it durable; until then a crash forgets it, so after a start it
    /// has to be told again for all of [`DeadLetters::device_ids`].
    pub fn device_forgotten(&self, device_id: &str, position: u64) {
        let mut forgotten = self.forgotten.lock().unwrap_or_else(PoisonError::into_inner);
        let newest = forgotten.entry(device_id.into()).or_default();
        *newest = position.max(*newest);
    }

    /// Tells the position of the newest event that is stored: what is parked from now on is parked after it. Never waits.
    pub fn events_told(&self, newest: u64) {
        self.newest_event.fetch_max(newest, Ordering::AcqRel);
    }

    /// The devices that have letters, each once.
    pub fn device_ids(&self) -> Vec<String> {
        self.letters().known.device_ids().into_iter().map(String::from).collect()
    }

    /// Notes durably that letters of forgotten devices are dropped: after that nobody who reads the files shows them either.
    /// Blocks for one sync when there are any.
    pub fn settle(&self) -> Result<(), DeadLetterError> {
        self.letters().drop_hidden()
    }

    /// Erases the letters of forgotten devices, and those that were requeued 30 days before `now`, from the disk. Called about every
    /// hour; whoever wants to park meanwhile waits. May take long when very many letters are kept, since they are written anew.
    ///
    /// `undecided_from` is the first place of the queue that may still be delivered again: a letter from there on is kept, so
    /// that it is recognised.
    pub fn tidy(&self, now: Timestamp, undecided_from: u64) -> Result<(), DeadLetterError> {
        let mut letters = self.letters();
        letters.known.hide_requeued(now.unix_ms().saturating_sub(REQUEUED_KEPT.as_millis() as i64), undecided_from);
        letters.drop_hidden()?;
        if letters.known.has_dead() { letters.compact() } else { Ok(()) }
    }

    /// The letters, without those of devices that were forgotten by now.
    fn letters(&self) -> MutexGuard<'_, Letters> {
        let mut letters = self.letters.lock().unwrap_or_else(PoisonError::into_inner);
        let forgotten = std::mem::take(&mut *self.forgotten.lock().unwrap_or_else(PoisonError::into_inner));
        if !forgotten.is_empty() {
            letters.known.hide(&forgotten);
        }
        letters
    }
}

impl Letters {
    /// Durable first, then known.
    fn keep(&mut self, record: &Record) -> Result<(), DeadLetterError> {
        self.log.commit(&[record.encode().as_bytes()]).map_err(|error| failed("write to", &error))?;
        self.known.apply(record);
        Ok(())
    }
}

fn failed(action: &'static str, error: &dyn Error) -> DeadLetterError {
    let detail = error.source().map_or_else(|| error.to_string(), |cause| format!("{error}: {cause}"));
    DeadLetterError { action, detail }
}
