//! What of the original's topology is there, and what is done about it.

use crate::publisher::{Kind, QUEUE, message};
use crate::support::{bench, said, until};
use fieldwatch_broker::Original;
use lapin::ExchangeKind;

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_there_is_said_and_not_made_and_used_once_it_is_there() {
    let Some(bench) = bench("what_is_not_there_is_said_and_not_made_and_used_once_it_is_there").await else { return };
    let mover = bench.mover(Original::Existing);
    let status = said(&mover, "is not there").await;
    assert!(status.warning);
    assert_eq!(
        status.text,
        "waits for the original's queue: the exchange device-events-ex is not there; the queue device-events-q is not there"
    );
    assert_eq!(bench.publisher.waiting(QUEUE).await, None, "nothing was made");
    bench.publisher.exchange(ExchangeKind::Direct, false).await;
    let status = said(&mover, "waits for the original's queue: the queue device-events-q is not there").await;
    assert!(status.warning);
    bench.publisher.make(Kind::Transient).await;
    bench.publisher.publish([message("a", 1)]).await;
    until("the reading is moved", async || bench.devices.count() == 1).await;
    mover.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_durable_is_used_with_a_warning_and_what_is_durable_without() {
    for kind in [Kind::Transient, Kind::Durable, Kind::Quorum] {
        let Some(bench) = bench("what_is_not_durable_is_used_with_a_warning_and_what_is_durable_without").await else { return };
        bench.publisher.make(kind).await;
        bench.publisher.publish([message("a", 1)]).await;
        let mover = bench.mover(Original::Existing);
        let status = said(&mover, "moves readings from the queue device-events-q").await;
        assert_eq!(status.warning, kind == Kind::Transient, "{kind:?}: {}", status.text);
        assert_eq!(status.text.contains("the queue device-events-q is not durable"), kind == Kind::Transient, "{}", status.text);
        until("the reading is moved", async || bench.devices.count() == 1).await;
        mover.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_of_another_kind_counts_as_not_there() {
    let Some(bench) = bench("what_is_of_another_kind_counts_as_not_there").await else { return };
    bench.publisher.exchange(ExchangeKind::Fanout, true).await;
    bench.publisher.queue(Kind::Stream).await;
    for original in [Original::Existing, Original::Durable, Original::AsOriginal] {
        let mover = bench.mover(original);
        let status = said(&mover, "the exchange device-events-ex is of type fanout, not direct").await;
        assert!(status.warning && status.text.contains("the queue device-events-q is a stream"), "{}", status.text);
        mover.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn durable_ones_are_declared_where_nothing_is_and_not_over_others() {
    let Some(bench) = bench("durable_ones_are_declared_where_nothing_is_and_not_over_others").await else { return };
    bench.publisher.queue(Kind::Transient).await;
    let mover = bench.mover(Original::Durable);
    assert!(said(&mover, "the queue device-events-q is there but not durable").await.warning);
    bench.publisher.delete_queue().await;
    let status = said(&mover, "moves readings").await;
    assert_eq!((status.text.as_str(), status.warning), ("moves readings from the queue device-events-q", false));
    bench.publisher.publish([message("a", 1)]).await;
    until("the reading is moved", async || bench.devices.count() == 1).await;
    mover.stop().await;
    let again = bench.mover(Original::Durable);
    said(&again, "moves readings").await;
    again.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn declared_as_the_original_does_it_the_original_can_declare_it_again() {
    let Some(bench) = bench("declared_as_the_original_does_it_the_original_can_declare_it_again").await else { return };
    let mover = bench.mover(Original::AsOriginal);
    assert!(said(&mover, "moves readings").await.warning, "it is not durable");
    bench.publisher.make(Kind::Transient).await;
    bench.publisher.publish([message("a", 1)]).await;
    until("the reading is moved", async || bench.devices.count() == 1).await;
    mover.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_durable_one_is_not_declared_over_as_the_original_does() {
    let Some(bench) = bench("a_durable_one_is_not_declared_over_as_the_original_does").await else { return };
    bench.publisher.make(Kind::Durable).await;
    let mover = bench.mover(Original::AsOriginal);
    assert!(said(&mover, "the queue device-events-q is there but durable").await.warning);
    mover.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_queue_that_is_deleted_is_missed_and_used_again_when_it_is_back() {
    let Some(bench) = bench("a_queue_that_is_deleted_is_missed_and_used_again_when_it_is_back").await else { return };
    bench.publisher.make(Kind::Durable).await;
    let mover = bench.mover(Original::Existing);
    said(&mover, "moves readings").await;
    bench.publisher.delete_queue().await;
    said(&mover, "the queue device-events-q is not there").await;
    bench.publisher.make(Kind::Quorum).await;
    bench.publisher.publish([message("a", 1)]).await;
    until("the reading is moved", async || bench.devices.count() == 1).await;
    mover.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn switched_off_it_takes_nothing_and_says_so() {
    let Some(bench) = bench("switched_off_it_takes_nothing_and_says_so").await else { return };
    bench.publisher.make(Kind::Durable).await;
    bench.publisher.publish([message("a", 1)]).await;
    let mover = bench.mover(Original::Off);
    assert!(!said(&mover, "is not read (original = \"off\")").await.warning);
    mover.stop().await;
    assert_eq!(bench.publisher.waiting(QUEUE).await, Some(1));
}
