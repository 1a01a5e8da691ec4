//! Reading all records of the letters, with a bound on what is kept in memory.

use super::{
    DeadLetter, DeadLetterError, failed,
    record::{Parked, Record},
};
use fieldwatch_domain::Timestamp;
use fieldwatch_segment_log::{LogReader, ReadError};
use fieldwatch_wire::queued::EntryForm;
use std::collections::{BTreeSet, HashMap, HashSet, VecDeque};

/// How many waiting letters are listed: the oldest. Once they are requeued, those after them are.
pub(super) const MOST_WAITING: usize = 10_000;
/// How many requeued letters are listed: the newest.
pub(super) const MOST_REQUEUED: usize = 1_000;

/// How often reading begins again because what was read was erased meanwhile, which happens once an hour at most.
const ATTEMPTS: u32 = 3;

/// Why records could not be read.
pub(super) enum Fault {
    /// They were written anew elsewhere in the log meanwhile.
    Erased,
    Failed(DeadLetterError),
}

impl Fault {
    pub(super) fn into_error(self) -> DeadLetterError {
        match self {
            Self::Erased => DeadLetterError { action: "read", detail: "they are being tidied again and again".into() },
            Self::Failed(error) => error,
        }
    }
}

impl From<DeadLetterError> for Fault {
    fn from(error: DeadLetterError) -> Self {
        Self::Failed(error)
    }
}

/// Reads from the start again when the log was tidied meanwhile.
pub(super) fn undisturbed<T>(mut attempt: impl FnMut() -> Result<T, Fault>) -> Result<T, DeadLetterError> {
    for _ in 1..ATTEMPTS {
        match attempt() {
            Ok(read) => return Ok(read),
            Err(Fault::Erased) => {}
            Err(Fault::Failed(error)) => return Err(error),
        }
    }
    attempt().map_err(Fault::into_error)
}

/// Gives every record to `on_record`, oldest first.
pub(super) fn records(log: &LogReader, mut on_record: impl FnMut(Record)) -> Result<(), Fault> {
    records_before(log, u64::MAX, |record| {
        on_record(record);
        Ok(())
    })
}

/// Gives every record of the frames before an address to `on_record`, oldest first, until it fails.
pub(super) fn records_before(
    log: &LogReader,
    address: u64,
    mut on_record: impl FnMut(Record) -> Result<(), DeadLetterError>,
) -> Result<(), Fault> {
    let mut cursor = log.frames_from(log.start());
    loop {
        let frame = match cursor.next_frame() {
            Ok(Some(frame)) if frame.start() < address => frame,
            Ok(_) => return Ok(()),
            Err(ReadError::Gone { .. }) => return Err(Fault::Erased),
            Err(error) => return Err(failed("read", &error).into()),
        };
        let records = Record::decode(frame.payload).map_err(|reason| DeadLetterError {
            action: "read",
            detail: format!("the record at {} cannot be read: {reason}", frame.address_of_payload),
        })?;
        records.into_iter().try_for_each(&mut on_record)?;
    }
}

/// The letters without the `hidden` ones, oldest first: of the waiting and of the requeued ones so many at most.
pub(super) fn letters(
    log: &LogReader,
    hidden: &BTreeSet<u64>,
    most_waiting: usize,
    most_requeued: usize,
) -> Result<Vec<DeadLetter>, Fault> {
    // In two passes, because whether a letter waits, or was dropped, stands after it.
    let mut requeued = HashMap::new();
    let mut passed_over: HashSet<u64> = hidden.iter().copied().collect();
    records(log, |record| match record {
        Record::Parked(_) | Record::Compacted(_) => {}
        Record::Requeued(record) => {
            requeued.entry(record.id).or_insert(record.at);
        }
        Record::Dropped(dropped) => passed_over.extend(dropped.ids),
    })?;
    let (mut waiting, mut done, mut left_out) = (Vec::new(), VecDeque::new(), 0_u64);
    records(log, |record| {
        let Record::Parked(parked) = record else { return };
        // One that is just being written anew is there twice.
        if !passed_over.insert(parked.id) {
            return;
        }
        match requeued.get(&parked.id) {
            None if waiting.len() < most_waiting => waiting.push(letter(parked, None)),
            None => left_out += 1,
            Some(at) => {
                done.push_back(letter(parked, Some(*at)));
                if done.len() > most_requeued {
                    done.pop_front();
                }
            }
        }
    })?;
    if left_out > 0 {
        tracing::warn!(left_out, most_waiting, "more dead letters wait than are listed at once");
    }
    waiting.extend(done);
    waiting.sort_by_key(|letter| letter.id);
    Ok(waiting)
}

fn letter(parked: Parked, requeued_at: Option<i64>) -> DeadLetter {
    DeadLetter {
        id: parked.id,
        place: parked.place,
        parked_at: Timestamp::from_unix_ms(parked.at),
        reason: parked.reason,
        device_id: parked.device_id,
        form: EntryForm::Packed,
        body: parked.body,
        requeued_at: requeued_at.map(Timestamp::from_unix_ms),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::DeadLetters;
    use fieldwatch_segment_log::SyncMode;

    #[test]
    fn the_oldest_waiting_and_the_newest_requeued_letters_are_kept_of_too_many() {
        let dir = tempfile::tempdir().expect("temporary folder");
        let parked = DeadLetters::open(dir.path(), SyncMode::Never).expect("open");
        for place in 1..=10 {
            parked.park(place, Timestamp::EPOCH, "", None, &[]).expect("park");
        }
        for id in [1, 3, 5, 7] {
            parked.requeued(id, Timestamp::EPOCH).expect("requeue");
        }
        let log = LogReader::open_read_only(dir.path(), super::super::KIND).expect("open");
        let ids = |most_waiting, most_requeued| -> Vec<u64> {
            let read = undisturbed(|| letters(&log, &BTreeSet::new(), most_waiting, most_requeued)).expect("read");
            read.iter().map(|letter| letter.id).collect()
        };
        assert_eq!(ids(3, 2), [2, 4, 5, 6, 7]);
        assert_eq!(ids(100, 100), (1..=10).collect::<Vec<_>>());
    }
}
