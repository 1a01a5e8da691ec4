//! What is published is delivered, to whom it belongs, in its order.

use crate::support::*;
use fieldwatch_broker::{ConsumeError, EmbeddedQueue, Entries, ReadingQueue};
use fieldwatch_domain::Description;
use fieldwatch_segment_log::SyncMode;
use fieldwatch_wire::queued::{Checkpoint, Request, read_request};
use std::collections::{BTreeMap, HashSet};

#[tokio::test]
async fn a_published_reading_is_delivered_with_its_partition_and_a_checkpoint() {
    let dir = folder();
    let queue = open(fieldwatch_broker::EmbeddedQueueOptions { sync: SyncMode::Durable, ..options(dir.path()) });
    let mut consumer = consume(&queue, &all_partitions(), &[]);
    publish(&queue, "AL-0012", [7]).await;
    let delivery = next(&mut consumer, 10).await;
    assert_eq!(numbers(&delivery), [7]);
    assert_eq!(delivery.entries[0].partition, partition("AL-0012"));
    assert_eq!(delivery.delivered.counts, [(partition("AL-0012"), 1)]);
    let end = delivery.entries[0].place + 4 + delivery.bytes.len() as u64;
    let [Checkpoint { partition: of, progress }] = &delivery.checkpoints[..] else { panic!("one checkpoint") };
    assert_eq!(*of, partition("AL-0012"));
    assert_eq!((progress.len(), &progress[..8]), (24, &end.to_le_bytes()[..]));
    assert_eq!(delivery.delivered.through, end);
}

#[tokio::test]
async fn commands_and_requeued_bodies_travel_like_readings() {
    let dir = folder();
    let queue = roomy(dir.path());
    let mut consumer = consume(&queue, &all_partitions(), &[]);
    let described = Description::new(Some("Truck"), &[]).expect("valid");
    let mut entries = Entries::new(EmbeddedQueue::PARTITIONS);
    entries.describe("a", 1, &described);
    entries.forget("a", 2);
    queue.publish(entries).await.expect("publish");
    let delivery = next(&mut consumer, 10).await;
    let requests: Vec<_> = delivery.entries.iter().map(|entry| read_request(&delivery.bytes[entry.body.clone()])).collect();
    assert_eq!(requests, [Ok(("a", Request::Describe(1, Box::new(described)))), Ok(("a", Request::Forget(2)))]);
    let mut again = Entries::new(EmbeddedQueue::PARTITIONS);
    again.body("a", &delivery.bytes[delivery.entries[1].body.clone()]);
    queue.publish(again).await.expect("publish");
    let delivery = next(&mut consumer, 10).await;
    assert_eq!(read_request(&delivery.bytes), Ok(("a", Request::Forget(2))));
}

#[tokio::test]
async fn a_large_request_is_delivered_in_pieces_of_the_limit_each_with_its_checkpoint() {
    let dir = folder();
    let queue = roomy(dir.path());
    let mut consumer = consume(&queue, &all_partitions(), &[]);
    queue.publish(entries((0..50_000).map(|number| (format!("device-{}", number % 97), number)))).await.expect("publish");
    let (mut taken, mut places) = (Vec::new(), HashSet::new());
    while taken.len() < 50_000 {
        let delivery = next(&mut consumer, 777).await;
        assert!(delivery.entries.len() <= 777);
        places.extend(delivery.entries.iter().map(|entry| entry.place));
        taken.extend(numbers(&delivery));
        consumer.stored(delivery.delivered);
    }
    assert_eq!(taken, (0..50_000).collect::<Vec<_>>());
    assert_eq!(places.len(), 50_000, "places are unique");
}

