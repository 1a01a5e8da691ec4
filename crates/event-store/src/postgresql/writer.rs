//! The one task that stores: what waits is stored together.

use super::{
    connection::Failure,
    feed::OwnBatch,
    group::{Call, Placed},
    rows::Rows,
    session::{NotStored, Sessions},
    shared::Shared,
};
use crate::{AppendError, Batch, Entry, Stored, embedded::DeviceSet};
use fieldwatch_domain::DeviceNumber;
use std::{
    collections::BTreeMap,
    sync::{Arc, atomic::Ordering},
    time::{Duration, Instant},
};
use tokio::sync::{mpsc, oneshot};

/// How many requests wait for the writer; more wait in their callers.
pub(super) const WRITER_QUEUE: usize = 64;
/// A group is closed when it has so many bytes: by then the cost of a commit is small beside that of the rows.
const GROUP_BYTES: usize = 2 << 20;
/// After so long without anything to store it is tried whether something could be stored,
const IDLE: Duration = Duration::from_secs(5);
/// and when nothing could, after so long.
const LOOK_AGAIN: Duration = Duration::from_millis(500);
/// The largest batch, in entries: far beyond what a shard decides at once.
const MOST_ENTRIES: usize = 1 << 20;

/// The newest version that is stored of each device, in the order of the ids. Snapshots tell it where retention has removed
/// the events.
const VERSIONS: &str = "SELECT greatest( \
       (SELECT version FROM fieldwatch_events AS e WHERE e.device_id = d.id ORDER BY version DESC LIMIT 1), \
       (SELECT version FROM fieldwatch_snapshots AS s WHERE s.device_id = d.id), 0) \
     FROM unnest($1::text[]) WITH ORDINALITY AS d (id, at) ORDER BY d.at";

/// What became of an append.
pub(super) type Answer = oneshot::Sender<Result<Arc<Stored>, AppendError>>;

/// A batch to be stored.
pub(super) struct Request {
    pub(super) batch: Batch,
    pub(super) rows: Rows,
    pub(super) handed_over: Instant,
    pub(super) answer: Answer,
}

/// The writer's own.
pub(super) struct Writer {
    pub(super) shared: Arc<Shared>,
    pub(super) inbox: mpsc::Receiver<Request>,
    pub(super) feed: mpsc::Sender<OwnBatch>,
    pub(super) sessions: Sessions,
    /// Taken out of the inbox, and to be done next.
    pub(super) held: Option<Request>,
}

impl Writer {
    /// Works until the store is dropped and everything handed over is done.
    pub(super) async fn run(mut self) {
        while let Some(first) = self.next().await {
            let group = self.gather(first);
            let group = self.admit(group).await;
            Box::pin(self.store(group)).await;
        }
    }

    async fn next(&mut self) -> Option<Request> {
        if let Some(held) = self.held.take() {
            return Some(held);
        }
        loop {
            let in_trouble = self.shared.troubles.lock().writing.is_some();
            let idle = if in_trouble { LOOK_AGAIN } else { IDLE };
            if let Ok(next) = tokio::time::timeout(idle, self.inbox.recv()).await {
                return next;
            }
            let proved = self.sessions.prove().await;
            self.shared.writing(proved.err().map(|failure| failure.text()));
        }
    }

    /// Takes everything that waits and fits. Of two requests for one device the second is checked against what the first
    /// leaves, so it has to wait for that.
    fn gather(&mut self, first: Request) -> Vec<Request> {
        let (mut bytes, mut devices, mut group) = (first.rows.size(), DeviceSet::default(), vec![first]);
        let mut members_known = 0;
        while bytes < GROUP_BYTES {
            let Ok(request) = self.inbox.try_recv() else { break };
            for member in &group[members_known..] {
                devices.extend(member.rows.touched.iter().map(|touched| touched.device));
            }
            members_known = group.len();
            bytes += request.rows.size();
            if bytes > 2 * GROUP_BYTES || request.rows.touched.iter().any(|touched| devices.contains(&touched.device)) {
                self.held = Some(request);
                break;
            }
            group.push(request);
        }
        group
    }

    /// Answers those that cannot be stored, and gives the others.
    async fn admit(&mut self, group: Vec<Request>) -> Vec<Request> {
        let doubtful: Vec<DeviceNumber> = group.iter().flat_map(|request| self.doubtful(request)).collect();
        if !doubtful.is_empty()
            && let Err(failure) = self.look_up(&doubtful).await
        {
            let why = failure.text();
            self.shared.writing(Some(why.clone()));
            for request in group {
                let _ = request.answer.send(Err(AppendError::Unavailable(why.clone())));
            }
            return Vec::new();
        }
        let mut admitted = Vec::with_capacity(group.len());
        for request in group {
            match self.refusal(&request) {
                Some(refusal) => {
                    let _ = request.answer.send(Err(refusal));
                }
                None => admitted.push(request),
            }
        }
        admitted
    }

