//! The append-only history of each device, and what is known of it besides.
//!
//! Takes batches of decided entries together with how far the queue was consumed for them ([`EventStore::append`]), tells
//! them to whoever subscribed, in the order of the log, and gives them back: one device's history, all events from a
//! position, the state of every device after a start. Does not decide anything, and does not know HTTP.
//!
//! Start at [`EventStore`]; then [`Batch`].

mod store;

mod batch;

mod state;

mod embedded;
mod postgresql;

#[cfg(feature = "conformance")]
pub mod conformance;

pub use batch::{Batch, Entry, LateReading, Observation, Stored};
pub use embedded::{EmbeddedOptions, EmbeddedStore, EventLogReader, OpenError, VerifyReport, verify};
pub use fieldwatch_wire::queued::Checkpoint;
pub use postgresql::{OpenError as PostgresOpenError, PostgresOptions, PostgresStore};
pub use state::DeviceState;
pub use store::{
    AppendError, BoxFuture, EventLabel, EventStore, EventsPage, HistoryEntry, HistoryPage, Metrics, ReadError, RecoverError,
    Recovered, Recovery, SharedStore, ShelfSnapshot, StoreHealth, Subscriber,
};
