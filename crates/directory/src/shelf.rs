//! The rows of one shelf.

use crate::row::Row;
use fieldwatch_domain::Timestamp;

/// Rows are added in blocks, so that growing neither moves nor doubles what is there. Small enough that the 64 shelves
/// of a small fleet take less than a megabyte.
const ROWS_PER_BLOCK: usize = 256;

/// The rows of one shelf by place, and how many of them have which status.
#[derive(Default)]
pub(crate) struct Shelf {
    blocks: Vec<Box<[Row]>>,
    counts: [u64; 3],
}

impl Shelf {
    /// Changes the row at a place, which is made if there is none yet.
    pub(crate) fn change(&mut self, place: usize, change: impl FnOnce(&mut Row)) {
        let (block, within) = (place / ROWS_PER_BLOCK, place % ROWS_PER_BLOCK);
        while self.blocks.len() <= block {
            self.blocks.push((0..ROWS_PER_BLOCK).map(|_| Row::default()).collect());
        }
        let row = &mut self.blocks[block][within];
        let before = row.status();
        change(row);
        let after = row.status();
        if before != after {
            if let Some(status) = before {
                self.counts[usize::from(status.number())] -= 1;
            }
            if let Some(status) = after {
                self.counts[usize::from(status.number())] += 1;
            }
        }
    }

    /// The row at a place; `None` where none was ever written. It may be one that is not shown.
    pub(crate) fn row(&self, place: usize) -> Option<&Row> {
        self.blocks.get(place / ROWS_PER_BLOCK).map(|block| &block[place % ROWS_PER_BLOCK])
    }

    /// One block of rows with their places, also those that are not shown; `None` after the last.
    pub(crate) fn block(&self, block: usize) -> Option<impl Iterator<Item = (usize, &Row)>> {
        self.blocks.get(block).map(|rows| (block * ROWS_PER_BLOCK..).zip(rows))
    }

    /// All rows with their places, also those that are not shown.
    pub(crate) fn rows(&self) -> impl Iterator<Item = (usize, &Row)> {
        self.blocks.iter().flatten().enumerate()
    }

    /// The places of the rows that are to be marked idle.
    pub(crate) fn due(&self, since: Timestamp) -> Vec<usize> {
        self.rows().filter(|(_, row)| row.is_due(since)).map(|(place, _)| place).collect()
    }

    /// How many rows have which status, by [`crate::Status::number`].
    pub(crate) const fn counts(&self) -> [u64; 3] {
        self.counts
    }
}
