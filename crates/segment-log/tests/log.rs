//! The promises of the segment log, against real files.

#[path = "log/small_disk.rs"]
mod small_disk;
#[path = "log/support.rs"]
mod support;

#[path = "log/appending.rs"]
mod appending;
#[path = "log/crashes.rs"]
mod crashes;
#[path = "log/damage.rs"]
mod damage;
#[path = "log/full_disk.rs"]
mod full_disk;
#[path = "log/lock.rs"]
mod lock;
#[path = "log/reading.rs"]
mod reading;
#[path = "log/retention.rs"]
mod retention;
#[path = "log/rewriting.rs"]
mod rewriting;
