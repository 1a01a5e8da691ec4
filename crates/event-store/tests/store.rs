//! The embedded store, from outside.

#[path = "store/support.rs"]
mod support;

#[path = "store/promises.rs"]
mod promises;

#[path = "store/beside.rs"]
mod beside;

#[path = "store/any_history.rs"]
mod any_history;

#[path = "store/tidying.rs"]
mod tidying;

#[path = "store/small_disk.rs"]
mod small_disk;

#[path = "store/full_disk.rs"]
mod full_disk;

#[path = "store/writing.rs"]
mod writing;

#[path = "store/golden.rs"]
mod golden;
