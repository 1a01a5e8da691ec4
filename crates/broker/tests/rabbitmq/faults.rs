//! The broker dies, stops, or is short of room; connections are cut or lead nowhere.

use crate::support::*;
use fieldwatch_broker::{Next, PublishError, RabbitQueue, ReadingQueue};
use fieldwatch_real_servers::proxy::Proxy;
use std::time::{Duration, Instant};

/// Longer would mean that nobody is ever answered.
const HANGS: Duration = Duration::from_secs(20);

#[tokio::test(flavor = "multi_thread")]
async fn a_broker_that_is_killed_loses_and_doubles_nothing() {
    let Some((broker, _guard)) = own_broker("a_broker_that_is_killed_loses_and_doubles_nothing").await else { return };
    let url = broker.url(&broker.create_vhost());
    let store = SharedStore::default();
    let process = Process::start(options(&url, "a"), &store);
    // For longer than a publisher waits, nobody knows what the broker has.
    store.lock().expect("lock").knows_ids = true;
    let publisher = Publishing::start(&process.queue, 20);
    wait_for("readings flow", || store.lock().expect("lock").count() > 200).await;
    tokio::task::block_in_place(|| broker.kill9());
    wait_for("it is noticed", || process.queue.health().trouble.is_some()).await;
    tokio::task::block_in_place(|| broker.restart());
    let before = store.lock().expect("lock").count();
    wait_for("readings flow again", || store.lock().expect("lock").count() > before + 200).await;
    let published = publisher.stop().await;
    wait_for_count(&store, published * 20).await;
    store.lock().expect("lock").check(20, published);
    assert_eq!(process.queue.health().trouble, None);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broker_that_stands_still_is_answered_for_in_time() {
    let Some((broker, _guard)) = own_broker("a_broker_that_stands_still_is_answered_for_in_time").await else { return };
    let url = broker.url(&broker.create_vhost());
    let store = SharedStore::default();
    let process = Process::start(options(&url, "a"), &store);
    publish(&process.queue, entries(4, [(0, 1)])).await;
    broker.freeze();
    let begun = Instant::now();
    let refused = process.queue.publish(entries(4, [(0, 2)])).await;
    let waited = begun.elapsed();
    broker.go_on();
    assert!(matches!(refused, Err(PublishError::Unconfirmed(_))), "{refused:?}");
    assert!(waited < HANGS, "{waited:?}");
    publish(&process.queue, entries(4, [(0, 3)])).await;
    wait_for("it is stored", || store.lock().expect("lock").readings.get("device-0").is_some_and(|all| all.ends_with(&[3]))).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broker_short_of_room_refuses_at_once_and_takes_again_later() {
    let Some((broker, _guard)) = own_broker("a_broker_short_of_room_refuses_at_once_and_takes_again_later").await else { return };
    let url = broker.url(&broker.create_vhost());
    let store = SharedStore::default();
    let process = Process::start(options(&url, "a"), &store);
    publish(&process.queue, entries(4, [(0, 1)])).await;
    tokio::task::block_in_place(|| broker.set_disk_alarm(true));
    wait_for("the alarm is known", || process.queue.health().trouble.is_some_and(|why| why.contains("alarm"))).await;
    let begun = Instant::now();
    let refused = process.queue.publish(entries(4, [(0, 2)])).await;
    assert!(matches!(&refused, Err(PublishError::Full(why)) if why.contains("alarm")), "{refused:?}");
    // Otherwise a publisher waits 5 s.
    assert!(begun.elapsed() < Duration::from_secs(4), "{:?}", begun.elapsed());
    // Longer than a connection may be silent.
    tokio::time::sleep(Duration::from_secs(7)).await;
    tokio::task::block_in_place(|| broker.set_disk_alarm(false));
    publish(&process.queue, entries(4, [(0, 2)])).await;
    wait_for("it is stored", || store.lock().expect("lock").count() >= 2).await;
    store.lock().expect("lock").check(1, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_that_swallows_everything_is_noticed_within_ten_seconds() {
    let test = "a_connection_that_swallows_everything_is_noticed_within_ten_seconds";
    let Some((broker, _guard)) = shared_broker(test).await else { return };
    let Some(address) = address_behind_proxy(test, broker) else { return };
    let url = broker.url(&broker.create_vhost());
    let proxy = Proxy::before(address).await;
    let store = SharedStore::default();
    let process = Process::start(options(&proxy.url(&url), "a"), &store);
    publish(&process.queue, entries(4, [(0, 1)])).await;
    wait_for("it is stored", || store.lock().expect("lock").count() == 1).await;
    proxy.swallow();
    let begun = Instant::now();
    wait_for("it is noticed", || process.queue.health().trouble.is_some()).await;
    assert!(begun.elapsed() < Duration::from_secs(10), "{:?}", begun.elapsed());
    let begun = Instant::now();
    let refused = process.queue.publish(entries(4, [(0, 2)])).await;
    assert!(refused.is_err() && begun.elapsed() < HANGS, "{refused:?} after {:?}", begun.elapsed());
    proxy.open();
    publish(&process.queue, entries(4, [(0, 3)])).await;
    wait_for("it is stored", || store.lock().expect("lock").readings["device-0"].ends_with(&[3])).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn connections_that_are_cut_lose_and_double_nothing() {
    let test = "connections_that_are_cut_lose_and_double_nothing";
    let Some((broker, _guard)) = shared_broker(test).await else { return };
    let Some(address) = address_behind_proxy(test, broker) else { return };
    let url = broker.url(&broker.create_vhost());
    let proxy = Proxy::before(address).await;
    let store = SharedStore::default();
    let process = Process::start(options(&proxy.url(&url), "a"), &store);
    let publisher = Publishing::start(&process.queue, 20);
    for _ in 0..8 {
        let before = store.lock().expect("lock").count();
        wait_for("readings flow", || store.lock().expect("lock").count() > before + 100).await;
        proxy.cut();
    }
    let published = publisher.stop().await;
    wait_for_count(&store, published * 20).await;
    store.lock().expect("lock").check(20, published);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_stored_and_not_acknowledged_is_not_given_again() {
    let test = "what_was_stored_and_not_acknowledged_is_not_given_again";
    let Some((broker, _guard)) = shared_broker(test).await else { return };
    let Some(address) = address_behind_proxy(test, broker) else { return };
    let url = broker.url(&broker.create_vhost());
    let proxy = Proxy::before(address).await;
    let queue = RabbitQueue::open(options(&proxy.url(&url), "a"));
    let mut consumer = queue.consume(&[0, 1, 2, 3], &[]).expect("a consumer");
    publish(&queue, entries(4, [(0, 1)])).await;
    let mut store = Store::default();
    let mut lost = false;
    until("the second reading", async {
        while store.count() < 2 {
            match consumer.next(10).await.expect("not closed") {
                Next::Gained(partition) => consumer.begin(partition, store.checkpoints.get(&partition)),
                Next::Lost(_) => lost = true,
                Next::Delivery(delivery) => {
                    store.take(&delivery);
                    if store.count() == 1 {
                        // Stored, and then the connection is gone before the broker hears of it.
                        proxy.cut();
                        let queue = std::sync::Arc::clone(&queue);
                        tokio::spawn(async move { publish(&queue, entries(4, [(0, 2)])).await });
                    } else {
                        consumer.stored(delivery.delivered);
                    }
                }
            }
        }
    })
    .await;
    assert!(lost);
    store.check(1, 2);
    assert!(queue.reports().iter().any(|report| report.redelivered > 0));
    wait_for("nothing is left", || queue.depths().iter().sum::<u64>() == 0).await;
}
