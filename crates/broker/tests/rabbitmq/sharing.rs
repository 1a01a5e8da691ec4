//! Several processes share the partitions.

use crate::support::*;
use fieldwatch_broker::ReadingQueue;
use std::sync::{Arc, Mutex};

#[tokio::test(flavor = "multi_thread")]
async fn processes_share_evenly_and_the_order_is_kept_while_they_come_and_go() {
    let Some((broker, _guard)) = shared_broker("processes_share_evenly_and_the_order_is_kept_while_they_come_and_go").await else {
        return;
    };
    let url = broker.url(&broker.create_vhost());
    let store = SharedStore::default();
    let first = Process::start(options(&url, "a"), &store);
    let publisher = Publishing::start(&first.queue, 20);
    wait_for("the first owns all", || first.owned() == 4).await;
    let second = Process::start(options(&url, "b"), &store);
    wait_for("both own half", || first.owned() == 2 && second.owned() == 2).await;
    let third = Process::start(options(&url, "c"), &store);
    wait_for("three share", || {
        let owned = [first.owned(), second.owned(), third.owned()];
        owned.iter().sum::<usize>() == 4 && owned.iter().all(|owned| (1..=2).contains(owned))
    })
    .await;
    second.close();
    wait_for("two share again", || first.owned() == 2 && third.owned() == 2).await;
    wait_for("everybody knows the owners", || {
        first.queue.reports().iter().filter(|report| report.owner.as_deref() == Some("c")).count() == 2
    })
    .await;
    let published = publisher.stop().await;
    wait_for_count(&store, published * 20).await;
    store.lock().expect("lock").check(20, published);
    third.close();
    wait_for("the last owns all", || first.owned() == 4).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_partition_without_readings_has_an_owner_too() {
    let Some((broker, _guard)) = shared_broker("a_partition_without_readings_has_an_owner_too").await else { return };
    let url = broker.url(&broker.create_vhost());
    let store = SharedStore::default();
    let process = Process::start(options(&url, "a"), &store);
    wait_for("all are owned", || process.owned() == 4).await;
    assert_eq!(store.lock().expect("lock").lines, 0);
    wait_for("nothing is left", || process.queue.depths().iter().sum::<u64>() == 0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_processes_tell_one_another_is_heard_by_all() {
    let Some((broker, _guard)) = shared_broker("what_processes_tell_one_another_is_heard_by_all").await else { return };
    let url = broker.url(&broker.create_vhost());
    let store = SharedStore::default();
    let (a, b) = (Process::start(options(&url, "a"), &store), Process::start(options(&url, "b"), &store));
    let heard: Arc<Mutex<Vec<Vec<u8>>>> = Arc::default();
    for process in [&a, &b] {
        let heard = Arc::clone(&heard);
        process.queue.hear(Box::new(move |message| heard.lock().expect("lock").push(message.to_vec())));
    }
    let told = b"last seen".to_vec();
    until("hearing", async {
        // It may be lost, as long as not all have joined.
        while heard.lock().expect("lock").iter().filter(|message| **message == told).count() < 2 {
            heard.lock().expect("lock").clear();
            a.queue.tell(told.clone());
            tokio::time::sleep(std::time::Duration::from_millis(200)).await;
        }
    })
    .await;
}
