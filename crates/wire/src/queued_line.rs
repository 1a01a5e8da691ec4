//! What waits in a partition of the broker: one entry as a line of text, so that anybody can publish and read them.

use crate::damaged::Damaged;
use crate::queued::Request;
use std::borrow::Cow;

/// Reads a line.
///
/// # Errors
/// When it is not an entry.
pub fn read_line(line: &[u8]) -> Result<(Cow<'_, str>, Request), Damaged> {
    let _ = line;
    Err(Damaged("line"))
}
