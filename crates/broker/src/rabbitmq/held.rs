//! A consumer that is never let go of on a working channel.
//!
//! A consumer that is dropped is cancelled, and what was delivered to it and not acknowledged comes to the next one out of
//! order; measured with `RabbitMQ` 3.10. When the channel is closed with the consumer alive, the order is kept.

use super::{live::Live, topology};
use futures_util::StreamExt;
use lapin::{Channel, Consumer, message::Delivery};

/// A consumer with the channel that is its own.
pub(crate) struct Held {
    pub(crate) channel: Channel,
    consumer: Option<Consumer>,
}

impl Held {
    pub(crate) fn new(channel: Channel, consumer: Consumer) -> Self {
        Self { channel, consumer: Some(consumer) }
    }

    /// The next message; `None` once the channel is gone. Cancel-safe.
    pub(crate) async fn next(&mut self) -> Option<Delivery> {
        self.consumer.as_mut()?.next().await?.ok()
    }

    /// Closes the channel; what was delivered and not acknowledged goes to the next consumer, in order.
    pub(crate) async fn close(self, live: &Live) {
        topology::close(live, &self.channel).await;
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        if self.channel.status().connected()
            && let Some(consumer) = self.consumer.take()
        {
            // Nobody closed the channel: the runtime is going, and the process with it. Its socket keeps the order.
            std::mem::forget(consumer);
        }
    }
}
