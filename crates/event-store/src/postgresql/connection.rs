//! One connection to the server, and how it is made.

use super::{
    address::Address,
    options::{OpenError, PostgresOptions},
};
use crate::embedded::told;
use parking_lot::Mutex;
use std::{
    collections::HashMap,
    future::{Future, poll_fn},
    hash::{BuildHasher, RandomState},
    time::Duration,
};
use tokio::{runtime::Handle, sync::mpsc, task::AbortHandle, time::timeout};
use tokio_postgres::{AsyncMessage, Client, Config, Row, Statement, error::SqlState, types::ToSql};
use tokio_postgres_rustls::MakeRustlsConnect;

/// The longest name of a session that the server keeps.
const MOST_NAME_BYTES: usize = 63;
/// A session whose client is silent in the middle of a transaction, or whose lock is not given, is ended after so long.
const IDLE_IN_TRANSACTION: Duration = Duration::from_secs(5);

/// Beyond what the server may take for an answer, this is for the way.
const ON_THE_WAY: Duration = Duration::from_secs(2);
/// A session that tidies and whose client has become silent must not keep others from tidying. Servers before 14 do not know it.
const IDLE_TIDYING: &str = "; SELECT set_config('idle_session_timeout', '600000', false) \
     WHERE current_setting('server_version_num')::int4 >= 140000";

/// Why something asked of the server was not done.
#[derive(Clone, Debug)]
pub(super) enum Failure {
    /// It was not sent: there is no connection.
    Unreachable(String),
    /// The server has refused it, and nothing of it stands.
    Refused { code: SqlState, message: String },
    /// It was sent, and no answer came.
    Lost(String),
    /// What was read is not what was written.
    Damaged(String),
}

impl Failure {
    pub(super) fn of(error: &tokio_postgres::Error) -> Self {
        match error.as_db_error() {
            // The server says goodbye; whether it had committed before is not said.
            Some(refusal) if refusal.code().code().starts_with("57P") || refusal.severity() == "FATAL" => {
                Self::Lost(refusal.message().to_owned())
            }
            Some(refusal) => Self::Refused { code: refusal.code().clone(), message: refusal.message().to_owned() },
            None => Self::Lost(told(error)),
        }
    }

    /// What went wrong, for people.
    pub(super) fn text(&self) -> String {
        match self {
            Self::Unreachable(text) | Self::Lost(text) | Self::Damaged(text) => text.clone(),
            Self::Refused { code, message } => format!("{message} ({})", code.code()),
        }
    }

    /// Whether the server refused with this code.
    pub(super) fn is(&self, wanted: &str) -> bool {
        matches!(self, Self::Refused { code, .. } if code.code() == wanted)
    }
}

/// How long something may take on a connection.
struct Limits {
    /// A statement, by the server.
    statement: Duration,
    /// A lock, by the server.
    lock: Duration,
    /// An answer of the server, by us: a way that swallows everything says nothing.
    answer: Duration,
}

/// What is needed to make connections.
pub(super) struct Connector {
    config: Config,
    tls: MakeRustlsConnect,
    node: String,
    deadline: Duration,
    /// Where connections live: whoever asks may be on a runtime of its own, which is busy with other things, or has no sockets.
    runtime: Handle,
}

/// What a connection is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Purpose {
    /// To store; the deadline is that of a statement.
    Append(Duration),
    /// To read.
    Read(Duration),
    /// To hear of what others have stored.
    Listen,
    /// To create and change tables.
    Prepare,
    /// To remove, which takes its time.
    Tidy,
}

impl Purpose {
    fn name(self) -> &'static str {
        match self {
            Self::Append(_) => "append",
            Self::Read(_) => "read",
            Self::Listen => "listen",
            Self::Prepare => "prepare",
            Self::Tidy => "tidy",
        }
    }

    fn limits(self) -> Limits {
        let (statement, lock) = match self {
            Self::Append(limit) | Self::Read(limit) => (limit, limit),
            Self::Listen => (Duration::from_secs(5), Duration::from_secs(5)),
            Self::Prepare => (Duration::from_mins(10), Duration::from_mins(1)),
            Self::Tidy => (Duration::from_hours(1), Duration::from_millis(500)),
        };
        Limits { statement, lock, answer: statement + ON_THE_WAY }
    }
}

