//! Stored bytes that cannot be what they claim to be.

use thiserror::Error;

/// Stored bytes are not of the format that their checksum vouched for: written by a newer version, or by a defect.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("stored {0} is damaged or of a newer format")]
pub struct Damaged(pub &'static str);
