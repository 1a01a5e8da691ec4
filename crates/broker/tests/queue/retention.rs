//! Consumed segments are removed, and no others.

use crate::support::*;
use fieldwatch_broker::ReadingQueue;

#[tokio::test]
async fn segments_that_all_consumers_have_passed_are_removed_and_no_others() {
    let dir = folder();
    let queue = open(options(dir.path()));
    let (mut first, mut second) = (consume(&queue, &[1], &[]), consume(&queue, &(2..64).chain([0]).collect::<Vec<_>>(), &[]));
    let (of_first, of_second) = (device_of(1), device_of(2));
    for number in 0..600 {
        queue
            .publish(entries((0..10).flat_map(|_| [(of_first.clone(), number), (of_second.clone(), number)])))
            .await
            .expect("publish");
    }
    let files = segment_files(dir.path());
    assert!(files.len() > 3, "several segments: {files:?}");
    take(&mut first, 6000).await;
    assert_eq!(segment_files(dir.path()), files, "the other consumer has not passed them");
    take(&mut second, 3000).await;
    wait_until("the first half is gone", || segment_files(dir.path()).len() <= files.len() / 2 + 1).await;
    let left = segment_files(dir.path());
    assert!(left.len() >= files.len() / 2, "{left:?}");
    take(&mut second, 3000).await;
    wait_until("one segment is left", || segment_files(dir.path()).len() == 1).await;
    assert_eq!(segment_files(dir.path()), files[files.len() - 1..]);
}

#[tokio::test]
async fn a_consumer_without_any_entries_does_not_pin_the_log() {
    let dir = folder();
    let queue = open(options(dir.path()));
    let mut busy = consume(&queue, &(1..64).collect::<Vec<_>>(), &[]);
    let mut idle = consume(&queue, &[0], &[]);
    let idle = tokio::spawn(async move { delivery(&mut idle, 10).await.map(|delivery| numbers(&delivery)) });
    for number in 0..300 {
        publish(&queue, &device_of(1), [number; 20]).await;
    }
    take(&mut busy, 6000).await;
    wait_until("one segment is left", || segment_files(dir.path()).len() == 1).await;
    idle.abort();
}

#[tokio::test]
async fn what_is_delivered_and_not_stored_stays() {
    let dir = folder();
    let queue = open(options(dir.path()));
    let mut consumer = consume(&queue, &all_partitions(), &[]);
    for number in 0..300 {
        publish(&queue, "a", [number; 20]).await;
    }
    let files = segment_files(dir.path());
    let mut delivered = Vec::new();
    for _ in 0..6 {
        delivered.push(next(&mut consumer, 1000).await.delivered);
    }
    consumer.stored(delivered.remove(0));
    // The writer has seen to whatever it was asked once it has taken another reading.
    publish(&queue, "a", [300]).await;
    publish(&queue, "a", [301]).await;
    assert!(segment_files(dir.path()).len() >= files.len() - 1);
    for delivered in delivered {
        consumer.stored(delivered);
    }
    wait_until("one segment is left", || segment_files(dir.path()).len() == 1).await;
}

#[tokio::test]
async fn nothing_is_removed_while_a_partition_has_no_consumer() {
    let dir = folder();
    let queue = open(options(dir.path()));
    let mut consumer = consume(&queue, &(1..64).collect::<Vec<_>>(), &[]);
    for number in 0..300 {
        publish(&queue, &device_of(1), [number; 20]).await;
    }
    let files = segment_files(dir.path());
    take(&mut consumer, 6000).await;
    publish(&queue, &device_of(1), [300]).await;
    assert_eq!(segment_files(dir.path()), files);
    let mut other = consume(&queue, &[0], &[]);
    take(&mut consumer, 1).await;
    let other = tokio::spawn(async move { delivery(&mut other, 10).await.map(|delivery| numbers(&delivery)) });
    wait_until("one segment is left", || segment_files(dir.path()).len() == 1).await;
    other.abort();
}

#[tokio::test]
async fn what_was_consumed_before_a_start_is_removed_after_it() {
    let dir = folder();
    let mut kept = std::collections::BTreeMap::new();
    {
        let queue = open(options(dir.path()));
        for number in 0..600 {
            publish(&queue, "a", [number; 20]).await;
        }
        let mut consumer = consume(&queue, &[partition("a")], &[]);
        for _ in 0..12 {
            keep(&mut kept, &next(&mut consumer, 1000).await);
        }
    }
    assert!(segment_files(dir.path()).len() > 3);
    let queue = open(options(dir.path()));
    // Partitions without a checkpoint look through the whole log before they know that there is nothing for them.
    let mut consumer = consume(&queue, &all_partitions(), &kept.into_values().collect::<Vec<_>>());
    let consumer = tokio::spawn(async move { delivery(&mut consumer, 10).await.map(|delivery| numbers(&delivery)) });
    wait_until("one segment is left", || segment_files(dir.path()).len() == 1).await;
    consumer.abort();
}

#[tokio::test]
async fn tidying_removes_the_newest_segment_too_once_all_of_it_is_consumed() {
    let dir = folder();
    let queue = open(options(dir.path()));
    let mut consumer = consume(&queue, &all_partitions(), &[]);
    publish(&queue, "a", [1]).await;
    let files = segment_files(dir.path());
    let delivery = next(&mut consumer, 10).await;
    queue.tidy();
    publish(&queue, "a", [2]).await;
    assert_eq!(segment_files(dir.path()), files, "it is not stored yet");
    consumer.stored(delivery.delivered);
    take(&mut consumer, 1).await;
    queue.tidy();
    wait_until("the segment is gone", || segment_files(dir.path()).iter().all(|file| !files.contains(file))).await;
    publish(&queue, "a", [3]).await;
    assert_eq!(take(&mut consumer, 1).await, [3], "and it goes on");
    assert!(queue.depths().iter().all(|depth| *depth == 0));
}
