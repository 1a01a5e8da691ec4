//! What every event store promises.

use crate::support::{Database, or_skip, server};

fieldwatch_event_store::event_store_keeps_its_promises!(Database::on(&or_skip!(server())));
