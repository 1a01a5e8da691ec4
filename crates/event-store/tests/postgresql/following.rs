//! What becomes of following the log when it cannot be read, or goes back, and that nobody waits for those who read long.

use crate::support::{Database, Heard, client, or_skip, server, stored_events, until};
use fieldwatch_event_store::{
    AppendError,
    conformance::{Fleet, Place},
};
use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn while_the_log_cannot_be_read_appends_are_answered_and_told_later_in_their_order() {
    let database = Database::on(&or_skip!(server()));
    let mut options = database.options();
    (options.read_deadline, options.append_deadline) = (Duration::from_millis(300), Duration::from_secs(2));
    let opened = database.open_with(options).await;
    let heard = Heard::of(&opened);
    opened.recover().await;
    let other = database.open().await;
    other.recover().await;
    let (mut fleet, mut others) = (Fleet::new(&opened.numbers, 1), Fleet::new(&other.numbers, 2));

    let locker = client(&database).await;
    locker.batch_execute("BEGIN; LOCK TABLE fieldwatch_late_readings").await.expect("locked");
    other.store.append(others.reading("theirs", 7, 0).into()).await.expect("append");
    until("a store that says it cannot read", || opened.store.health().trouble.is_some()).await;
    for device in ["a", "b", "c"] {
        let append = opened.store.append(fleet.reading(device, 7, 0).into());
        tokio::pin!(append);
        let stored = loop {
            tokio::select! {
                stored = &mut append => break stored,
                () = tokio::time::sleep(Duration::from_millis(5)) => {
                    assert!(opened.store.health().trouble.is_some(), "it says that it reads, and does not");
                }
            }
        };
        stored.expect("it is stored");
    }
    assert_eq!(heard.events(), [], "nothing is told before what was stored before it");
    locker.batch_execute("COMMIT").await.expect("unlocked");
    until("all is told", || heard.events().len() == 4).await;
    assert_eq!(heard.events(), stored_events(&opened).await);
    until("no trouble", || opened.store.health().trouble.is_none()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn when_the_log_went_back_nothing_is_answered_as_stored_any_more() {
    for is_appending in [false, true] {
        let database = Database::on(&or_skip!(server()));
        let opened = database.open().await;
        opened.recover().await;
        let mut fleet = Fleet::new(&opened.numbers, 1);
        for device in ["a", "b", "c"] {
            opened.store.append(fleet.reading(device, 7, 0).into()).await.expect("append");
        }
        let back = "BEGIN; DELETE FROM fieldwatch_events WHERE position > 1; UPDATE fieldwatch_log SET position = 1; COMMIT";
        client(&database).await.batch_execute(back).await.expect("an older copy");
        if !is_appending {
            until("it has stopped", || opened.store.health().trouble.is_some_and(|why| why.contains("went back"))).await;
        }
        let refused = opened.store.append(fleet.reading("d", 7, 0).into()).await;
        assert!(matches!(&refused, Err(AppendError::Stopped(why)) if why.contains("went back")), "{refused:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 8)]
async fn who_asks_for_a_device_does_not_wait_for_those_who_fill_memory() {
    let database = Database::on(&or_skip!(server()));
    let opened = database.open().await;
    opened.recover().await;
    let mut fleet = Fleet::new(&opened.numbers, 1);
    opened.store.append(fleet.reading("a", 7, 0).into()).await.expect("append");
    let (goes_on, visiting) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
    let fillings: Vec<_> = (0..4)
        .map(|_| {
            let (store, goes_on, visiting) = (Arc::clone(&opened.store), Arc::clone(&goes_on), Arc::clone(&visiting));
            tokio::spawn(async move {
                let visit = |_: fieldwatch_event_store::Recovered<'_>| {
                    visiting.fetch_add(1, Ordering::SeqCst);
                    // Tasks that wait for this thread go on elsewhere.
                    tokio::task::block_in_place(|| {
                        let begun = Instant::now();
                        while !goes_on.load(Ordering::SeqCst) && begun.elapsed() < Duration::from_secs(30) {
                            std::thread::sleep(Duration::from_millis(5));
                        }
                    });
                };
                store.recover(&visit).await
            })
        })
        .collect();
    let device = opened.numbers.number("a");
    until("two fill memory", || visiting.load(Ordering::SeqCst) >= 2).await;
    let load = tokio::time::timeout(Duration::from_secs(10), opened.store.load(device)).await;
    assert_eq!(load.expect("in time").expect("loaded"), fleet.state("a"));
    let history = tokio::time::timeout(Duration::from_secs(10), opened.store.history(device, None, 10)).await;
    assert_eq!(history.expect("in time").expect("read").entries.len(), 1);
    goes_on.store(true, Ordering::SeqCst);
    for filling in fillings {
        filling.await.expect("no panic").expect("recovered");
    }
}
