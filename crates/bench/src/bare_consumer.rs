//! The floor for what a node takes from a broker: the same messages, received, acknowledged and dropped by the same client library.
//!
//! For that a second queue of the same kind is bound beside each partition, so that it gets a copy of every message.

use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use futures_util::StreamExt as _;
use lapin::options::{BasicAckOptions, BasicConsumeOptions, BasicQosOptions, QueueBindOptions, QueueDeclareOptions};
use lapin::types::{AMQPValue, FieldTable, ShortString};
use lapin::{Connection, ConnectionProperties};
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::shares::PARTITIONS;

/// One acknowledgement for so many messages.
const ACKNOWLEDGE_EACH: u64 = 16;
/// Messages of a queue that are delivered ahead: so many that the broker need not wait for an acknowledgement.
const PREFETCH: u16 = 64;
/// How long a message may be awaited.
const SILENCE: Duration = Duration::from_secs(20);

fn queue(partition: u16) -> ShortString {
    format!("bench.copies.{partition}").into()
}

/// Binds the queues for the copies. What was published before is not in them.
pub(crate) async fn bind(broker: &str) -> anyhow::Result<()> {
    let connection = connect(broker).await?;
    let channel = connection.create_channel().await?;
    let text = |text: &str| AMQPValue::LongString(text.into());
    let mut arguments = FieldTable::default();
    arguments.insert("x-queue-type".into(), text("quorum"));
    arguments.insert("x-single-active-consumer".into(), AMQPValue::Boolean(true));
    for partition in 0..PARTITIONS {
        let durable = QueueDeclareOptions { durable: true, ..Default::default() };
        channel.queue_declare(queue(partition), durable, arguments.clone()).await.context("declare a queue for copies")?;
        let key = partition.to_string().into();
        let bound = channel.queue_bind(
            queue(partition),
            "fieldwatch.readings".into(),
            key,
            QueueBindOptions::default(),
            FieldTable::default(),
        );
        bound.await.context("bind a queue for copies")?;
    }
    connection.close(200, "done".into()).await?;
    Ok(())
}

/// Receives, acknowledges and drops so many messages of each queue; says how long that took, and how many bytes they had.
pub(crate) async fn drop_all(broker: &str, of_each: u64) -> anyhow::Result<(Duration, u64)> {
    let connection = connect(broker).await?;
    let begun = Instant::now();
    let mut consumers = JoinSet::new();
    for partition in 0..PARTITIONS {
        let channel = connection.create_channel().await?;
        consumers.spawn(drop_of(channel, partition, of_each));
    }
    let mut bytes = 0;
    while let Some(consumer) = consumers.join_next().await {
        bytes += consumer.context("a consumer panicked")??;
    }
    let took = begun.elapsed();
    connection.close(200, "done".into()).await?;
    Ok((took, bytes))
}

async fn drop_of(channel: lapin::Channel, partition: u16, count: u64) -> anyhow::Result<u64> {
    channel.basic_qos(PREFETCH, BasicQosOptions::default()).await?;
    let options = BasicConsumeOptions::default();
    let mut consumer = channel.basic_consume(queue(partition), "".into(), options, FieldTable::default()).await?;
    let (mut received, mut bytes, mut last) = (0, 0, 0);
    while received < count {
        let delivery = timeout(SILENCE, consumer.next()).await.context("wait for a message")?;
        let delivery = delivery.context("the broker has ended the consumer")??;
        // Nodes ask one another by messages without lines.
        received += u64::from(!delivery.data.is_empty());
        bytes += delivery.data.len() as u64;
        last = delivery.delivery_tag;
        if last.is_multiple_of(ACKNOWLEDGE_EACH) || received == count {
            channel.basic_ack(last, BasicAckOptions { multiple: true }).await?;
        }
    }
    ensure!(last >= count, "the tags of a channel count its messages");
    // Answered only behind the acknowledgements.
    channel.close(200, "done".into()).await?;
    Ok(bytes)
}

async fn connect(broker: &str) -> anyhow::Result<Connection> {
    Connection::connect(broker, ConnectionProperties::default()).await.context("connect to the broker")
}
