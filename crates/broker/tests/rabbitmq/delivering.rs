//! What is published is delivered, once and in order.

use crate::support::*;
use fieldwatch_broker::{LetterBox, ReadingQueue};
use std::sync::Arc;

#[tokio::test(flavor = "multi_thread")]
async fn what_is_confirmed_is_delivered_once_in_order_and_nothing_is_left() {
    let Some((broker, _guard)) = shared_broker("what_is_confirmed_is_delivered_once_in_order_and_nothing_is_left").await else { return };
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
    let _ = Arc::strong_count(&process.queue);
}
