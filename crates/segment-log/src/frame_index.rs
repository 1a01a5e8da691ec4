//! Where some frames of a segment start, so that a frame near an address is found without reading from the beginning.

use std::sync::{Mutex, MutexGuard, PoisonError};

/// Distance between two remembered frames, in bytes: 2 KiB of memory for a segment of 64 MiB.
const SPACING_BYTES: u64 = 256 << 10;

/// Frame starts of one segment, in ascending order, complete (up to the spacing) from the first frame to the last one
/// remembered. It fills as frames are written, scanned or passed on the way to another.
#[derive(Debug, Default)]
pub(crate) struct FrameIndex(Mutex<Vec<u64>>);

impl FrameIndex {
    /// A frame starts at `address`. All frames before it were noted, or lie near one that was.
    pub(crate) fn note(&self, address: u64) {
        let mut starts = self.starts();
        if starts.last().is_none_or(|last| last + SPACING_BYTES <= address) {
            starts.push(address);
        }
    }

    /// The nearest remembered frame that starts at or before `address`.
    pub(crate) fn at_or_before(&self, address: u64) -> Option<u64> {
        let starts = self.starts();
        let after = starts.partition_point(|start| *start <= address);
        after.checked_sub(1).map(|at| starts[at])
    }

    fn starts(&self) -> MutexGuard<'_, Vec<u64>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_frame_before_an_address_is_found_within_the_spacing() {
        let index = FrameIndex::default();
        (0..1000).for_each(|ordinal| index.note(64 + ordinal * 5000));
        for address in (64..64 + 1000 * 5000).step_by(777) {
            let start = index.at_or_before(address).expect("the first frame is always noted");
            assert!(start <= address && address - start < SPACING_BYTES + 2 * 5000, "{start} for {address}");
            assert_eq!((start - 64) % 5000, 0);
        }
        assert_eq!(index.at_or_before(63), None);
    }
}