impl Connector {
    /// For connections on the runtime that this is called in.
    pub(super) fn new(options: &PostgresOptions) -> Result<Self, OpenError> {
        let Address { config, tls } = Address::parse(&options.url)?;
        let (node, deadline) = (options.node.clone(), options.connect_deadline);
        Ok(Self { config, tls, node, deadline, runtime: Handle::current() })
    }

    /// The name under which the server shows the sessions of this node that are for one purpose.
    pub(super) fn session_name(&self, purpose: Purpose) -> String {
        session_name(&self.node, purpose)
    }

    /// Connects, under the deadline. What others notify goes to `notified`.
    pub(super) async fn connect(&self, purpose: Purpose, notified: Option<mpsc::Sender<String>>) -> Result<Connection, Failure> {
        let (deadline, tls) = (self.deadline, self.tls.clone());
        let mut config = self.config.clone();
        config.application_name(self.session_name(purpose)).connect_timeout(deadline);
        let too_late = move || Failure::Unreachable(format!("no connection within {deadline:?}"));
        let connecting = self.runtime.spawn(async move {
            timeout(deadline, Self::try_connect(config, tls, purpose, notified)).await.unwrap_or_else(|_| Err(too_late()))
        });
        connecting.await.unwrap_or_else(|ended| Err(Failure::Unreachable(ended.to_string())))
    }

    async fn try_connect(
        config: Config,
        tls: MakeRustlsConnect,
        purpose: Purpose,
        notified: Option<mpsc::Sender<String>>,
    ) -> Result<Connection, Failure> {
        let unreachable = |error: &tokio_postgres::Error| match Failure::of(error) {
            Failure::Lost(text) => match error.as_db_error() {
                Some(refusal) => Failure::Refused { code: refusal.code().clone(), message: text },
                None => Failure::Unreachable(text),
            },
            other => other,
        };
        let (client, mut connection) = config.connect(tls).await.map_err(|error| unreachable(&error))?;
        let driver = tokio::spawn(async move {
            while let Some(Ok(message)) = poll_fn(|context| connection.poll_message(context)).await {
                if let (AsyncMessage::Notification(notification), Some(notified)) = (message, &notified) {
                    // One that waits wakes as well as many.
                    let _ = notified.try_send(notification.payload().to_owned());
                }
            }
        });
        let Limits { statement, lock, answer } = purpose.limits();
        let connection = Connection { client, statements: Mutex::default(), driver: driver.abort_handle(), answer };
        let settings = format!(
            "SET statement_timeout = {}; SET lock_timeout = {}; SET idle_in_transaction_session_timeout = {}; SET TimeZone = 'UTC'; \
             SET tcp_user_timeout = 10000; SET tcp_keepalives_idle = 60; SET tcp_keepalives_interval = 10; SET tcp_keepalives_count = 3; \
             SELECT set_config('synchronous_commit', 'on', false) WHERE current_setting('synchronous_commit') = 'off'{}",
            statement.as_millis(),
            lock.as_millis(),
            IDLE_IN_TRANSACTION.as_millis(),
            if purpose == Purpose::Tidy { IDLE_TIDYING } else { "" },
        );
        connection.client.batch_execute(&settings).await.map_err(|error| unreachable(&error))?;
        Ok(connection)
    }
}

/// As [`Connector::session_name`]. Of a long name the end is shown, because there processes of one host differ, behind a hash
/// of all of it, because two hosts may differ at the beginning.
fn session_name(node: &str, purpose: Purpose) -> String {
    let purpose = purpose.name();
    let room = MOST_NAME_BYTES - "fieldwatch  ".len() - purpose.len();
    let shown = node.replace(|letter: char| !letter.is_ascii_graphic(), "?");
    if shown == node && shown.len() <= room {
        return format!("fieldwatch {shown} {purpose}");
    }
    let hash = format!("{:016x}~", fnv(node.as_bytes()));
    // Only letters of one byte are left.
    let tail = &shown[shown.len().saturating_sub(room - hash.len())..];
    format!("fieldwatch {hash}{tail} {purpose}")
}

/// FNV-1a, which is the same in every process.
fn fnv(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3))
}

/// A connection.
pub(super) struct Connection {
    client: Client,
    statements: Mutex<HashMap<&'static str, Statement>>,
    driver: AbortHandle,
    /// How long an answer may take.
    answer: Duration,
}

