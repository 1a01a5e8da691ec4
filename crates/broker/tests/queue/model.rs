//! Anything may happen in any order, and every reading takes effect once: the queue against a model of its store.
//!
//! The store of this test is a stand-in for the event store: it keeps what was decided and the checkpoints, together.

use crate::support::*;
use fieldwatch_broker::{Checkpoint, ConsumeError, Consumer, EmbeddedQueue, ReadingQueue};
use proptest::{collection::vec, prelude::*};
use std::{
    collections::BTreeMap,
    ops::Range,
    path::Path,
    sync::{Arc, Mutex},
};

/// From an opening of the queue to the crash or the end.
#[derive(Clone, Debug)]
struct Life {
    /// For each publisher, how many readings each of its requests has.
    publishers: Vec<Vec<usize>>,
    /// For each consumer, what it does with one delivery after the other; when it is through, it crashes.
    consumers: Vec<Vec<Take>>,
}

#[derive(Clone, Copy, Debug)]
struct Take {
    limit: usize,
    /// Decided and stored; else forgotten in the crash of this consumer that follows.
    stores: bool,
}

fn life() -> impl Strategy<Value = Life> {
    let requests = vec(prop_oneof![4 => 1..4_usize, 1 => 1..400_usize], 0..20);
    let take =
        (prop_oneof![1..5_usize, 1..2000_usize], prop::bool::weighted(0.9)).prop_map(|(limit, stores)| Take { limit, stores });
    (vec(requests, 0..5), vec(vec(take, 0..40), 1..5)).prop_map(|(publishers, consumers)| Life { publishers, consumers })
}

/// What a store keeps of each partition.
#[derive(Default)]
struct Store(Mutex<BTreeMap<u16, Kept>>);

/// The readings that took effect, and how far the queue was consumed.
#[derive(Default)]
struct Kept {
    readings: Vec<u64>,
    checkpoint: Option<Checkpoint>,
}

impl Store {
    fn checkpoints(&self) -> Vec<Checkpoint> {
        self.0.lock().expect("no panic").values().filter_map(|kept| kept.checkpoint.clone()).collect()
    }

    fn append(&self, delivery: &fieldwatch_broker::Delivery) {
        let mut kept = self.0.lock().expect("no panic");
        for (entry, number) in delivery.entries.iter().zip(numbers(delivery)) {
            kept.entry(entry.partition).or_default().readings.push(number);
        }
        for checkpoint in &delivery.checkpoints {
            kept.entry(checkpoint.partition).or_default().checkpoint = Some(checkpoint.clone());
        }
    }

    fn count(&self, partition: u16) -> u64 {
        self.0.lock().expect("no panic").get(&partition).map_or(0, |kept| kept.readings.len() as u64)
    }
}

/// Readings of a publisher are numbered in its order, and so is a device's.
fn device(number: u64) -> String {
    format!("device-{}", number % 50)
}

async fn consume_as_told(mut consumer: Box<dyn Consumer>, takes: Vec<Take>, store: Arc<Store>) {
    for take in takes {
        let delivery = match within(delivery(&mut consumer, take.limit)).await {
            Ok(delivery) => delivery,
            Err(ConsumeError::Closed) => return,
            Err(error) => panic!("the queue must be readable: {error}"),
        };
        assert!(!delivery.entries.is_empty() && delivery.entries.len() <= take.limit);
        if !take.stores {
            return;
        }
        store.append(&delivery);
        consumer.stored(delivery.delivered);
    }
}

/// Lives one life, and notes the numbers that each publisher used.
async fn live(dir: &Path, life: Life, store: &Arc<Store>, published: &mut Vec<Range<u64>>) {
    let queue = open(fieldwatch_broker::EmbeddedQueueOptions { max_bytes: 1 << 40, ..options(dir) });
    let count = life.consumers.len() as u16;
    let mut publishing = Vec::new();
    for requests in life.publishers {
        let first = published.last().map_or(0, |numbers| numbers.end);
        let numbers = first..first + requests.iter().sum::<usize>() as u64;
        published.push(numbers.clone());
        let queue = Arc::clone(&queue);
        publishing.push(tokio::spawn(async move {
            let mut numbers = numbers;
            for request in requests {
                let request = numbers.by_ref().take(request).map(|number| (device(number), number));
                queue.publish(entries(request)).await.expect("publish");
            }
        }));
    }
    let decided = store.checkpoints();
    let consuming: Vec<_> = (0..count)
        .zip(life.consumers)
        .map(|(ordinal, takes)| {
            let partitions: Vec<u16> = (ordinal..EmbeddedQueue::PARTITIONS).step_by(usize::from(count)).collect();
            let consumer = queue.consume(&partitions, &decided).expect("consume");
            tokio::spawn(consume_as_told(consumer, takes, Arc::clone(store)))
        })
        .collect();
    for publisher in publishing {
        within(publisher).await.expect("published");
    }
    queue.close();
    for consumer in consuming {
        within(consumer).await.expect("consumed");
    }
    drop(queue);
    check_depths(dir, store, published);
}

/// Opened again, the queue knows what is left.
fn check_depths(dir: &Path, store: &Store, published: &[Range<u64>]) {
    let queue = open(options(dir));
    let _consumer = consume(&queue, &all_partitions(), &store.checkpoints());
    let mut expected = vec![0; usize::from(EmbeddedQueue::PARTITIONS)];
    published.iter().cloned().flatten().for_each(|number| expected[usize::from(partition(&device(number)))] += 1);
    for partition in all_partitions() {
        expected[usize::from(partition)] -= store.count(partition);
    }
    assert_eq!(queue.depths(), expected);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 40, ..ProptestConfig::default() })]

    #[test]
    fn every_reading_takes_effect_once_and_in_order_whatever_crashes(lives in vec(life(), 1..5)) {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("runtime");
        let dir = folder();
        let store = Arc::new(Store::default());
        let mut published = Vec::new();
        runtime.block_on(async {
            for life in lives {
                live(dir.path(), life, &store, &mut published).await;
            }
            let to_the_end = vec![Take { limit: 1000, stores: true }; 10_000];
            live(dir.path(), Life { publishers: vec![], consumers: vec![to_the_end] }, &store, &mut published).await;
        });
        let kept = store.0.lock().expect("no panic");
        let mut took_effect: Vec<u64> = kept.values().flat_map(|kept| kept.readings.clone()).collect();
        took_effect.sort_unstable();
        prop_assert!(took_effect.into_iter().eq(published.iter().cloned().flatten()), "each once");
        for Kept { readings, .. } in kept.values() {
            for publisher in &published {
                prop_assert!(readings.iter().filter(|number| publisher.contains(number)).is_sorted(), "in order");
            }
        }
    }
}
