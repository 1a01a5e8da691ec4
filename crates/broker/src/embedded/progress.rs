//! The note by which a partition goes on where it was decided: which queue, and the address from which on.
//!
//! 24 bytes: the address of the next entry to look at, little-endian, then the id of the queue's log. Without the id, an
//! address of a queue that was begun anew could not be told from one of the queue before it, and readings be passed over.

use fieldwatch_segment_log::LogId;

/// The note for a partition of this log.
pub(super) fn encode(log_id: LogId, address: u64) -> Box<[u8]> {
    let mut note = [0; 24];
    note[..8].copy_from_slice(&address.to_le_bytes());
    note[8..].copy_from_slice(&log_id.to_bytes());
    note.into()
}

/// Which log the note is of, and the address. `None`: it is no such note.
pub(super) fn decode(note: &[u8]) -> Option<(LogId, u64)> {
    let (address, log_id) = note.split_first_chunk::<8>()?;
    Some((LogId::from_bytes(log_id.try_into().ok()?), u64::from_le_bytes(*address)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_note_is_read_back_and_another_length_is_none() {
        let log = LogId::from_bytes([7; 16]);
        let note = encode(log, 4096);
        assert_eq!(decode(&note), Some((log, 4096)));
        assert_eq!(note[..8], 4096_u64.to_le_bytes());
        for other in [&note[..23], &note[..8], &[]] {
            assert_eq!(decode(other), None);
        }
    }
}