    /// The devices that are not known to be at the version that the request goes on from: others may have written.
    fn doubtful<'a>(&'a self, request: &'a Request) -> impl Iterator<Item = DeviceNumber> + 'a {
        let touched = request.rows.touched.iter();
        touched.filter(|touched| self.shared.versions.get(touched.device) != Some(touched.expected)).map(|touched| touched.device)
    }

    async fn look_up(&self, devices: &[DeviceNumber]) -> Result<(), Failure> {
        let ids = self.shared.numbers.ids(devices);
        let texts: Vec<&str> = (0..devices.len()).map(|at| ids.get(at)).collect();
        let rows = self.shared.pool.read_within(self.shared.options.append_deadline, |connection| {
            let texts = &texts;
            async move { connection.rows(VERSIONS, &[texts]).await }
        });
        for (device, row) in devices.iter().zip(rows.await?) {
            self.shared.versions.set(*device, row.get::<_, i64>(0) as u64);
        }
        Ok(())
    }

    /// Why a request cannot be stored, as far as it is known here.
    fn refusal(&self, request: &Request) -> Option<AppendError> {
        if let Some(reason) = self.shared.troubles.lock().stopped.clone() {
            return Some(AppendError::Stopped(reason));
        }
        if request.rows.entries > MOST_ENTRIES {
            let reason = format!("a batch of {} entries is more than {MOST_ENTRIES}", request.rows.entries);
            return Some(AppendError::Unavailable(reason));
        }
        if let Err(refusal) = self.fence(std::slice::from_ref(request)) {
            return Some(refusal);
        }
        self.conflict(request)
    }

    fn conflict(&self, request: &Request) -> Option<AppendError> {
        request.rows.touched.iter().find_map(|touched| {
            let actual = self.shared.versions.get(touched.device).unwrap_or(0);
            let conflict = AppendError::VersionConflict { device: touched.device, expected: touched.expected, actual };
            (actual != touched.expected).then_some(conflict)
        })
    }

    fn fence(&self, group: &[Request]) -> Result<BTreeMap<u16, u64>, AppendError> {
        let shelves = group.iter().flat_map(|request| request.rows.shelves.iter().copied());
        let partitions = group.iter().flat_map(|request| &request.batch.checkpoints).map(|checkpoint| checkpoint.partition);
        let fence = self.shared.holds.fence(shelves, partitions);
        fence.map_err(|not_held| AppendError::Fenced { partition: not_held.0 })
    }

    /// Stores a group; where one member spoils it, its members one by one.
    async fn store(&mut self, mut group: Vec<Request>) {
        if group.is_empty() {
            return;
        }
        let seen = self.shared.end.load(Ordering::Acquire);
        let refused = match Box::pin(self.try_store(&group)).await {
            Ok(placed) => {
                // Positions that were handed out before: what is stored now follows something else than this process knows.
                if let Some(reason) = self.shared.went_back(seen, placed.base.saturating_sub(1)) {
                    self.shared.own.end();
                    for request in group {
                        let _ = request.answer.send(Err(AppendError::Stopped(reason.clone())));
                    }
                    return;
                }
                self.stored(group, placed).await;
                return;
            }
            Err(refused) => refused,
        };
        let is_of_a_member = matches!(&refused, Refused::Fenced(_) | Refused::Conflict | Refused::Content(_));
        if is_of_a_member && group.len() > 1 {
            for request in group {
                let alone = self.admit(vec![request]).await;
                Box::pin(self.store(alone)).await;
            }
            return;
        }
        let error = match refused {
            Refused::Fenced(partition) => {
                self.shared.lose(partition);
                AppendError::Fenced { partition }
            }
            Refused::Conflict => self.conflict_with_stored(&group).await,
            Refused::Content(why) => AppendError::Unavailable(why),
            Refused::Unavailable(why) => {
                self.shared.writing(Some(why.clone()));
                AppendError::Unavailable(why)
            }
            Refused::Unknown(why) => {
                self.shared.writing(Some(why.clone()));
                self.doubt(&group);
                AppendError::Unknown(why)
            }
        };
        for request in group.drain(..) {
            let _ = request.answer.send(Err(error.clone()));
        }
    }

