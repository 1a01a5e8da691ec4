//! What is refused when there is no room, and that it ends.

use crate::{small_disk::SmallDisk, support::*};
use fieldwatch_broker::{EmbeddedQueueOptions, PublishError, ReadingQueue};
use std::fs;

#[tokio::test]
async fn a_queue_at_its_limit_refuses_and_takes_again_when_something_is_consumed() {
    let dir = folder();
    let queue = open(options(dir.path()));
    let mut consumer = consume(&queue, &all_partitions(), &[]);
    let filled = fill_up(&queue, "a", 0).await;
    let size: u64 = segment_files(dir.path()).iter().map(|file| fs::metadata(file).expect("metadata").len()).sum();
    assert!((1 << 20..(1 << 20) + (64 << 10)).contains(&size), "{size} bytes");
    assert!(queue.health().trouble.is_some_and(|trouble| trouble.contains("limit of 1048576 bytes")));
    let mut taken = take(&mut consumer, filled / 2).await;
    wait_until("there is room", || queue.health().trouble.is_none()).await;
    let more = fill_up(&queue, "a", filled).await;
    assert!(more >= 100, "{more} more than {filled}");
    queue.close();
    taken.extend(drain(&mut consumer).await);
    assert_eq!(taken, (0..filled + more).collect::<Vec<_>>());
}

#[tokio::test]
async fn one_request_larger_than_the_queue_does_not_block_it_for_ever() {
    let dir = folder();
    let queue = open(options(dir.path()));
    let mut consumer = consume(&queue, &all_partitions(), &[]);
    queue.publish(entries((0..50_000).map(|number| ("a".to_owned(), number)))).await.expect("the limit is not reached yet");
    assert!(matches!(queue.publish(entries([("a".to_owned(), 1)])).await, Err(PublishError::Full(_))));
    take(&mut consumer, 50_000).await;
    wait_until("there is room", || queue.health().trouble.is_none()).await;
    publish(&queue, "a", [1]).await;
    assert_eq!(take(&mut consumer, 1).await, [1]);
}

#[tokio::test]
async fn a_nearly_full_disk_refuses_before_it_is_full_and_takes_again_when_there_is_space() {
    let Some(disk) = SmallDisk::of("7m") else { return };
    let ballast = disk.path().join("ballast");
    fs::write(&ballast, vec![1; 2 << 20]).expect("write ballast");
    let dir = disk.path().join("queue");
    let queue = open(EmbeddedQueueOptions { least_free_bytes: 2 << 20, max_bytes: 1 << 20, ..options(&dir) });
    publish(&queue, "a", [1]).await;
    fs::write(disk.path().join("more ballast"), vec![1; 7 << 19]).expect("write ballast");
    wait_until("the disk is found to be nearly full", || queue.health().trouble.is_some()).await;
    assert!(matches!(queue.publish(entries([("a".to_owned(), 2)])).await, Err(PublishError::Full(_))));
    fs::remove_file(&ballast).expect("remove ballast");
    wait_until("there is room", || queue.health().trouble.is_none()).await;
    publish(&queue, "a", [3]).await;
    queue.close();
    assert_eq!(drain(&mut consume(&queue, &all_partitions(), &[])).await, [1, 3]);
}

#[tokio::test]
async fn a_full_disk_loses_nothing_and_recovers_without_a_restart() {
    let Some(disk) = SmallDisk::of("4m") else { return };
    let ballast = disk.path().join("ballast");
    fs::write(&ballast, vec![1; 1 << 20]).expect("write ballast");
    let queue = open(EmbeddedQueueOptions { max_bytes: 64 << 20, ..options(&disk.path().join("queue")) });
    let filled = fill_up(&queue, "a", 0).await;
    assert!(filled > 10_000, "{filled} readings before the disk was full");
    assert!(matches!(queue.publish(entries([("a".to_owned(), 1)])).await, Err(PublishError::Full(_))));
    fs::remove_file(&ballast).expect("remove ballast");
    wait_until("it is tried again", || queue.health().trouble.is_none()).await;
    let more = fill_up(&queue, "a", filled).await;
    assert!(more > 5_000, "{more} more readings");
    queue.close();
    let drained = drain(&mut consume(&queue, &all_partitions(), &[])).await;
    assert_eq!(drained, (0..filled + more).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_disk_that_fails_without_doubt_about_what_it_holds_is_tried_again() {
    let dir = folder();
    let (there, away) = (dir.path().join("queue"), dir.path().join("away"));
    let queue = open(options(&there));
    publish(&queue, "a", [1]).await;
    fs::rename(&there, &away).expect("rename");
    // What fits the open segment is still taken; the next segment cannot be made.
    let taken = fill_up(&queue, "a", 2).await;
    assert!(queue.health().trouble.is_some_and(|trouble| trouble.contains("cannot create segment")));
    fs::rename(&away, &there).expect("rename");
    wait_until("it is tried again", || queue.health().trouble.is_none()).await;
    publish(&queue, "a", [2 + taken]).await;
    queue.close();
    assert_eq!(drain(&mut consume(&queue, &all_partitions(), &[])).await, (1..=2 + taken).collect::<Vec<_>>());
}
