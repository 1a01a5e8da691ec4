//! A simulated fleet and recorded readings, sent to a server over HTTP, with honest figures.
//!
//! Three tools: [`simulate()`] lets a fleet that does not exist report on schedule, [`send_file`] replays readings that were
//! recorded, with their own times, and [`load`] drives a server as hard as it can for a measurement.
//!
//! It knows a server only by its HTTP interface, and no other crate of the workspace: what it says about a server is what any
//! client would see. Start reading at [`simulate()`], then `open_model`.

mod client;
mod fleet;
mod latency;
pub mod load;
mod open_model;
mod pace;
mod random;
mod recorded;
mod send;
mod simulate;
mod summary;
mod tally;
mod target;
mod verdict;

pub use fleet::{Fleet, Profile, SimulatedReading, UnknownProfile};
pub use latency::Percentiles;
pub use send::{Refusal, SendError, SendOptions, SendProgress, SendSummary, send_file};
pub use simulate::{Progress, SimulateError, SimulateOptions, simulate};
pub use summary::Summary;
pub use target::TargetError;
