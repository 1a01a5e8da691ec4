//! One actor per device: take a reading, decide, append, announce.
//!
//! Devices are cells in shards. A shard pulls the entries of its partitions from the queue, lets each device decide,
//! appends what they decided together with how far the queue was consumed, and only then changes their state. A panic in one
//! device's turn harms nobody else. Does not know HTTP, and does not keep a read side.
//!
//! Start at [`DeviceStates`]; then [`Shard`], whose loop is the life of a device.

mod states;

mod running;

mod shard;

mod delivery;

mod decided;

mod turn;

mod storing;

mod restored;

mod ownership;

mod restoring;

mod timers;

mod snapshots;

mod cells;

mod wheel;

mod ticks;

mod backoff;

mod commands;

mod visible;

mod metrics;

pub use commands::{CommandOutcome, Commands, Herald};
pub use metrics::{Metrics, ReadingLabel, ReadingResult};
pub use running::Running;
pub use shard::Shard;
pub use states::{DeviceStates, StartError, StateOptions, WallClock};
