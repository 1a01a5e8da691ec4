//! What a crash leaves behind.

use crate::support::*;
use fieldwatch_broker::{ConsumeError, EmbeddedQueue, OpenError, ReadingQueue};
use fieldwatch_segment_log::{Log, LogOptions};
use std::fs;

#[tokio::test]
async fn a_queue_cut_anywhere_in_its_last_commit_opens_with_all_before_it_and_nothing_of_it() {
    let dir = folder();
    let lengths: Vec<u64> = {
        let queue = roomy(dir.path());
        let mut lengths = Vec::new();
        for numbers in [0..3, 3..5, 5..9] {
            publish(&queue, "a", numbers).await;
            lengths.push(fs::metadata(&segment_files(dir.path())[0]).expect("metadata").len());
        }
        lengths
    };
    let whole = fs::read(&segment_files(dir.path())[0]).expect("read");
    for cut in lengths[1]..lengths[2] {
        let copy = folder();
        fs::write(copy.path().join("00000000000000000000.seg"), &whole[..cut as usize]).expect("write");
        let queue = roomy(copy.path());
        publish(&queue, "a", [100]).await;
        queue.close();
        assert_eq!(drain(&mut consume(&queue, &all_partitions(), &[])).await, [0, 1, 2, 3, 4, 100], "cut at byte {cut}");
    }
}

#[tokio::test]
async fn damage_before_the_last_commit_is_told_and_nothing_is_skipped() {
    let dir = folder();
    {
        let queue = roomy(dir.path());
        publish(&queue, "a", [1]).await;
        publish(&queue, "a", [2]).await;
    }
    let file = &segment_files(dir.path())[0];
    let mut bytes = fs::read(file).expect("read");
    bytes[64 + 24 + 10] ^= 1;
    fs::write(file, bytes).expect("write");
    let options = options(dir.path());
    assert!(matches!(EmbeddedQueue::open(options), Err(OpenError(fieldwatch_segment_log::OpenError::Corrupt { .. }))));
}

#[tokio::test]
async fn a_frame_of_a_newer_version_stops_its_consumer_after_what_came_before() {
    let dir = folder();
    let queue = roomy(dir.path());
    publish(&queue, "a", [1]).await;
    let mut consumer = consume(&queue, &all_partitions(), &[]);
    drop(queue);
    let (mut log, _) = Log::open(dir.path(), LogOptions::new(*b"QUEU")).expect("open the log");
    log.commit(&[b"\x02 whatever it may be"]).expect("commit");
    assert_eq!(numbers(&next(&mut consumer, 10).await), [1]);
    drop(log);
    let queue = roomy(dir.path());
    let refused = queue.consume(&[1], &[]);
    assert!(matches!(&refused, Err(ConsumeError::Failed(text)) if text.contains("format 2")), "{:?}", refused.err());
    assert!(queue.consume(&[1], &[]).is_err(), "the partition is free again, and the frame still there");
}
