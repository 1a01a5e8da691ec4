//! What a stream shall tell.

use fieldwatch_directory::Bbox;
use fieldwatch_domain::EventType;
use std::collections::HashSet;

/// In which form a stream tells.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Form {
    /// One message per event, as the object of the API.
    #[default]
    Events,
    /// Snapshots and frames: columns of numbers, at most ten a second.
    Frames,
    /// The four events of the original stream, in its names: no hello, no ids of ours, no resume.
    Original,
}

/// What a stream shall tell, and from where on.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct StreamRequest {
    /// In which form.
    pub form: Form,
    /// Only these types, if any is named.
    pub types: HashSet<EventType>,
    /// Only these devices, if any is named. Ids need not be known yet.
    pub devices: HashSet<String>,
    /// Only devices within this box (events: those whose location lies in it; events without one: the device's current
    /// location).
    pub bbox: Option<Bbox>,
    /// `Last-Event-ID` if there was one, else `since`: resume after it. As it came; what is no position is answered in the
    /// stream by a gap.
    pub resume_after: Option<String>,
}
