//! The original's queue, while this process is the one that takes from it.
//!
//! Two things keep others away. The consumer is exclusive, which a classic queue enforces against everybody. A quorum queue does
//! not know exclusive consumers and lets any number in (seen with 3.10.8), so before that a lock is taken, an exclusive queue of
//! this connection, which keeps away other movers; and a queue that has a consumer already is left to it.

use super::held::Acknowledgements;
use super::refusal::Refusal;
use crate::rabbitmq::{broken::Broken, live::Live};
use futures_util::{FutureExt, StreamExt};
use lapin::message::Delivery;
use lapin::options::{BasicAckOptions, BasicConsumeOptions, BasicQosOptions, QueueDeclareOptions, QueueDeleteOptions};
use lapin::types::{FieldTable, ShortString};
use lapin::{Channel, Consumer};
use std::sync::Arc;

/// Whether this process holds the queue now.
pub(super) enum Hold {
    /// It does.
    Ours(Box<Holding>),
    /// Another does.
    Another,
}

/// The queue, held alone.
pub(super) struct Holding {
    live: Arc<Live>,
    queue: ShortString,
    lock: ShortString,
    channel: Channel,
    /// There until the queue is given back.
    consumer: Option<Consumer>,
}

/// Takes the queue, unless another has it.
pub(super) async fn hold(live: &Arc<Live>, queue: &str, prefetch: u16) -> Result<Hold, Broken> {
    match hold_alone(live, queue, prefetch).await {
        Err(broken) if Refusal::of(&broken) == Some(Refusal::InUse) => Ok(Hold::Another),
        tried => tried,
    }
}

async fn hold_alone(live: &Arc<Live>, queue: &str, prefetch: u16) -> Result<Hold, Broken> {
    let (channel, lock) = (live.channel().await?, ShortString::from(format!("fieldwatch.mover.{queue}")));
    let queue = ShortString::from(queue);
    // Asked before anything that the broker would refuse, for it logs each refusal as an error.
    if is_held(live, &channel, &queue).await? {
        return Ok(Hold::Another);
    }
    let alone = QueueDeclareOptions { exclusive: true, auto_delete: true, ..QueueDeclareOptions::default() };
    live.ask("lock", channel.queue_declare(lock.clone(), alone, FieldTable::default())).await?;
    // And again: between the first answer and the lock another may have come and gone, and what it held is put back by now only
    // if its consumer is gone too.
    if is_held(live, &channel, &queue).await? {
        return Ok(Hold::Another);
    }
    live.ask("limit what it delivers", channel.basic_qos(prefetch, BasicQosOptions::default())).await?;
    let exclusive = BasicConsumeOptions { exclusive: true, ..BasicConsumeOptions::default() };
    let consumed = channel.basic_consume(queue.clone(), "fieldwatch-mover".into(), exclusive, FieldTable::default());
    let consumer = live.ask("deliver", consumed).await?;
    Ok(Hold::Ours(Box::new(Holding { live: Arc::clone(live), queue, lock, channel, consumer: Some(consumer) })))
}

/// Whether the queue has a consumer. Then the channel is closed, for it is not needed.
async fn is_held(live: &Live, channel: &Channel, queue: &ShortString) -> Result<bool, Broken> {
    let is_held = look_at(live, channel, queue).await?.consumer_count() > 0;
    if is_held {
        live.ask("close a channel", channel.close(200, "held by another".into())).await?;
    }
    Ok(is_held)
}

async fn look_at(live: &Live, channel: &Channel, queue: &ShortString) -> Result<lapin::Queue, Broken> {
    let passive = QueueDeclareOptions { passive: true, ..QueueDeclareOptions::default() };
    live.ask("say how the queue is", channel.queue_declare(queue.clone(), passive, FieldTable::default())).await
}

impl Holding {
    /// The next message; `None` when there will be no more. Cancel-safe.
    pub(super) async fn next(&mut self) -> Option<lapin::Result<Delivery>> {
        self.consumer.as_mut()?.next().await
    }

    /// The next message if it is here already.
    pub(super) fn here(&mut self) -> Option<lapin::Result<Delivery>> {
        self.consumer.as_mut()?.next().now_or_never().flatten()
    }

    /// Acknowledges, and waits until the broker has taken that in: only then these messages cannot come back.
    pub(super) async fn acknowledge(&self, acknowledgements: &Acknowledgements) -> Result<(), Broken> {
        let Acknowledgements { through, single } = acknowledgements;
        let tags = through.iter().map(|tag| (*tag, true)).chain(single.iter().map(|tag| (*tag, false)));
        for (tag, multiple) in tags {
            self.live.ask("take an acknowledgement", self.channel.basic_ack(tag, BasicAckOptions { multiple })).await?;
        }
        self.check().await
    }

    /// Whether this process still holds the queue. Everything sent on the channel before was taken in when it answers.
    pub(super) async fn check(&self) -> Result<(), Broken> {
        look_at(&self.live, &self.channel, &self.queue).await.map(drop)
    }

    /// Gives the queue back: what was not acknowledged waits there again, in its order. Then lets others have it.
    pub(super) async fn release(mut self) -> Result<(), Broken> {
        self.live.ask("close a channel", self.channel.close(200, "released".into())).await?;
        self.consumer = None;
        let channel = self.live.channel().await?;
        self.live.ask("unlock", channel.queue_delete(self.lock.clone(), QueueDeleteOptions::default())).await?;
        self.live.ask("close a channel", channel.close(200, "done".into())).await
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
