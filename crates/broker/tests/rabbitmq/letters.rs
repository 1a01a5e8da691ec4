//! Dead letters at the broker.

use crate::support::*;
use fieldwatch_broker::{LetterBox, NewLetter, Parking, RabbitQueue};
use fieldwatch_wire::queued::{EntryForm, Request, read_entry};

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
