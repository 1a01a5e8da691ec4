//! Servers that are killed, frozen or silent while something is stored.

use crate::support::{Database, Heard, or_skip, server, skipped, stored_events, take_over, until};
use fieldwatch_domain::SHELVES;
use fieldwatch_event_store::{
    AppendError, Batch, Checkpoint,
    conformance::{Fleet, Place},
};
use fieldwatch_real_servers::{postgresql::PostgreSql, proxy::Proxy};
use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

/// Longer would mean that nobody is ever answered.
const HANGS: Duration = Duration::from_secs(20);

fn versions_are_without_gap(events: &[(u64, String, u64)]) {
    let mut newest: BTreeMap<&str, u64> = BTreeMap::new();
    for (_, id, version) in events {
        let before = newest.insert(id, *version).unwrap_or(0);
        assert_eq!(*version, before + 1, "{id}");
    }
}

/// What an owner knows is stored: the newest version of its device.
struct Owner {
    id: String,
    acknowledged: Arc<AtomicU64>,
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_answered_survives_a_killed_server_and_versions_have_no_gap() {
    let mut server = or_skip!(PostgreSql::start());
    if !server.is_own() {
        return skipped("the configured PostgreSQL is left alone");
    }
    let database = Database::on_own(&server);
    let mut options = database.options();
    options.append_deadline = Duration::from_secs(20);
    let opened = Arc::new(database.open_with(options).await);
    let heard = Heard::of(&opened);
    opened.recover().await;
    let stop = Arc::new(AtomicBool::new(false));
    let (mut tasks, mut owners) = (tokio::task::JoinSet::new(), Vec::new());
    for at in 0..4_u16 {
        let owner = Owner { id: format!("device-{at}"), acknowledged: Arc::default() };
        let (opened, stop, acknowledged) = (Arc::clone(&opened), Arc::clone(&stop), Arc::clone(&owner.acknowledged));
        let id = owner.id.clone();
        owners.push(owner);
        tasks.spawn(async move {
            let shelves = [opened.numbers.number(&id).shelf()];
            let (_, mut round) = (take_over(&opened, at, &shelves).await, 0);
            let mut fleet = Fleet::new(&opened.numbers, u64::from(at));
            while !stop.load(Ordering::SeqCst) {
                round += 1;
                let mut next = fleet.clone();
                let entries = next.reading(&id, round % 40 * 5, 0);
                match opened.store.append(entries.into()).await {
                    Ok(_) => fleet = next,
                    Err(AppendError::Unavailable(_)) => {
                        tokio::time::sleep(Duration::from_millis(50)).await;
                        continue;
                    }
                    Err(other) => panic!("the server comes back within the deadline, so its fate is known: {other:?}"),
                }
                acknowledged.store(fleet.state(&id).device.version(), Ordering::SeqCst);
            }
        });
    }
    let all_go_on = |by: u64| {
        let before: Vec<u64> = owners.iter().map(|owner| owner.acknowledged.load(Ordering::SeqCst)).collect();
        let counters: Vec<_> = owners.iter().map(|owner| Arc::clone(&owner.acknowledged)).collect();
        move || counters.iter().zip(&before).all(|(now, before)| now.load(Ordering::SeqCst) >= before + by)
    };
    for _ in 0..3 {
        until("appends go on", all_go_on(20)).await;
        server.kill9();
        server.restart().expect("restart");
    }
    until("appends go on", all_go_on(20)).await;
    stop.store(true, Ordering::SeqCst);
    while let Some(done) = tasks.join_next().await {
        done.expect("an owner");
    }
    let stored = stored_events(&opened).await;
    versions_are_without_gap(&stored);
    for owner in &owners {
        let newest = stored.iter().filter(|(_, id, _)| *id == owner.id).map(|(.., version)| *version).max();
        assert_eq!(newest, Some(owner.acknowledged.load(Ordering::SeqCst)), "{}", owner.id);
    }
    assert_eq!(heard.events(), stored, "and everything was told once, in its order");
}

/// The fleet after the append whose fate was not known.
fn next_without_the_last(fleet: &Fleet) -> Fleet {
    let mut next = fleet.clone();
    next.reading("a", 20, 0);
    next
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_a_frozen_server_the_fate_of_an_append_is_known_by_taking_over() {
    let server = or_skip!(PostgreSql::start_with(fieldwatch_real_servers::postgresql::Settings::default()));
    let database = Database::on_own(&server);
    let mut options = database.options();
    (options.append_deadline, options.connect_deadline) = (Duration::from_secs(2), Duration::from_secs(1));
    let opened = database.open_with(options).await;
    let heard = Heard::of(&opened);
    opened.recover().await;
    let shelves: Vec<usize> = (0..SHELVES).collect();
    take_over(&opened, 1, &shelves).await;
    let mut fleet = Fleet::new(&opened.numbers, 1);
    opened.store.append(fleet.reading("a", 10, 0).into()).await.expect("append");

    let Some(frozen) = server.stop_cont() else {
        return skipped("the configured PostgreSQL is left alone");
    };
    let begun = Instant::now();
    let mut next = fleet.clone();
    let outcome = opened.store.append(next.reading("a", 20, 0).into()).await;
    assert!(matches!(outcome, Err(AppendError::Unknown(_))), "{outcome:?}");
    let outcome = opened.store.append(next.reading("a", 30, 0).into()).await;
    assert!(matches!(outcome, Err(AppendError::Fenced { .. } | AppendError::Unavailable(_))), "{outcome:?}");
    assert!(begun.elapsed() < HANGS, "{:?}", begun.elapsed());
    assert!(opened.store.health().trouble.is_some());
    drop(frozen);

    let (_, devices) = take_over(&opened, 1, &shelves).await;
    if devices["a"].device.version() == 2 {
        // It was stored, after all.
        fleet = next_without_the_last(&fleet);
    }
    assert_eq!(devices["a"].device, fleet.state("a").device);
    opened.store.append(fleet.reading("a", 40, 0).into()).await.expect("goes on");
    let stored = stored_events(&opened).await;
    versions_are_without_gap(&stored);
    assert_eq!(heard.events(), stored);
    assert_eq!(opened.store.health().trouble, None);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_append_whose_answer_was_lost_is_found_or_sent_again_and_stored_once() {
    let database = Database::on(&or_skip!(server()));
    let (proxy, url) = Proxy::before_url(&database.url).await;
    let mut options = database.options();
    (options.url, options.append_deadline) = (url, Duration::from_secs(5));
    let opened = database.open_with(options).await;
    let heard = Heard::of(&opened);
    opened.recover().await;
    let mut fleet = Fleet::new(&opened.numbers, 1);
    opened.store.append(fleet.reading("a", 10, 0).into()).await.expect("append");
    for round in 0..3 {
        proxy.swallow_answers();
        let silenced = proxy.silenced();
        let reopens = proxy.clone();
        let reopening = tokio::spawn(async move {
            tokio::time::sleep(Duration::from_millis(1_500)).await;
            reopens.open();
        });
        let entries = fleet.reading("a", 20 + round * 10, 0);
        let checkpoints = vec![Checkpoint { partition: 1, progress: [round as u8].into() }];
        let stored = opened.store.append(Batch { entries, checkpoints }).await.expect("found out within the deadline");
        assert_eq!(stored.newest, opened.store.newest());
        assert!(proxy.silenced() > silenced, "its answer was lost");
        reopening.await.expect("opened again");
    }
    let stored = stored_events(&opened).await;
    versions_are_without_gap(&stored);
    assert_eq!((stored.len(), heard.events()), (4, stored.clone()));
    assert_eq!(opened.store.load(opened.numbers.number("a")).await.expect("load"), fleet.state("a"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_way_to_the_server_an_append_is_answered_and_nothing_of_it_stored() {
    let database = Database::on(&or_skip!(server()));
    let (proxy, url) = Proxy::before_url(&database.url).await;
    let mut options = database.options();
    (options.url, options.append_deadline) = (url, Duration::from_secs(3));
    let opened = database.open_with(options).await;
    opened.recover().await;
    let mut fleet = Fleet::new(&opened.numbers, 1);
    opened.store.append(fleet.reading("a", 10, 0).into()).await.expect("append");
    proxy.shut();
    let before = fleet.clone();
    let outcome = opened.store.append(fleet.reading("a", 20, 0).into()).await;
    assert!(matches!(outcome, Err(AppendError::Unknown(_))), "this one was sent: {outcome:?}");
    for _ in 0..5 {
        let begun = Instant::now();
        let outcome = opened.store.append(before.clone().reading("b", 20, 0).into()).await;
        assert!(matches!(outcome, Err(AppendError::Unavailable(_))), "{outcome:?}");
        assert!(begun.elapsed() < HANGS, "{:?}", begun.elapsed());
    }
    assert!(opened.store.health().trouble.is_some());
    proxy.open();
    until("the store is well again though nobody appends", || opened.store.health().trouble.is_none()).await;
    let direct = database.open().await;
    let devices = direct.recover().await.0;
    assert_eq!(devices.keys().collect::<Vec<_>>(), ["a"], "nothing of the others");
    let state = opened.store.load(opened.numbers.number("a")).await.expect("reads again");
    assert!(state == before.state("a") || state == fleet.state("a"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_frozen_process_that_holds_the_position_row_does_not_stop_the_others() {
    let database = Database::on(&or_skip!(server()));
    let opened = database.open().await;
    opened.recover().await;
    let mut config: tokio_postgres::Config = database.url.parse().expect("address");
    let (frozen, connection) =
        config.application_name("fieldwatch frozen append").connect(tokio_postgres::NoTls).await.expect("connect");
    tokio::spawn(connection);
    frozen.batch_execute("BEGIN; UPDATE fieldwatch_log SET position = position + 1").await.expect("take the row");
    let begun = Instant::now();
    let mut fleet = Fleet::new(&opened.numbers, 1);
    let stored = opened.store.append(fleet.reading("a", 10, 0).into()).await.expect("append");
    assert!(begun.elapsed() < HANGS, "{:?}", begun.elapsed());
    assert_eq!(stored.newest, 1, "what the frozen one had done is undone");
    assert!(frozen.batch_execute("COMMIT").await.is_err());
}
