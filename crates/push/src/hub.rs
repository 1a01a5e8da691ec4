//! Where streams are opened, and what they are fed from.

use crate::{
    Form, StreamRequest,
    events::EventStream,
    frames::FrameStream,
    noted::Noted,
    outlet::{End, Outlet},
    ring::Ring,
    tick::Tick,
};
use bytes::Bytes;
use fieldwatch_directory::Directory;
use fieldwatch_domain::{DeviceNumber, DeviceNumbers, Timestamp};
use fieldwatch_event_store::{Entry, EventStore, Stored};
use prometheus_client::metrics::{counter::Counter, gauge::Gauge, histogram::Histogram};
use std::{
    future::Future,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};
use tokio::{
    sync::{broadcast, mpsc, watch},
    task::JoinSet,
    time::{MissedTickBehavior, interval},
};

/// A stream of frames that sleeps through so many ticks, over six seconds, is cut.
const KEPT_TICKS: usize = 64;
/// So many snapshots or frames wait for a slow client: they can be large, and what waits here is old when it comes, while
/// what is merged is not.
const WAITING_FRAMES: usize = 4;
/// So many events of a batch are timed: enough to see a delay, few enough that a large batch costs no more.
const TIMED_EVENTS: usize = 16;

/// The chunks of one stream: each holds whole messages. It ends when the hub closes or the stream is cut. Dropping it ends
/// the stream.
pub type Chunks = mpsc::Receiver<Bytes>;

/// How streams are kept.
#[derive(Clone)]
pub struct HubOptions {
    /// A comment (with the newest id) is sent when nothing else was for so long.
    pub keep_alive: Duration,
    /// Frames come at most once in so long.
    pub frame_interval: Duration,
    /// So many events are kept in memory for streams that are behind; one that is further behind is cut.
    pub kept_events: usize,
    /// So many chunks wait for a slow client, then its stream is cut; of frames, which are larger, fewer.
    pub chunks: usize,
    /// At most so many streams.
    pub max_streams: usize,
    /// Tells the time, for `fieldwatch_reading_to_push_seconds`.
    pub clock: Arc<dyn Fn() -> Timestamp + Send + Sync>,
}

/// What is measured about streams.
#[derive(Clone, Debug)]
pub struct Metrics {
    /// `fieldwatch_stream_clients`.
    pub clients: Gauge,
    /// `fieldwatch_stream_dropped_total`: streams that were cut because they were too slow.
    pub dropped: Counter,
    /// `fieldwatch_reading_to_push_seconds`: from receipt of a reading until its events were handed to the streams. Of a
    /// large batch some events are timed, not all.
    pub reading_to_push_seconds: Histogram,
}

/// The source of all streams.
pub struct Hub {
    options: HubOptions,
    store: Arc<dyn EventStore>,
    directory: Arc<Directory>,
    numbers: Arc<DeviceNumbers>,
    metrics: Metrics,
    ring: Arc<Ring>,
    noted: Noted,
    ticks: broadcast::Sender<Arc<Tick>>,
    closed: watch::Sender<bool>,
    streams: AtomicUsize,
}

impl Hub {
    /// Makes a hub. [`Hub::run`] has to run for streams to go on.
    pub fn new(
        options: HubOptions,
        store: Arc<dyn EventStore>,
        directory: Arc<Directory>,
        numbers: Arc<DeviceNumbers>,
    ) -> Arc<Self> {
        Arc::new(Self {
            ring: Ring::new(options.kept_events),
            options,
            store,
            directory,
            numbers,
            metrics: Metrics::new(),
            noted: Noted::default(),
            ticks: broadcast::Sender::new(KEPT_TICKS),
            closed: watch::Sender::new(false),
            streams: AtomicUsize::new(0),
        })
    }

    /// Takes a batch that was stored, after the directory has taken it. To be called in the order of the log, by one
    /// thread; quick, and does not block.
    pub fn announce(&self, stored: &Arc<Stored>) {
        self.ring.announce(stored);
        self.noted.announce(stored);
        self.time(stored);
    }

    fn time(&self, stored: &Stored) {
        let now = (self.options.clock)().unix_ms();
        let every = stored.entries.len().div_ceil(TIMED_EVENTS).max(1);
        for entry in stored.entries.iter().step_by(every) {
            if let Entry::Event(event) = entry
                && event.reading_id.is_some()
            {
                let passed_ms = now.saturating_sub(event.received_at.unix_ms()).max(0);
                self.metrics.reading_to_push_seconds.observe(passed_ms as f64 / 1_000.0);
            }
        }
    }