impl Connection {
    /// The statement, prepared once for each connection.
    async fn prepared(&self, sql: &'static str) -> Result<Statement, Failure> {
        if let Some(statement) = self.statements.lock().get(sql) {
            return Ok(statement.clone());
        }
        // Nothing was executed, so nothing can have been done.
        let not_sent = |error: &tokio_postgres::Error| match Failure::of(error) {
            Failure::Lost(text) => Failure::Unreachable(text),
            other => other,
        };
        let statement = async { Box::pin(self.client.prepare(sql)).await.map_err(|error| not_sent(&error)) };
        let statement = match within(self.answer, statement).await {
            Err(Failure::Lost(text)) => Err(Failure::Unreachable(text)),
            prepared => prepared,
        }?;
        self.statements.lock().insert(sql, statement.clone());
        Ok(statement)
    }

    /// Asks for rows, all of them.
    pub(super) async fn rows(&self, sql: &'static str, params: &[&(dyn ToSql + Sync)]) -> Result<Vec<Row>, Failure> {
        let statement = self.prepared(sql).await?;
        self.answered(Box::pin(self.client.query(&statement, params))).await
    }

    /// Asks for the one row that there is.
    pub(super) async fn row(&self, sql: &'static str, params: &[&(dyn ToSql + Sync)]) -> Result<Row, Failure> {
        let rows = self.rows(sql, params).await?;
        rows.into_iter().next().ok_or_else(|| Failure::Lost("the answer has no row".into()))
    }

    /// Asks for rows, and takes them as they come.
    pub(super) async fn stream(
        &self,
        sql: &'static str,
        params: &[&(dyn ToSql + Sync)],
    ) -> Result<tokio_postgres::RowStream, Failure> {
        let statement = self.prepared(sql).await?;
        self.answered(Box::pin(self.client.query_raw(&statement, params.iter().copied()))).await
    }

    /// Does something that gives no rows.
    pub(super) async fn execute(&self, sql: &'static str, params: &[&(dyn ToSql + Sync)]) -> Result<u64, Failure> {
        let statement = self.prepared(sql).await?;
        self.answered(Box::pin(self.client.execute(&statement, params))).await
    }

    /// Does one or more statements without parameters.
    pub(super) async fn batch(&self, sql: &str) -> Result<(), Failure> {
        self.answered(Box::pin(self.client.batch_execute(sql))).await
    }

    /// Waits for an answer as long as one may take.
    async fn answered<T>(&self, answer: impl Future<Output = Result<T, tokio_postgres::Error>>) -> Result<T, Failure> {
        within(self.answer, async { answer.await.map_err(|error| Failure::of(&error)) }).await
    }

    /// Whether it is known to be gone.
    pub(super) fn is_closed(&self) -> bool {
        self.client.is_closed()
    }
}

impl Drop for Connection {
    /// Closes the socket at once: a server that does not answer must not keep the task.
    fn drop(&mut self) {
        self.driver.abort();
    }
}

/// Gives up what takes longer.
pub(super) async fn within<T>(limit: Duration, work: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
    timeout(limit, work).await.unwrap_or_else(|_| Err(Failure::Lost(format!("no answer within {limit:?}"))))
}

/// A duration between a half and one and a half of it, so that nodes that lost their connection together do not come back
/// together.
pub(super) fn jittered(duration: Duration) -> Duration {
    let random = RandomState::new().hash_one(0) % 1024;
    duration.mul_f64(0.5 + random as f64 / 1024.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn processes_with_long_names_have_sessions_of_different_names() {
        let purpose = Purpose::Append(Duration::ZERO);
        let host = "h".repeat(60);
        let nodes =
            [format!("{host}-1"), format!("{host}-2"), format!("g{host}-1"), "n\u{e4}".into(), "n\u{f6}".into(), "n".into()];
        let names: std::collections::BTreeSet<String> = nodes.iter().map(|node| session_name(node, purpose)).collect();
        assert_eq!(names.len(), nodes.len(), "{names:?}");
        assert!(names.iter().all(|name| name.len() <= MOST_NAME_BYTES && name.is_ascii()), "{names:?}");
        assert_eq!(session_name("node-1", purpose), "fieldwatch node-1 append");
    }
}
