//! What has to be at the broker: its names, and how they are declared.

use super::{broken::Broken, live::Live};
use lapin::{
    Channel, ExchangeKind,
    options::{ExchangeDeclareOptions, QueueBindOptions, QueueDeclareOptions},
    types::{AMQPValue, FieldTable, ShortString},
};

/// Where readings and commands are published to, with their partition's number as routing key.
pub(crate) const READINGS: &str = "fieldwatch.readings";
/// Where processes say to one another that they live.
pub(crate) const MEMBERS: &str = "fieldwatch.members";
/// Where entries wait that could not be processed.
pub(crate) const DEAD_LETTERS: &str = "fieldwatch.dead-letters";
/// A marker that carries the number of partitions.
pub(crate) const PARTITIONS_MARKER: &str = "fieldwatch.partitions";
/// A marker that carries the id of the store's log.
pub(crate) const LOG_MARKER: &str = "fieldwatch.log";
/// It is there, and belongs to one connection, while everything is being taken away.
pub(crate) const RESETTING: &str = "fieldwatch.resetting";

/// So often a message may be delivered before the broker drops it. What is poison is counted here, so that crashes of owners
/// condemn nothing: since `RabbitMQ` 4 the broker would drop a message after 20 deliveries. A great number rather than −1, which
/// means no limit to `RabbitMQ` 4; 3.10 takes −1 without a word, and drops everything that is delivered a second time.
const DELIVERIES: i32 = 1_000_000_000;

/// The queue of a partition.
pub(crate) fn queue_of(partition: u16) -> ShortString {
    format!("fieldwatch.readings.{partition}").into()
}

/// Declares everything but the markers. What is there already has to be the same.
pub(super) async fn declare(live: &Live, partitions: u16, max_partition_bytes: Option<u64>) -> Result<(), Broken> {
    let channel = live.channel().await?;
    declare_exchange(live, &channel, READINGS, ExchangeKind::Direct).await?;
    declare_exchange(live, &channel, MEMBERS, ExchangeKind::Fanout).await?;
    for partition in 0..partitions {
        let queue = queue_of(partition);
        let mut arguments = quorum();
        arguments.insert("x-single-active-consumer".into(), AMQPValue::Boolean(true));
        arguments.insert("x-overflow".into(), text("reject-publish"));
        if let Some(bytes) = max_partition_bytes {
            arguments.insert("x-max-length-bytes".into(), AMQPValue::LongLongInt(i64::try_from(bytes).unwrap_or(i64::MAX)));
        }
        declare_queue(live, &channel, queue.clone(), arguments).await?;
        let key: ShortString = partition.to_string().into();
        let bound = channel.queue_bind(queue, READINGS.into(), key, QueueBindOptions::default(), FieldTable::default());
        live.ask("bind a queue", bound).await?;
    }
    declare_queue(live, &channel, DEAD_LETTERS.into(), quorum()).await?;
    close(live, &channel).await;
    Ok(())
}

async fn declare_exchange(live: &Live, channel: &Channel, name: &str, kind: ExchangeKind) -> Result<(), Broken> {
    let options = ExchangeDeclareOptions { durable: true, ..Default::default() };
    live.ask("declare an exchange", channel.exchange_declare(name.into(), kind, options, FieldTable::default())).await
}

/// What every quorum queue here has.
pub(super) fn quorum() -> FieldTable {
    let mut arguments = FieldTable::default();
    arguments.insert("x-queue-type".into(), text("quorum"));
    arguments.insert("x-delivery-limit".into(), AMQPValue::LongInt(DELIVERIES));
    arguments
}

async fn declare_queue(live: &Live, channel: &Channel, queue: ShortString, arguments: FieldTable) -> Result<(), Broken> {
    let durable = QueueDeclareOptions { durable: true, ..Default::default() };
    live.ask("declare a queue", channel.queue_declare(queue, durable, arguments)).await.map(drop)
}

/// How many messages wait in a queue, and how many consumers it has.
pub(crate) async fn look_at(live: &Live, channel: &Channel, queue: ShortString) -> Result<(u32, u32), Broken> {
    let passive = QueueDeclareOptions { passive: true, ..Default::default() };
    let queue = live.ask("look at a queue", channel.queue_declare(queue, passive, FieldTable::default())).await?;
    Ok((queue.message_count(), queue.consumer_count()))
}

/// Closes a channel that is not needed any more; whether that succeeds does not matter.
pub(crate) async fn close(live: &Live, channel: &Channel) {
    let _ = live.ask("close a channel", channel.close(200, "done".into())).await;
}

pub(super) fn text(text: &str) -> AMQPValue {
    AMQPValue::LongString(text.into())
}
