//! What the outside calls: ingest, management REST, streams, the map page.
