//! Who asked a device for something, and waits for what became of it.

use tokio::sync::oneshot;

/// The commands that were published and not yet decided by a device of this process. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Commands {}

/// What became of a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CommandOutcome {
    /// It is stored, and everybody who subscribed to the store was told; the device's version now. Also when it changed
    /// nothing.
    Done {
        /// The device's version.
        version: u64,
    },
    /// No such device is known.
    UnknownDevice,
    /// It was parked in the dead letters, because the device failed on it again and again.
    Parked,
}

impl Commands {
    /// A number for a command to be published, unique in this process's life and unlikely to meet one of a former life,
    /// and what will tell what became of it. Dropping the receiver gives up waiting, not the command.
    pub fn expect(&self) -> (u64, oneshot::Receiver<CommandOutcome>) {
        unimplemented!()
    }

    /// Nobody needs to wait for this command: it was not published.
    pub fn forget(&self, _command: u64) {
        unimplemented!()
    }
}
