//! One mover at a time, and what happens when it ends in the middle.

use crate::publisher::{Kind, QUEUE, message};
use crate::support::{bench, said, until};
use fieldwatch_broker::Original;
use fieldwatch_real_servers::proxy::Proxy;

#[tokio::test(flavor = "multi_thread")]
async fn one_moves_and_the_others_stand_by_until_it_ends() {
    for kind in [Kind::Transient, Kind::Quorum] {
        let Some(bench) = bench("one_moves_and_the_others_stand_by_until_it_ends").await else { return };
        bench.publisher.make(kind).await;
        let first = bench.mover(Original::Existing);
        said(&first, "moves readings").await;
        let second = bench.mover(Original::Existing);
        let status = said(&second, "stands by: another consumer holds the queue device-events-q").await;
        assert!(!status.warning, "that is as it should be");
        bench.publisher.publish((0..100).map(|number| message("a", number))).await;
        until("all are moved", async || bench.devices.count() == 100).await;
        assert_eq!((first.metrics().moved.get(), second.metrics().moved.get()), (100, 0));
        first.stop().await;
        said(&second, "moves readings").await;
        bench.publisher.publish((100..200).map(|number| message("a", number))).await;
        until("all are moved", async || bench.devices.numbers("a").len() >= 200).await;
        assert_eq!(bench.devices.numbers("a"), (0..200).collect::<Vec<_>>());
        assert_eq!(second.metrics().redelivered.get(), 0);
        second.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn somebody_elses_consumer_is_left_the_queue() {
    for kind in [Kind::Transient, Kind::Quorum] {
        let Some(bench) = bench("somebody_elses_consumer_is_left_the_queue").await else { return };
        bench.publisher.make(kind).await;
        let theirs = bench.publisher.hold_the_queue().await;
        let mover = bench.mover(Original::Existing);
        said(&mover, "another consumer holds the queue").await;
        drop(theirs);
        said(&mover, "moves readings").await;
        mover.stop().await;
    }
}

/// Movers die one after the other, their wires cut at any moment, while two devices send as fast as they can.
async fn movers_die(kind: Kind, test: &str) {
    let Some(bench) = bench(test).await else { return };
    bench.publisher.make(kind).await;
    let of_each = 6_000;
    let publishing = bench.publisher.publish((0..of_each).flat_map(|number| ["a", "b"].map(|device| message(device, number))));
    let (moved, step) = (2 * of_each, 1_500);
    let dying = async {
        let mut redelivered = 0;
        for death in 1..=7 {
            let wire = Proxy::before(bench.broker()).await;
            let mover = bench.mover_through(Original::Existing, wire.address());
            until("it is under way", async || bench.devices.count() >= death * step).await;
            wire.cut_for_good();
            redelivered += mover.metrics().redelivered.get();
            drop(mover);
        }
        redelivered
    };
    let ((), redelivered) = tokio::join!(publishing, dying);
    let last = bench.mover(Original::Existing);
    until("all are moved", async || bench.devices.count() >= moved).await;
    until("all are acknowledged", async || bench.publisher.waiting(QUEUE).await == Some(0)).await;
    last.stop().await;
    assert_eq!(bench.publisher.waiting(QUEUE).await, Some(0));
    for device in ["a", "b"] {
        assert_eq!(bench.devices.numbers(device), (0..of_each).collect::<Vec<_>>(), "{device}");
    }
    let repeated = bench.devices.look(|taken| taken.repeated);
    eprintln!("{kind:?}: {redelivered} were delivered again, {repeated} moved again and recognised");
    assert!(redelivered > 0, "nobody was cut in the middle");
}

#[tokio::test(flavor = "multi_thread")]
async fn readings_take_effect_once_and_in_order_though_movers_die_classic() {
    movers_die(Kind::Durable, "readings_take_effect_once_and_in_order_though_movers_die_classic").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn readings_take_effect_once_and_in_order_though_movers_die_quorum() {
    movers_die(Kind::Quorum, "readings_take_effect_once_and_in_order_though_movers_die_quorum").await;
}
