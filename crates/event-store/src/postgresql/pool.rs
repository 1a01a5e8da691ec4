//! A few connections for those who read; whoever finds none waits.

use super::connection::{Connection, Connector, Failure, Purpose, within};
use parking_lot::Mutex;
use std::{future::Future, sync::Arc, time::Duration};
use tokio::sync::Semaphore;

/// How many read at the same time.
const READERS: usize = 3;

/// The connections that are not in use.
pub(super) struct Pool {
    connector: Arc<Connector>,
    deadline: Duration,
    idle: Mutex<Vec<Connection>>,
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
            let idle = std::iter::from_fn(|| self.idle.lock().pop()).find(|connection| !connection.is_closed());
            let connection = match idle {
                Some(connection) => connection,
                None => self.connector.connect(Purpose::Read(self.deadline), None).await?,
            };
            let connection = Arc::new(connection);
            let outcome = work(Arc::clone(&connection)).await;
            if outcome.is_ok()
                && let Some(connection) = Arc::into_inner(connection)
            {
                self.idle.lock().push(connection);
            }
            outcome
        })
        .await
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
            connection.batch("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY").await?;
            let found = work(Arc::clone(&connection)).await?;
            connection.batch("COMMIT").await?;
            Ok(found)
        })
        .await
    }
}
