//! The durable queue between ingest and device state.
