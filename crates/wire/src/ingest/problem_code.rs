//! The stable codes under which programs know a refusal.

use super::{DecodeError, OriginalRefused, Refused};

/// The `code` of a problem document that ingest may answer with; its text never changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ProblemCode {
    /// The body is not JSON: 400.
    NotJson,
    /// The body is not UTF-8: 400.
    NotUtf8,
    /// The body is nested deeper than allowed: 400.
    NestingTooDeep,
    /// The compressed body is damaged: 400.
    CorruptBody,
    /// The `Idempotency-Key` cannot be one: 400.
    InvalidIdempotencyKey,
    /// The body is larger than allowed, compressed or not: 413.
    BodyTooLarge,
    /// The body has more readings than one request may have: 413.
    TooManyReadings,
    /// The body is of a content type that is not taken there: 415.
    UnsupportedMediaType,
    /// The body is of a content encoding that is not taken: 415.
    UnsupportedContentEncoding,
    /// The reading has a bad field, or no reading of a batch is good: 422.
    InvalidReading,
}

impl ProblemCode {
    /// Every code.
    pub const ALL: [Self; 10] = [
        Self::NotJson,
        Self::NotUtf8,
        Self::NestingTooDeep,
        Self::CorruptBody,
        Self::InvalidIdempotencyKey,
        Self::BodyTooLarge,
        Self::TooManyReadings,
        Self::UnsupportedMediaType,
        Self::UnsupportedContentEncoding,
        Self::InvalidReading,
    ];

    /// The code as text.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::NotJson => "not_json",
            Self::NotUtf8 => "not_utf8",
            Self::NestingTooDeep => "nesting_too_deep",
            Self::CorruptBody => "corrupt_body",
            Self::InvalidIdempotencyKey => "invalid_idempotency_key",
            Self::BodyTooLarge => "body_too_large",
            Self::TooManyReadings => "too_many_readings",
            Self::UnsupportedMediaType => "unsupported_media_type",
            Self::UnsupportedContentEncoding => "unsupported_content_encoding",
            Self::InvalidReading => "invalid_reading",
        }
    }
}

impl Refused {
    /// The code to answer with.
    pub const fn code(&self) -> ProblemCode {
        match self {
            Self::NotUtf8 { .. } => ProblemCode::NotUtf8,
            Self::NotJson(_) => ProblemCode::NotJson,
            Self::TooDeep(_) => ProblemCode::NestingTooDeep,
            Self::TooManyReadings { .. } => ProblemCode::TooManyReadings,
        }
    }
}

impl OriginalRefused {
    /// The code to answer with.
    pub const fn code(&self) -> ProblemCode {
        match self {
            Self::Body(refused) => refused.code(),
            Self::MediaType(_) => ProblemCode::UnsupportedMediaType,
            Self::Reading(_) => ProblemCode::InvalidReading,
        }
    }
}

impl DecodeError {
    /// The code to answer with.
    pub const fn code(&self) -> ProblemCode {
        match self {
            Self::TooLarge { .. } => ProblemCode::BodyTooLarge,
            Self::Corrupt { .. } => ProblemCode::CorruptBody,
            Self::Unsupported => ProblemCode::UnsupportedContentEncoding,
        }
    }
}
