//! A server for all tests of this program, and a database for each.

use fieldwatch_domain::DeviceNumbers;
use fieldwatch_event_store::{
    BoxFuture, Checkpoint, Entry, EventStore, PostgresOptions, PostgresStore, Recovered,
    conformance::{Opened, Place, Restored},
};
use fieldwatch_real_servers::{
    Missing,
    postgresql::{PostgreSql, Settings},
};
use std::sync::{
    Arc, Mutex, PoisonError, Weak,
    atomic::{AtomicU32, Ordering},
};
use tokio_postgres::{Client, NoTls};

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
                return $crate::support::skipped(&missing.0);
            }
        }
    };
}

pub(crate) use or_skip;

/// Says that the test of this thread is skipped.
pub(crate) fn skipped(why: &str) {
    fieldwatch_real_servers::skipped(std::thread::current().name().unwrap_or("a_test"), why);
}

/// A database.
pub(crate) struct Database {
    pub(crate) url: String,
    _server: Option<Arc<PostgreSql>>,
}

impl Database {
    /// A new one on the shared server.
    pub(crate) fn on(server: &Arc<PostgreSql>) -> Self {
        Self { _server: Some(Arc::clone(server)), ..Self::on_own(server) }
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

/// A way to a database beside every store.
pub(crate) async fn client(database: &Database) -> Client {
    let (client, connection) = tokio_postgres::connect(&database.url, NoTls).await.expect("connect");
    tokio::spawn(connection);
    client
}

/// Waits until something is so.
pub(crate) async fn until(what: &str, is_so: impl Fn() -> bool) {
    let begun = std::time::Instant::now();
    while !is_so() {
        assert!(begun.elapsed() < std::time::Duration::from_mins(1), "{what} has not come about");
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
}

/// What a subscriber of a store has heard: every event's position, device and version, in its order.
#[derive(Clone, Default)]
pub(crate) struct Heard(Arc<Mutex<Vec<(u64, String, u64)>>>);

impl Heard {
    pub(crate) fn of(opened: &Opened) -> Self {
        let heard = Self::default();
        let (writes, numbers) = (heard.clone(), Arc::clone(&opened.numbers));
        opened.store.subscribe(Box::new(move |stored| {
            for entry in &stored.entries {
                if let Entry::Event(event) = entry {
                    let id = numbers.id(event.device).as_str().to_owned();
                    writes.0.lock().unwrap_or_else(PoisonError::into_inner).push((event.position, id, event.version));
                }
            }
        }));
        heard
    }

    pub(crate) fn events(&self) -> Vec<(u64, String, u64)> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// All events that a store gives, as [`Heard`] has them.
pub(crate) async fn stored_events(opened: &Opened) -> Vec<(u64, String, u64)> {
    let events = opened.all_events(0, 1_000).await;
    events.iter().map(|event| (event.position, opened.numbers.id(event.device).as_str().to_owned(), event.version)).collect()
}

/// Takes a partition over as its owner does; gives its checkpoint and the devices of its shelves.
pub(crate) async fn take_over(opened: &Opened, partition: u16, shelves: &[usize]) -> (Option<Checkpoint>, Restored) {
    let states: Mutex<Restored> = Mutex::default();
    let visit = |found: Recovered<'_>| {
        let mut states = states.lock().unwrap_or_else(PoisonError::into_inner);
        let id = |device| opened.numbers.id(device).as_str().to_owned();
        match found {
            Recovered::Device(device, state) => _ = states.insert(id(device), state),
            Recovered::Entry(entry) => states.entry(id(entry.device())).or_default().apply(entry),
        }
    };
    let shared = opened.store.shared().expect("it can be shared");
    let checkpoint = shared.take_over(partition, shelves, &visit).await.expect("take over");
    (checkpoint, states.into_inner().unwrap_or_else(PoisonError::into_inner))
}
