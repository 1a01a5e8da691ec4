//! The one thread that writes: what waits is committed together.

use super::{
    MAX_BATCH_BYTES,
    announcer::Announcement,
    encoding::Encoded,
    heads::DeviceSet,
    records::told,
    shared::{Forgetting, Shared, Trouble},
};
use crate::{AppendError, Batch, Entry, Stored};
use fieldwatch_domain::DeviceEvent;
use fieldwatch_segment_log::{CommitError, Log};
use std::{
    sync::{Arc, atomic::Ordering, mpsc::SyncSender},
    time::{Duration, Instant},
};
use tokio::sync::{mpsc, oneshot};

/// How many requests wait for the writer; more wait in their callers. Each shard has one in flight, so this is for many shards.
pub(super) const WRITER_QUEUE: usize = 64;
/// A group is closed when it has so many bytes: by then the cost of a sync is small beside that of writing.
const GROUP_BYTES: usize = 4 << 20;
/// The system is asked how much space is free after so long,
const SPACE_CHECK: Duration = Duration::from_millis(100);
/// or earlier, when so great a part of the least that is to stay free was written since.
const SPACE_CHECK_PART: u64 = 4;

/// What became of an append.
pub(super) type Answer = oneshot::Sender<Result<Arc<Stored>, AppendError>>;

/// What the writer is asked.
pub(super) enum Command {
    /// To store a batch.
    Append(Request),
    /// To do something else with the log, between two commits.
    Maintain(Box<dyn FnOnce(&mut Log) + Send>),
}

/// A batch to be stored.
pub(super) struct Request {
    pub(super) batch: Batch,
    pub(super) encoded: Encoded,
    pub(super) handed_over: Instant,
    pub(super) answer: Answer,
}

/// The writer's own.
pub(super) struct Writer {
    log: Log,
    shared: Arc<Shared>,
    inbox: mpsc::Receiver<Command>,
    announcer: SyncSender<Vec<Announcement>>,
    /// Taken out of the inbox, and to be done next.
    held: Option<Command>,
    space_checked: Option<Instant>,
    written_since: u64,
    group: Vec<Request>,
    /// The devices of the group, as far as they had to be looked at: those of so many members.
    devices: DeviceSet,
    members_known: usize,
}

impl Writer {
    pub(super) fn new(
        log: Log,
        shared: Arc<Shared>,
        inbox: mpsc::Receiver<Command>,
        announcer: SyncSender<Vec<Announcement>>,
    ) -> Self {
        let (group, devices) = (Vec::new(), DeviceSet::default());
        Self { log, shared, inbox, announcer, held: None, space_checked: None, written_since: 0, group, devices, members_known: 0 }
    }

    /// Works until the store is dropped and everything handed over is done.
    pub(super) fn run(mut self) {
        while let Some(command) = self.held.take().or_else(|| self.inbox.blocking_recv()) {
            match command {
                Command::Append(request) => {
                    self.gather(request);
                    self.commit();
                }
                Command::Maintain(work) => work(&mut self.log),
            }
        }
    }

    /// Takes everything that waits and fits into one frame.
    fn gather(&mut self, first: Request) {
        let mut bytes = 0;
        let mut next = Some(first);
        while let Some(request) = next.take() {
            bytes += request.encoded.bytes.len();
            self.admit(request);
            if bytes >= GROUP_BYTES {
                break;
            }
            match self.inbox.try_recv() {
                Ok(Command::Append(request)) if !self.goes_along(&request, bytes) => self.held = Some(Command::Append(request)),
                Ok(Command::Append(request)) => next = Some(request),
                Ok(work @ Command::Maintain(_)) => self.held = Some(work),
                Err(_) => {}
            }
        }
    }

    /// Whether a request may be in one frame with the group, which has this many bytes. Of two requests for one device the
    /// second is linked to, and checked against, what the first leaves, so it has to wait for that.
    fn goes_along(&mut self, request: &Request, bytes: usize) -> bool {
        // Collected only now, because most groups are a single request.
        for member in &self.group[self.members_known..] {
            self.devices.extend(member.encoded.devices());
        }
        self.members_known = self.group.len();
        bytes + request.encoded.bytes.len() <= MAX_BATCH_BYTES as usize
            && !request.encoded.devices().any(|device| self.devices.contains(&device))
    }

    /// Takes a request into the group, or answers it.
    fn admit(&mut self, mut request: Request) {
        if let Some(refusal) = self.refusal() {
            let _ = request.answer.send(Err(refusal));
            return;
        }
        if !request.encoded.is_current(&self.shared.heads) {
            // Something was stored for one of its devices since it was encoded; by its versions it may still fit.
            match Encoded::of(&request.batch, &self.shared.heads, &self.shared.numbers) {
                Ok(encoded) => request.encoded = encoded,
                Err(conflict) => {
                    let _ = request.answer.send(Err(conflict));
                    return;
                }
            }
        }
        self.written_since += request.encoded.bytes.len() as u64;
        self.group.push(request);
    }

