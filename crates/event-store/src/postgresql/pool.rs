//! A few connections for those who read; whoever finds none waits.

use super::connection::{Connection, Connector, Failure, Purpose, within};
use parking_lot::Mutex;
use std::{
    future::Future,
    sync::Arc,
    time::{Duration, Instant},
};
use tokio::sync::Semaphore;

/// How many read at the same time.
const READERS: usize = 3;
/// A connection that was not used for so long is asked whether it still works, because one whose way is cut stays silent,
const USED_LATELY: Duration = Duration::from_secs(1);
/// and counts as gone when it does not answer within this.
const PROOF_OF_LIFE: Duration = Duration::from_secs(2);

/// Begins a read of many rows, which takes as long as whoever takes them needs.
const LONG_READ: &str = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; SET LOCAL statement_timeout = 0; \
     SET LOCAL idle_in_transaction_session_timeout = 60000";

/// The connections that are not in use.
pub(super) struct Pool {
    connector: Arc<Connector>,
    deadline: Duration,
    idle: Mutex<Vec<(Connection, Instant)>>,
    turns: Semaphore,
}

impl Pool {
    pub(super) fn new(connector: Arc<Connector>, deadline: Duration) -> Self {
        Self { connector, deadline, idle: Mutex::default(), turns: Semaphore::new(READERS) }
    }

    /// Reads under the deadline, the waiting for a connection included. A connection that failed, or was left in the middle
    /// of something, is not used again.
    pub(super) async fn read<T, F>(&self, work: impl FnOnce(Arc<Connection>) -> F) -> Result<T, Failure>
    where
        F: Future<Output = Result<T, Failure>>,
    {
        self.read_within(self.deadline, work).await
    }

    /// As [`Pool::read`], under another deadline.
    pub(super) async fn read_within<T, F>(&self, limit: Duration, work: impl FnOnce(Arc<Connection>) -> F) -> Result<T, Failure>
    where
        F: Future<Output = Result<T, Failure>>,
    {
        within(limit, async {
            let _turn = self.turns.acquire().await.map_err(|_| Failure::Unreachable("the store is closed".into()))?;
            let connection = Arc::new(self.take().await?);
            let outcome = work(Arc::clone(&connection)).await;
            if outcome.is_ok()
                && let Some(connection) = Arc::into_inner(connection)
            {
                self.idle.lock().push((connection, Instant::now()));
            }
            outcome
        })
        .await
    }

    async fn take(&self) -> Result<Connection, Failure> {
        loop {
            let idle = self.idle.lock().pop();
            let Some((connection, used)) = idle else {
                return self.connector.connect(Purpose::Read(self.deadline), None).await;
            };
            if connection.is_closed() {
                continue;
            }
            if used.elapsed() < USED_LATELY || within(PROOF_OF_LIFE, connection.batch("")).await.is_ok() {
                return Ok(connection);
            }
            // What has cut the way of one has cut that of all.
            self.idle.lock().clear();
        }
    }

    /// Reads in one snapshot of the database: everything that is read is of the same moment.
    pub(super) async fn read_at_one_moment<T, F>(
        &self,
        limit: Duration,
        work: impl FnOnce(Arc<Connection>) -> F,
    ) -> Result<T, Failure>
    where
        F: Future<Output = Result<T, Failure>>,
    {
        self.read_within(limit, |connection| async move {
            connection.batch(LONG_READ).await?;
            let found = work(Arc::clone(&connection)).await?;
            connection.batch("COMMIT").await?;
            Ok(found)
        })
        .await
    }
}
