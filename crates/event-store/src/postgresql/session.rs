//! The one connection that stores, and how it finds out what became of an append whose answer was lost.

use super::{
    connection::{Connection, Connector, Failure, Purpose, jittered, within},
    group::{By, Call, Placed},
};
use std::{
    sync::Arc,
    time::{Duration, Instant},
};

/// A group that waits so long probably waits for the position row, which somebody holds who does not go on.
const PATIENCE: Duration = Duration::from_secs(3);
/// The first and the longest pause before a connection is tried again.
const PAUSES: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(2));
/// A lost answer is asked for so often, until the deadline.
const ASK_AGAIN: Duration = Duration::from_millis(100);

/// An idle connection has to answer within this.
const PROOF_DEADLINE: Duration = Duration::from_secs(3);
/// A write, so that a server that only reads is noticed too.
const PROVE: &str = "UPDATE fieldwatch_writers SET seen_at = now() WHERE writer = $1::text::uuid";
/// Ends sessions that an earlier connection, or an earlier process of this node, has left behind.
pub(super) const END_OWN: &str = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity \
     WHERE application_name = $1 AND datname = current_database() AND pid <> pg_backend_pid()";
const BEGIN: &str =
    "SELECT pg_backend_pid(), session, sequence, first_position, newest_before FROM fieldwatch_begin($1::text::uuid, $2)";
/// Ends sessions of any node that hold what an append waits for, and themselves wait for their client: its process is frozen,
/// or its network is.
const END_BLOCKERS: &str = "SELECT count(pg_terminate_backend(a.pid)) FROM unnest(pg_blocking_pids($1)) AS b (pid) \
     JOIN pg_stat_activity AS a ON a.pid = b.pid WHERE a.application_name LIKE 'fieldwatch %' AND a.wait_event = 'ClientRead'";

/// Why a group was not stored.
#[derive(Clone, Debug)]
pub(super) enum NotStored {
    /// There is no connection, or the server cannot now. Nothing was stored.
    Unavailable(String),
    /// Nobody knows.
    Unknown(String),
    /// The server has refused what is in it. Nothing was stored.
    Refused(Failure),
}

/// A connection that stores.
struct Session {
    connection: Connection,
    pid: i32,
    number: i64,
    /// The number and the place of the last append of this process that was stored when the session began.
    last: (i64, Placed),
}

/// Stores groups, one after the other.
pub(super) struct Sessions {
    connector: Arc<Connector>,
    writer: String,
    node: String,
    deadline: Duration,
    session: Option<Session>,
    sequence: i64,
    pause: Duration,
    try_at: Option<(Instant, String)>,
}

impl Sessions {
    pub(super) fn new(connector: Arc<Connector>, writer: String, node: String, deadline: Duration) -> Self {
        Self { connector, writer, node, deadline, session: None, sequence: 0, pause: PAUSES.0, try_at: None }
    }

    /// Stores a group, under the deadline. A lost answer is asked for in a new session, which also makes sure that what has
    /// not been stored until then never will be.
    pub(super) async fn store(&mut self, call: &Call<'_>) -> Result<Placed, NotStored> {
        let ends = Instant::now() + self.deadline;
        self.sequence += 1;
        let mut lost = None;
        loop {
            match within(ends.saturating_duration_since(Instant::now()), self.begin(lost.is_some())).await {
                Ok(()) => {}
                Err(failure) => match lost {
                    None => return Err(NotStored::Unavailable(failure.text())),
                    Some(why) if Instant::now() + ASK_AGAIN >= ends => return Err(NotStored::Unknown(why)),
                    Some(why) => {
                        lost = Some(why);
                        tokio::time::sleep(jittered(ASK_AGAIN)).await;
                        continue;
                    }
                },
            }
            let Some(begun) = &self.session else { continue };
            if lost.take().is_some() && begun.last.0 == self.sequence {
                return Ok(begun.last.1);
            }
            // Leaves time to find out, if this answer is lost too.
            let left = ends.saturating_duration_since(Instant::now()).min(self.deadline * 7 / 10);
            let by = By { writer: &self.writer, session: begun.number, sequence: self.sequence };
            let sent = Box::pin(within(left, call.send(&begun.connection, by)));
            match watched(sent, &self.connector, begun.pid).await {
                Ok(placed) => return Ok(placed),
                Err(Failure::Unreachable(why)) => {
                    self.session = None;
                    return Err(NotStored::Unavailable(why));
                }
                Err(Failure::Lost(why) | Failure::Damaged(why)) => {
                    tracing::warn!(why, "an append was sent and not answered");
                    self.session = None;
                    lost = Some(why);
                }
                Err(refused @ Failure::Refused { .. }) => {
                    // A newer session of this writer: this connection is of no use any more.
                    if refused.is("FW002") {
                        self.session = None;
                    }
                    return Err(NotStored::Refused(refused));
                }
            }
        }
    }