    async fn try_store(&mut self, group: &[Request]) -> Result<Placed, Refused> {
        let fence = match self.fence(group) {
            Ok(fence) => fence,
            Err(AppendError::Fenced { partition }) => return Err(Refused::Fenced(partition)),
            Err(other) => return Err(Refused::Unavailable(other.to_string())),
        };
        let call = Call::of(group, &fence);
        self.shared.own.begin();
        let mut outcome = Box::pin(self.sessions.store(&call)).await;
        if matches!(&outcome, Err(NotStored::Refused(failure)) if failure.is("23514")) {
            // There is no table for these positions, because it was not made ahead. Nothing else is checked so.
            let made = self.make_tables().await;
            outcome = match made {
                Ok(()) => Box::pin(self.sessions.store(&call)).await,
                Err(failure) => Err(NotStored::Unavailable(failure.text())),
            };
        }
        outcome.map_err(|not_stored| {
            self.shared.own.end();
            Refused::from(not_stored)
        })
    }

    async fn make_tables(&self) -> Result<(), Failure> {
        self.shared
            .pool
            .read(|connection| async move {
                super::schema::ensure_table_after(&connection, 0).await?;
                super::schema::ensure_table_after(&connection, 1).await
            })
            .await
    }

    /// Nobody knows whether the group is stored: what is known of its devices is dropped, and nothing more is taken for its
    /// partitions until they are taken over anew.
    fn doubt(&self, group: &[Request]) {
        if let Ok(fence) = self.fence(group) {
            for partition in fence.keys() {
                self.shared.lose(*partition);
            }
        }
        for shelf in group.iter().flat_map(|request| &request.rows.shelves) {
            self.shared.versions.forget(*shelf);
        }
    }

    /// The versions that the database has, and with which of them the request does not go.
    async fn conflict_with_stored(&self, group: &[Request]) -> AppendError {
        let devices: Vec<DeviceNumber> =
            group.iter().flat_map(|request| &request.rows.touched).map(|touched| touched.device).collect();
        if let Err(failure) = self.look_up(&devices).await {
            self.doubt(group);
            return AppendError::Unavailable(failure.text());
        }
        let conflict = group.iter().find_map(|request| self.conflict(request));
        conflict.unwrap_or_else(|| AppendError::Unavailable("its versions are stored already, and are not".into()))
    }

    /// Makes memory what the database is now, and hands the batches to the feed.
    async fn stored(&self, group: Vec<Request>, placed: Placed) {
        self.shared.writing(None);
        let (mut position, mut newest) = (placed.base, placed.newest_before);
        let mut batches = Vec::with_capacity(group.len());
        for Request { batch: Batch { mut entries, .. }, rows, handed_over, answer } in group {
            let first = position;
            for entry in &mut entries {
                match entry {
                    Entry::Event(event) => {
                        event.position = position;
                        newest = position;
                    }
                    Entry::Late(late) => late.position = position,
                    Entry::Observation(_) | Entry::Passivated(_) => {}
                }
                position += 1;
            }
            rows.touched.iter().for_each(|touched| self.shared.versions.set(touched.device, touched.version));
            self.shared.metrics.append_seconds.observe(handed_over.elapsed().as_secs_f64());
            for entry in &entries {
                if let Entry::Event(event) = entry {
                    self.shared.counters[event.event.event_type() as usize].inc();
                }
            }
            batches.push((first, position - 1, Arc::new(Stored { entries, newest }), answer));
        }
        self.shared.end.fetch_max(position.saturating_sub(1), Ordering::AcqRel);
        // The feed ends before the writer only by a panic, and has said so.
        let _ = self.feed.send(OwnBatch { first: placed.base, batches }).await;
    }
}

/// Why the server has not stored a group.
enum Refused {
    /// A partition is another's.
    Fenced(u16),
    /// A version exists already.
    Conflict,
    /// Something in it cannot be stored.
    Content(String),
    /// Not now.
    Unavailable(String),
    /// Nobody knows.
    Unknown(String),
}

impl From<NotStored> for Refused {
    fn from(not_stored: NotStored) -> Self {
        match not_stored {
            NotStored::Unavailable(why) => Self::Unavailable(why),
            NotStored::Unknown(why) => Self::Unknown(why),
            NotStored::Refused(failure) => {
                let text = failure.text();
                let Failure::Refused { code, message } = failure else { return Self::Unavailable(text) };
                match code.code() {
                    "FW001" => message.parse().map_or(Self::Unavailable(text), Self::Fenced),
                    "23505" => Self::Conflict,
                    // Wrong values, broken rules.
                    code if code.starts_with("22") || code.starts_with("23") => Self::Content(text),
                    _ => Self::Unavailable(text),
                }
            }
        }
    }
}
