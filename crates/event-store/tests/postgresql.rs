//! The store in `PostgreSQL`, on a real server. Where there is none, each test says that it was skipped, and why.

#[path = "postgresql/support.rs"]
mod support;

#[path = "postgresql/promises.rs"]
mod promises;
