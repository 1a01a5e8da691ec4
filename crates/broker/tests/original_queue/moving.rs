//! From the original's queue to the devices.

use crate::publisher::{Kind, QUEUE, message};
use crate::support::{Bench, bench, now, said, until};
use fieldwatch_broker::Original;
use std::sync::atomic::Ordering::SeqCst;

/// Waits until nothing waits and nothing is unacknowledged: then a queue that nobody consumes is empty.
async fn is_emptied(bench: &Bench) {
    assert_eq!(bench.publisher.waiting(QUEUE).await, Some(0), "what was moved was acknowledged");
}

#[tokio::test(flavor = "multi_thread")]
async fn every_reading_is_moved_once_in_the_order_of_its_device() {
    let Some(bench) = bench("every_reading_is_moved_once_in_the_order_of_its_device").await else { return };
    bench.publisher.make(Kind::Transient).await;
    let devices = ["a", "b", "Ørsted ⛴"];
    let of_each = 1_000;
    // Two of three from one device, so that many have to be held back.
    bench.publisher.publish((0..of_each).flat_map(|number| devices.map(|device| message(device, number)))).await;
    bench.publisher.publish((of_each..3 * of_each).map(|number| message("a", number))).await;
    let mover = bench.mover(Original::Existing);
    until("all readings are moved", async || bench.devices.count() == 5 * of_each).await;
    assert_eq!(bench.devices.numbers("a"), (0..3 * of_each).collect::<Vec<_>>());
    for device in &devices[1..] {
        assert_eq!(bench.devices.numbers(device), (0..of_each).collect::<Vec<_>>());
    }
    assert_eq!(bench.devices.look(|taken| taken.repeated), 0);
    assert_eq!(bench.devices.queue.most_of_one_device.load(SeqCst), 8);
    mover.stop().await;
    is_emptied(&bench).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_unusable_becomes_a_dead_letter_as_it_came_and_the_rest_is_moved() {
    let Some(bench) = bench("what_is_unusable_becomes_a_dead_letter_as_it_came_and_the_rest_is_moved").await else { return };
    bench.publisher.make(Kind::Durable).await;
    let bodies: Vec<Vec<u8>> = vec![
        message("a", 1).into(),
        b"\xff\x00 no text".to_vec(),
        message("a", 2).replace("20.5", "2000").into(),
        Vec::new(),
        message("a", 3).into(),
    ];
    bench.publisher.publish(&bodies).await;
    let mover = bench.mover(Original::Existing);
    until("the good ones are moved", async || bench.devices.numbers("a") == [1, 3]).await;
    until("the others are kept", async || mover.metrics().unusable.get() == 3).await;
    mover.stop().await;
    is_emptied(&bench).await;
    let mut letters = bench.publisher.letters().await;
    letters.sort();
    let kept: Vec<(&[u8], &str)> = letters.iter().map(|(body, reason, _)| (body.as_slice(), reason.as_str())).collect();
    assert_eq!(
        kept,
        [
            (&b""[..], "the body is not JSON: the text ends where a value is expected at byte 0"),
            (bodies[2].as_slice(), "Temperature must be from -100 to 100 °C"),
            (bodies[1].as_slice(), "the body is not UTF-8 from byte 0 on"),
        ]
    );
    assert!(letters.iter().all(|(_, _, source)| source == "original"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_byte_identical_messages_are_one_reading() {
    let Some(bench) = bench("a_thousand_byte_identical_messages_are_one_reading").await else { return };
    bench.publisher.make(Kind::Transient).await;
    bench.publisher.publish(std::iter::repeat_n(message("a", 7), 1_000)).await;
    let mover = bench.mover(Original::Existing);
    until("all are moved", async || mover.metrics().moved.get() == 1_000).await;
    until("all are taken", async || bench.devices.look(|taken| taken.repeated) == 999).await;
    assert_eq!(bench.devices.numbers("a"), [7]);
    // By their id, messages of other bytes too.
    bench.publisher.publish_with_id(&message("b", 1), "one").await;
    bench.publisher.publish_with_id(&message("b", 2), "one").await;
    bench.publisher.publish_with_id(&message("b", 3), "two").await;
    until("all are taken", async || bench.devices.numbers("b") == [1, 3]).await;
    mover.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reading_from_the_future_counts_as_of_now_and_is_counted() {
    let Some(bench) = bench("a_reading_from_the_future_counts_as_of_now_and_is_counted").await else { return };
    bench.publisher.make(Kind::Transient).await;
    bench.publisher.publish([message("a", 1).replace("2026-01-01", "2026-01-03"), message("a", 2)]).await;
    let mover = bench.mover(Original::Existing);
    until("both are taken", async || bench.devices.numbers("a") == [1, 2]).await;
    bench.devices.look(|taken| {
        let readings = &taken.readings["a"];
        assert_eq!((readings[0].at, readings[0].received_at), (None, now()));
        assert!(readings[1].at.is_some());
    });
    assert_eq!(mover.metrics().ahead.get(), 1);
    mover.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_queue_does_not_take_waits_where_it_is() {
    let Some(bench) = bench("what_the_queue_does_not_take_waits_where_it_is").await else { return };
    bench.publisher.make(Kind::Transient).await;
    bench.devices.queue.refuses.store(true, SeqCst);
    bench.publisher.publish((0..100).map(|number| message("a", number))).await;
    let mover = bench.mover(Original::Existing);
    let status = said(&mover, "waits there: the queue cannot take anything now: the disk is nearly full").await;
    assert!(status.warning);
    until("it is tried again and again", async || bench.devices.queue.refused.load(SeqCst) > 3).await;
    assert_eq!((bench.devices.count(), mover.metrics().moved.get()), (0, 0));
    bench.devices.queue.refuses.store(false, SeqCst);
    until("all are moved", async || bench.devices.numbers("a") == (0..100).collect::<Vec<_>>()).await;
    said(&mover, "moves readings").await;
    // A mover that is stopped while it cannot go on gives everything back.
    bench.devices.queue.refuses.store(true, SeqCst);
    bench.publisher.publish((100..200).map(|number| message("a", number))).await;
    said(&mover, "waits there").await;
    mover.stop().await;
    assert_eq!(bench.publisher.waiting(QUEUE).await, Some(100));
}
