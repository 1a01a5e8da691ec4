//! A part of the log, read: everything between two positions, in the order of the log.
//!
//! Three tables hold it: events, late readings, and what is packed. A window ends where an append ends, so that no packed row
//! reaches over it.

use super::{
    connection::{Connection, Failure, within},
    rows::PACKED_HEADER,
};
use crate::{
    Entry,
    embedded::{device_id_of, entry_of},
};
use fieldwatch_domain::{DeviceNumbers, SHELVES};
use fieldwatch_wire::{
    Damaged,
    stored::{Record, read_record},
};
use futures_util::{StreamExt, pin_mut};
use std::{pin::Pin, time::Duration};
use tokio_postgres::{Row, RowStream};

/// How many positions a window has at most, before it is made longer up to the end of an append.
pub(super) const WINDOW: u64 = 100_000;
/// Up to so many it is small.
const SMALL_WINDOW: u64 = 10_000;
/// The next row has to come within this; how long all of them take depends on who takes them.
const NEXT_ROW: Duration = Duration::from_secs(30);
/// No append has so many positions; see the writer.
const LONGEST_APPEND: i64 = 1 << 20;

const EVENTS: &str = "SELECT position, record FROM fieldwatch_events WHERE position > $1 AND position <= $2 ORDER BY position";
const EVENTS_OF: &str =
    "SELECT position, record FROM fieldwatch_events WHERE position > $1 AND position <= $2 AND shelf = ANY($3) ORDER BY position";
/// All three at once: for those who follow the log, whose windows are small and many.
const SMALL: &str = "SELECT 0, position, record FROM fieldwatch_events WHERE position > $1 AND position <= $2 UNION ALL \
     SELECT 1, position, record FROM fieldwatch_late_readings WHERE position > $1 AND position <= $2 UNION ALL \
     SELECT 2, position, records FROM fieldwatch_observations WHERE position > $1 AND position <= $2";
const LATE: &str =
    "SELECT position, record FROM fieldwatch_late_readings WHERE position > $1 AND position <= $2 AND shelf = ANY($3)";
const PACKED: &str =
    "SELECT position, records FROM fieldwatch_observations WHERE position > $1 AND position <= $2 AND shelf = ANY($3)";
/// Where the append ends in whose middle a position may be.
const END_OF_APPEND: &str =
    "SELECT greatest(max(last), $1) FROM fieldwatch_observations WHERE position > $1 - $2 AND position <= $1 AND last > $1";
/// The first position behind one at which there is anything.
const NEXT: &str = "SELECT least( \
       (SELECT position FROM fieldwatch_events WHERE position > $1 ORDER BY position LIMIT 1), \
       (SELECT position FROM fieldwatch_late_readings WHERE position > $1 ORDER BY position LIMIT 1), \
       (SELECT position FROM fieldwatch_observations WHERE position > $1 ORDER BY position LIMIT 1))";

/// Something that was read, and where it is in the log.
pub(super) type Placed = (u64, Entry);

/// What is read with a connection whose statements see one moment.
pub(super) struct WindowReader<'a> {
    pub(super) connection: &'a Connection,
    pub(super) numbers: &'a DeviceNumbers,
    /// The shelves of the devices that are wanted; `None`: all.
    pub(super) shelves: Option<&'a [i16]>,
}

