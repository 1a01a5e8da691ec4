//! A stream of one message per event, of ours or in the original form.

use crate::{
    Form, Hub, StreamRequest,
    encoded::Encoded,
    filter::Filter,
    message::{self, GapReason},
    outlet::{CHUNK, End, Outlet},
    ring::{Behind, Reader},
};
use fieldwatch_event_store::{EventStore, EventsPage, ReadError};
use std::{sync::Arc, time::Duration};
use tokio::time::{Instant, sleep, sleep_until, timeout};

/// A client of a live stream may leave its channel full for so long; then it is cut and resumes.
const LIVE_PATIENCE: Duration = Duration::from_secs(5);
/// A client that reads history takes as long as its network does, unless it takes nothing at all for so long.
const HISTORY_PATIENCE: Duration = Duration::from_secs(30);
/// The store has so long to give a page of history.
const READ_DEADLINE: Duration = Duration::from_secs(30);
/// A database elsewhere may be away for so long before a stream that resumes gives up what it missed. Nothing new is stored
/// meanwhile, by whatever process, so a client misses nothing by waiting.
const AWAY_PATIENCE: Duration = Duration::from_mins(2);
/// How often it is asked meanwhile.
const ASK_AGAIN: Duration = Duration::from_millis(500);
/// Events of history that are read at once: about 300 kB of text.
const PAGE: usize = 1_000;

/// One stream of events.
pub(crate) struct EventStream {
    hub: Arc<Hub>,
    form: Form,
    filter: Filter,
    outlet: Outlet,
    reader: Reader,
    /// Position of the newest event that was looked at; what comes again up to here is passed over.
    looked_at: u64,
    patience: Duration,
}

/// Why history could not be read on.
struct Gap {
    reason: GapReason,
    earliest: Option<u64>,
}

impl EventStream {
    /// A stream that begins now.
    pub(crate) fn new(hub: &Arc<Hub>, request: &StreamRequest, outlet: Outlet) -> Self {
        let (reader, announced) = hub.ring().read();
        Self {
            hub: Arc::clone(hub),
            form: request.form,
            filter: Filter::new(request, hub.directory(), hub.numbers()),
            outlet,
            reader,
            looked_at: announced.max(hub.store().newest()),
            patience: HISTORY_PATIENCE,
        }
    }

    /// Tells until the client is gone or too slow.
    pub(crate) async fn run(mut self, resume_after: Option<String>) -> End {
        let Err(end) = self.tell_all(resume_after).await;
        if end == End::TooSlow && self.form == Form::Events {
            self.outlet.overrun();
        }
        end
    }

    async fn tell_all(&mut self, resume_after: Option<String>) -> Result<std::convert::Infallible, End> {
        if self.form == Form::Original {
            self.outlet.send(message::COMMENT, self.looked_at, LIVE_PATIENCE).await?;
        } else {
            self.begin(resume_after).await?;
        }
        self.patience = LIVE_PATIENCE;
        self.follow().await
    }

    /// Says hello, and tells what was missed.
    async fn begin(&mut self, resume_after: Option<String>) -> Result<(), End> {
        let newest = self.looked_at;
        let (from, gap) = match resume_after.as_deref().map(position_of) {
            None => (newest, None),
            Some(None) => (newest, Some((None, GapReason::Malformed))),
            Some(Some(after)) => (after, None),
        };
        // A client that is cut right after hello resumes where it wanted to.
        self.outlet.send(message::hello(from, self.hub.store().log_id(), newest), from, LIVE_PATIENCE).await?;
        if let Some((asked, reason)) = gap {
            let hub = Arc::clone(&self.hub);
            let earliest = self.alive_during(Self::earliest(hub.store())).await?;
            return self.send_gap(asked, Gap { reason, earliest }).await;
        }
        if resume_after.is_some() {
            self.looked_at = from;
            if let Some(gap) = self.catch_up().await? {
                return self.send_gap(Some(from), gap).await;
            }
        }
        Ok(())
    }

    /// Reads the log from where the stream stands to its end, where the ring goes on.
    async fn catch_up(&mut self) -> Result<Option<Gap>, End> {
        loop {
            // What was announced before this is in the log that is read below; what comes after is taken from the ring,
            // and passed over if it was in the log already. The ring is not used for more, because the log does
            // not tell the events of devices that were forgotten.
            self.reader.skip_to_end();
            let page = match self.read_in_time().await? {
                Ok(page) => page,
                Err(gap) => return Ok(Some(gap)),
            };
            let encoded = Encoded::write(self.form, page.events.iter(), self.hub.numbers());
            self.tell(&encoded, page.next).await?;
            self.outlet.flush(self.patience).await?;
            if page.at_end {
                return Ok(None);
            }
        }
    }