    /// Tells streams of frames that something about these devices has changed that is no entry of the log (idleness).
    pub fn refresh(&self, devices: &[DeviceNumber]) {
        self.noted.refresh(devices);
    }

    /// Opens a stream; needs a tokio runtime. `None`: there are too many already, or the hub is closed.
    pub fn open(self: &Arc<Self>, request: StreamRequest) -> Option<Chunks> {
        let place = Place::take(self)?;
        let places = match request.form {
            Form::Events | Form::Original => self.options.chunks,
            Form::Frames => self.options.chunks.min(WAITING_FRAMES),
        };
        let (outlet, chunks) = Outlet::new(places, self.options.keep_alive);
        let client = outlet.client();
        match request.form {
            Form::Events | Form::Original => {
                let stream = EventStream::new(self, &request, outlet);
                tokio::spawn(place.hold(client, stream.run(request.resume_after)));
            }
            // A stream of frames begins with all devices, whatever the client had seen before.
            Form::Frames => drop(tokio::spawn(place.hold(client, FrameStream::new(self, &request, outlet).run()))),
        }
        Some(chunks)
    }

    /// What wakes streams, and the clock of frames; runs until the hub is closed. When it is dropped streams stand still.
    pub async fn run(self: Arc<Self>) {
        let mut closed = self.closed.subscribe();
        // A task of its own, so that a large tick does not hold up streams of events. Dropping the set ends it.
        let mut waking = JoinSet::new();
        let ring = Arc::clone(&self.ring);
        waking.spawn(async move { ring.wake_readers().await });
        tokio::select! {
            biased;
            _ = closed.wait_for(|closed| *closed) => {}
            () = self.tick() => {}
        }
    }

    async fn tick(&self) {
        let mut clock = interval(self.options.frame_interval);
        clock.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            clock.tick().await;
            if let Some(changed) = self.noted.take() {
                // Nobody listens when the last stream has just ended.
                let _ = self.ticks.send(Arc::new(Tick::read(changed, &self.directory)));
            }
        }
    }

    /// Ends all streams, and takes no more.
    pub fn close(&self) {
        self.closed.send_replace(true);
    }

    /// Its metrics, to be registered by whoever serves them.
    pub fn metrics(&self) -> &Metrics {
        &self.metrics
    }

    pub(crate) const fn options(&self) -> &HubOptions {
        &self.options
    }

    pub(crate) fn store(&self) -> &dyn EventStore {
        &*self.store
    }

    pub(crate) const fn directory(&self) -> &Arc<Directory> {
        &self.directory
    }

    pub(crate) const fn numbers(&self) -> &Arc<DeviceNumbers> {
        &self.numbers
    }

    pub(crate) const fn ring(&self) -> &Arc<Ring> {
        &self.ring
    }

    pub(crate) const fn noted(&self) -> &Noted {
        &self.noted
    }

    pub(crate) const fn ticks(&self) -> &broadcast::Sender<Arc<Tick>> {
        &self.ticks
    }
}

/// One of the places for streams, given back when it is dropped.
struct Place {
    hub: Arc<Hub>,
}

impl Place {
    fn take(hub: &Arc<Hub>) -> Option<Self> {
        if *hub.closed.borrow() {
            return None;
        }
        let one_more = |streams| (streams < hub.options.max_streams).then_some(streams + 1);
        hub.streams.fetch_update(Ordering::AcqRel, Ordering::Acquire, one_more).ok()?;
        hub.metrics.clients.inc();
        Some(Self { hub: Arc::clone(hub) })
    }

    /// Runs a stream until it ends by itself, its client is gone or the hub is closed.
    async fn hold(self, client: mpsc::Sender<Bytes>, stream: impl Future<Output = End>) {
        let mut closed = self.hub.closed.subscribe();
        let end = tokio::select! {
            biased;
            _ = closed.wait_for(|closed| *closed) => End::Over,
            () = client.closed() => End::Over,
            end = stream => end,
        };
        if end == End::TooSlow {
            self.hub.metrics.dropped.inc();
            tracing::info!("a stream was cut, its client is too slow");
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.hub.metrics.clients.dec();
        self.hub.streams.fetch_sub(1, Ordering::AcqRel);
    }
}

impl Metrics {
    fn new() -> Self {
        // From one group commit (1 ms) to a queue that is far behind (5 minutes).
        let buckets = [0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0];
        Self { clients: Gauge::default(), dropped: Counter::default(), reading_to_push_seconds: Histogram::new(buckets) }
    }
}
