//! Taking over partitions: where each goes on, and how much of it waits.

use super::{
    MAX_FRAME_KEPT, PARTITIONS, Shared,
    commit_times::CommitTimes,
    consumer::{EmbeddedConsumer, explain},
    frame::{Counts, Walk},
    ledger::{Claim, ConsumerId, Starts},
    progress,
};
use crate::{Checkpoint, ConsumeError};
use fieldwatch_segment_log::LogReader;
use std::{
    sync::{Arc, PoisonError},
    time::{Duration, Instant, SystemTime},
};

/// Partitions of one consumer.
pub(super) struct Claimed {
    pub(super) id: ConsumerId,
    pub(super) is_mine: [bool; PARTITIONS],
    pub(super) starts: Starts,
}

/// Makes a consumer of these partitions. Reads what waits in the log once, to count it.
pub(super) fn claim(shared: &Arc<Shared>, partitions: &[u16], decided: &[Checkpoint]) -> Result<EmbeddedConsumer, ConsumeError> {
    let mut is_mine = [false; PARTITIONS];
    for &partition in partitions {
        let known = is_mine.get_mut(usize::from(partition));
        *known.ok_or_else(|| ConsumeError::Failed(format!("there is no partition {partition}")))? = true;
    }
    let starts = starts(decided, &shared.reader)?;
    let claiming = shared.ledger.claiming.lock().unwrap_or_else(PoisonError::into_inner);
    let claim = shared.ledger.claim(partitions, &starts);
    let claim = claim.map_err(|taken| ConsumeError::Failed(format!("partition {taken} is consumed by another already")))?;
    let from = (0..PARTITIONS).filter(|at| is_mine[*at]).map(|at| starts[at]).min().unwrap_or(claim.end);
    let cursor = count(&shared.reader, &claim, &starts).and_then(|(counts, times)| {
        shared.ledger.counted(&counts, &times);
        let frame = shared.reader.seek_frame(from).map_err(|error| explain(&error))?;
        Ok(shared.reader.frames_from(frame))
    });
    drop(claiming);
    match cursor {
        Ok(cursor) => {
            let consumer = EmbeddedConsumer::new(Arc::clone(shared), Claimed { id: claim.id, is_mine, starts }, cursor);
            // With the last partition taken, what was passed before the queue was opened can go.
            shared.pass(claim.id, from);
            Ok(consumer)
        }
        Err(failed) => {
            shared.ledger.release(claim.id);
            shared.ledger.miscounted();
            Err(ConsumeError::Failed(failed))
        }
    }
}

/// Where each partition goes on: at its checkpoint, or where the log begins.
fn starts(decided: &[Checkpoint], log: &LogReader) -> Result<Starts, ConsumeError> {
    let (start, end) = (log.start(), log.end());
    let mut starts = [start; PARTITIONS];
    for Checkpoint { partition, progress } in decided {
        let (log_id, address) = progress::decode(progress).ok_or_else(|| {
            ConsumeError::Failed(format!("the checkpoint of partition {partition} is none of this kind of queue"))
        })?;
        let Some(known) = starts.get_mut(usize::from(*partition)) else {
            return Err(ConsumeError::Failed(format!("there is a checkpoint of partition {partition}, which is none")));
        };
        if log_id == log.log_id() && address <= end {
            *known = address.max(start);
        } else {
            // Somebody has begun the queue anew, or put back an older one. To repeat readings is better than to lose some.
            tracing::warn!(partition, address, end, "a checkpoint is not of this reading queue: beginning at its start");
        }
    }
    Ok(starts)
}

/// Counts what waits of the partitions that a claim asks for, and notes when it was committed.
fn count(log: &LogReader, claim: &Claim, starts: &Starts) -> Result<(Counts, CommitTimes), String> {
    let (mut counts, mut times): (Counts, _) = ([0; _], CommitTimes::default());
    let from = (0..PARTITIONS).filter(|at| claim.uncounted[*at]).map(|at| starts[at]).min().unwrap_or(claim.end);
    if from >= claim.end {
        return Ok((counts, times));
    }
    let (now, now_wall) = (Instant::now(), SystemTime::now());
    let mut cursor = log.frames_from(log.seek_frame(from).map_err(|error| explain(&error))?);
    while let Some(frame) = cursor.next_frame().map_err(|error| explain(&error))?.filter(|frame| frame.start() < claim.end) {
        let mut waits = false;
        for entry in Walk::frame(frame.payload, frame.address_of_payload).map_err(|unreadable| unreadable.to_string())? {
            let entry = entry.map_err(|unreadable| unreadable.to_string())?;
            let at = usize::from(entry.partition);
            if claim.uncounted[at] && entry.address >= starts[at] {
                counts[at] += 1;
                waits = true;
            }
        }
        if waits {
            // By the wall clock, because it was another process that wrote it; one that is set back gives an age of 0.
            let committed = SystemTime::UNIX_EPOCH + Duration::from_millis(frame.committed_at_ms.max(0) as u64);
            let age = now_wall.duration_since(committed).unwrap_or_default();
            times.note(frame.start(), now.checked_sub(age).unwrap_or(now));
        }
        if frame.payload.len() > MAX_FRAME_KEPT {
            cursor = log.frames_from(cursor.position());
        }
    }
    Ok((counts, times))
}
