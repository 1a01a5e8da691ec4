//! What processes that share a queue tell one another, in a few bytes: what became of a command. May be lost.
//!
//! `format: u8 = 1, command: u64 LE, outcome: u8, version: u64 LE`.

/// The first byte.
const FORMAT: u8 = 1;
/// How long a message is.
const LENGTH: usize = 18;

const DONE: u8 = 0;
const UNKNOWN_DEVICE: u8 = 1;
const PARKED: u8 = 2;

/// What became of a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Told {
    /// It is stored; the device's version now.
    Done(u64),
    /// No such device is known.
    UnknownDevice,
    /// It is among the dead letters.
    Parked,
}

/// Writes what became of a command.
pub fn write_told(command: u64, told: Told) -> Vec<u8> {
    let (outcome, version) = match told {
        Told::Done(version) => (DONE, version),
        Told::UnknownDevice => (UNKNOWN_DEVICE, 0),
        Told::Parked => (PARKED, 0),
    };
    let mut message = Vec::with_capacity(LENGTH);
    message.push(FORMAT);
    message.extend_from_slice(&command.to_le_bytes());
    message.push(outcome);
    message.extend_from_slice(&version.to_le_bytes());
    message
}

/// Reads it; `None` for what another version of the program may say.
pub fn read_told(message: &[u8]) -> Option<(u64, Told)> {
    let (&FORMAT, rest) = message.split_first()? else { return None };
    let (command, rest) = rest.split_first_chunk::<8>()?;
    let (outcome, rest) = rest.split_first()?;
    let version = rest.first_chunk::<8>()?;
    let told = match *outcome {
        DONE => Told::Done(u64::from_le_bytes(*version)),
        UNKNOWN_DEVICE => Told::UnknownDevice,
        PARKED => Told::Parked,
        _ => return None,
    };
    Some((u64::from_le_bytes(*command), told))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_written_is_read_and_nothing_else() {
        for told in [Told::Done(u64::MAX), Told::UnknownDevice, Told::Parked] {
            let message = write_told(7, told);
            assert_eq!(read_told(&message), Some((7, told)));
            assert!((0..message.len()).all(|end| read_told(&message[..end]).is_none()));
        }
        assert_eq!(write_told(0x0102, Told::Done(3)), [1, 2, 1, 0, 0, 0, 0, 0, 0, 0, 3, 0, 0, 0, 0, 0, 0, 0]);
        assert_eq!(read_told(&[2; 18]), None);
    }
}
