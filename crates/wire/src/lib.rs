//! Every format that leaves the process: readings as devices send them, what waits in the queue, what the event store
//! keeps, and what browsers and programs read.
//!
//! Bytes become domain types here and nowhere else; domain types know no format. Does no I/O. Start at [`stored`] for
//! what lies on disk, at [`event_json`] for what the outside reads.

pub mod event_json;
pub mod ingest;
pub mod original;
pub mod queued;
pub mod queued_line;
pub mod stored;
pub mod text;
pub mod told;

mod damaged;
mod packed;

pub use damaged::Damaged;
