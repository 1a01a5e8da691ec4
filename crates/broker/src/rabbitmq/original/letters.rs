//! Messages that are no readings, kept among the dead letters as they came.

use crate::rabbitmq::{broken::Broken, live::Live};
use fieldwatch_domain::Timestamp;
use lapin::options::{BasicPublishOptions, QueueDeclareOptions};
use lapin::types::{AMQPValue, FieldTable};
use lapin::{BasicProperties, Channel, Confirmation};
use std::sync::Arc;

/// The queue of the dead letters.
const DEAD_LETTERS: &str = "fieldwatch.dead-letters";
/// A longer reason is cut: a header has to fit into one frame with all others.
const MOST_REASON_BYTES: usize = 1_000;

/// The way to the dead letters, on the connection by which messages come.
pub(super) struct Letters {
    live: Arc<Live>,
    channel: Option<Channel>,
}

impl Letters {
    pub(super) fn new(live: Arc<Live>) -> Self {
        Self { live, channel: None }
    }

    /// Keeps a message, durably.
    ///
    /// # Errors
    /// When it is not known to be kept, in words for people; it may be kept twice when this is tried again.
    pub(super) async fn keep(&mut self, reason: &str, body: &[u8], at: Timestamp) -> Result<(), String> {
        if let Some(why) = self.live.blocked() {
            // Acknowledgements on this connection would not be read either, once something was published on it.
            return Err(format!("the broker takes nothing now: {why}"));
        }
        let kept = self.publish(reason, body, at).await;
        if kept.is_err() {
            self.channel = None;
        }
        kept.map_err(|broken| format!("the dead letters: {}", broken.text))
    }

    async fn publish(&mut self, reason: &str, body: &[u8], at: Timestamp) -> Result<(), Broken> {
        let channel = match &self.channel {
            Some(channel) => channel,
            None => self.channel.insert(open(&self.live).await?),
        };
        let mut headers = FieldTable::default();
        let reason = &reason[..reason.floor_char_boundary(MOST_REASON_BYTES)];
        headers.insert("x-fieldwatch-reason".into(), AMQPValue::LongString(reason.into()));
        headers.insert("x-fieldwatch-source".into(), AMQPValue::LongString("original".into()));
        let properties = BasicProperties::default()
            .with_delivery_mode(2)
            .with_timestamp(u64::try_from(at.unix_ms() / 1000).unwrap_or(0))
            .with_headers(headers);
        let options = BasicPublishOptions { mandatory: true, ..BasicPublishOptions::default() };
        let publish = async {
            channel.basic_publish("".into(), DEAD_LETTERS.into(), options, body, properties).await?.await
        };
        match self.live.ask("confirm a dead letter", publish).await? {
            Confirmation::Ack(None) => Ok(()),
            Confirmation::Ack(Some(_)) | Confirmation::Nack(_) | Confirmation::NotRequested => {
                Err(Broken::new("the broker did not take a message"))
            }
        }
    }
}

async fn open(live: &Live) -> Result<Channel, Broken> {
    let channel = live.confirming_channel().await?;
    let mut arguments = FieldTable::default();
    arguments.insert("x-queue-type".into(), AMQPValue::LongString("quorum".into()));
    let options = QueueDeclareOptions { durable: true, ..QueueDeclareOptions::default() };
    live.ask("declare the dead letters", channel.queue_declare(DEAD_LETTERS.into(), options, arguments)).await?;
    Ok(channel)
}
