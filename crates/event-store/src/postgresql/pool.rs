//! A few connections for those who read; whoever finds none waits.

use super::connection::{Connection, Connector, Failure, Purpose, within};
use parking_lot::Mutex;
use std::{
    future::Future,
    sync::Arc,
    time::{Duration, Instant},
};
use tokio::sync::Semaphore;

/// So many fill memory at the same time, in a recovery or when a partition is taken over. Each kind has connections of its own, so
/// that none waits for the long reads of another.
pub(super) const FILLING: usize = 2;
/// So many ask for devices and versions at the same time, for the shards and the writer.
pub(super) const SHARDS: usize = 3;
/// So many ask for history at the same time, for people and programs.
pub(super) const ASKING: usize = 3;
/// So many write snapshots at the same time.
pub(super) const SAVING: usize = 2;
/// The feed, which tells of what was stored, asks one thing after the other.
pub(super) const TELLING: usize = 1;
/// The longest wait for a turn. The deadline of what is asked begins with the turn.
const TURN_WITHIN: Duration = Duration::from_secs(30);
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
    /// For so many at the same time.
    pub(super) fn new(connector: Arc<Connector>, deadline: Duration, turns: usize) -> Self {
        Self { connector, deadline, idle: Mutex::default(), turns: Semaphore::new(turns) }
    }

    /// Reads under the deadline, the making of a connection included, after a turn was waited for. A connection that failed, or was left in the middle
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
        let turn = tokio::time::timeout(TURN_WITHIN, self.turns.acquire()).await;
        let turn = turn.map_err(|_| Failure::Unreachable(format!("too many read: no turn within {TURN_WITHIN:?}")))?;
        let _turn = turn.map_err(|_| Failure::Unreachable("the store is closed".into()))?;
        within(limit, async {
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
