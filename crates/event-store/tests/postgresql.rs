//! The store in `PostgreSQL`, on a real server. Where there is none, each test says that it was skipped, and why.

#[path = "postgresql/support.rs"]
mod support;

#[path = "postgresql/promises.rs"]
mod promises;

#[path = "postgresql/sharing.rs"]
mod sharing;

#[path = "postgresql/faults.rs"]
mod faults;

#[path = "postgresql/following.rs"]
mod following;

#[path = "postgresql/tables.rs"]
mod tables;

#[path = "postgresql/opening.rs"]
mod opening;

#[path = "postgresql/tls.rs"]
mod tls;
