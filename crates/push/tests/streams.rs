//! What clients of the live streams get, from a fleet that decides as the real one does and a store that is a fake.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

#[path = "streams/fake_store.rs"]
mod fake_store;

#[path = "streams/fleet.rs"]
mod fleet;

#[path = "streams/client.rs"]
mod client;

#[path = "streams/events.rs"]
mod events;

#[path = "streams/resume.rs"]
mod resume;

#[path = "streams/frames.rs"]
mod frames;

#[path = "streams/limits.rs"]
mod limits;
