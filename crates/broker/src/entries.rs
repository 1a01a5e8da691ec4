//! What one request publishes.

use fieldwatch_domain::{Description, Edit, Reading, fnv1a_64};
use fieldwatch_wire::queued::{self, Request};

/// Entries that become durable together.
#[derive(Clone, Debug)]
pub struct Entries {
    bytes: Vec<u8>,
    partitions: u16,
    len: usize,
}

impl Entries {
    /// None yet, for a queue with so many partitions ([`crate::ReadingQueue::partitions`]).
    pub fn new(partitions: u16) -> Self {
        Self { bytes: Vec::new(), partitions, len: 0 }
    }

    /// Adds a reading.
    pub fn record(&mut self, device_id: &str, reading: &Reading) {
        queued::write_reading(&mut self.bytes, partition(device_id, self.partitions), device_id, reading);
        self.len += 1;
    }

    /// Adds an edit of name, labels, or both. `command` is the number by which the asker is answered.
    pub fn edit(&mut self, device_id: &str, command: u64, edit: &Edit) {
        queued::write_edit(&mut self.bytes, partition(device_id, self.partitions), device_id, command, edit);
        self.len += 1;
    }

    /// Adds a new name and labels, as former versions did for an edit; `command` as for [`Entries::edit`].
    pub fn describe(&mut self, device_id: &str, command: u64, description: &Description) {
        queued::write_describe(&mut self.bytes, partition(device_id, self.partitions), device_id, command, description);
        self.len += 1;
    }

    /// Adds the wish to forget a device.
    pub fn forget(&mut self, device_id: &str, command: u64) {
        queued::write_forget(&mut self.bytes, partition(device_id, self.partitions), device_id, command);
        self.len += 1;
    }

    /// Adds what was read from a queue before, for letters that are requeued.
    pub fn request(&mut self, device_id: &str, request: &Request) {
        match request {
            Request::Record(reading) => self.record(device_id, reading),
            Request::Describe(command, description) => self.describe(device_id, *command, description),
            Request::Edit(command, edit) => self.edit(device_id, *command, edit),
            Request::Forget(command) => self.forget(device_id, *command),
        }
    }

    /// Adds an entry as it was read from an embedded queue before: its body. For letters that are requeued.
    pub fn body(&mut self, device_id: &str, body: &[u8]) {
        let length = u16::try_from(body.len()).expect("a body that was queued before is shorter than 64 KiB");
        self.bytes.extend_from_slice(&partition(device_id, self.partitions).to_le_bytes());
        self.bytes.extend_from_slice(&length.to_le_bytes());
        self.bytes.extend_from_slice(body);
        self.len += 1;
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The entries, each with its header ([`queued::ENTRY_HEADER`]).
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The same, to be kept.
    pub(crate) fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }
}

/// The partition of a device.
fn partition(device_id: &str, partitions: u16) -> u16 {
    (fnv1a_64(device_id.as_bytes()) % u64::from(partitions)) as u16
}
