//! What the devices of one delivery have decided, and their state as it will be once that is stored.

use crate::cells::{Cell, Cells, FETCH};
use crate::turn::{Judge, TurnOutcome, take_turn};
use fieldwatch_domain::{DeviceEvent, DeviceNumber};
use fieldwatch_event_store::{DeviceState, Entry};
use fieldwatch_wire::queued::Request;
use std::{
    ops::Range,
    panic::{AssertUnwindSafe, catch_unwind},
};

/// What was decided. Cells keep the stored state until [`Decided::fold`]; so to give up is to forget ([`Decided::discard`]).
///
/// Most devices have one reading in a delivery: their entries are folded into the cell afterwards, and nothing is copied.
/// Only a device that has another turn gets a copy of its state that is ahead of the cell.
#[derive(Debug)]
pub(crate) struct Decided {
    /// What is to be stored.
    pub(crate) entries: Vec<Entry>,
    /// What became of each request.
    pub(crate) outcomes: Vec<TurnOutcome>,
    touched: Vec<Touched>,
    scratch: Vec<DeviceEvent>,
    judge: Judge,
    never_heard_of: DeviceState,
}

#[derive(Debug)]
struct Touched {
    device: DeviceNumber,
    /// The entries of its first turn.
    first: Range<usize>,
    /// Its state after all its turns; only once it has had a second one.
    ahead: Option<Box<DeviceState>>,
}

impl Decided {
    /// Nothing yet; room for so many turns.
    pub(crate) fn new(judge: Judge, turns: usize) -> Self {
        Self {
            // Some readings raise two events; a vector that is a little too large costs nothing, it is never touched.
            entries: Vec::with_capacity(turns + turns / 2),
            outcomes: Vec::with_capacity(turns),
            touched: Vec::with_capacity(turns),
            scratch: Vec::new(),
            judge,
            never_heard_of: DeviceState::default(),
        }
    }

    /// Lets a device take its turn after all that was decided before.
    pub(crate) fn turn(&mut self, cell: &mut Cell, device: DeviceNumber, request: &Request) {
        let before = self.entries.len();
        let Self { entries, outcomes, touched, scratch, judge, never_heard_of } = self;
        let outcome = if let Some(at) = cell.touched() {
            let Touched { first, ahead, .. } = &mut touched[at];
            let ahead = ahead.get_or_insert_with(|| Box::new(after(cell.state(), &entries[first.clone()])));
            let outcome = take_turn(ahead, device, request, judge, scratch, entries);
            fold_all(ahead, &entries[before..]);
            outcome
        } else {
            let state = cell.state().unwrap_or(never_heard_of);
            let outcome = take_turn(state, device, request, judge, scratch, entries);
            if entries.len() > before {
                cell.set_touched(Some(touched.len()));
                touched.push(Touched { device, first: before..entries.len(), ahead: None });
            }
            outcome
        };
        outcomes.push(outcome);
    }

    /// Forgets what a turn did that panicked in the middle; `entries` is how many there were before it.
    pub(crate) fn undo_turn(&mut self, entries: usize) {
        self.entries.truncate(entries);
        self.scratch.clear();
    }

    /// Rebuilds what is ahead of a cell whose state was loaded again.
    pub(crate) fn rebuild(&mut self, cell: &Cell, device: DeviceNumber) {
        if let Some(at) = cell.touched() {
            let decided_so_far = self.entries.iter().filter(|entry| entry.device() == device);
            self.touched[at].ahead = Some(Box::new(after(cell.state(), decided_so_far)));
        }
    }