impl WindowReader<'_> {
    /// Everything after one position, up to another that is the end of an append: the next window of it, and where it ends.
    pub(super) async fn next(&self, after: u64, end: u64) -> Result<(Vec<Placed>, u64), Failure> {
        if end - after <= WINDOW {
            return Ok((self.between(after, end).await?, end));
        }
        // Between two tables of events positions are left out, four thousand million of them.
        let next: Option<i64> = self.connection.row(NEXT, &[&(after as i64)]).await?.get(0);
        let Some(next) = next.filter(|next| *next as u64 <= end) else { return Ok((Vec::new(), end)) };
        let from = next as u64 - 1;
        let upto = (from + WINDOW).min(end) as i64;
        let upto: i64 = self.connection.row(END_OF_APPEND, &[&upto, &LONGEST_APPEND]).await?.get(0);
        let upto = (upto as u64).min(end);
        Ok((self.between(from, upto).await?, upto))
    }

    async fn between(&self, after: u64, upto: u64) -> Result<Vec<Placed>, Failure> {
        if self.shelves.is_none() && upto - after <= SMALL_WINDOW {
            return self.small(after, upto).await;
        }
        let (after, upto) = (after as i64, upto as i64);
        let all: Vec<i16> = if self.shelves.is_none() { (0..SHELVES as i16).collect() } else { Vec::new() };
        let shelves = self.shelves.unwrap_or(&all);
        let mut found = Vec::new();
        let events = match self.shelves {
            None => self.connection.stream(EVENTS, &[&after, &upto]).await?,
            Some(shelves) => self.connection.stream(EVENTS_OF, &[&after, &upto, &shelves]).await?,
        };
        pin_mut!(events);
        while let Some(row) = next_row(&mut events).await? {
            take(row.get(1), row.get::<_, i64>(0) as u64, self.numbers, &mut found)?;
        }
        let sorted = found.len();
        for row in self.connection.rows(LATE, &[&after, &upto, &shelves]).await? {
            take(row.get(1), row.get::<_, i64>(0) as u64, self.numbers, &mut found)?;
        }
        for row in self.connection.rows(PACKED, &[&after, &upto, &shelves]).await? {
            self.unpack(row.get(1), row.get::<_, i64>(0) as u64, &mut found)?;
        }
        if found.len() > sorted {
            found.sort_by_key(|(position, _)| *position);
        }
        Ok(found)
    }

    async fn small(&self, after: u64, upto: u64) -> Result<Vec<Placed>, Failure> {
        let mut found = Vec::new();
        for row in self.connection.rows(SMALL, &[&(after as i64), &(upto as i64)]).await? {
            let (position, bytes) = (row.get::<_, i64>(1) as u64, row.get::<_, &[u8]>(2));
            if row.get::<_, i32>(0) == 2 {
                self.unpack(bytes, position, &mut found)?;
            } else {
                take(bytes, position, self.numbers, &mut found)?;
            }
        }
        found.sort_by_key(|(position, _)| *position);
        Ok(found)
    }

    fn unpack(&self, bytes: &[u8], position: u64, found: &mut Vec<Placed>) -> Result<(), Failure> {
        for record in unpacked(bytes, position) {
            let (position, record) = record.map_err(|damaged| damage(position, damaged))?;
            push(record, position, self.numbers, found);
        }
        Ok(())
    }
}

/// The next row of many.
pub(super) async fn next_row(rows: &mut Pin<&mut RowStream>) -> Result<Option<Row>, Failure> {
    let next = within(NEXT_ROW, async { Ok(rows.next().await) }).await?;
    next.transpose().map_err(|error| Failure::of(&error))
}

/// Takes a record that is alone in its row.
pub(super) fn take(bytes: &[u8], position: u64, numbers: &DeviceNumbers, found: &mut Vec<Placed>) -> Result<(), Failure> {
    let (record, _) = read_record(bytes).map_err(|damaged| damage(position, damaged))?;
    push(record, position, numbers, found);
    Ok(())
}

fn push(record: Record<'_>, position: u64, numbers: &DeviceNumbers, found: &mut Vec<Placed>) {
    if let Some(id) = device_id_of(&record) {
        let device = numbers.number(id);
        found.extend(entry_of(record, device, position).map(|entry| (position, entry)));
    }
}

/// The records of a packed row, with their positions.
pub(super) fn unpacked(mut bytes: &[u8], base: u64) -> impl Iterator<Item = Result<(u64, Record<'_>), Damaged>> {
    std::iter::from_fn(move || {
        if bytes.is_empty() {
            return None;
        }
        let next = next_packed(bytes, base);
        bytes = next.as_ref().map_or(&[], |(_, _, length)| &bytes[*length..]);
        Some(next.map(|(position, record, _)| (position, record)))
    })
}

/// The first record of a packed row, its position, and how many bytes it takes.
pub(super) fn next_packed(bytes: &[u8], base: u64) -> Result<(u64, Record<'_>, usize), Damaged> {
    let (offset, rest) = bytes.split_first_chunk::<PACKED_HEADER>().ok_or(Damaged("packed row"))?;
    let (record, length) = read_record(rest)?;
    Ok((base + u64::from(u32::from_le_bytes(*offset)), record, PACKED_HEADER + length))
}

/// What a damaged record means to whoever reads.
pub(super) fn damage(position: u64, damaged: Damaged) -> Failure {
    Failure::Damaged(format!("at position {position}: {damaged}"))
}
