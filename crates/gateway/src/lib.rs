//! What the outside calls: ingest, management REST, streams, the map page.
//!
//! Turns HTTP into calls of the rooms behind it, and their answers into HTTP; decides nothing about devices. Start at
//! [`Parts`]; a request goes `server` → `connection` → `front` → `ingest`, or through the table in `routes` to its handler.

mod parts;

mod readiness;

mod server;

mod connection;

mod front;

mod app;

mod intake;

mod ingest;

mod original;

mod body;

mod work;

mod given_ids;

mod routes;

mod devices;

mod device_json;

mod commands;

mod history;

mod events;

mod track;

mod downsample;

mod track_formats;

mod stream;

mod dead_letters;

mod status;

mod metrics;

mod mailboxes;

mod console;

mod query;

mod accept;

mod device_path;

mod problem;

mod answer;

#[cfg(test)]
mod fakes;

pub use parts::{Late, NamedCounter, Note, OriginalEndpoints, Parts, ReadSide, Roles};
pub use readiness::Readiness;
pub use server::Gateway;

/// The `OpenAPI` 3.1 document of the API, as it is served at `/openapi.json`.
pub fn openapi() -> &'static str {
    include_str!("../openapi.json")
}
