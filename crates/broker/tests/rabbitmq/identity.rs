//! The broker remembers whose it is.

use crate::support::*;
use fieldwatch_broker::{PublishError, RabbitOptions, RabbitQueue, ReadingQueue, ResetError, reset_rabbitmq};

#[tokio::test(flavor = "multi_thread")]
async fn another_number_of_partitions_is_refused_with_both_numbers() {
    let Some((broker, _guard)) = shared_broker("another_number_of_partitions_is_refused_with_both_numbers").await else { return };
    let url = broker.url(&broker.create_vhost());
    let store = SharedStore::default();
    let first = Process::start(options(&url, "a"), &store);
    publish(&first.queue, entries(4, [(0, 1)])).await;
    // Also a process that does not consume compares the number.
    let other = RabbitQueue::open(RabbitOptions { partitions: 8, consumes: false, log_id: None, ..options(&url, "b") });
    wait_for("it is refused", || other.health().trouble.is_some_and(|why| why.contains("4 partitions"))).await;
    let why = other.health().trouble.expect("trouble");
    assert!(why.contains("configured for 8"), "{why}");
    let refused = other.publish(entries(8, [(0, 2)])).await;
    assert!(matches!(refused, Err(PublishError::Stopped(_))), "{refused:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn another_store_is_refused_and_a_process_that_only_takes_in_is_not() {
    let Some((broker, _guard)) = shared_broker("another_store_is_refused_and_a_process_that_only_takes_in_is_not").await else {
        return;
    };
    let url = broker.url(&broker.create_vhost());
    let store = SharedStore::default();
    let first = Process::start(options(&url, "a"), &store);
    publish(&first.queue, entries(4, [(0, 1)])).await;
    let others = SharedStore::default();
    let other = Process::start(RabbitOptions { log_id: Some("log-2".into()), ..options(&url, "b") }, &others);
    wait_for("it is refused", || other.queue.health().trouble.is_some_and(|why| why.contains("log-1") && why.contains("log-2")))
        .await;
    assert!(matches!(other.queue.publish(entries(4, [(0, 2)])).await, Err(PublishError::Stopped(_))));
    assert_eq!(other.owned(), 0);
    let taking_in = RabbitQueue::open(RabbitOptions { consumes: false, log_id: None, ..options(&url, "c") });
    publish(&taking_in, entries(4, [(0, 2)])).await;
    wait_for("it is stored", || store.lock().expect("lock").count() == 2).await;
    assert_eq!(others.lock().expect("lock").lines, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_process_whose_store_has_not_answered_publishes_and_takes_nothing() {
    let Some((broker, _guard)) = shared_broker("a_process_whose_store_has_not_answered_publishes_and_takes_nothing").await else {
        return;
    };
    let url = broker.url(&broker.create_vhost());
    let (store, others) = (SharedStore::default(), SharedStore::default());
    let process = Process::start(RabbitOptions { log_id: None, ..options(&url, "a") }, &store);
    publish(&process.queue, entries(4, [(0, 1)])).await;
    wait_for("it waits", || process.queue.depths().iter().sum::<u64>() > 0).await;
    // Of one that takes its share, another would not be left all partitions.
    let other = Process::start(options(&url, "b"), &others);
    wait_for("the other owns all", || other.owned() == 4).await;
    wait_for("the other has stored it", || others.lock().expect("lock").count() == 1).await;
    assert_eq!((process.owned(), store.lock().expect("lock").lines), (0, 0));
    other.close();
    publish(&process.queue, entries(4, [(0, 2)])).await;
    process.queue.set_log_id("log-1");
    wait_for("it is stored", || store.lock().expect("lock").readings.get("device-0").is_some_and(|all| all.ends_with(&[2]))).await;
    assert_eq!(others.lock().expect("lock").count(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reset_is_refused_while_the_broker_is_used_or_holds_readings() {
    let Some((broker, _guard)) = shared_broker("a_reset_is_refused_while_the_broker_is_used_or_holds_readings").await else {
        return;
    };
    let url = broker.url(&broker.create_vhost());
    let taking_in = RabbitQueue::open(RabbitOptions { consumes: false, log_id: None, ..options(&url, "a") });
    publish(&taking_in, entries(4, [])).await;
    wait_for("it is set up", || taking_in.health().trouble.is_none()).await;
    let refused = reset_rabbitmq(&options(&url, "reset")).await;
    assert_eq!(refused, Err(ResetError::InUse(1)));

    publish(&taking_in, entries(4, [(0, 1)])).await;
    let refused = reset_rabbitmq(&options(&url, "reset")).await;
    assert!(matches!(&refused, Err(ResetError::NotEmpty(full)) if full.len() == 1), "{refused:?}");
    taking_in.close();

    let store = SharedStore::default();
    let process = Process::start(options(&url, "b"), &store);
    wait_for("it is stored", || store.lock().expect("lock").count() == 1).await;
    wait_for("nothing is left", || process.queue.depths().iter().sum::<u64>() == 0).await;
    process.close();
    let done = until("the reset", async {
        loop {
            match reset_rabbitmq(&options(&url, "reset")).await {
                // The connections of the others end a moment later.
                Err(ResetError::InUse(_)) => tokio::time::sleep(std::time::Duration::from_millis(100)).await,
                done => break done,
            }
        }
    })
    .await
    .expect("a reset");
    assert_eq!((done.partitions, done.dead_letters), (4, 0));

    let other = RabbitOptions { partitions: 8, log_id: Some("log-2".into()), ..options(&url, "c") };
    let others = SharedStore::default();
    let process = Process::start(other, &others);
    publish(&process.queue, entries(8, [(0, 1)])).await;
    wait_for("it is stored", || others.lock().expect("lock").count() == 1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_process_that_may_not_read_the_partitions_says_so_until_it_may() {
    let test = "a_process_that_may_not_read_the_partitions_says_so_until_it_may";
    let Some((broker, _guard)) = shared_broker(test).await else { return };
    if !broker.is_ours() {
        fieldwatch_real_servers::skipped(test, "the permissions of a configured RabbitMQ are left alone");
        return;
    }
    let vhost = broker.create_vhost();
    let permit = |read: &str| {
        let user = broker.url(&vhost);
        let user = user.split_once("://").and_then(|(_, rest)| rest.split_once(':')).expect("a user").0.to_owned();
        tokio::task::block_in_place(|| broker.control(&["set_permissions", "-p", &vhost, &user, ".*", ".*", read]));
    };
    permit(r"^(?!fieldwatch\.readings\.\d).*");
    let store = SharedStore::default();
    let process = Process::start(options(&broker.url(&vhost), "a"), &store);
    wait_for("it is told", || process.queue.health().trouble.is_some_and(|why| why.contains("stand by for partition"))).await;
    let why = process.queue.health().trouble.expect("trouble");
    assert!(why.contains("refused"), "the broker's words are told: {why}");
    permit(".*");
    // What is owned shows when something comes.
    publish(&process.queue, entries(4, (0..20).map(|device| (device, 1)))).await;
    wait_for("it owns all", || process.owned() == 4).await;
    assert_eq!(process.queue.health().trouble, None);
}
