//! A store that is opened: by a process that is alone, over a way that goes silent, and on a database that cannot hold it.

use crate::support::{Database, or_skip, server};
use fieldwatch_domain::{DeviceNumbers, SHELVES};
use fieldwatch_event_store::{
    AppendError, PostgresOpenError, PostgresStore, RecoverError, Recovered,
    conformance::{Fleet, Opened, Place},
};
use fieldwatch_real_servers::proxy::Proxy;
use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

/// Opens as a process does whose queue nobody shares.
async fn open_alone(database: &Database) -> Opened {
    let opened = database.open().await;
    opened.store.shared().expect("it can be shared").take_over_all(SHELVES as u16).await.expect("take over");
    opened.recover().await;
    opened
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_an_earlier_process_has_under_way_is_refused_once_all_is_taken_over() {
    let database = Database::on(&or_skip!(server()));
    let earlier = open_alone(&database).await;
    let mut fleet = Fleet::new(&earlier.numbers, 1);
    earlier.store.append(fleet.reading("a", 10, 0).into()).await.expect("append");
    let mut under_way = fleet.clone();
    let under_way = under_way.reading("a", 20, 0);

    let later = open_alone(&database).await;
    let refused = earlier.store.append(under_way.into()).await;
    assert!(matches!(refused, Err(AppendError::Fenced { .. })), "{refused:?}");
    // Also of a device that it has never heard of.
    let refused = earlier.store.append(Fleet::new(&earlier.numbers, 2).reading("b", 10, 0).into()).await;
    assert!(matches!(refused, Err(AppendError::Fenced { .. })), "{refused:?}");
    fleet.move_to(&later.numbers);
    later.store.append(fleet.reading("a", 30, 0).into()).await.expect("the later one goes on");
    assert_eq!(later.all_events(0, 10).await.len(), 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn restoring_over_a_way_that_goes_silent_fails_and_is_tried_again() {
    let database = Database::on(&or_skip!(server()));
    let opened = open_alone(&database).await;
    let mut fleet = Fleet::new(&opened.numbers, 1);
    opened.store.append(fleet.reading("a", 10, 0).into()).await.expect("append");
    fieldwatch_event_store::conformance::save_all(&opened, &fleet).await;
    opened.store.append(fleet.reading("a", 20, 0).into()).await.expect("append");
    drop(opened);

    let (proxy, url) = Proxy::before_url(&database.url).await;
    let mut options = database.options();
    (options.url, options.read_deadline, options.connect_deadline) = (url, Duration::from_secs(1), Duration::from_secs(1));
    let opened = database.open_with(options).await;
    let is_silent = AtomicBool::new(false);
    let visit = |_: Recovered<'_>| {
        if !is_silent.swap(true, Ordering::SeqCst) {
            proxy.swallow_answers();
        }
    };
    let failed = tokio::time::timeout(Duration::from_mins(1), opened.store.recover(&visit)).await.expect("it does not hang");
    assert!(matches!(failed, Err(RecoverError::Failed(_))), "{failed:?}");
    assert!(is_silent.load(Ordering::SeqCst), "it failed in the middle");
    proxy.shut();
    proxy.open();
    assert_eq!(&opened.recover().await.0, fleet.states());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_database_that_cannot_hold_every_id_is_refused_with_what_to_do() {
    let server = or_skip!(server());
    server
        .ask("postgres", "CREATE DATABASE latin ENCODING 'LATIN1' TEMPLATE template0 LC_COLLATE 'C' LC_CTYPE 'C'")
        .expect("create a database");
    let mut options = Database::on(&server).options();
    options.url = server.url("latin");
    let refused = PostgresStore::connect(options, Arc::new(DeviceNumbers::default())).await.map(drop);
    let Err(error @ PostgresOpenError::Encoding { .. }) = refused else { panic!("it is refused, and not {refused:?}") };
    let text = error.to_string();
    assert!(text.contains("LATIN1") && text.contains("ENCODING 'UTF8'"), "{text}");
}
