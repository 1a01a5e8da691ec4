//! Where streams are opened, and what they are fed from.

use crate::StreamRequest;
use bytes::Bytes;
use fieldwatch_directory::Directory;
use fieldwatch_domain::{DeviceNumber, DeviceNumbers, Timestamp};
use fieldwatch_event_store::{EventStore, Stored};
use prometheus_client::metrics::{counter::Counter, gauge::Gauge, histogram::Histogram};
use std::{pin::Pin, sync::Arc, time::Duration};
use tokio::sync::mpsc;

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
    /// So many chunks wait for a slow client, then its stream is cut.
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
    /// `fieldwatch_reading_to_push_seconds`: from receipt of a reading until its events were handed to the streams.
    pub reading_to_push_seconds: Histogram,
}

/// The source of all streams.
pub struct Hub {
    _later: Pin<Box<()>>,
}

impl Hub {
    /// Makes a hub. [`Hub::run`] has to run for frames and keep-alives.
    pub fn new(
        _options: HubOptions,
        _store: Arc<dyn EventStore>,
        _directory: Arc<Directory>,
        _numbers: Arc<DeviceNumbers>,
    ) -> Arc<Self> {
        unimplemented!()
    }

    /// Takes a batch that was stored, after the directory has taken it. To be called in the order of the log, by one
    /// thread; quick, and does not block.
    pub fn announce(&self, _stored: &Arc<Stored>) {
        unimplemented!()
    }

    /// Tells streams of frames that something about these devices has changed that is no entry of the log (idleness).
    pub fn refresh(&self, _devices: &[DeviceNumber]) {
        unimplemented!()
    }

    /// Opens a stream; needs a tokio runtime. `None`: there are too many already, or the hub is closed.
    pub fn open(self: &Arc<Self>, _request: StreamRequest) -> Option<Chunks> {
        unimplemented!()
    }

    /// The clock of frames; runs until the hub is closed.
    pub async fn run(self: Arc<Self>) {
        unimplemented!()
    }

    /// Ends all streams, and takes no more.
    pub fn close(&self) {
        unimplemented!()
    }

    /// Its metrics, to be registered by whoever serves them.
    pub fn metrics(&self) -> &Metrics {
        unimplemented!()
    }
}
