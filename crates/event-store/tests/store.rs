//! The embedded store, from outside.

#[path = "store/support.rs"]
mod support;

#[path = "store/promises.rs"]
mod promises;

#[path = "store/beside.rs"]
mod beside;