    /// The devices for which something was decided.
    pub(crate) fn devices(&self) -> impl Iterator<Item = DeviceNumber> + '_ {
        self.touched.iter().map(|touched| touched.device)
    }

    /// Takes over the state of all devices, now that the entries are stored. Tells of each device whether it was not in
    /// memory before. Gives the devices whose fold panicked: they are passivated, so their next turn loads what is stored.
    pub(crate) fn fold(
        mut self,
        stored: &[Entry],
        cells: &mut Cells,
        mut became_active: impl FnMut(DeviceNumber, &mut Cell),
    ) -> Vec<DeviceNumber> {
        let mut failed = Vec::new();
        for at in 0..self.touched.len() {
            if at % FETCH == 0 {
                cells.fetch(self.touched[at..].iter().take(FETCH).map(|touched| touched.device));
            }
            let Touched { device, first, ahead } = &mut self.touched[at];
            let device = *device;
            let cell = cells.cell(device);
            cell.set_touched(None);
            let was_active = cell.state().is_some();
            if let Some(ahead) = ahead.take() {
                cell.put(ahead);
            } else {
                let state = cell.state_mut();
                // A panic here would be a bug of the fold; it must not take the other devices with it either.
                let folded = catch_unwind(AssertUnwindSafe(|| fold_all(state, &stored[first.clone()])));
                if folded.is_err() {
                    failed.push(device);
                }
            }
            if !was_active {
                became_active(device, cell);
            }
        }
        failed
    }

    /// Gives up what was decided: it was not stored.
    pub(crate) fn discard(&self, cells: &mut Cells) {
        for touched in &self.touched {
            cells.cell(touched.device).set_touched(None);
        }
    }
}

fn after<'a>(state: Option<&DeviceState>, entries: impl IntoIterator<Item = &'a Entry>) -> DeviceState {
    let mut state = state.cloned().unwrap_or_default();
    fold_all(&mut state, entries);
    state
}

fn fold_all<'a>(state: &mut DeviceState, entries: impl IntoIterator<Item = &'a Entry>) {
    for entry in entries {
        state.apply(entry);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use fieldwatch_domain::{Celsius, Location, Reading, ReadingId, Rules, Timestamp};

    fn request(id: u64, degrees: i32) -> Request {
        Request::Record(Reading {
            temperature: Celsius::from_stored(degrees * 10_000),
            location: Location::default(),
            at: None,
            received_at: Timestamp::EPOCH,
            id: ReadingId::given(id),
        })
    }

    fn nothing_decided() -> Decided {
        let judge = Judge { rules: Rules::default(), recognise_repeats: true, recorded_at: Timestamp::EPOCH };
        Decided::new(judge, 4)
    }

    fn versions(decided: &Decided) -> Vec<u64> {
        let version = |entry: &Entry| if let Entry::Event(event) = entry { event.version } else { 0 };
        decided.entries.iter().map(version).collect()
    }

    #[test]
    fn a_device_that_failed_is_rebuilt_from_what_is_stored_and_what_was_decided_before() {
        let device = DeviceNumber::from_u32(3);
        for turns_before in 1..4u64 {
            let (mut cells, mut decided) = (Cells::default(), nothing_decided());
            for turn in 0..turns_before {
                decided.turn(cells.cell(device), device, &request(turn, turn as i32 * 5));
            }
            // The next turn panics in the middle: an entry is there already, and the state ahead is not to be trusted.
            let before = decided.entries.len();
            decided.entries.push(decided.entries[0].clone());
            decided.undo_turn(before);
            decided.rebuild(cells.cell(device), device);

            decided.turn(cells.cell(device), device, &request(0, 90));
            assert_eq!(decided.outcomes.last(), Some(&TurnOutcome::Repeated), "the ids decided before are known");
            decided.turn(cells.cell(device), device, &request(77, 90));
            assert_eq!(versions(&decided), (1..=turns_before + 1).collect::<Vec<_>>());

            let stored = std::mem::take(&mut decided.entries);
            assert!(decided.fold(&stored, &mut cells, |_, _| {}).is_empty());
            assert_eq!(cells.cell(device).state(), Some(&after(None, &stored)));
        }
    }

    #[test]
    fn what_was_not_stored_leaves_nothing_in_memory() {
        let device = DeviceNumber::from_u32(3);
        let (mut cells, mut decided) = (Cells::default(), nothing_decided());
        for turn in 0..3 {
            decided.turn(cells.cell(device), device, &request(turn, turn as i32 * 5));
        }
        decided.discard(&mut cells);
        let cell = cells.cell(device);
        assert_eq!((cell.state(), cell.touched()), (None, None));
    }
}
