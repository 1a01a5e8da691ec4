//! What is published is delivered, once and in order.

use crate::support::*;
use fieldwatch_broker::{LetterBox, NewLetter, Next, Parking, RabbitQueue, ReadingQueue};
use std::sync::Arc;

#[tokio::test(flavor = "multi_thread")]
async fn what_is_confirmed_is_delivered_once_in_order_and_nothing_is_left() {
    let Some((broker, _guard)) = shared_broker("what_is_confirmed_is_delivered_once_in_order_and_nothing_is_left").await else {
        return;
    };
    let url = broker.url(&broker.create_vhost());
    let store = SharedStore::default();
    let process = Process::start(options(&url, "a"), &store);
    for number in 1..=20 {
        publish(&process.queue, entries(4, (0..50).map(|device| (device, number)))).await;
    }
    wait_for("everything is stored", || store.lock().expect("lock").count() >= 1_000).await;
    store.lock().expect("lock").check(50, 20);
    wait_for("nothing is left", || process.queue.depths().iter().sum::<u64>() == 0).await;
    assert_eq!(process.queue.health().trouble, None);
    assert_eq!(LetterBox::waiting(process.queue.as_ref()), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_shard_consumes_and_parks_on_a_runtime_of_its_own_that_knows_only_time() {
    let test = "a_shard_consumes_and_parks_on_a_runtime_of_its_own_that_knows_only_time";
    let Some((broker, _guard)) = shared_broker(test).await else { return };
    let url = broker.url(&broker.create_vhost());
    let queue = RabbitQueue::open(options(&url, "a"));
    let for_shard = Arc::clone(&queue);
    let shard = std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().expect("a runtime");
        runtime.block_on(until("parking", async {
            let mut consumer = for_shard.consume(&[0, 1, 2, 3], &[]).expect("a consumer");
            loop {
                match consumer.next(10).await.expect("not closed") {
                    Next::Gained(partition) => consumer.begin(partition, None),
                    Next::Lost(_) => {}
                    Next::Delivery(delivery) => {
                        let entry = &delivery.entries[0];
                        let body = &delivery.bytes[entry.body.clone()];
                        let (place, partition, form, device_id) = (entry.place, entry.partition, delivery.form, None);
                        let letter = NewLetter { place, partition, parked_at: now(), reason: "why", device_id, form, body };
                        for_shard.park(letter).await.expect("parked");
                        consumer.stored(delivery.delivered);
                        return consumer;
                    }
                }
            }
        }))
    });
    publish(&queue, entries(4, [(0, 1)])).await;
    wait_for("it waits among the letters", || LetterBox::waiting(queue.as_ref()) == 1).await;
    let consumer = tokio::task::block_in_place(|| shard.join()).expect("the shard did not panic");
    // The device is read from the line.
    assert_eq!(queue.list().await.expect("a list")[0].device_id.as_deref(), Some("device-0"));
    wait_for("nothing is left", || queue.depths().iter().sum::<u64>() == 0).await;
    drop(consumer);
}
