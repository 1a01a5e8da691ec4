//! The lines of one request.

use std::collections::HashMap;

use crate::recorded::RecordedLine;

use super::Refusal;

/// A server knows the last sixteen reading ids of a device. With no more of one device in a request, all of a request
/// whose answer was lost are known again when it is repeated.
pub(super) const MOST_OF_ONE_DEVICE: usize = 16;
/// Well below the 16 MiB that a server takes.
const MAX_BODY_BYTES: usize = 8 << 20;

/// Some lines that follow each other, those that cannot be sent among them.
#[derive(Debug)]
pub(super) struct Batch {
    capacity: usize,
    body: Vec<u8>,
    /// Of each reading in the body, its line.
    lines: Vec<u64>,
    of_device: HashMap<String, usize>,
    faults: Vec<Refusal>,
    first_line: u64,
    last_line: u64,
}

impl Batch {
    pub(super) fn new(capacity: usize) -> Batch {
        Batch {
            capacity,
            body: Vec::new(),
            lines: Vec::new(),
            of_device: HashMap::new(),
            faults: Vec::new(),
            first_line: 0,
            last_line: 0,
        }
    }

    pub(super) fn has_room_for(&self, line: &RecordedLine) -> bool {
        if self.lines.len() + self.faults.len() >= self.capacity {
            return false;
        }
        let Ok(reading) = &line.reading else { return true };
        self.of_device.get(&reading.device_id).is_none_or(|count| *count < MOST_OF_ONE_DEVICE)
            && (self.body.is_empty() || self.body.len() + reading.json.len() < MAX_BODY_BYTES)
    }

    pub(super) fn push(&mut self, line: RecordedLine) {
        if self.is_empty() {
            self.first_line = line.number;
        }
        self.last_line = line.number;
        match line.reading {
            Ok(reading) => {
                self.body.extend_from_slice(reading.json.as_bytes());
                self.body.push(b'\n');
                self.lines.push(line.number);
                *self.of_device.entry(reading.device_id).or_default() += 1;
            }
            Err(fault) => {
                self.faults.push(Refusal { line: line.number, field: fault.field, reason: fault.reason });
            }
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.lines.is_empty() && self.faults.is_empty()
    }

    pub(super) fn clear(&mut self) {
        self.body.clear();
        self.lines.clear();
        self.of_device.clear();
        self.faults.clear();
    }

    /// The readings, as NDJSON.
    pub(super) fn body(&self) -> &[u8] {
        &self.body
    }

    /// How many readings the body has.
    pub(super) fn readings(&self) -> u64 {
        self.lines.len() as u64
    }

    /// The line of a reading in the body, counted from 0.
    pub(super) fn line_of(&self, index: usize) -> Option<u64> {
        self.lines.get(index).copied()
    }

    /// The lines that are no readings and so are not sent.
    pub(super) fn faults(&self) -> &[Refusal] {
        &self.faults
    }

    pub(super) fn first_line(&self) -> u64 {
        self.first_line
    }

    pub(super) fn last_line(&self) -> u64 {
        self.last_line
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::recorded::{LineFault, RecordedReading};

    fn line(number: u64, device: &str) -> RecordedLine {
        let reading = RecordedReading { device_id: device.to_owned(), at_millis: None, json: format!("{{{number}}}") };
        RecordedLine { number, reading: Ok(reading) }
    }

    #[test]
    fn a_batch_has_room_for_sixteen_readings_of_one_device() {
        let mut batch = Batch::new(100);
        for number in 1..=16 {
            assert!(batch.has_room_for(&line(number, "a")));
            batch.push(line(number, "a"));
        }
        assert!(!batch.has_room_for(&line(17, "a")));
        assert!(batch.has_room_for(&line(17, "b")));
    }

    #[test]
    fn a_place_in_the_body_leads_to_its_line_past_those_that_are_not_sent() {
        let mut batch = Batch::new(3);
        let fault = LineFault { field: "lat".to_owned(), reason: "none".to_owned() };
        batch.push(line(5, "a"));
        batch.push(RecordedLine { number: 6, reading: Err(fault) });
        batch.push(line(8, "a"));
        assert_eq!(batch.body(), b"{5}\n{8}\n");
        assert_eq!((batch.line_of(0), batch.line_of(1), batch.line_of(2)), (Some(5), Some(8), None));
        assert_eq!((batch.first_line(), batch.last_line(), batch.readings()), (5, 8, 2));
        assert!(!batch.has_room_for(&line(9, "b")));
    }
}
