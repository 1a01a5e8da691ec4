//! What the queue says of itself.

use crate::support::*;
use fieldwatch_broker::ReadingQueue;
use std::{collections::BTreeMap, sync::Arc, time::Duration};

fn depth(queue: &fieldwatch_broker::EmbeddedQueue) -> u64 {
    queue.depths().iter().sum()
}

#[tokio::test]
async fn depth_counts_what_is_published_and_not_stored_and_lag_grows_from_nothing_and_goes_back_to_it() {
    let dir = folder();
    let queue = roomy(dir.path());
    let mut consumer = consume(&queue, &all_partitions(), &[]);
    assert_eq!((depth(&queue), queue.lag()), (0, Duration::ZERO));
    publish(&queue, &device_of(9), [1, 2, 3]).await;
    assert_eq!(queue.depths()[9], 3);
    wait_until("it has waited for a while", || queue.lag() > Duration::from_millis(5)).await;
    let delivery = next(&mut consumer, 10).await;
    assert_eq!(depth(&queue), 3, "those in hand included");
    assert!(queue.lag() > Duration::from_millis(5));
    consumer.stored(delivery.delivered);
    assert_eq!((depth(&queue), queue.lag()), (0, Duration::ZERO));
}

#[tokio::test]
async fn lag_is_that_of_the_oldest_entry_of_any_consumer() {
    let dir = folder();
    let queue = roomy(dir.path());
    let mut slow = consume(&queue, &[1], &[]);
    let mut quick = consume(&queue, &(2..64).chain([0]).collect::<Vec<_>>(), &[]);
    publish(&queue, &device_of(1), [1]).await;
    wait_until("it has waited for a while", || queue.lag() > Duration::from_millis(20)).await;
    publish(&queue, &device_of(2), [2]).await;
    take(&mut quick, 1).await;
    assert!(queue.lag() > Duration::from_millis(20));
    take(&mut slow, 1).await;
    assert_eq!(queue.lag(), Duration::ZERO);
}

#[tokio::test]
async fn after_a_start_depth_is_what_the_checkpoints_leave_and_lag_knows_when_it_was_committed() {
    let dir = folder();
    let mut kept = BTreeMap::new();
    {
        let queue = roomy(dir.path());
        publish(&queue, &device_of(1), 0..10).await;
        publish(&queue, &device_of(2), 0..20).await;
        let mut consumer = consume(&queue, &[1, 2], &[]);
        keep(&mut kept, &next(&mut consumer, 13).await);
        wait_until("it has waited for a while", || queue.lag() > Duration::from_millis(20)).await;
    }
    let queue = roomy(dir.path());
    let kept: Vec<_> = kept.into_values().collect();
    let mut first = consume(&queue, &[1], &kept);
    let mut second = consume(&queue, &[2], &kept);
    assert_eq!((queue.depths()[1], queue.depths()[2], depth(&queue)), (0, 17, 17));
    assert!(queue.lag() > Duration::from_millis(20), "{:?}", queue.lag());
    take(&mut second, 17).await;
    publish(&queue, &device_of(1), [10]).await;
    assert_eq!(take(&mut first, 1).await, [10]);
    assert_eq!((depth(&queue), queue.lag()), (0, Duration::ZERO));
}

#[tokio::test]
async fn what_a_consumer_left_behind_is_counted_for_the_next() {
    let dir = folder();
    let queue = roomy(dir.path());
    publish(&queue, &device_of(1), 0..10).await;
    let mut kept = BTreeMap::new();
    let mut consumer = consume(&queue, &[1], &[]);
    let delivery = next(&mut consumer, 4).await;
    keep(&mut kept, &delivery);
    consumer.stored(delivery.delivered);
    next(&mut consumer, 3).await;
    drop(consumer);
    assert_eq!(depth(&queue), 6);
    let mut next_one = consume(&queue, &[1], &kept.into_values().collect::<Vec<_>>());
    assert_eq!(depth(&queue), 6);
    assert_eq!(take(&mut next_one, 6).await, (4..10).collect::<Vec<_>>());
    assert_eq!(depth(&queue), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn depth_is_exact_though_consumers_come_while_publishing_goes_on() {
    for _ in 0..20 {
        let dir = folder();
        let queue = roomy(dir.path());
        let publishers: Vec<_> = (0..8)
            .map(|publisher| {
                let queue = Arc::clone(&queue);
                tokio::spawn(async move {
                    for number in 0..200 {
                        publish(&queue, &format!("device-{publisher}-{}", number % 7), [number; 3]).await;
                    }
                })
            })
            .collect();
        let mut consumers: Vec<_> = (0..4).map(|first| consume(&queue, &(first..64).step_by(4).collect::<Vec<_>>(), &[])).collect();
        let mut taken = 0;
        for consumer in &mut consumers {
            taken += take(consumer, 1).await.len() as u64;
        }
        for publisher in publishers {
            within(publisher).await.expect("no panic");
        }
        assert_eq!(depth(&queue), 8 * 200 * 3 - taken);
        queue.close();
        for consumer in &mut consumers {
            drain(consumer).await;
        }
        assert!(queue.depths().iter().all(|depth| *depth == 0));
        assert_eq!(queue.lag(), Duration::ZERO);
    }
}

#[tokio::test]
async fn a_commit_is_measured() {
    let dir = folder();
    let queue = roomy(dir.path());
    publish(&queue, "a", [1]).await;
    let mut registry = prometheus_client::registry::Registry::default();
    registry.register("commit", "", queue.metrics().commit_seconds.clone());
    let mut text = String::new();
    prometheus_client::encoding::text::encode(&mut text, &registry).expect("encode");
    assert!(text.contains("commit_count 1"), "{text}");
}
