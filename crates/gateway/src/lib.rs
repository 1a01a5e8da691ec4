//! What the outside calls: ingest, management REST, streams, the map page.
//!
//! Turns HTTP into calls of the rooms behind it, and their answers into HTTP; decides nothing about devices. Start at
//! [`Parts`], then the table of routes.

mod parts;

pub use parts::{Gateway, OriginalEndpoints, Parts, Readiness};

/// The OpenAPI 3.1 document of the API, as it is served at `/openapi.json`.
pub fn openapi() -> &'static str {
    unimplemented!()
}
