//! How the store in `PostgreSQL` is kept, and why it cannot be opened.

use std::{fmt, time::Duration};

/// A retention is kept by tables of an eighth of it, so that it is exceeded by no more than that,
const TABLES_PER_RETENTION: u32 = 8;
/// and none is shorter than this, so that they stay few.
const SHORTEST_TABLE: Duration = Duration::from_hours(1);

/// How the store in `PostgreSQL` is kept.
#[derive(Clone)]
pub struct PostgresOptions {
    /// `postgresql://user:password@host:port/database?sslmode=disable|prefer|require|verify-full&sslrootcert=FILE`, and what
    /// else `libpq` knows of addresses. `prefer` and `require` check no certificate, as there.
    pub url: String,
    /// Names this process among those that use the database; the sessions of an earlier process of this name are ended.
    pub node: String,
    /// How long events are kept; `None`: forever.
    pub retention: Option<Duration>,
    /// A connection that takes longer to be made is given up.
    pub connect_deadline: Duration,
    /// An append that takes longer is answered without knowing what became of it.
    pub append_deadline: Duration,
    /// A read that takes longer has failed.
    pub read_deadline: Duration,
    /// A shelf wants a snapshot when so many entries were stored, of all shelves together, since its last one.
    pub snapshot_every: u64,
    /// A new table of events is begun when the current one is so old; `None`: an eighth of the retention, at least an hour.
    pub new_table_after: Option<Duration>,
}

impl PostgresOptions {
    /// The usual ones.
    pub fn new(url: impl Into<String>, node: impl Into<String>) -> Self {
        Self {
            url: url.into(),
            node: node.into(),
            retention: None,
            connect_deadline: Duration::from_secs(5),
            append_deadline: Duration::from_secs(10),
            read_deadline: Duration::from_secs(30),
            snapshot_every: 1 << 19,
            new_table_after: None,
        }
    }

    /// How old a table of events gets before the next one is begun; `None`: that depends on its size only.
    pub(super) fn table_age(&self) -> Option<Duration> {
        let usual = || self.retention.map(|retention| (retention / TABLES_PER_RETENTION).max(SHORTEST_TABLE));
        self.new_table_after.or_else(usual)
    }
}

impl fmt::Debug for PostgresOptions {
    /// Without the address, which may hold a password.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("PostgresOptions")
            .field("node", &self.node)
            .field("retention", &self.retention)
            .finish_non_exhaustive()
    }
}

/// Why the store in `PostgreSQL` cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The address, or a file it names, cannot be used; nothing was tried.
    #[error("the address of PostgreSQL cannot be used: {0}")]
    Address(String),
    /// The server does not answer, or is just starting: try again later.
    #[error("PostgreSQL cannot be reached: {0}")]
    Unreachable(String),
    /// The server does not let this user, certificate or database in, or does not let it create what is needed.
    #[error("PostgreSQL refuses: {0}")]
    Refused(String),
    /// The server is too old.
    #[error("PostgreSQL {found} is too old: 13 is the oldest that will do")]
    NotSupported {
        /// What it calls itself.
        found: String,
    },
    /// The database cannot hold every text.
    #[error("the database has encoding {found}, and ids and names need UTF8: create it with ENCODING 'UTF8' TEMPLATE template0")]
    Encoding {
        /// Its encoding.
        found: String,
    },
    /// A newer program has changed the tables.
    #[error(
        "the tables in the database have schema version {found}, and this program knows versions up to {known}: start a newer program"
    )]
    NewerSchema {
        /// The version of the tables.
        found: i32,
        /// The newest version that this program knows.
        known: i32,
    },
    /// The tables could not be read, created or changed.
    #[error("the tables cannot be made: {0}")]
    Failed(String),
}
