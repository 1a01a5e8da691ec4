//! How a queue ends.

use crate::support::*;
use fieldwatch_broker::{ConsumeError, PublishError, ReadingQueue};
use std::sync::Arc;

#[tokio::test]
async fn a_closed_queue_takes_nothing_and_delivers_what_it_has() {
    let dir = folder();
    let queue = roomy(dir.path());
    publish(&queue, "a", [1, 2]).await;
    queue.close();
    assert!(matches!(queue.publish(entries([("a".to_owned(), 3)])).await, Err(PublishError::Stopped(_))));
    assert!(queue.health().trouble.is_some());
    let mut consumer = consume(&queue, &all_partitions(), &[]);
    assert_eq!(drain(&mut consumer).await, [1, 2]);
    assert!(matches!(within(consumer.next(1)).await, Err(ConsumeError::Closed)), "and again");
}

#[tokio::test]
async fn a_consumer_that_waits_is_told_when_the_queue_is_closed_or_dropped() {
    let dir = folder();
    for drops in [false, true] {
        let queue = roomy(dir.path());
        let mut consumer = consume(&queue, &all_partitions(), &[]);
        let waiting = tokio::spawn(async move { delivery(&mut consumer, 1).await.map(|delivery| numbers(&delivery)) });
        tokio::task::yield_now().await;
        if drops {
            drop(queue);
        } else {
            queue.close();
        }
        assert!(matches!(within(waiting).await.expect("no panic"), Err(ConsumeError::Closed)));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_publishes_while_it_closes_is_told_the_truth() {
    let dir = folder();
    let queue = roomy(dir.path());
    let publishers: Vec<_> = (0..64)
        .map(|publisher: u64| {
            let queue = Arc::clone(&queue);
            tokio::spawn(async move {
                let mut acknowledged = Vec::new();
                for number in (publisher * 1_000_000).. {
                    match queue.publish(entries([("a".to_owned(), number)])).await {
                        Ok(()) => acknowledged.push(number),
                        Err(PublishError::Stopped(_)) => break,
                        Err(other) => panic!("neither taken nor stopped: {other}"),
                    }
                }
                acknowledged
            })
        })
        .collect();
    let mut consumer = consume(&queue, &all_partitions(), &[]);
    let mut taken = take(&mut consumer, 100).await;
    queue.close();
    let mut acknowledged = Vec::new();
    for publisher in publishers {
        acknowledged.extend(within(publisher).await.expect("no panic"));
    }
    taken.extend(drain(&mut consumer).await);
    taken.sort_unstable();
    acknowledged.sort_unstable();
    assert_eq!(taken, acknowledged);
}

#[tokio::test]
async fn no_entries_are_published_at_once_even_to_a_closed_queue() {
    let dir = folder();
    let queue = roomy(dir.path());
    queue.close();
    assert_eq!(queue.publish(entries([])).await, Ok(()));
}
