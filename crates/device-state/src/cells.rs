//! Where devices are kept: one cell each, by shelf and place.

use fieldwatch_domain::{DeviceNumber, SHELVES};
use fieldwatch_event_store::DeviceState;

/// Cells are allocated so many at a time (4 KiB), so that growth copies nothing and a small fleet takes little.
const CHUNK: usize = 256;

/// How many devices [`Cells::fetch`] is best given: their states stay in the innermost caches until they are worked on.
pub(crate) const FETCH: usize = 64;

/// One device. Its state is boxed, so that a passivated one gives its memory back: what stays is these 16 bytes.
#[derive(Debug, Default)]
pub(crate) struct Cell {
    state: Option<Box<DeviceState>>,
    /// The tick in which its last reading was received, or in which the shard started.
    pub(crate) received: u32,
    /// Two flags, and below them the number of the device's turn in the batch in hand.
    marks: u32,
}

const PASSIVATED: u32 = 1 << 31;
const ARMED: u32 = 1 << 30;
const TURN: u32 = ARMED - 1;

impl Cell {
    /// The state, unless the device was never heard of or is passivated.
    pub(crate) fn state(&self) -> Option<&DeviceState> {
        self.state.as_deref()
    }

    /// The state to be changed, made now if there was none.
    pub(crate) fn state_mut(&mut self) -> &mut DeviceState {
        self.marks &= !PASSIVATED;
        self.state.get_or_insert_default()
    }

    /// Takes over a state as the new one.
    pub(crate) fn put(&mut self, state: Box<DeviceState>) {
        self.marks &= !PASSIVATED;
        self.state = Some(state);
    }

    /// Frees the state; it is to be loaded when it is wanted again.
    pub(crate) fn passivate(&mut self) {
        self.marks |= PASSIVATED;
        self.state = None;
    }

    /// Notes that the state is to be freed unless something happens to the device: for recovery, which comes across
    /// passivated devices before it knows what happened to them since.
    pub(crate) fn passivate_later(&mut self) {
        self.marks |= PASSIVATED;
    }

    /// Whether the state has to be loaded before the device can take its turn.
    pub(crate) const fn is_passivated(&self) -> bool {
        self.marks & PASSIVATED != 0
    }

    /// Whether the device was ever heard of.
    pub(crate) const fn is_known(&self) -> bool {
        self.state.is_some() || self.is_passivated()
    }

    /// Whether the wheel holds the device.
    pub(crate) const fn is_armed(&self) -> bool {
        self.marks & ARMED != 0
    }

    /// Notes whether the wheel holds the device.
    pub(crate) const fn set_armed(&mut self, armed: bool) {
        self.marks = if armed { self.marks | ARMED } else { self.marks & !ARMED };
    }

    /// Which of the batch's touched devices this is; `None` when nothing was decided for it yet.
    pub(crate) const fn touched(&self) -> Option<usize> {
        match self.marks & TURN {
            0 => None,
            turn => Some(turn as usize - 1),
        }
    }

    /// Notes which of the batch's touched devices this is.
    pub(crate) const fn set_touched(&mut self, touched: Option<usize>) {
        let turn = match touched {
            None => 0,
            Some(at) => at as u32 + 1,
        };
        self.marks = self.marks & !TURN | turn;
    }
}

/// The cells of one shelf.
#[derive(Debug, Default)]
pub(crate) struct Shelf {
    chunks: Vec<Box<[Cell]>>,
}

impl Shelf {
    /// The cell at a place, an empty one if nothing stood there.
    pub(crate) fn cell(&mut self, place: usize) -> &mut Cell {
        let chunk = place / CHUNK;
        while chunk >= self.chunks.len() {
            self.chunks.push((0..CHUNK).map(|_| Cell::default()).collect());
        }
        &mut self.chunks[chunk][place % CHUNK]
    }

    /// The cell at a place, if anything stood near it.
    fn get(&self, place: usize) -> Option<&Cell> {
        self.chunks.get(place / CHUNK).map(|chunk| &chunk[place % CHUNK])
    }

    /// All cells with their places, empty ones too.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (usize, &Cell)> {
        self.chunks.iter().flatten().enumerate()
    }

    /// All cells with their places, to be changed.
    pub(crate) fn iter_mut(&mut self) -> impl Iterator<Item = (usize, &mut Cell)> {
        self.chunks.iter_mut().flatten().enumerate()
    }
}

/// The shelves of one shard; those of other shards stay empty.
#[derive(Debug)]
pub(crate) struct Cells {
    shelves: [Shelf; SHELVES],
}

impl Default for Cells {
    fn default() -> Self {
        Self { shelves: std::array::from_fn(|_| Shelf::default()) }
    }
}

impl Cells {
    /// Puts a shelf in its place.
    pub(crate) fn put(&mut self, number: usize, shelf: Shelf) {
        self.shelves[number] = shelf;
    }

    /// One shelf.
    pub(crate) fn shelf(&self, number: usize) -> &Shelf {
        &self.shelves[number]
    }

    /// One shelf, to be changed.
    pub(crate) fn shelf_mut(&mut self, number: usize) -> &mut Shelf {
        &mut self.shelves[number]
    }

    /// Brings the states of these devices near the processor, before each is worked on: of the first [`FETCH`].
    ///
    /// A state is three cache misses deep (cell, state, ids). Work on one device is too long for the processor to see the
    /// next one behind it; in these loops, none of which waits for what another device's memory holds, it fetches many at a
    /// time.
    pub(crate) fn fetch(&self, devices: impl Iterator<Item = DeviceNumber>) {
        let mut states = [None; FETCH];
        for (state, device) in states.iter_mut().zip(devices) {
            *state = self.shelves[device.shelf()].get(device.place()).and_then(Cell::state);
        }
        let states = || states.iter().flatten();
        let mut seen = 0;
        for state in states() {
            seen += state.device.version() + state.tracking.recent_ids.len() as u64;
        }
        for state in states() {
            seen += u64::from(state.tracking.recent_ids.contains(0));
        }
        std::hint::black_box(seen);
    }

    /// A device's cell, an empty one if it was never heard of.
    pub(crate) fn cell(&mut self, device: DeviceNumber) -> &mut Cell {
        self.shelves[device.shelf()].cell(device.place())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cell_takes_sixteen_bytes_beside_its_state() {
        assert_eq!(size_of::<Cell>(), 16);
        assert!(size_of::<DeviceState>() <= 112, "{} bytes", size_of::<DeviceState>());
    }

    #[test]
    fn the_marks_of_a_cell_do_not_disturb_each_other() {
        let mut cell = Cell::default();
        cell.state_mut().tracking.late_readings = 1;
        cell.set_touched(Some(70_000));
        cell.set_armed(true);
        cell.passivate();
        assert_eq!((cell.touched(), cell.is_armed(), cell.is_passivated()), (Some(70_000), true, true));
        cell.set_touched(None);
        cell.set_armed(false);
        assert_eq!((cell.touched(), cell.is_armed(), cell.is_known()), (None, false, true));
        cell.put(Box::default());
        assert!(!cell.is_passivated());
    }

    #[test]
    fn a_cell_keeps_its_place_while_its_shelf_grows() {
        let mut cells = Cells::default();
        for number in (0..100_000).step_by(7) {
            cells.cell(DeviceNumber::from_u32(number)).received = number;
        }
        for number in (0..100_000).step_by(7) {
            assert_eq!(cells.cell(DeviceNumber::from_u32(number)).received, number);
        }
    }
}
