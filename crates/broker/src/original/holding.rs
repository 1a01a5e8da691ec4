//! The original's queue, while this process is the one that takes from it.
//!
//! Two things keep others away. The consumer is exclusive, which a classic queue enforces against everybody. A quorum queue does
//! not know exclusive consumers and lets any number in (seen with 3.10.8), so before that a lock is taken, an exclusive queue of
//! this connection, which keeps away other movers; and a queue that has a consumer already is left to it.

use super::held::Acknowledgements;
use super::refusal::{Refusal, words};
use futures_util::{FutureExt, StreamExt};
use lapin::message::Delivery;
use lapin::options::{BasicAckOptions, BasicConsumeOptions, BasicQosOptions, QueueDeclareOptions};
use lapin::types::{FieldTable, ShortString};
use lapin::{Channel, Connection, Consumer, Error};

/// Whether this process holds the queue now.
pub(super) enum Hold {
    /// It does.
    Ours(Box<Holding>),
    /// Another does.
    Another,
}

/// The queue, held alone.
pub(super) struct Holding {
    queue: ShortString,
    channel: Channel,
    /// There until the queue is given back.
    consumer: Option<Consumer>,
}

/// Takes the queue, unless another has it.
pub(super) async fn hold(connection: &Connection, queue: &str, prefetch: u16) -> Result<Hold, Error> {
    match hold_alone(connection, queue, prefetch).await {
        Ok(hold) => Ok(hold),
        Err(error) if Refusal::of(&error) == Some(Refusal::InUse) => {
            tracing::debug!(said = %words(&error), "the original queue is held by another");
            Ok(Hold::Another)
        }
        Err(error) => Err(error),
    }
}

async fn hold_alone(connection: &Connection, queue: &str, prefetch: u16) -> Result<Hold, Error> {
    let channel = connection.create_channel().await?;
    let name = ShortString::from(queue);
    // Asked before anything that the broker would refuse, for it logs each refusal as an error.
    if look_at(&channel, &name).await?.consumer_count() > 0 {
        let _ = channel.close(200, "held by another".into()).await;
        return Ok(Hold::Another);
    }
    let lock = QueueDeclareOptions { exclusive: true, auto_delete: true, ..QueueDeclareOptions::default() };
    channel.queue_declare(format!("fieldwatch.mover.{queue}").into(), lock, FieldTable::default()).await?;
    let queue = name;
    if look_at(&channel, &queue).await?.consumer_count() > 0 {
        let _ = channel.close(200, "held by another".into()).await;
        return Ok(Hold::Another);
    }
    channel.basic_qos(prefetch, BasicQosOptions::default()).await?;
    let exclusive = BasicConsumeOptions { exclusive: true, ..BasicConsumeOptions::default() };
    let consumer = channel.basic_consume(queue.clone(), "fieldwatch-mover".into(), exclusive, FieldTable::default()).await?;
    Ok(Hold::Ours(Box::new(Holding { queue, channel, consumer: Some(consumer) })))
}

async fn look_at(channel: &Channel, queue: &ShortString) -> Result<lapin::Queue, Error> {
    let passive = QueueDeclareOptions { passive: true, ..QueueDeclareOptions::default() };
    channel.queue_declare(queue.clone(), passive, FieldTable::default()).await
}

impl Holding {
    /// The next message; `None` when there will be no more. Cancel-safe.
    pub(super) async fn next(&mut self) -> Option<Result<Delivery, Error>> {
        self.consumer.as_mut()?.next().await
    }

    /// The next message if it is here already.
    pub(super) fn here(&mut self) -> Option<Result<Delivery, Error>> {
        self.consumer.as_mut()?.next().now_or_never().flatten()
    }

    /// Acknowledges, and waits until the broker has taken that in: only then these messages cannot come back.
    pub(super) async fn acknowledge(&self, acknowledgements: &Acknowledgements) -> Result<(), Error> {
        if let Some(through) = acknowledgements.through {
            self.channel.basic_ack(through, BasicAckOptions { multiple: true }).await?;
        }
        for tag in &acknowledgements.single {
            self.channel.basic_ack(*tag, BasicAckOptions { multiple: false }).await?;
        }
        self.check().await
    }

    /// Whether this process still holds the queue. Everything sent on the channel before was taken in when it answers.
    pub(super) async fn check(&self) -> Result<(), Error> {
        look_at(&self.channel, &self.queue).await.map(drop)
    }

    /// Gives the queue back: what was not acknowledged waits there again, in its order.
    pub(super) async fn release(mut self) {
        if self.channel.close(200, "released".into()).await.is_ok() {
            self.consumer = None;
        }
    }
}

/// A consumer that is dropped cancels itself, and then the broker gives later messages to the next one before those that came
/// here. So one whose channel was not closed in order is let go of without being dropped: it ends with its connection.
impl Drop for Holding {
    fn drop(&mut self) {
        if let Some(consumer) = self.consumer.take() {
            std::mem::forget(consumer);
        }
    }
}
