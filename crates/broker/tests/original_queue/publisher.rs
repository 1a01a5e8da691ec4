//! Somebody who publishes to the original's exchange, knowing nothing of this program.

use lapin::options::{
    BasicConsumeOptions, BasicGetOptions, BasicPublishOptions, ConfirmSelectOptions, ExchangeDeclareOptions, QueueBindOptions,
    QueueDeclareOptions, QueueDeleteOptions,
};
use lapin::types::{AMQPValue, FieldTable};
use lapin::{BasicProperties, Channel, Connection, ConnectionProperties, Consumer, ExchangeKind};

pub(crate) const EXCHANGE: &str = "device-events-ex";
pub(crate) const QUEUE: &str = "device-events-q";
pub(crate) const KEY: &str = "device-events-rk";

/// Of which kind the topology is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// As the original's definitions have it.
    Transient,
    Durable,
    Quorum,
    Stream,
}

pub(crate) struct Publisher {
    connection: Connection,
    channel: Channel,
}

/// A message of the original, whose latitude numbers it among its device's.
pub(crate) fn message(device: &str, number: usize) -> String {
    let latitude = number as f64 / 1e7;
    format!(
        "{{\"At\":\"2026-01-01 {:02}:{:02}:{:02}\",\"DeviceId\":\"{device}\",\"Temperature\":20.5,\"Latitude\":{latitude:.7},\"Longitude\":4.9}}",
        number / 3600 % 24,
        number / 60 % 60,
        number % 60,
    )
}

impl Publisher {
    pub(crate) async fn connect(url: &str) -> Self {
        let connection = Connection::connect(url, ConnectionProperties::default()).await.expect("a broker");
        let channel = connection.create_channel().await.expect("a channel");
        channel.confirm_select(ConfirmSelectOptions::default()).await.expect("confirms");
        Self { connection, channel }
    }

    pub(crate) async fn channel(&self) -> Channel {
        self.connection.create_channel().await.expect("a channel")
    }

    /// Makes exchange and queue, and binds them.
    pub(crate) async fn make(&self, kind: Kind) {
        self.exchange(ExchangeKind::Direct, kind != Kind::Transient).await;
        self.queue(kind).await;
        self.bind().await;
    }

    pub(crate) async fn exchange(&self, kind: ExchangeKind, durable: bool) {
        let options = ExchangeDeclareOptions { durable, ..ExchangeDeclareOptions::default() };
        self.channel().await.exchange_declare(EXCHANGE.into(), kind, options, FieldTable::default()).await.expect("an exchange");
    }

    pub(crate) async fn queue(&self, kind: Kind) {
        let options = QueueDeclareOptions { durable: kind != Kind::Transient, ..QueueDeclareOptions::default() };
        let mut arguments = FieldTable::default();
        let word = match kind {
            Kind::Transient | Kind::Durable => None,
            Kind::Quorum => Some("quorum"),
            Kind::Stream => Some("stream"),
        };
        if let Some(word) = word {
            arguments.insert("x-queue-type".into(), AMQPValue::LongString(word.into()));
        }
        self.channel().await.queue_declare(QUEUE.into(), options, arguments).await.expect("a queue");
    }

    pub(crate) async fn bind(&self) {
        let (options, arguments) = (QueueBindOptions::default(), FieldTable::default());
        self.channel().await.queue_bind(QUEUE.into(), EXCHANGE.into(), KEY.into(), options, arguments).await.expect("a binding");
    }

    pub(crate) async fn delete_queue(&self) {
        self.channel().await.queue_delete(QUEUE.into(), QueueDeleteOptions::default()).await.expect("deleted");
    }

    /// Publishes messages in their order, and waits until the broker has them all.
    pub(crate) async fn publish<B: AsRef<[u8]>>(&self, bodies: impl IntoIterator<Item = B>) {
        let mut confirms = Vec::new();
        for body in bodies {
            confirms.push(self.send(body.as_ref(), BasicProperties::default()).await);
        }
        for confirm in confirms {
            assert!(confirm.await.expect("an answer").is_ack());
        }
    }

    pub(crate) async fn publish_with_id(&self, body: &str, id: &str) {
        let properties = BasicProperties::default().with_message_id(id.into());
        self.send(body.as_bytes(), properties).await.await.expect("an answer");
    }

    async fn send(&self, body: &[u8], properties: BasicProperties) -> lapin::PublisherConfirm {
        let options = BasicPublishOptions { mandatory: true, ..BasicPublishOptions::default() };
        self.channel.basic_publish(EXCHANGE.into(), KEY.into(), options, body, properties).await.expect("sent")
    }

    /// Takes the queue for itself.
    pub(crate) async fn hold_the_queue(&self) -> Consumer {
        let options = BasicConsumeOptions { exclusive: true, ..BasicConsumeOptions::default() };
        let channel = self.channel().await;
        channel.basic_consume(QUEUE.into(), "".into(), options, FieldTable::default()).await.expect("a consumer")
    }

    /// Messages that wait in a queue; `None` when there is no such queue.
    pub(crate) async fn waiting(&self, queue: &str) -> Option<u32> {
        let options = QueueDeclareOptions { passive: true, ..QueueDeclareOptions::default() };
        let found = self.channel().await.queue_declare(queue.into(), options, FieldTable::default()).await;
        found.ok().map(|queue| queue.message_count())
    }

    /// Everything that waits in a queue: each body with its headers of this program.
    pub(crate) async fn letters(&self) -> Vec<(Vec<u8>, String, String)> {
        let channel = self.channel().await;
        let mut letters = Vec::new();
        while let Ok(Some(letter)) = channel.basic_get("fieldwatch.dead-letters".into(), BasicGetOptions::default()).await {
            let header = |name: &str| match letter.properties.headers().as_ref().and_then(|headers| headers.inner().get(name)) {
                Some(AMQPValue::LongString(text)) => text.to_string(),
                other => panic!("{name} is {other:?}"),
            };
            letters.push((letter.data.clone(), header("x-fieldwatch-reason"), header("x-fieldwatch-source")));
        }
        letters
    }
}
