//! Messages of a stream that are no events: hello, gap, overrun, keep-alive.

use bytes::Bytes;
use fieldwatch_wire::text::{write_integer, write_json_string};
use std::{
    fmt::Write,
    hash::{BuildHasher, RandomState},
};

/// Browsers wait so long before they connect again; drawn anew for each stream, so that a thousand pages that were cut
/// together do not come back together.
const RETRY_MS: std::ops::Range<u64> = 2_000..3_000;

/// Why a stream cannot go on where it was asked to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum GapReason {
    /// What came after the id is not kept any more.
    Retention,
    /// The id is beyond the newest event.
    Future,
    /// The id is no position of this log.
    Malformed,
    /// The log could not be read.
    Unavailable,
}

impl GapReason {
    const fn word(self) -> &'static str {
        match self {
            Self::Retention => "retention",
            Self::Future => "future",
            Self::Malformed => "malformed",
            Self::Unavailable => "unavailable",
        }
    }
}

/// The first message: which log this is, and where it stands. `id` is where the stream begins.
pub(crate) fn hello(id: u64, log_id: &str, position: u64) -> Bytes {
    let retry = RETRY_MS.start + RandomState::new().hash_one(id) % (RETRY_MS.end - RETRY_MS.start);
    let mut text = format!("retry: {retry}\nid: {id}\nevent: hello\ndata: {{\"logId\":");
    write_json_string(&mut text, log_id);
    text.push_str(",\"position\":");
    write_integer(&mut text, position);
    text.push_str("}\n\n");
    text.into()
}

/// Says that something is missing; the stream goes on after `id`.
pub(crate) fn gap(id: u64, reason: GapReason, from: Option<u64>, earliest: Option<u64>) -> Bytes {
    let mut text = format!("id: {id}\nevent: gap\ndata: {{\"reason\":\"{}\",\"from\":", reason.word());
    write_or_null(&mut text, from);
    text.push_str(",\"earliest\":");
    write_or_null(&mut text, earliest);
    text.push_str("}\n\n");
    text.into()
}

/// The last message to a client that is too slow.
pub(crate) fn overrun(resume_from: u64) -> Bytes {
    format!("event: overrun\ndata: {{\"resumeFrom\":{resume_from}}}\n\n").into()
}

/// A comment, and the newest position that was looked at: a block with an id and no data sets the last event id of the
/// client and raises nothing.
pub(crate) fn keep_alive(id: u64) -> Bytes {
    format!(":\nid: {id}\n\n").into()
}

/// A comment alone.
pub(crate) const COMMENT: Bytes = Bytes::from_static(b":\n\n");

fn write_or_null(text: &mut String, number: Option<u64>) {
    // Writing to a string does not fail.
    let _ = match number {
        Some(number) => write!(text, "{number}"),
        None => text.write_str("null"),
    };
}
