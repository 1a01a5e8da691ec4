//! The read side: where every device is now.
//!
//! Keeps a row of each device, fed by the event store in the order of its log, and answers lists, filters and single
//! look-ups from memory. Does not decide anything, and does not know HTTP.
//!
//! Start at [`Directory`].

mod directory;

mod shelf;

mod row;

mod view;

mod list;

mod search;

mod order;

mod cursor;

pub use cursor::{Cursor, InvalidCursor};
pub use directory::{Directory, DirectoryOptions, WallClock};
pub use list::{ListPage, ListQuery, Sort, SortKey};
pub use view::{Bbox, Counts, DeviceRow, DeviceView, Status};
