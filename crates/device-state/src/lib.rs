//! One actor per device: take a reading, decide, append, announce.
//!
//! Devices are cells in shards. A shard pulls the entries of its partitions from the queue, lets each device decide,
//! appends what they decided together with how far the queue was consumed, and only then changes their state. A panic in one
//! device's turn harms nobody else. Does not know HTTP, and does not keep a read side.
//!
//! Start at [`DeviceStates`].

mod commands;

mod metrics;

mod states;

pub use commands::{CommandOutcome, Commands};
pub use metrics::{Metrics, ReadingLabel, ReadingResult};
pub use states::{DeviceStates, Running, StartError, StateOptions, WallClock};
