//! Others publish into the partitions, or take things away.

use crate::support::*;
use fieldwatch_broker::{LetterBox, PublishError, ReadingQueue};
use fieldwatch_domain::fnv1a_64;
use lapin::{
    BasicProperties, Connection, ConnectionProperties,
    options::{BasicPublishOptions, QueueDeleteOptions},
    types::{AMQPValue, FieldTable},
};

async fn channel(url: &str) -> (Connection, lapin::Channel) {
    let connection = Connection::connect(url, ConnectionProperties::default()).await.expect("a connection");
    let channel = connection.create_channel().await.expect("a channel");
    (connection, channel)
}

fn line(device: &str, number: u64) -> String {
    format!(
        "{{\"deviceId\":\"{device}\",\"temperature\":20,\"lat\":1,\"lon\":2,\"readingId\":\"{number:016x}\",\
         \"receivedAt\":\"2026-01-01T00:00:00.000Z\"}}\n"
    )
}

async fn publish_raw(channel: &lapin::Channel, device: &str, body: &str, headers: &[(&str, AMQPValue)]) {
    let mut table = FieldTable::default();
    for (name, value) in headers {
        table.insert((*name).into(), value.clone());
    }
    let key = (fnv1a_64(device.as_bytes()) % 4).to_string();
    let properties = BasicProperties::default().with_headers(table);
    let published = channel.basic_publish(
        "fieldwatch.readings".into(),
        key.into(),
        BasicPublishOptions::default(),
        body.as_bytes(),
        properties,
    );
    published.await.expect("published");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_that_comes_twice_is_given_once_and_one_without_a_sender_each_time() {
    let Some((broker, _guard)) = shared_broker("a_message_that_comes_twice_is_given_once_and_one_without_a_sender_each_time").await
    else {
        return;
    };
    let url = broker.url(&broker.create_vhost());
    let store = SharedStore::default();
    let process = Process::start(options(&url, "a"), &store);
    publish(&process.queue, entries(4, [(9, 1)])).await;
    let (_connection, channel) = channel(&url).await;
    let format = ("fieldwatch-format", AMQPValue::LongInt(1));
    let mark = |number: i64| {
        [
            format.clone(),
            ("fieldwatch-sender", AMQPValue::LongString("00000000000000aa".into())),
            ("fieldwatch-number", AMQPValue::LongLongInt(number)),
            ("fieldwatch-settled", AMQPValue::LongLongInt(0)),
        ]
    };
    for number in [1, 1, 2, 1, 4, 3, 4] {
        publish_raw(&channel, "sent", &line("sent", number as u64), &mark(number)).await;
    }
    for _ in 0..2 {
        publish_raw(&channel, "foreign", &format!("\n{}\n", line("foreign", 1)), std::slice::from_ref(&format)).await;
    }
    wait_for("all are stored", || {
        let store = store.lock().expect("lock");
        store.readings.get("foreign").map_or(0, Vec::len) == 2 && store.readings.get("sent").map_or(0, Vec::len) >= 4
    })
    .await;
    wait_for("nothing is left", || process.queue.depths().iter().sum::<u64>() == 0).await;
    assert_eq!(store.lock().expect("lock").readings["sent"], [1, 2, 4, 3]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_of_an_unknown_format_is_parked_whole_and_holds_up_nothing() {
    let Some((broker, _guard)) = shared_broker("a_message_of_an_unknown_format_is_parked_whole_and_holds_up_nothing").await else {
        return;
    };
    let url = broker.url(&broker.create_vhost());
    let store = SharedStore::default();
    let process = Process::start(options(&url, "a"), &store);
    publish(&process.queue, entries(4, [(0, 1)])).await;
    let (_connection, channel) = channel(&url).await;
    publish_raw(&channel, "device-0", "what is this", &[("fieldwatch-format", AMQPValue::LongInt(2))]).await;
    publish(&process.queue, entries(4, [(0, 2)])).await;
    wait_for("the next is stored", || store.lock().expect("lock").count() == 2).await;
    wait_for("it waits among the letters", || LetterBox::waiting(process.queue.as_ref()) == 1).await;
    let letters = process.queue.list().await.expect("a list");
    assert_eq!(letters[0].body, b"what is this");
    assert_eq!(letters[0].device_id, None);
    assert!(letters[0].reason.contains("format"), "{}", letters[0].reason);
    wait_for("nothing is left", || process.queue.depths().iter().sum::<u64>() == 0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_partition_that_was_taken_away_comes_back() {
    let Some((broker, _guard)) = shared_broker("a_partition_that_was_taken_away_comes_back").await else { return };
    let url = broker.url(&broker.create_vhost());
    let store = SharedStore::default();
    let process = Process::start(options(&url, "a"), &store);
    publish(&process.queue, entries(4, [(0, 1)])).await;
    wait_for("it is stored", || store.lock().expect("lock").count() == 1).await;
    let (_connection, channel) = channel(&url).await;
    let partition = fnv1a_64(b"device-0") % 4;
    let queue = format!("fieldwatch.readings.{partition}");
    channel.queue_delete(queue.into(), QueueDeleteOptions::default()).await.expect("deleted");
    let refused = process.queue.publish(entries(4, [(0, 2)])).await;
    assert!(matches!(refused, Err(PublishError::Full(_)) | Ok(())), "{refused:?}");
    publish(&process.queue, entries(4, [(0, 3)])).await;
    wait_for("it is stored", || store.lock().expect("lock").readings["device-0"].ends_with(&[3])).await;
}
