//! A shelf of devices while it is restored.

use crate::cells::Shelf;
use fieldwatch_event_store::{Entry, Recovered};

/// The devices of a shelf as far as the store has told of them.
#[derive(Debug, Default)]
pub(crate) struct RestoredShelf {
    pub(crate) shelf: Shelf,
    /// Something was stored since its last snapshot.
    pub(crate) unsaved: bool,
}

impl RestoredShelf {
    /// Takes in what the store tells of a device of this shelf.
    pub(crate) fn take(&mut self, recovered: &Recovered<'_>) {
        match recovered {
            Recovered::Device(device, state) => self.shelf.cell(device.place()).put(Box::new(state.clone())),
            Recovered::Entry(entry) => {
                self.unsaved = true;
                let cell = self.shelf.cell(entry.device().place());
                cell.state_mut().apply(entry);
                match entry {
                    // What follows may change it, so its state is kept until recovery is over.
                    Entry::Passivated(_) => cell.passivate_later(),
                    Entry::Event(_) | Entry::Late(_) | Entry::Observation(_) => {}
                }
            }
        }
    }
}
