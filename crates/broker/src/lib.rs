//! The durable queue between ingest and device state, and the letters that could not be delivered.
//!
//! Ingest publishes what devices send, and what people ask of devices ([`ReadingQueue::publish`]); when that returns it is
//! durable. A state shard pulls the entries of its partitions in their order ([`Consumer`]) and tells how far it has
//! stored what it decided; only then the queue may drop them. Knows bytes and partitions, does not know what a device does.
//!
//! Start at [`ReadingQueue`]; then [`Entries`].

mod queue;

mod entries;

mod dead_letters;

mod letter_box;

mod forgotten_devices;

mod embedded;

mod rabbitmq;

pub use dead_letters::{DeadLetter, DeadLetterError, DeadLetters};
pub use embedded::{EmbeddedQueue, EmbeddedQueueOptions, OpenError};
pub use entries::Entries;
pub use fieldwatch_wire::queued::{Checkpoint, EntryForm};
pub use forgotten_devices::ForgottenDevices;
pub use letter_box::{LetterBox, NewLetter, Parking};
pub use queue::{
    Acknowledge, BoxFuture, ConsumeError, Consumer, Delivered, DeliveredEntry, Delivery, GivingUp, Listener, Metrics, Next,
    PartitionReport, PublishError, QueueHealth, ReadingQueue,
};
pub use rabbitmq::original::{MoverMetrics, MoverStatus, Names, Original, OriginalMover, OriginalOptions};
pub use rabbitmq::{
    Deadlines, InvalidRabbitAddress, RabbitAddress, RabbitOptions, RabbitQueue, Reset, ResetError, reset as reset_rabbitmq,
};
