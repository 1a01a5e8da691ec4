//! One record of the dead letters, as it is stored: format version 1, pinned by `golden/dead_letters_v1.ndjson`.
//!
//! A frame of the log is one byte, the version, then JSON objects, one after the other, so that a person with nothing but a
//! text tool can see what was parked. Each is one of these, the members in this order; times in Unix ms, `body` the entry's
//! body in hexadecimal:
//!
//! ```text
//! {"parked":{"id":1,"place":4711,"at":1767225600000,"reason":"…","deviceId":"AL-0012","body":"00ff","position":88}}
//! {"requeued":{"id":1,"at":1767225700000}}
//! {"dropped":{"ids":[1,2]}}
//! {"compacted":{"lastId":2}}
//! ```
//!
//! `id` grows by one with each letter. `deviceId` is null where the entry could not be read that far. `position` is that of
//! the newest event that was told of when the letter was parked; absent it is 0, as former versions wrote it. `dropped` names
//! letters that are not shown any more; when they are erased, what stays is written anew behind a `compacted`, which
//! keeps the ids growing. Later versions may add members, which this one passes over.

use serde::{Deserialize, Serialize};
use std::fmt::Write;

/// First byte of each frame.
pub(super) const DEAD_LETTER_FORMAT: u8 = 1;

/// What happened to a letter.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) enum Record {
    Parked(Parked),
    Requeued(Requeued),
    Dropped(Dropped),
    Compacted(Compacted),
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Parked {
    pub(super) id: u64,
    pub(super) place: u64,
    pub(super) at: i64,
    pub(super) reason: String,
    pub(super) device_id: Option<String>,
    #[serde(with = "hexadecimal")]
    pub(super) body: Vec<u8>,
    #[serde(default, skip_serializing_if = "is_zero")]
    pub(super) position: u64,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it so")]
fn is_zero(number: &u64) -> bool {
    *number == 0
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Requeued {
    pub(super) id: u64,
    pub(super) at: i64,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Dropped {
    pub(super) ids: Vec<u64>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Compacted {
    pub(super) last_id: u64,
}

/// Records that are committed together: the payload of one frame.
pub(super) struct Frame(Vec<u8>);

impl Frame {
    pub(super) fn new() -> Self {
        Self(vec![DEAD_LETTER_FORMAT])
    }

    pub(super) fn add(&mut self, record: &Record) {
        serde_json::to_writer(&mut self.0, record).expect("numbers and texts become JSON, and a vector takes any number of bytes");
    }

    /// Whether no record was added.
    pub(super) fn is_empty(&self) -> bool {
        self.0.len() == 1
    }

    pub(super) fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl Record {
    /// As a frame of its own.
    pub(super) fn encode(&self) -> Frame {
        let mut frame = Frame::new();
        frame.add(self);
        frame
    }

    /// The records of a frame. Says what is wrong when it holds none.
    pub(super) fn decode(payload: &[u8]) -> Result<Vec<Self>, String> {
        match payload.split_first() {
            Some((&DEAD_LETTER_FORMAT, json)) => {
                let records: Result<Vec<Self>, _> = serde_json::Deserializer::from_slice(json).into_iter().collect();
                let records = records.map_err(|error| format!("not a record: {error}"))?;
                if records.is_empty() { Err("a frame without a record".to_owned()) } else { Ok(records) }
            }
            Some((format, _)) => Err(format!("format {format} is newer than {DEAD_LETTER_FORMAT}")),
            None => Err("an empty record".to_owned()),
        }
    }
}

mod hexadecimal {
    use super::Write;
    use serde::{Deserialize, Deserializer, Serializer, de::Error};
    use std::borrow::Cow;

    pub(super) fn serialize<S: Serializer>(bytes: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
        let mut text = String::with_capacity(bytes.len() * 2);
        for byte in bytes {
            write!(text, "{byte:02x}").expect("a text takes any number of characters");
        }
        serializer.serialize_str(&text)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<u8>, D::Error> {
        let text = Cow::<str>::deserialize(deserializer)?;
        let digit = |digit: u8| char::from(digit).to_digit(16).map(|value| value as u8);
        let pairs = text.as_bytes().chunks(2).map(|pair| match *pair {
            [high, low] => Some(digit(high)? << 4 | digit(low)?),
            _ => None,
        });
        pairs.collect::<Option<_>>().ok_or_else(|| D::Error::custom("not hexadecimal"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn golden_records() -> [Record; 6] {
        [
            Record::Parked(Parked {
                id: 1,
                place: 4711,
                at: 1_767_225_600_000,
                reason: "its device failed on it 3 times: \"overflow\"".into(),
                device_id: Some("AL-0012".into()),
                body: vec![0, 0x0F, 0xFF],
                position: 0,
            }),
            Record::Parked(Parked {
                id: 2,
                place: 9_007_199_254_740_991,
                at: 1_767_225_600_001,
                reason: "stored queue entry is damaged or of a newer format".into(),
                device_id: None,
                body: vec![],
                position: 0,
            }),
            Record::Requeued(Requeued { id: 1, at: 1_767_225_700_000 }),
            Record::Parked(Parked {
                id: 3,
                place: 4712,
                at: 1_767_225_600_002,
                reason: "the device failed on it three times".into(),
                device_id: Some("AL-0012".into()),
                body: vec![1],
                position: 88,
            }),
            Record::Dropped(Dropped { ids: vec![1, 3] }),
            Record::Compacted(Compacted { last_id: 3 }),
        ]
    }

    #[test]
    fn version_1_is_written_byte_for_byte_as_the_golden_file_and_read_back() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/golden/dead_letters_v1.ndjson");
        let lines: Vec<Vec<u8>> = golden_records().iter().map(|record| record.encode().as_bytes()[1..].to_vec()).collect();
        let written = [lines.join(&b'\n'), b"\n".to_vec()].concat();
        if std::env::var_os("WRITE_GOLDEN").is_some() {
            std::fs::write(path, &written).expect("write the golden file");
        }
        let golden = std::fs::read(path).expect("read the golden file");
        assert_eq!(String::from_utf8_lossy(&golden), String::from_utf8_lossy(&written));
        for (line, record) in golden.split(|byte| *byte == b'\n').zip(golden_records()) {
            assert_eq!(Record::decode(&[&[1], line].concat()), Ok(vec![record]));
        }
    }

    #[test]
    fn records_of_one_frame_are_read_in_their_order() {
        let mut frame = Frame::new();
        for record in &golden_records() {
            frame.add(record);
        }
        assert_eq!(Record::decode(frame.as_bytes()), Ok(golden_records().to_vec()));
    }

    #[test]
    fn other_bytes_are_refused_with_a_reason() {
        let text = |payload: &[u8]| Record::decode(payload).expect_err("refused");
        assert_eq!(text(b""), "an empty record");
        assert_eq!(text(b"\x02{}"), "format 2 is newer than 1");
        assert!(text(b"\x01{").starts_with("not a record: "));
        assert_eq!(text(b"\x01"), "a frame without a record");
        let odd = br#"{"parked":{"id":1,"place":1,"at":1,"reason":"","deviceId":null,"body":"00f"}}"#;
        assert!(text(&[&[1][..], odd].concat()).contains("not hexadecimal"));
    }

    #[test]
    fn members_that_a_later_version_adds_are_passed_over() {
        let later = b"\x01{\"requeued\":{\"id\":1,\"at\":2,\"by\":\"somebody\"}}";
        assert_eq!(Record::decode(later), Ok(vec![Record::Requeued(Requeued { id: 1, at: 2 })]));
    }
}
