//! The append-only segment log on disk that the reading queue and the embedded event store share.
