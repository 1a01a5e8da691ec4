//! What the mover holds: messages that were delivered and not yet moved, in the order of the queue.

use fieldwatch_domain::Reading;
use std::collections::{HashMap, VecDeque};

/// So many readings of one device are moved at a time, and acknowledged before further ones follow. Whoever takes over after a
/// crash moves no more than these again, and the device, which knows the ids of its last 16 readings, recognises them.
pub(super) const MOST_OF_ONE_DEVICE: usize = 8;

/// A message that was delivered.
#[derive(Debug)]
pub(super) struct Held {
    /// The channel's number of it, growing with the order of delivery.
    pub(super) tag: u64,
    /// What it says.
    pub(super) content: Content,
}

/// What a message says.
#[derive(Debug)]
pub(super) enum Content {
    /// A reading to be moved.
    Reading {
        /// Whose.
        device_id: Box<str>,
        /// What it read.
        reading: Reading,
    },
    /// Something else, to be kept for a person to look at.
    Unusable {
        /// Why, for people.
        reason: String,
        /// The message as it came.
        body: Vec<u8>,
    },
}

/// The messages that wait to be moved.
#[derive(Debug, Default)]
pub(super) struct Waiting {
    messages: VecDeque<Held>,
}

/// How some messages are acknowledged, in as few frames as their order allows.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Acknowledgements {
    /// Everything up to this tag.
    pub(super) through: Option<u64>,
    /// Beyond it, these one by one: between them lie some that wait still.
    pub(super) single: Vec<u64>,
}

impl Waiting {
    /// Adds the message delivered last.
    pub(super) fn push(&mut self, message: Held) {
        self.messages.push_back(message);
    }

    /// How many wait.
    pub(super) fn len(&self) -> usize {
        self.messages.len()
    }

    /// Takes the next messages, at most `most` and of no device more than [`MOST_OF_ONE_DEVICE`]; what is left of a device
    /// comes later, in its order.
    pub(super) fn take(&mut self, most: usize) -> Vec<Held> {
        let mut taken = Vec::with_capacity(most.min(self.messages.len()));
        let mut left = VecDeque::new();
        let mut of_device: HashMap<Box<str>, usize> = HashMap::new();
        for message in self.messages.drain(..) {
            let has_room = taken.len() < most
                && match &message.content {
                    Content::Unusable { .. } => true,
                    Content::Reading { device_id, .. } => match of_device.get_mut(device_id) {
                        Some(count) if *count == MOST_OF_ONE_DEVICE => false,
                        Some(count) => {
                            *count += 1;
                            true
                        }
                        None => of_device.insert(device_id.clone(), 1).is_none(),
                    },
                };
            if has_room {
                taken.push(message);
            } else {
                left.push_back(message);
            }
        }
        self.messages = left;
        taken
    }

    /// How these, which were taken last, are acknowledged.
    pub(super) fn acknowledge(&self, taken: &[Held]) -> Acknowledgements {
        let first_left = self.messages.front().map_or(u64::MAX, |message| message.tag);
        let split = taken.partition_point(|message| message.tag < first_left);
        let (before, behind) = taken.split_at(split);
        Acknowledgements {
            through: before.last().map(|message| message.tag),
            single: behind.iter().map(|message| message.tag).collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use fieldwatch_domain::{Celsius, Location, ReadingId, Timestamp};
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    fn reading(tag: u64, device: u8) -> Held {
        let reading = Reading {
            temperature: Celsius::from_stored(0),
            location: Location::from_stored(0, 0),
            at: None,
            received_at: Timestamp::EPOCH,
            id: ReadingId::given(tag),
        };
        Held { tag, content: Content::Reading { device_id: device.to_string().into(), reading } }
    }

    fn unusable(tag: u64) -> Held {
        Held { tag, content: Content::Unusable { reason: String::new(), body: Vec::new() } }
    }

    fn device(message: &Held) -> Option<&str> {
        match &message.content {
            Content::Reading { device_id, .. } => Some(device_id),
            Content::Unusable { .. } => None,
        }
    }

    proptest! {
        /// Devices 0 to 4; 5 is an unusable message. Messages arrive in pieces, between which some are taken.
        #[test]
        fn every_message_is_moved_once_in_the_order_of_its_device(
            arrivals in prop::collection::vec((prop::collection::vec(0..6_u8, 0..60), 1..40_usize), 1..20),
        ) {
            let (mut waiting, mut next_tag, mut moved) = (Waiting::default(), 1, Vec::new());
            let mut unacknowledged = BTreeSet::new();
            let mut arrivals = arrivals.into_iter();
            loop {
                let arrival = arrivals.next();
                let (devices, most) = arrival.clone().unwrap_or((Vec::new(), 7));
                for device in devices {
                    waiting.push(if device == 5 { unusable(next_tag) } else { reading(next_tag, device) });
                    unacknowledged.insert(next_tag);
                    next_tag += 1;
                }
                let taken = waiting.take(most);
                prop_assert!(taken.len() <= most);
                for id in 0..5_u8 {
                    let count = taken.iter().filter(|message| device(message) == Some(id.to_string().as_str())).count();
                    prop_assert!(count <= MOST_OF_ONE_DEVICE);
                }
                // What a broker makes of the acknowledgements.
                let Acknowledgements { through, single } = waiting.acknowledge(&taken);
                let before = unacknowledged.len();
                unacknowledged.retain(|tag| through.is_none_or(|through| *tag > through) && !single.contains(tag));
                prop_assert_eq!(before - unacknowledged.len(), taken.len());
                prop_assert!(taken.iter().all(|message| !unacknowledged.contains(&message.tag)));
                moved.extend(taken);
                if arrival.is_none() && waiting.len() == 0 {
                    break;
                }
            }
            prop_assert_eq!(moved.len() as u64, next_tag - 1);
            for id in 0..5_u8 {
                let of_device = moved.iter().filter(|message| device(message) == Some(id.to_string().as_str()));
                prop_assert!(of_device.map(|message| message.tag).is_sorted());
            }
        }
    }

    #[test]
    fn what_is_left_between_acknowledged_ones_is_not_acknowledged() {
        let mut waiting = Waiting::default();
        (1..=9).for_each(|tag| waiting.push(reading(tag, 0)));
        waiting.push(reading(10, 1));
        let taken = waiting.take(100);
        assert_eq!(waiting.acknowledge(&taken), Acknowledgements { through: Some(8), single: vec![10] });
    }
}
