//! The promises of the embedded queue, against real files.

#[path = "queue/small_disk.rs"]
mod small_disk;
#[path = "queue/support.rs"]
mod support;

#[path = "queue/closing.rs"]
mod closing;
#[path = "queue/crashes.rs"]
mod crashes;
#[path = "queue/delivering.rs"]
mod delivering;
#[path = "queue/depth_and_lag.rs"]
mod depth_and_lag;
#[path = "queue/model.rs"]
mod model;
#[path = "queue/retention.rs"]
mod retention;
#[path = "queue/room.rs"]
mod room;