#[tokio::test]
async fn consumers_get_their_own_partitions_only() {
    let dir = folder();
    let queue = roomy(dir.path());
    let mut even = consume(&queue, &(0..64).step_by(2).collect::<Vec<_>>(), &[]);
    let mut odd = consume(&queue, &(1..64).step_by(2).collect::<Vec<_>>(), &[]);
    queue.publish(entries((0..1000).map(|number| (format!("device-{number}"), number)))).await.expect("publish");
    queue.close();
    let (even, odd) = (drain(&mut even).await, drain(&mut odd).await);
    let is_even = |number: &u64| partition(&format!("device-{number}")).is_multiple_of(2);
    assert_eq!(even, (0..1000).filter(is_even).collect::<Vec<_>>());
    assert_eq!(odd, (0..1000).filter(|number| !is_even(number)).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_consumer_goes_on_where_each_of_its_partitions_was_stored() {
    let dir = folder();
    let (a, b) = (device_of(1), device_of(2));
    let mut kept = BTreeMap::new();
    {
        let queue = roomy(dir.path());
        queue.publish(entries([(a.clone(), 1), (b.clone(), 2), (a.clone(), 3), (b.clone(), 4)])).await.expect("publish");
        let mut only_a = consume(&queue, &[1], &[]);
        let delivery = next(&mut only_a, 1).await;
        assert_eq!(numbers(&delivery), [1]);
        keep(&mut kept, &delivery);
    }
    let queue = roomy(dir.path());
    let mut consumer = consume(&queue, &[1, 2], &kept.into_values().collect::<Vec<_>>());
    assert_eq!(numbers(&next(&mut consumer, 10).await), [2, 3, 4], "a goes on after 1, b begins");
}

#[tokio::test]
async fn waiting_for_an_entry_can_be_given_up_without_losing_it() {
    let dir = folder();
    let queue = roomy(dir.path());
    let mut consumer = consume(&queue, &all_partitions(), &[]);
    for number in 0..100 {
        tokio::select! {
            biased;
            delivery = consumer.next(10) => panic!("nothing was published, and yet: {delivery:?}"),
            () = tokio::task::yield_now() => {}
        }
        publish(&queue, "a", [number]).await;
        assert_eq!(numbers(&next(&mut consumer, 10).await), [number]);
    }
}

#[tokio::test]
async fn entries_handed_over_are_published_though_nobody_waits_for_the_answer() {
    let dir = folder();
    let queue = roomy(dir.path());
    let mut consumer = consume(&queue, &all_partitions(), &[]);
    let mut publishing = queue.publish(entries([("a".to_owned(), 1)]));
    std::future::poll_fn(|context| {
        let _ = publishing.as_mut().poll(context);
        std::task::Poll::Ready(())
    })
    .await;
    drop(publishing);
    assert_eq!(numbers(&next(&mut consumer, 10).await), [1]);
}

#[tokio::test]
async fn a_partition_is_consumed_by_one_and_can_be_taken_over_when_that_is_gone() {
    let dir = folder();
    let queue = roomy(dir.path());
    publish(&queue, &device_of(5), [1]).await;
    let first = consume(&queue, &[4, 5], &[]);
    assert!(matches!(queue.consume(&[5], &[]), Err(ConsumeError::Failed(_))));
    drop(first);
    let mut second = consume(&queue, &[5], &[]);
    assert_eq!(numbers(&next(&mut second, 10).await), [1]);
}

#[tokio::test]
async fn partitions_and_checkpoints_that_cannot_be_are_refused() {
    let dir = folder();
    let queue = roomy(dir.path());
    assert!(matches!(queue.consume(&[64], &[]), Err(ConsumeError::Failed(_))));
    let checkpoint = |partition, progress: &[u8]| [Checkpoint { partition, progress: progress.into() }];
    assert!(matches!(queue.consume(&[1], &checkpoint(1, &[0; 23])), Err(ConsumeError::Failed(_))));
    assert!(matches!(queue.consume(&[1], &checkpoint(64, &[0; 24])), Err(ConsumeError::Failed(_))));
    consume(&queue, &[1], &checkpoint(1, &[0; 24]));
}

#[tokio::test]
async fn when_the_queue_was_begun_anew_old_checkpoints_lose_nothing() {
    let dir = folder();
    let former = roomy(dir.path());
    publish(&former, &device_of(3), [1]).await;
    let checkpoints = next(&mut consume(&former, &[3], &[]), 10).await.checkpoints;
    drop(former);
    std::fs::remove_dir_all(dir.path()).expect("remove the queue");
    let queue = roomy(dir.path());
    // The new queue has readings before and beyond the address that the former one's checkpoint names.
    publish(&queue, &device_of(3), [2, 3]).await;
    publish(&queue, &device_of(3), [4]).await;
    let mut consumer = consume(&queue, &[3], &checkpoints);
    assert_eq!(numbers(&next(&mut consumer, 10).await), [2, 3, 4]);
}
