//! The messages of many events, written once for all streams.

use crate::Form;
use bytes::Bytes;
use fieldwatch_domain::{DeviceNumber, DeviceNumbers, EventType, Location, RecordedEvent};
use fieldwatch_wire::{event_json::write_event, original::write_original_event, text::write_integer};

/// Messages one after the other, and where each ends.
#[derive(Debug, Default)]
pub(crate) struct Encoded {
    pub(crate) text: Bytes,
    pub(crate) pieces: Vec<Piece>,
}

/// One message, and what filters want to know of its event.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Piece {
    /// Where it ends in the text; it starts where the one before ends.
    pub(crate) end: usize,
    pub(crate) position: u64,
    pub(crate) device: DeviceNumber,
    pub(crate) event_type: EventType,
    /// The location that the event carries, if it does.
    pub(crate) location: Option<Location>,
}

/// Bytes of a usual message, so that the text is seldom moved while it grows.
const USUAL_MESSAGE: usize = 400;

impl Encoded {
    /// Writes the messages of events in their order. Frames have no message for an event.
    pub(crate) fn write<'a>(form: Form, events: impl Iterator<Item = &'a RecordedEvent>, numbers: &DeviceNumbers) -> Self {
        let mut text = String::with_capacity(USUAL_MESSAGE * events.size_hint().0.max(1));
        let mut pieces = Vec::new();
        for recorded in events {
            let is_told = numbers.with_id(recorded.device, |id| match form {
                Form::Events => {
                    write_message(&mut text, id, recorded);
                    true
                }
                Form::Original => write_original_message(&mut text, id, recorded),
                Form::Frames => false,
            });
            if is_told {
                pieces.push(Piece {
                    end: text.len(),
                    position: recorded.position,
                    device: recorded.device,
                    event_type: recorded.event.event_type(),
                    location: recorded.event.measured().map(|(_, location)| location),
                });
            }
        }
        Self { text: text.into(), pieces }
    }

    /// Where a message starts in the text.
    pub(crate) fn start(&self, piece: usize) -> usize {
        if piece == 0 { 0 } else { self.pieces[piece - 1].end }
    }
}

fn write_message(text: &mut String, id: &str, recorded: &RecordedEvent) {
    text.push_str("id: ");
    write_integer(text, recorded.position);
    text.push_str("\nevent: ");
    text.push_str(recorded.event.event_type().name());
    text.push_str("\ndata: ");
    write_event(text, id, recorded);
    text.push_str("\n\n");
}

fn write_original_message(text: &mut String, id: &str, recorded: &RecordedEvent) -> bool {
    let mut data = String::new();
    let Some(name) = write_original_event(&mut data, id, recorded) else { return false };
    text.push_str("event: ");
    text.push_str(name);
    text.push_str("\ndata: ");
    text.push_str(&data);
    text.push_str("\n\n");
    true
}
