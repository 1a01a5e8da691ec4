//! Live fan-out to browsers by server-sent events.
//!
//! The hub is told of each stored batch, in the order of the log, and every stream takes from it at its own pace: as one
//! message per event, in the original form, or as frames for the console. What a stream missed is read from the event
//! store. A stream that is too slow is cut and resumes; it never slows anybody else.
//!
//! Does not know HTTP beyond the text of server-sent events: [`Hub::open`] gives a stream of chunks of bytes.
//!
//! Streams of events read batches from a ring, those of frames read ticks: the two halves of what follows.

mod hub;

mod request;

mod filter;

mod message;

mod outlet;

mod ring;

mod encoded;

mod events;

mod noted;

mod device_set;

mod tick;

mod frames;

mod numbering;

mod columns;

pub use hub::{Chunks, Hub, HubOptions, Metrics};
pub use request::{Form, StreamRequest};
