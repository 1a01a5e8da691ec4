//! Removes from the disk what is not to be shown any more.
//!
//! Letters are few, so what stays is written anew at the end of the log, and everything before it is removed. Blanking in place
//! would need no copy, but one letter that waits for ever would keep all that came after it.

use super::{
    DeadLetterError, Letters, failed,
    read::{self, Fault},
    record::{Compacted, Dropped, Frame, Record, Requeued},
};
use std::collections::HashSet;

/// Records are written together up to about this size; one more of the largest still fits into a frame.
const FRAME_BYTES: usize = 512 << 10;
/// So many ids fit into a record.
const IDS_TOGETHER: usize = 10_000;

impl Letters {
    /// Notes, durably, that the hidden letters are dropped. Blocks for one sync if there are any.
    pub(super) fn drop_hidden(&mut self) -> Result<(), DeadLetterError> {
        let hidden: Vec<u64> = self.known.hidden().iter().copied().collect();
        hidden.chunks(IDS_TOGETHER).try_for_each(|ids| self.keep(&Record::Dropped(Dropped { ids: ids.to_vec() })))
    }

    /// Erases what was dropped: writes what is kept anew, then removes what was before. After a crash in between letters are
    /// there twice, which is noticed when they are opened, and done again.
    pub(super) fn compact(&mut self) -> Result<(), DeadLetterError> {
        self.log.roll().map_err(|error| failed("write to", &error))?;
        let reader = self.log.reader();
        let boundary = self.log.segments().last().map_or(0, |newest| newest.base);
        let mut copied = HashSet::new();
        let mut frame = Frame::new();
        frame.add(&Record::Compacted(Compacted { last_id: self.known.last_id() }));
        read::records_before(&reader, boundary, |record| {
            let Record::Parked(parked) = &record else { return Ok(()) };
            let id = parked.id;
            if !self.known.keeps(id) || !copied.insert(id) {
                return Ok(());
            }
            frame.add(&record);
            if let Some(at) = self.known.requeued_at(id) {
                frame.add(&Record::Requeued(Requeued { id, at }));
            }
            if frame.as_bytes().len() < FRAME_BYTES {
                return Ok(());
            }
            let full = std::mem::replace(&mut frame, Frame::new());
            self.log.commit(&[full.as_bytes()]).map(|_| ()).map_err(|error| failed("write to", &error))
        })
        .map_err(Fault::into_error)?;
        if !frame.is_empty() {
            self.log.commit(&[frame.as_bytes()]).map_err(|error| failed("write to", &error))?;
        }
        let freed = self.log.remove_before(boundary).map_err(|error| failed("erase from", &error))?;
        self.known.compacted();
        tracing::info!(freed, kept = copied.len(), "erased dead letters of forgotten devices and those requeued long ago");
        Ok(())
    }
}