    /// Finds out, when there is nothing to store, whether something could be: a connection whose way is cut is better noticed
    /// before the next append than by it, and who is told that nothing can be stored may send nothing to try it with.
    pub(super) async fn prove(&mut self) -> Result<(), Failure> {
        let proof = async {
            self.begin(false).await?;
            let Some(session) = &self.session else { return Ok(()) };
            session.connection.execute(PROVE, &[&self.writer]).await.map(drop)
        };
        let proved = within(PROOF_DEADLINE, proof).await;
        if proved.is_err() {
            self.session = None;
        }
        proved
    }

    /// Makes sure of a connection on which nothing is in the way. When there is none, and none could be had a moment ago, says so at once,
    /// unless `at_once`.
    async fn begin(&mut self, at_once: bool) -> Result<(), Failure> {
        if self.session.as_ref().is_some_and(|session| session.connection.is_closed()) {
            self.session = None;
        }
        if self.session.is_none() {
            match &self.try_at {
                Some((at, why)) if !at_once && Instant::now() < *at => return Err(Failure::Unreachable(why.clone())),
                Some(_) | None => {}
            }
            match self.connect().await {
                Ok(session) => {
                    (self.pause, self.try_at) = (PAUSES.0, None);
                    self.session = Some(session);
                }
                Err(failure) => {
                    self.try_at = Some((Instant::now() + jittered(self.pause), failure.text()));
                    self.pause = (self.pause * 2).min(PAUSES.1);
                    return Err(failure);
                }
            }
        }
        Ok(())
    }

    async fn connect(&self) -> Result<Session, Failure> {
        // The server gives up before we do, so that its answer is the rule.
        let purpose = Purpose::Append(self.deadline * 6 / 10);
        let connection = self.connector.connect(purpose, None).await?;
        let name = self.connector.session_name(purpose);
        let ended: i64 = connection.row(END_OWN, &[&name]).await?.get(0);
        if ended > 0 {
            tracing::info!(ended, "ended stale sessions of this node");
        }
        let row = connection.row(BEGIN, &[&self.writer, &self.node]).await?;
        let number = |at: usize| row.get::<_, i64>(at);
        let placed = Placed { base: number(3) as u64, newest_before: number(4) as u64 };
        Ok(Session { pid: row.get(0), number: number(1), last: (number(2), placed), connection })
    }
}

/// Waits for something that takes the position row, and ends whoever keeps it waiting by doing nothing.
pub(super) async fn watched<T>(sent: impl Future<Output = T>, connector: &Connector, pid: i32) -> T {
    let mut sent = std::pin::pin!(sent);
    loop {
        if let Ok(answer) = tokio::time::timeout(PATIENCE, &mut sent).await {
            return answer;
        }
        let ending = within(PATIENCE, async {
            // Made for this, because all others may be waiting for the same.
            let connection = connector.connect(Purpose::Listen, None).await?;
            connection.row(END_BLOCKERS, &[&pid]).await
        });
        let ended = tokio::select! {
            answer = &mut sent => return answer,
            ended = ending => ended,
        };
        if let Ok(ended) = ended
            && ended.get::<_, i64>(0) > 0
        {
            tracing::warn!("ended a session that kept appends waiting and did nothing");
        }
    }
}