    /// Why nothing is taken now.
    fn refusal(&mut self) -> Option<AppendError> {
        let known = self.shared.trouble.lock().clone();
        if let Some(Trouble::Stopped(reason)) = known {
            return Some(AppendError::Stopped(reason));
        }
        let much_written = self.written_since > self.shared.options.least_free_bytes / SPACE_CHECK_PART;
        if much_written || self.space_checked.is_none_or(|checked| checked.elapsed() >= SPACE_CHECK) {
            (self.space_checked, self.written_since) = (Some(Instant::now()), 0);
            let little = self.shared.little_space().map(Trouble::LittleSpace);
            if little != known && (little.is_some() || matches!(known, Some(Trouble::LittleSpace(_)))) {
                self.tell(little.clone());
            }
            return little.map(|trouble| AppendError::Unavailable(trouble.text().to_owned()));
        }
        match known {
            Some(Trouble::LittleSpace(reason)) => Some(AppendError::Unavailable(reason)),
            Some(Trouble::Failing(_) | Trouble::Stopped(_)) | None => None,
        }
    }

    /// Stores the group in one frame, and hands it to the announcer.
    fn commit(&mut self) {
        if self.group.is_empty() {
            return;
        }
        let parts: Vec<&[u8]> = self.group.iter().map(|request| request.encoded.bytes.as_slice()).collect();
        let result = self.log.commit(&parts);
        self.devices.clear();
        self.members_known = 0;
        let mut group = std::mem::take(&mut self.group);
        match result {
            Ok(committed) => {
                if matches!(*self.shared.trouble.lock(), Some(Trouble::Failing(_))) {
                    self.tell(None);
                }
                let announcements = self.store(&mut group, committed.address_of_payload, committed.end);
                // The announcer ends before the writer only by a panic, and has said so.
                let _ = self.announcer.send(announcements);
            }
            Err(error) => {
                let refusal = self.failed(&error);
                for request in group {
                    let _ = request.answer.send(Err(refusal.clone()));
                }
            }
        }
    }

    /// Makes memory what the log is now.
    fn store(&self, group: &mut Vec<Request>, mut address: u64, end: u64) -> Vec<Announcement> {
        let shared = &self.shared;
        let mut committed = shared.committed.lock();
        let mut announcements = Vec::with_capacity(group.len());
        for request in group.drain(..) {
            let Request { batch: Batch { mut entries, checkpoints }, encoded, handed_over, answer } = request;
            encoded.place(&mut entries, address);
            encoded.move_heads(&shared.heads, address);
            address += encoded.bytes.len() as u64;
            for checkpoint in checkpoints {
                committed.checkpoints.insert(checkpoint.partition, checkpoint.progress);
            }
            for entry in &entries {
                let Entry::Event(event) = entry else { continue };
                committed.newest = event.position;
                if matches!(event.event, DeviceEvent::Forgotten) {
                    let forgetting = Forgetting { position: event.position, erased: false };
                    shared.forgotten.write().insert(event.device, forgetting);
                }
            }
            shared.metrics.append_seconds.observe(handed_over.elapsed().as_secs_f64());
            announcements.push(Announcement { stored: Arc::new(Stored { entries, newest: committed.newest }), answer });
        }
        committed.end = end;
        announcements
    }

    fn failed(&self, error: &CommitError) -> AppendError {
        let reason = told(error);
        let (trouble, refusal) = if self.log.is_poisoned() {
            (Trouble::Stopped(reason.clone()), AppendError::Stopped(reason))
        } else {
            (Trouble::Failing(reason.clone()), AppendError::Unavailable(reason))
        };
        // A batch that is too large says nothing about the store.
        if !matches!(error, CommitError::TooLarge { .. }) && self.shared.trouble.lock().as_ref() != Some(&trouble) {
            self.tell(Some(trouble));
        }
        refusal
    }

    fn tell(&self, trouble: Option<Trouble>) {
        let mut known = self.shared.trouble.lock();
        if matches!(*known, Some(Trouble::Stopped(_))) {
            // The announcer has said so, and that does not pass.
            return;
        }
        match &trouble {
            Some(Trouble::LittleSpace(reason)) => tracing::warn!(reason, "the event store refuses batches for want of space"),
            Some(Trouble::Failing(reason)) => tracing::error!(reason, "the event store could not commit"),
            Some(Trouble::Stopped(reason)) => tracing::error!(reason, "the event store has stopped"),
            None => tracing::info!("the event store takes batches again"),
        }
        *known = trouble;
    }
}

impl Drop for Writer {
    /// If the thread ends by a panic, nobody may wait for it in vain.
    fn drop(&mut self) {
        if std::thread::panicking() {
            *self.shared.trouble.lock() = Some(Trouble::Stopped("its writer has failed".into()));
            self.shared.recovered.store(false, Ordering::Release);
        }
    }
}
