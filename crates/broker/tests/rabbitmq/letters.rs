//! Dead letters at the broker.

use crate::support::*;
use fieldwatch_broker::{ForgottenDevices, LetterBox, NewLetter, Parking, RabbitOptions, RabbitQueue};
use fieldwatch_domain::Timestamp;
use fieldwatch_wire::queued::{EntryForm, Request, read_entry};
use std::time::Duration;

fn letter(place: u64, body: &[u8]) -> NewLetter<'_> {
    let (device_id, form, parked_at) = (Some("device-0"), EntryForm::Line, now());
    NewLetter { place, partition: 3, parked_at, reason: "it failed", device_id, form, body }
}

#[tokio::test(flavor = "multi_thread")]
async fn letters_are_listed_in_order_again_and_again_and_removed_when_requeued() {
    let Some((broker, _guard)) = shared_broker("letters_are_listed_in_order_again_and_again_and_removed_when_requeued").await
    else {
        return;
    };
    let url = broker.url(&broker.create_vhost());
    let queue = RabbitQueue::open(options(&url, "a"));
    let mut lines = Vec::new();
    for number in 0..5 {
        let mut line = String::new();
        fieldwatch_wire::queued_line::write_line(&mut line, "device-0", &Request::Record(reading(number)));
        lines.push(line.trim_end().to_owned());
    }
    for (place, line) in (1..).zip(&lines) {
        until("parking", async { while queue.park(letter(place, line.as_bytes())).await.is_err() {} }).await;
    }
    queue.park(letter(2, lines[1].as_bytes())).await.expect("recognised");
    let listed = queue.list().await.expect("a list");
    let bodies: Vec<&[u8]> = listed.iter().map(|letter| letter.body.as_slice()).collect();
    assert_eq!(bodies, lines.iter().map(String::as_bytes).collect::<Vec<_>>());
    assert!(listed.is_sorted_by_key(|letter| letter.id));
    assert_eq!((listed[0].reason.as_str(), listed[0].device_id.as_deref()), ("it failed", Some("device-0")));
    assert!(matches!(read_entry(listed[0].form, &listed[0].body), Ok((_, Request::Record(_)))));

    queue.requeued(vec![listed[1].id, listed[3].id], now()).await.expect("removed");
    for _ in 0..2 {
        let left: Vec<u64> = queue.list().await.expect("a list").iter().map(|letter| letter.id).collect();
        assert_eq!(left, [listed[0].id, listed[2].id, listed[4].id]);
    }
    wait_for("the count is right", || LetterBox::waiting(queue.as_ref()) == 3).await;
    // Another process sees the same.
    let other = RabbitQueue::open(options(&url, "b"));
    wait_for("the other counts", || LetterBox::waiting(other.as_ref()) == 3).await;
    assert_eq!(other.list().await.expect("a list").len(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn letters_from_before_their_device_was_forgotten_are_erased_and_the_others_stay_in_order() {
    let test = "letters_from_before_their_device_was_forgotten_are_erased_and_the_others_stay_in_order";
    let Some((broker, _guard)) = shared_broker(test).await else { return };
    let queue = RabbitQueue::open(options(&broker.url(&broker.create_vhost()), "a"));
    queue.ready(PATIENCE).await.expect("it is ready");
    let (before, after) = (Timestamp::from_unix_ms(1_000), Timestamp::from_unix_ms(3_000));
    let parked = [("a", before), ("b", before), ("a", before), ("c", after), ("a", after), ("b", after)];
    for (place, (device, parked_at)) in (1..).zip(parked) {
        let parked = NewLetter { device_id: Some(device), parked_at, ..letter(place, b"{}") };
        queue.park(parked).await.expect("parked");
    }
    let nobodys = NewLetter { device_id: None, parked_at: before, ..letter(99, b"no line") };
    queue.park(nobodys).await.expect("parked");
    let devices: Vec<String> = queue.letter_devices().await.expect("devices").into_iter().collect();
    assert_eq!(devices, ["a", "b", "c"]);

    let mut forgotten = ForgottenDevices::default();
    forgotten.add("a", Timestamp::from_unix_ms(2_000));
    forgotten.add("c", Timestamp::from_unix_ms(2_000));
    assert_eq!(queue.erase_letters(&forgotten).await.expect("erased"), 2);
    let left = queue.list().await.expect("a list");
    let left: Vec<_> = left.iter().map(|letter| (letter.device_id.as_deref(), letter.parked_at)).collect();
    let kept = [(Some("b"), before), (Some("c"), after), (Some("a"), after), (Some("b"), after), (None, before)];
    assert_eq!(left, kept);
    assert_eq!(queue.erase_letters(&forgotten).await.expect("nothing to erase"), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_only_looks_founds_nothing_and_is_told_at_once_why_not() {
    let Some((broker, _guard)) = shared_broker("who_only_looks_founds_nothing_and_is_told_at_once_why_not").await else { return };
    let url = broker.url(&broker.create_vhost());
    let looking = |partitions| RabbitOptions { consumes: false, founds: false, log_id: None, partitions, ..options(&url, "looks") };
    let refused = RabbitQueue::open(looking(8)).ready(PATIENCE).await.expect_err("nothing is there");
    assert!(refused.contains("nobody has used this broker"), "{refused}");
    // Had it founded anything, this process with another number would be refused.
    let queue = RabbitQueue::open(options(&url, "a"));
    queue.ready(PATIENCE).await.expect("it is ready");
    RabbitQueue::open(looking(4)).ready(PATIENCE).await.expect("it is ready, too");
    let refused = RabbitQueue::open(looking(8)).ready(PATIENCE).await.expect_err("another number");
    assert!(refused.contains("4 partitions") && refused.contains("configured for 8"), "{refused}");
    let nowhere = RabbitQueue::open(options("amqp://u:p@127.0.0.1:1", "nowhere"));
    let refused = nowhere.ready(Duration::from_millis(300)).await.expect_err("nobody is there");
    assert!(refused.contains("no connection to the broker"), "{refused}");
}
