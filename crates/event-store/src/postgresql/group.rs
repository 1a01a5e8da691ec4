//! Batches that are stored together: one call, one transaction.

use super::{
    columns::{Column, Joined},
    connection::{Connection, Failure},
    rows::Rows,
    writer::Request,
};
use std::collections::BTreeMap;
use tokio_postgres::types::ToSql;

/// Stores a group; see `schema/0001.sql`.
const APPEND: &str = "SELECT base, before FROM fieldwatch_append($1::text::uuid, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, \
     $13, $14, $15, $16, $17, $18, $19, $20, $21, $22, $23, $24, $25, $26, $27, $28, $29, $30, $31, $32, $33, $34, $35, $36, $37, \
     $38, $39, $40, $41, $42)";

/// Where a group was stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Placed {
    /// The position of its first entry.
    pub(super) base: u64,
    /// The position of the newest event before it.
    pub(super) newest_before: u64,
}

/// Who stores, in which session, and what number of append of this process it is.
#[derive(Clone, Copy, Debug)]
pub(super) struct By<'a> {
    pub(super) writer: &'a str,
    pub(super) session: i64,
    pub(super) sequence: i64,
}

/// What a group says besides its rows: computed from its members once.
pub(super) struct Call<'a> {
    members: Vec<&'a Rows>,
    count: i32,
    last_event: i32,
    fence: (Column, Column),
    event_offset: Column,
    late_offset: Column,
    packed: [Column; 4],
    state_offset: Column,
    forgotten_offset: Column,
    checkpoints: (Column, Column),
}

impl<'a> Call<'a> {
    pub(super) fn of(group: &'a [Request], fence: &BTreeMap<u16, u64>) -> Self {
        let members: Vec<&Rows> = group.iter().map(|request| &request.rows).collect();
        let mut call = Self {
            members,
            count: 0,
            last_event: -1,
            fence: Default::default(),
            event_offset: Column::default(),
            late_offset: Column::default(),
            packed: Default::default(),
            state_offset: Column::default(),
            forgotten_offset: Column::default(),
            checkpoints: Default::default(),
        };
        for (partition, epoch) in fence {
            call.fence.0.i32(i32::from(*partition));
            call.fence.1.i64(*epoch as i64);
        }
        for request in group {
            call.place(&request.rows);
            for checkpoint in &request.batch.checkpoints {
                call.checkpoints.0.i32(i32::from(checkpoint.partition));
                call.checkpoints.1.bytes(&checkpoint.progress);
            }
        }
        // Where a catching-up reader may stop: behind the whole group.
        (0..call.packed[0].len()).for_each(|_| call.packed[1].i32(call.count - 1));
        call
    }

    fn place(&mut self, rows: &Rows) {
        let start = self.count;
        let placed = |column: &mut Column, offsets: &[usize]| offsets.iter().for_each(|at| column.i32(start + *at as i32));
        placed(&mut self.event_offset, &rows.events.offset);
        placed(&mut self.late_offset, &rows.late.offset);
        placed(&mut self.state_offset, &rows.states.offset);
        placed(&mut self.forgotten_offset, &rows.forgotten.offset);
        for row in &rows.packed {
            self.packed[0].i32(start + row.offset as i32);
            self.packed[2].i16(row.shelf as i16);
            self.packed[3].bytes(&row.records);
        }
        if let Some(last) = rows.last_event {
            self.last_event = start + last as i32;
        }
        self.count += rows.entries as i32;
    }

    /// One round trip.
    pub(super) async fn send(&self, connection: &Connection, by: By<'_>) -> Result<Placed, Failure> {
        let all = |column: fn(&Rows) -> &Column| Joined(self.members.iter().map(|rows| column(rows)).collect());
        let one = |column| Joined(vec![column]);
        let [packed_offset, packed_last, packed_shelf, packed_records] = &self.packed;
        let arrays = [
            one(&self.fence.0),
            one(&self.fence.1),
            one(&self.event_offset),
            all(|rows| &rows.events.version),
            all(|rows| &rows.events.at),
            all(|rows| &rows.events.recorded_at),
            all(|rows| &rows.events.latitude),
            all(|rows| &rows.events.longitude),
            all(|rows| &rows.events.temperature),
            all(|rows| &rows.events.event_type),
            all(|rows| &rows.events.shelf),
            all(|rows| &rows.events.device),
            all(|rows| &rows.events.reading),
            all(|rows| &rows.events.record),
            one(&self.late_offset),
            all(|rows| &rows.late.at),
            all(|rows| &rows.late.received_at),
            all(|rows| &rows.late.latitude),
            all(|rows| &rows.late.longitude),
            all(|rows| &rows.late.temperature),
            all(|rows| &rows.late.shelf),
            all(|rows| &rows.late.device),
            all(|rows| &rows.late.record),
            one(packed_offset),
            one(packed_last),
            one(packed_shelf),
            one(packed_records),
            one(&self.state_offset),
            all(|rows| &rows.states.version),
            all(|rows| &rows.states.shelf),
            all(|rows| &rows.states.device),
            all(|rows| &rows.states.state),
            one(&self.forgotten_offset),
            all(|rows| &rows.forgotten.shelf),
            all(|rows| &rows.forgotten.device),
            one(&self.checkpoints.0),
            one(&self.checkpoints.1),
        ];
        let mut params: Vec<&(dyn ToSql + Sync)> = vec![&by.writer, &by.session, &by.sequence, &self.count, &self.last_event];
        params.extend(arrays.iter().map(|array| array as &(dyn ToSql + Sync)));
        let row = connection.row(APPEND, &params).await?;
        let number = |at: usize| row.get::<_, i64>(at) as u64;
        Ok(Placed { base: number(0), newest_before: number(1) })
    }
}
