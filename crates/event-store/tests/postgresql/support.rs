//! A server for all tests of this program, and a database for each.

use fieldwatch_domain::DeviceNumbers;
use fieldwatch_event_store::{
    BoxFuture, EventStore, PostgresOptions, PostgresStore,
    conformance::{Opened, Place},
};
use fieldwatch_real_servers::{
    Missing,
    postgresql::{PostgreSql, Settings},
};
use std::{
    io::Write,
    sync::{
        Arc, Mutex, PoisonError, Weak,
        atomic::{AtomicU32, Ordering},
    },
};

/// The server that most tests share, while any of them has it. What they prove does not depend on the disk, which may be slow
/// to sync.
pub(crate) fn server() -> Result<Arc<PostgreSql>, Missing> {
    static SERVER: Mutex<Weak<PostgreSql>> = Mutex::new(Weak::new());
    let mut shared = SERVER.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(server) = shared.upgrade() {
        return Ok(server);
    }
    let server = Arc::new(PostgreSql::start_with(Settings::default())?);
    *shared = Arc::downgrade(&server);
    Ok(server)
}

/// Gives what a server gives, or says that the test is skipped and leaves it.
macro_rules! or_skip {
    ($server:expr) => {
        match $server {
            Ok(server) => server,
            Err(missing) => {
                $crate::support::skipped(&missing);
                return;
            }
        }
    };
}

pub(crate) use or_skip;

/// Says that the test of this thread is skipped, where scripts/test.sh counts it. Written directly, because what a test that
/// passes prints is not shown.
pub(crate) fn skipped(missing: &Missing) {
    let thread = std::thread::current();
    let _ = writeln!(std::io::stderr(), "SKIPPED {}: {}", thread.name().unwrap_or("a test"), missing.0);
}

/// A database.
pub(crate) struct Database {
    pub(crate) url: String,
    _server: Option<Arc<PostgreSql>>,
}

impl Database {
    /// A new one on the shared server.
    pub(crate) fn on(server: Arc<PostgreSql>) -> Self {
        Self { _server: Some(Arc::clone(&server)), ..Self::on_own(&server) }
    }

    /// A new one on a server that the test has for itself.
    pub(crate) fn on_own(server: &PostgreSql) -> Self {
        let name = server.create_database().expect("create a database");
        Self { url: server.url(&name), _server: None }
    }

    /// The name of a node that no other store has.
    pub(crate) fn options(&self) -> PostgresOptions {
        static NODES: AtomicU32 = AtomicU32::new(1);
        PostgresOptions::new(&self.url, format!("node-{}", NODES.fetch_add(1, Ordering::Relaxed)))
    }

    pub(crate) async fn open_with(&self, options: PostgresOptions) -> Opened {
        let numbers = Arc::new(DeviceNumbers::default());
        let store = PostgresStore::connect(options, Arc::clone(&numbers)).await.expect("open the store");
        Opened { store: Arc::new(store) as Arc<dyn EventStore>, numbers }
    }
}

impl Place for Database {
    fn open(&self) -> BoxFuture<'_, Opened> {
        Box::pin(self.open_with(self.options()))
    }
}
