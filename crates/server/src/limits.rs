//! Every capacity and deadline that the server sets, in one place.
//!
//! What a device or a client may do is in the contract and lives with its format (`fieldwatch_wire::ingest::Limits`); what a
//! person may want to change is a setting. Here is the rest: numbers that somebody who looks for "why 503?" wants to find.

use std::time::Duration;

const KIB: u64 = 1 << 10;
const MIB: u64 = KIB << 10;

/// Capacities and deadlines of the running server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Limits {
    /// Connections that wait to be accepted; beyond it the system lets clients try again. The system may cap it
    /// (`net.core.somaxconn`).
    pub(crate) listen_backlog: u32,
    /// File descriptors that are asked of the system: 25 000 connections, streams among them, and segment files.
    pub(crate) open_files: u64,
    /// Threads for what may block: lists, large bodies, tidying. When all are busy, the next one waits.
    pub(crate) blocking_threads: usize,

    /// Below so many free bytes new readings are refused with 503. Above [`Limits::store_least_free_bytes`] by enough that
    /// what the queue holds already can still be decided and stored.
    pub(crate) queue_least_free_bytes: u64,
    /// Below so many free bytes nothing is stored any more and decided readings wait in the queue.
    pub(crate) store_least_free_bytes: u64,
    /// A shelf of devices is saved when the log has grown by so many bytes since: what a start has to replay at most.
    pub(crate) snapshot_every_bytes: u64,
    /// When old and forgotten events are first removed after a start. Not at once: a start has other work.
    pub(crate) first_tidy_after: Duration,
    /// How often they are removed. Forgotten content has to be gone within a day.
    pub(crate) tidy_interval: Duration,

    /// A stream that has nothing to tell sends a keep-alive after so long.
    pub(crate) stream_keep_alive: Duration,
    /// Frames for the console come at most once in so long.
    pub(crate) frame_interval: Duration,
    /// Events kept in memory for streams that are behind. One that is further behind is cut (`fieldwatch_stream_dropped_total`)
    /// and resumes from the log.
    pub(crate) stream_kept_events: usize,
    /// Chunks that wait for one slow client before its stream is cut.
    pub(crate) stream_chunks: usize,
    /// Open streams (`fieldwatch_stream_clients`); beyond it 503.
    pub(crate) streams: usize,

    /// How long a restore may take before progress is logged, and how often then.
    pub(crate) restore_progress_interval: Duration,
    /// When stopping: how long the queue may take to run empty. What is left waits on the disk for the next start.
    pub(crate) drain_queue: Duration,
    /// When stopping: how long what moves readings from the original queue may take to finish.
    pub(crate) stop_moving: Duration,
    /// When stopping: how long the shards may take to finish the batch in hand and save what has changed.
    pub(crate) stop_states: Duration,
    /// When stopping: how long connections may take to finish, counted from the signal on.
    pub(crate) drain_connections: Duration,
    /// When stopping: after so long the process ends wherever it is. Nothing durable is in danger, and ten seconds are promised.
    pub(crate) stop_at_last: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            listen_backlog: 4_096,
            open_files: 32_768,
            blocking_threads: 64,

            queue_least_free_bytes: 256 * MIB,
            store_least_free_bytes: 64 * MIB,
            snapshot_every_bytes: 256 * MIB,
            first_tidy_after: Duration::from_mins(1),
            tidy_interval: Duration::from_hours(1),

            stream_keep_alive: Duration::from_secs(15),
            frame_interval: Duration::from_millis(100),
            stream_kept_events: 65_536,
            stream_chunks: 64,
            streams: 20_000,

            restore_progress_interval: Duration::from_secs(2),
            drain_queue: Duration::from_secs(3),
            stop_moving: Duration::from_secs(2),
            stop_states: Duration::from_secs(3),
            drain_connections: Duration::from_secs(7),
            stop_at_last: Duration::from_millis(9_500),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stop_takes_less_than_the_ten_seconds_that_are_promised() {
        let limits = Limits::default();
        assert!(limits.drain_queue + limits.stop_states < limits.drain_connections);
        assert!(limits.drain_connections < limits.stop_at_last);
        assert!(limits.stop_at_last < Duration::from_secs(10));
    }

    #[test]
    fn the_store_has_room_left_when_the_queue_takes_nothing_more() {
        let limits = Limits::default();
        assert!(limits.queue_least_free_bytes > limits.store_least_free_bytes);
    }
}
