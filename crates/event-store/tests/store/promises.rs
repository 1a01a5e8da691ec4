//! What every event store promises.

use crate::support::Folder;

fieldwatch_event_store::event_store_keeps_its_promises!(Folder::new());
