//! The event store in `PostgreSQL`, which several processes may share.
//!
//! ```text
//! append: columns of the batch ─▶ writer: check versions and holds, one call for all that waits ─▶ feed: what others stored
//!         before, subscribers, answer
//! ```
//!
//! Positions are handed out by one row that is held to the commit, so they become visible in their order. Which process may
//! write for which devices is fenced by an epoch for each partition of the queue ([`SharedStore::take_over`]); within it, the
//! version that follows is checked in memory, and `UNIQUE (device_id, version)` catches what another process wrote. That
//! constraint holds within one table of events only (a table holds a range of positions). Across tables the fence is enough:
//! whoever writes for a device has read, behind the fence, everything that any other process stored for it.

mod address;
mod options;

mod connection;
mod pool;
mod schema;
mod shared;

mod columns;
mod group;
mod rows;
mod session;
mod writer;

mod feed;

mod reading;
mod recovery;
mod window;

mod saving;
mod tidying;

mod holds;
mod versions;

use crate::{
    AppendError, Batch, BoxFuture, Checkpoint, DeviceState, EventStore, EventsPage, HistoryPage, Metrics, ReadError, RecoverError,
    Recovered, Recovery, SharedStore, ShelfSnapshot, StoreHealth, Stored, Subscriber,
};
pub use options::{OpenError, PostgresOptions};

use connection::{Connector, Purpose};
use fieldwatch_domain::{DeviceNumber, DeviceNumbers};
use rows::Rows;
use session::Sessions;
use shared::Shared;
use std::{
    sync::{Arc, atomic::Ordering},
    time::Instant,
};
use tokio::sync::{mpsc, oneshot};
use writer::{Request, Writer};

/// The event store in `PostgreSQL`.
pub struct PostgresStore {
    shared: Arc<Shared>,
    /// When the store is dropped, the writer ends behind what was handed over, and the feed behind the writer.
    writer: mpsc::Sender<Request>,
}

impl PostgresStore {
    /// Connects, and creates or changes the tables if need be. Its tasks run in the runtime that this is called in.
    pub async fn connect(options: PostgresOptions, numbers: Arc<DeviceNumbers>) -> Result<Self, OpenError> {
        let connector = Arc::new(Connector::new(&options)?);
        let connection = connector.connect(Purpose::Prepare, None).await.map_err(schema::refusal)?;
        let log_id = schema::prepare(&connection).await?;
        let row = connection.row("SELECT position, newest_event, gen_random_uuid()::text FROM fieldwatch_log", &[]).await;
        let row = row.map_err(schema::refusal)?;
        let (end, newest, writer) = (row.get::<_, i64>(0) as u64, row.get::<_, i64>(1) as u64, row.get::<_, String>(2));
        let opened = shared::Opened { log_id, writer: writer.clone(), end, newest };
        let sessions = Sessions::new(Arc::clone(&connector), writer, options.node.clone(), options.append_deadline);
        let shared = Arc::new(Shared::new(options, numbers, connector, opened));
        let (writer, inbox) = mpsc::channel(writer::WRITER_QUEUE);
        let (feed, own) = mpsc::channel(feed::FEED_QUEUE);
        tokio::spawn(feed::run(Arc::clone(&shared), own));
        tokio::spawn(Writer { shared: Arc::clone(&shared), inbox, feed, sessions, held: None }.run());
        Ok(Self { shared, writer })
    }

    async fn hand_over(&self, batch: Batch) -> Result<Arc<Stored>, AppendError> {
        if batch.entries.is_empty() && batch.checkpoints.is_empty() {
            return Ok(Arc::new(Stored { entries: Vec::new(), newest: self.newest() }));
        }
        let rows = Rows::of(&batch, &self.shared.numbers)?;
        let (answer, answered) = oneshot::channel();
        let request = Request { batch, rows, handed_over: Instant::now(), answer };
        let stopped = || AppendError::Stopped("its tasks have ended".into());
        self.writer.send(request).await.map_err(|_| stopped())?;
        answered.await.unwrap_or_else(|_| Err(stopped()))
    }
}

impl EventStore for PostgresStore {
    fn kind(&self) -> &'static str {
        "postgresql"
    }

    fn log_id(&self) -> &str {
        &self.shared.log_id
    }

    fn newest(&self) -> u64 {
        self.shared.newest.load(Ordering::Acquire)
    }

    fn recover<'a>(&'a self, visit: &'a (dyn Fn(Recovered<'_>) + Sync)) -> BoxFuture<'a, Result<Recovery, RecoverError>> {
        Box::pin(recovery::recover(&self.shared, visit))
    }

    fn append(&self, batch: Batch) -> BoxFuture<'_, Result<Arc<Stored>, AppendError>> {
        Box::pin(self.hand_over(batch))
    }

    /// Also of what other processes store, from the moment of the recovery on.
    fn subscribe(&self, subscriber: Subscriber) {
        self.shared.subscribers.write().push(subscriber);
    }

    fn load(&self, device: DeviceNumber) -> BoxFuture<'_, Result<DeviceState, ReadError>> {
        Box::pin(reading::load(&self.shared, device))
    }

    fn history(&self, device: DeviceNumber, before: Option<u64>, limit: usize) -> BoxFuture<'_, Result<HistoryPage, ReadError>> {
        Box::pin(reading::history(&self.shared, device, before, limit))
    }

    fn last_forgotten(&self, device: DeviceNumber) -> BoxFuture<'_, Result<Option<u64>, ReadError>> {
        Box::pin(reading::last_forgotten(&self.shared, device))
    }

    fn read_all(&self, after: u64, limit: usize) -> BoxFuture<'_, Result<EventsPage, ReadError>> {
        Box::pin(reading::read_all(&self.shared, after, limit))
    }

    fn wants_snapshot(&self, shelf: usize) -> bool {
        let as_of = self.shared.as_of[shelf].load(Ordering::Acquire);
        let grown = self.shared.end.load(Ordering::Acquire).saturating_sub(as_of);
        grown >= self.shared.options.snapshot_every || as_of < self.shared.wanted_at.load(Ordering::Acquire)
    }

    fn save_snapshot(&self, snapshot: ShelfSnapshot) -> BoxFuture<'_, Result<(), AppendError>> {
        Box::pin(saving::save(&self.shared, snapshot))
    }

    fn health(&self) -> StoreHealth {
        let troubles = self.shared.troubles.lock().clone();
        StoreHealth { trouble: troubles.stopped.or(troubles.writing).or(troubles.reading) }
    }

    fn tidy(&self) -> BoxFuture<'_, Result<(), AppendError>> {
        Box::pin(tidying::tidy(&self.shared))
    }

    fn metrics(&self) -> &Metrics {
        &self.shared.metrics
    }

    fn shared(&self) -> Option<&dyn SharedStore> {
        Some(self)
    }
}

impl SharedStore for PostgresStore {
    fn take_over<'a>(
        &'a self,
        partition: u16,
        shelves: &'a [usize],
        visit: &'a (dyn Fn(Recovered<'_>) + Sync),
    ) -> BoxFuture<'a, Result<Option<Checkpoint>, RecoverError>> {
        Box::pin(recovery::take_over(&self.shared, partition, shelves, visit))
    }

    fn take_over_all(&self, partitions: u16) -> BoxFuture<'_, Result<(), RecoverError>> {
        Box::pin(recovery::take_over_all(&self.shared, partitions))
    }

    fn let_go(&self, partition: u16) {
        self.shared.lose(partition);
    }
}
