//! How a log is kept: sizes, and whether a commit waits for the disk.

/// Settings of one log. Sizes may differ from one opening to the next; `kind` may not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogOptions {
    /// What the log holds, for example `*b"EVNT"`. A folder of another kind is refused.
    pub kind: [u8; 4],
    /// A segment is finished when the next frame would make it longer than this, in bytes.
    pub segment_bytes: u64,
    /// The largest payload of one commit, in bytes.
    pub max_frame_bytes: u32,
    /// Whether a commit waits until the disk has it.
    pub sync: SyncMode,
}

impl LogOptions {
    /// Durable, with segments of 64 MiB and payloads of up to 16 MiB.
    pub fn new(kind: [u8; 4]) -> Self {
        Self { kind, segment_bytes: 64 << 20, max_frame_bytes: 16 << 20, sync: SyncMode::Durable }
    }
}

/// Whether a commit waits until the disk has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum SyncMode {
    /// `fdatasync` before a commit returns or is seen by a reader.
    #[default]
    Durable,
    /// No sync at all: a power cut loses what was acknowledged. It exists to prove that the crash tests notice.
    Never,
}