    /// Reads a page; of a database that is away, when it is back.
    async fn read_in_time(&mut self) -> Result<Result<EventsPage, Gap>, End> {
        let (hub, give_up) = (Arc::clone(&self.hub), Instant::now() + AWAY_PATIENCE);
        let mut told = false;
        loop {
            let page = self.alive_during(Self::read_page(hub.store(), self.looked_at)).await?;
            let gap = match page {
                Ok(page) => return Ok(Ok(page)),
                Err((gap, trouble)) => {
                    if let Some(trouble) = trouble.filter(|_| !std::mem::replace(&mut told, true)) {
                        tracing::warn!(trouble, "a stream cannot read the log");
                    }
                    gap
                }
            };
            let may_come_back = gap.reason == GapReason::Unavailable && self.hub.store().shared().is_some();
            if !may_come_back || Instant::now() >= give_up {
                return Ok(Err(gap));
            }
            self.alive_during(sleep(ASK_AGAIN)).await?;
        }
    }

    /// Keeps the connection alive while something else is waited for.
    async fn alive_during<T>(&mut self, work: impl Future<Output = T>) -> Result<T, End> {
        let mut work = std::pin::pin!(work);
        loop {
            tokio::select! {
                biased;
                done = &mut work => return Ok(done),
                () = sleep_until(self.outlet.keep_alive_at()) => {
                    let position = self.outlet.told();
                    self.outlet.send(message::keep_alive(position), position, self.patience).await?;
                }
            }
        }
    }

    /// A page, or the gap that comes of it, and what people should know about that.
    async fn read_page(store: &dyn EventStore, after: u64) -> Result<EventsPage, (Gap, Option<String>)> {
        let unavailable = |trouble| (Gap { reason: GapReason::Unavailable, earliest: None }, Some(trouble));
        match timeout(READ_DEADLINE, store.read_all(after, PAGE)).await {
            Ok(Ok(page)) => Ok(page),
            Ok(Err(ReadError::Gone { earliest })) => Err((Gap { reason: GapReason::Retention, earliest: Some(earliest) }, None)),
            // Not held against the newest event: a stream that has looked further, over readings without an event, has told so.
            Ok(Err(ReadError::NotInLog(_))) => {
                Err((Gap { reason: GapReason::Future, earliest: Self::earliest(store).await }, None))
            }
            Ok(Err(ReadError::Failed(trouble))) => Err(unavailable(trouble)),
            Err(_) => Err(unavailable("it does not answer in time".into())),
        }
    }

    /// Position of the earliest event that is kept; `None` when there is none or nobody knows.
    async fn earliest(store: &dyn EventStore) -> Option<u64> {
        let page = timeout(READ_DEADLINE, store.read_all(0, 1)).await.ok()?.ok()?;
        page.events.first().map(|event| event.position)
    }

    async fn send_gap(&mut self, from: Option<u64>, gap: Gap) -> Result<(), End> {
        let here = self.reader.skip_to_end().max(self.hub.store().newest());
        // Another node may have told more than this one knows by now: that must not come again.
        let seen = from.filter(|_| gap.reason == GapReason::Unavailable).unwrap_or(0);
        self.looked_at = here.max(seen);
        let text = message::gap(self.looked_at, gap.reason, from, gap.earliest);
        self.outlet.send(text, self.looked_at, LIVE_PATIENCE).await
    }

    /// Tells what is announced, and keeps the connection alive in between.
    async fn follow(&mut self) -> Result<std::convert::Infallible, End> {
        loop {
            let batches = self.reader.take().map_err(|Behind| End::TooSlow)?;
            for batch in &batches {
                self.tell(batch.encoded(self.form, self.hub.numbers()), batch.newest()).await?;
            }
            self.outlet.flush(self.patience).await?;
            let keep_alive_at = self.outlet.keep_alive_at();
            if batches.is_empty() {
                tokio::select! {
                    () = self.reader.woken() => {}
                    () = sleep_until(keep_alive_at) => {}
                }
            }
            if Instant::now() >= keep_alive_at {
                let told = self.outlet.told();
                let text = if self.form == Form::Original { message::COMMENT } else { message::keep_alive(told) };
                self.outlet.send(text, told, self.patience).await?;
            }
        }
    }

    /// Tells the messages that are wanted and were not looked at; `newest` is where the stream stands after them.
    async fn tell(&mut self, encoded: &Encoded, newest: u64) -> Result<(), End> {
        let first = encoded.pieces.partition_point(|piece| piece.position <= self.looked_at);
        let start = encoded.start(first);
        let mut run = start..start;
        let mut told = self.looked_at;
        for piece in &encoded.pieces[first..] {
            let is_wanted = self.filter.wants_event(piece);
            if !run.is_empty() && (!is_wanted || piece.end - run.start > CHUNK) {
                self.outlet.gather(encoded.text.slice(run.clone()), told, self.patience).await?;
                run.start = run.end;
            }
            if !is_wanted {
                run.start = piece.end;
            }
            run.end = piece.end;
            told = piece.position;
        }
        if !run.is_empty() {
            self.outlet.gather(encoded.text.slice(run), told, self.patience).await?;
        }
        self.looked_at = self.looked_at.max(newest);
        self.outlet.looked_at(self.looked_at);
        Ok(())
    }
}

/// The position that an id names: decimal digits and nothing else.
fn position_of(id: &str) -> Option<u64> {
    if id.bytes().all(|byte| byte.is_ascii_digit()) { id.parse().ok() } else { None }
}
