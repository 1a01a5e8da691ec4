//! The last batches, for streams to take at their own pace.

use crate::{Form, encoded::Encoded};
use fieldwatch_domain::DeviceNumbers;
use fieldwatch_event_store::{Entry, Stored};
use parking_lot::Mutex;
use std::{
    collections::VecDeque,
    sync::{Arc, OnceLock},
    time::Duration,
};
use tokio::{
    sync::{Notify, watch},
    time::sleep,
};

/// Batches hold observations beside events. So many entries are kept for each event that may be, so that a fleet that is
/// mostly quiet does not fill the memory with what no stream tells.
const ENTRIES_PER_EVENT: usize = 8;
/// A stream takes so many batches at once, so that what it holds stays small when it is behind.
const BATCHES_AT_ONCE: usize = 64;
/// Readers are woken at most once in so long, so that thousands of small batches a second do not wake hundreds of readers
/// for each. After a pause there is no delay.
const BETWEEN_ROUNDS: Duration = Duration::from_millis(2);

/// The last batches. Nothing is kept while nobody reads.
pub(crate) struct Ring {
    inner: Mutex<Inner>,
    /// There is something new: wakes the one task that wakes the readers ([`Ring::wake_readers`]).
    news: Notify,
    /// Wakes readers.
    rounds: watch::Sender<u64>,
    most_events: usize,
}

#[derive(Default)]
struct Inner {
    kept: VecDeque<Arc<Kept>>,
    /// Sequence number of the oldest that is kept.
    first: u64,
    events: usize,
    entries: usize,
    /// Position of the newest event that was announced.
    announced: u64,
    readers: usize,
}

/// One batch, its messages written by the first stream that wants them.
pub(crate) struct Kept {
    stored: Arc<Stored>,
    events: usize,
    as_events: OnceLock<Encoded>,
    as_original: OnceLock<Encoded>,
}

/// The reader is further behind than the ring reaches.
#[derive(Debug)]
pub(crate) struct Behind;

/// A reader's place; while there is one the ring keeps batches.
pub(crate) struct Reader {
    ring: Arc<Ring>,
    next: u64,
    woken: watch::Receiver<u64>,
}

impl Ring {
    pub(crate) fn new(most_events: usize) -> Arc<Self> {
        Arc::new(Self { inner: Mutex::default(), news: Notify::new(), rounds: watch::Sender::new(0), most_events })
    }

    /// Takes a batch. Wakes one task, however many readers there are: the caller has other things to do.
    pub(crate) fn announce(&self, stored: &Arc<Stored>) {
        {
            let mut inner = self.inner.lock();
            let has_events = stored.newest > inner.announced;
            inner.announced = inner.announced.max(stored.newest);
            if !has_events || inner.readers == 0 {
                return;
            }
            inner.push(Kept::new(stored));
            while inner.kept.len() > 1 && (inner.events > self.most_events || inner.entries > self.most_events * ENTRIES_PER_EVENT)
            {
                inner.forget_oldest();
            }
        }
        self.news.notify_one();
    }

    /// Wakes all readers when there is something new, for ever. Nothing is lost when it is dropped and called again.
    pub(crate) async fn wake_readers(&self) {
        loop {
            self.news.notified().await;
            self.rounds.send_modify(|rounds| *rounds += 1);
            sleep(BETWEEN_ROUNDS).await;
        }
    }

    /// A reader of what is announced from now on, and the newest position before.
    pub(crate) fn read(self: &Arc<Self>) -> (Reader, u64) {
        let woken = self.rounds.subscribe();
        let mut inner = self.inner.lock();
        inner.readers += 1;
        (Reader { ring: Arc::clone(self), next: inner.end(), woken }, inner.announced)
    }
}

impl Inner {
    fn end(&self) -> u64 {
        self.first + self.kept.len() as u64
    }

    fn push(&mut self, kept: Kept) {
        self.events += kept.events;
        self.entries += kept.stored.entries.len();
        self.kept.push_back(Arc::new(kept));
    }

    fn forget_oldest(&mut self) {
        if let Some(oldest) = self.kept.pop_front() {
            self.events -= oldest.events;
            self.entries -= oldest.stored.entries.len();
            self.first += 1;
        }
    }
}

impl Reader {
    /// What was announced since the last call, at most a few batches; empty when there is nothing.
    pub(crate) fn take(&mut self) -> Result<Vec<Arc<Kept>>, Behind> {
        self.woken.mark_unchanged();
        let inner = self.ring.inner.lock();
        let Some(at) = self.next.checked_sub(inner.first) else { return Err(Behind) };
        let taken: Vec<_> = inner.kept.iter().skip(at as usize).take(BATCHES_AT_ONCE).cloned().collect();
        self.next += taken.len() as u64;
        Ok(taken)
    }

    /// Waits until there may be something to take. Cancel-safe.
    pub(crate) async fn woken(&mut self) {
        // The sender lives in the ring, so it is never gone.
        let _ = self.woken.changed().await;
    }

    /// Forgets what was not taken, and gives the newest position that was announced.
    pub(crate) fn skip_to_end(&mut self) -> u64 {
        let inner = self.ring.inner.lock();
        self.next = inner.end();
        inner.announced
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        let mut inner = self.ring.inner.lock();
        inner.readers -= 1;
        if inner.readers == 0 {
            while !inner.kept.is_empty() {
                inner.forget_oldest();
            }
        }
    }
}

impl Kept {
    fn new(stored: &Arc<Stored>) -> Self {
        let events = stored.entries.iter().filter(|entry| matches!(entry, Entry::Event(_))).count();
        Self { stored: Arc::clone(stored), events, as_events: OnceLock::new(), as_original: OnceLock::new() }
    }

    /// Its messages in a form; frames have none.
    pub(crate) fn encoded(&self, form: Form, numbers: &DeviceNumbers) -> &Encoded {
        let place = if form == Form::Original { &self.as_original } else { &self.as_events };
        place.get_or_init(|| {
            let events = self.stored.entries.iter().filter_map(|entry| match entry {
                Entry::Event(recorded) => Some(recorded),
                Entry::Late(_) | Entry::Observation(_) | Entry::Passivated(_) => None,
            });
            Encoded::write(form, events, numbers)
        })
    }

    /// Position of its newest event.
    pub(crate) fn newest(&self) -> u64 {
        self.stored.newest
    }
}
