//! Readings as they come in: bytes become checked domain readings, or a refusal that names each bad field.
//!
//! Pure: knows neither HTTP nor a clock; the time of receipt is an argument. The steps of a request, each a function here:
//!
//! 1. [`BodyFormat::of`] the content type, [`decode`] the content encoding,
//! 2. [`parse_json`] or [`parse_ndjson`]; [`parse_original`] for the original endpoints, [`parse_original_message`] for what
//!    comes through the original's broker,
//! 3. the answer: [`Parsed::is_refusal`] tells 202 from 422, each error tells its [`ProblemCode`].
//!
//! Where the contract leaves a choice, it is made so: `null` is a wrong type, also for members that may be left out. A byte
//! order mark before the body is passed over. A leap second is the last millisecond of its minute. A top-level value that is
//! no object is a bad reading (422), not a bad body (400). An empty body is not JSON; an empty array and NDJSON without a
//! line are batches of nothing.
//!
//! ```
//! use fieldwatch_domain::{ReadingId, Timestamp};
//! use fieldwatch_wire::ingest::{Limits, parse_json};
//!
//! let body = br#"{"deviceId":"AL-0012","temperature":48.5,"lat":38.5698,"lon":45.6974}"#;
//! let mut readings = Vec::new();
//! let parsed = parse_json(
//!     body,
//!     &Limits::default(),
//!     Timestamp::from_unix_ms(1_767_225_600_000),
//!     |index| ReadingId::given(index as u64),
//!     |accepted| readings.push(accepted),
//! )?;
//! assert_eq!((parsed.accepted, readings[0].device_id.as_ref()), (1, "AL-0012"));
//! # Ok::<(), fieldwatch_wire::ingest::Refused>(())
//! ```

mod media_type;

mod decode;

mod batch;

mod usual_reading;

mod v1_reading;

mod original_reading;

mod original_message;

mod local_time;

mod field;

mod known_names;

mod decimal;

mod rfc3339;

mod json;

mod given_ids;

mod limits;

mod refusal;

mod problem_code;

pub use batch::{Parsed, parse_json, parse_ndjson};
pub use decimal::Steps;
pub use decode::{ACCEPTED_ENCODINGS, DecodeError, decode};
pub use given_ids::{IdempotencyKey, InvalidIdempotencyKey};
pub use json::{Kind, Malformed, Problem};
pub use limits::Limits;
pub use local_time::{LocalClock, UnknownTimeZone};
pub use media_type::{BodyFormat, UnsupportedMediaType};
pub use original_message::{OriginalMessage, parse_original_message};
pub use original_reading::{OriginalRefused, parse_original};
pub use problem_code::ProblemCode;
pub use refusal::{Reason, Refused, Rejection};
pub use rfc3339::parse_rfc3339;

use fieldwatch_domain::Reading;
use std::borrow::Cow;

/// A reading that was checked, and whose it is.
#[derive(Clone, Debug, PartialEq)]
pub struct Accepted<'a> {
    /// The device's id, which was checked to be one; borrowed from the body unless it was written with escapes.
    pub device_id: Cow<'a, str>,
    /// What the device sent.
    pub reading: Reading,
}
