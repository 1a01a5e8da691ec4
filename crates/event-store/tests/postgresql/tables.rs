//! What lies in the tables, and what is removed from them.

use crate::support::{Database, client, or_skip, server};
use fieldwatch_domain::{DeviceNumbers, SHELVES};
use fieldwatch_event_store::{
    Entry, HistoryEntry, PostgresOpenError, PostgresStore, ReadError,
    conformance::{Fleet, Opened, Place, save_all, save_all_but},
};
use std::{sync::Arc, time::Duration};
use tokio_postgres::{Client, SimpleQueryMessage};

async fn ask(client: &Client, sql: &str) -> Vec<Vec<String>> {
    let messages = client.simple_query(sql).await.expect("an answer");
    let rows = messages.iter().filter_map(|message| match message {
        SimpleQueryMessage::Row(row) => Some((0..row.len()).map(|at| row.get(at).unwrap_or("").to_owned()).collect()),
        _ => None,
    });
    rows.collect()
}

/// In how many rows of all tables a text occurs, as text or in bytes.
async fn rows_with(client: &Client, text: &str) -> usize {
    let hex: String =
        text.bytes().flat_map(|byte| [byte >> 4, byte & 15]).filter_map(|digit| char::from_digit(digit.into(), 16)).collect();
    let mut found = 0;
    for table in ask(client, "SELECT relname FROM pg_class WHERE relkind = 'r' AND relname LIKE 'fieldwatch%'").await {
        let count = format!("SELECT count(*) FROM {} AS t WHERE t::text LIKE '%{text}%' OR t::text LIKE '%{hex}%'", table[0]);
        found += ask(client, &count).await[0][0].parse::<usize>().expect("a number");
    }
    found
}

async fn fill(opened: &Opened, fleet: &mut Fleet, rounds: i32) {
    for round in 0..rounds {
        let mut entries = Vec::new();
        for device in 0..10 {
            entries.extend(fleet.reading(&format!("device-{device}"), round % 90, 0));
        }
        opened.store.append(entries.into()).await.expect("append");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_a_forgotten_device_no_row_has_anything_left_after_tidying() {
    let database = Database::on(&or_skip!(server()));
    let opened = database.open().await;
    opened.recover().await;
    let mut fleet = Fleet::new(&opened.numbers, 1);
    let client = client(&database).await;
    fill(&opened, &mut fleet, 20).await;
    opened.store.append(fleet.describe("device-3", "planted-marker").into()).await.expect("append");
    fill(&opened, &mut fleet, 5).await;
    let device_5 = fleet.state("device-5").device.temperature().steps() / 10_000;
    let mut entries = fleet.reading("device-5", device_5, 0);
    entries.extend(fleet.passivate("device-3"));
    opened.store.append(entries.into()).await.expect("append");
    opened.store.append(fleet.late_reading("device-3", 1).into()).await.expect("append");
    save_all(&opened, &fleet).await;
    assert!(rows_with(&client, "planted-marker").await >= 3, "an event, a passivated state, a snapshot");
    let before = rows_with(&client, "device-3").await;
    opened.store.append(fleet.forget("device-3").into()).await.expect("append");
    fill(&opened, &mut fleet, 2).await;

    opened.store.tidy().await.expect("tidy");
    assert_eq!(rows_with(&client, "planted-marker").await, 0);
    let left = rows_with(&client, "device-3").await;
    assert!(left < 8 && left < before, "that it was forgotten, and what came after: {left} of {before}");
    for (id, state) in fleet.states() {
        assert_eq!(&opened.store.load(opened.numbers.number(id)).await.expect("load"), state);
    }
    drop(opened);
    let opened = database.open().await;
    assert_eq!(&opened.recover().await.0, fleet.states());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn retention_drops_tables_and_never_state() {
    let database = Database::on(&or_skip!(server()));
    let mut options = database.options();
    (options.retention, options.new_table_after) = (Some(Duration::ZERO), Some(Duration::ZERO));
    let opened = database.open_with(options).await;
    opened.recover().await;
    let mut fleet = Fleet::new(&opened.numbers, 1);
    let client = client(&database).await;
    let tables = "SELECT count(*) FROM pg_inherits WHERE inhparent = 'fieldwatch_events'::regclass";
    let first = opened.store.append(fleet.reading("seldom", 7, 0).into()).await.expect("append").newest;
    fill(&opened, &mut fleet, 20).await;

    opened.store.tidy().await.expect("tidy");
    assert_eq!(opened.all_events(0, 1).await[0].position, first, "no shelf is saved yet, so everything stays");
    assert!((0..SHELVES).all(|shelf| opened.store.wants_snapshot(shelf)), "and all are asked to be");
    save_all(&opened, &fleet).await;
    assert!((0..SHELVES).all(|shelf| !opened.store.wants_snapshot(shelf)));
    opened.store.tidy().await.expect("tidy");
    assert_eq!(ask(&client, tables).await, [["2"]], "the one that is written, and the next");

    let Err(ReadError::Gone { earliest }) = opened.store.read_all(first, 10).await else { panic!("the first event is gone") };
    assert!(earliest > first);
    fill(&opened, &mut fleet, 3).await;
    let kept = opened.all_events(earliest, 100).await;
    assert!(kept.iter().all(|event| event.position > earliest) && !kept.is_empty());
    assert_eq!(opened.all_events(0, 7).await, kept);
    for (id, state) in fleet.states() {
        assert_eq!(&opened.store.load(opened.numbers.number(id)).await.expect("load"), state);
    }
    let page = opened.store.history(opened.numbers.number("seldom"), None, 10).await.expect("history");
    assert_eq!((page.entries, page.more, page.cut_before), (vec![], false, Some(earliest)));
    let page = opened.store.history(opened.numbers.number("device-1"), None, 10).await.expect("history");
    assert_eq!((page.more, page.cut_before), (false, Some(earliest)));
    assert!(matches!(&page.entries[0], HistoryEntry::Event(event) if event.version == fleet.state("device-1").device.version()));

    drop(opened);
    let opened = database.open().await;
    assert_eq!(&opened.recover().await.0, fleet.states());
    fleet.move_to(&opened.numbers);
    let entries = fleet.reading("seldom", 50, 0);
    assert!(matches!(entries.as_slice(), [Entry::Event(event)] if event.version == 2));
    opened.store.append(entries.into()).await.expect("its version went on");
    drop(opened);

    let opened = database.open().await;
    fleet.move_to(&opened.numbers);
    let entries = fleet.reading("device-1", 88, 0);
    opened.store.append(entries.into()).await.expect("where nothing was recovered, the version is asked for");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_passivated_device_that_a_snapshot_leaves_out_keeps_its_state() {
    let database = Database::on(&or_skip!(server()));
    let opened = database.open().await;
    opened.recover().await;
    let mut fleet = Fleet::new(&opened.numbers, 1);
    fill(&opened, &mut fleet, 5).await;
    // What raises no event is nowhere but in the state and in what tidying removes.
    let temperature = fleet.state("device-3").device.temperature().steps() / 10_000;
    opened.store.append(fleet.reading("device-3", temperature, 0).into()).await.expect("append");
    opened.store.append(fleet.passivate("device-3").into()).await.expect("append");
    save_all_but(&opened, &fleet, Some("device-3")).await;
    let device = opened.numbers.number("device-3");
    assert_eq!(opened.store.load(device).await.expect("load"), fleet.state("device-3"));
    opened.store.tidy().await.expect("tidy");
    assert_eq!(opened.store.load(device).await.expect("load"), fleet.state("device-3"));
    drop(opened);
    let opened = database.open().await;
    assert_eq!(&opened.recover().await.0, fleet.states());
}

/// A store whose oldest table is to be dropped by the next tidying, which begins no other.
async fn with_an_expired_table(database: &Database) -> (Opened, Fleet) {
    let mut options = database.options();
    (options.retention, options.new_table_after) = (Some(Duration::ZERO), Some(Duration::ZERO));
    let opened = database.open_with(options).await;
    opened.recover().await;
    let mut fleet = Fleet::new(&opened.numbers, 1);
    fill(&opened, &mut fleet, 3).await;
    opened.store.tidy().await.expect("a new table is begun");
    save_all(&opened, &fleet).await;
    drop(opened);
    let mut options = database.options();
    (options.retention, options.new_table_after) = (Some(Duration::ZERO), Some(Duration::from_hours(1)));
    let opened = database.open_with(options).await;
    opened.recover().await;
    fleet.move_to(&opened.numbers);
    (opened, fleet)
}

const FIRST_TABLE_KEPT: &str = "SELECT count(*) FROM fieldwatch_log WHERE earliest = 0";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_waits_for_the_position_row_to_drop_a_table_does_not_hold_the_table() {
    let database = Database::on(&or_skip!(server()));
    let (opened, _) = with_an_expired_table(&database).await;
    let (appending, observer) = (client(&database).await, client(&database).await);
    appending
        .batch_execute("BEGIN; UPDATE fieldwatch_log SET position = position; SET LOCAL lock_timeout = 100")
        .await
        .expect("begun");
    let store = Arc::clone(&opened.store);
    let tidying = tokio::spawn(async move { store.tidy().await });
    let waits = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock' \
         AND query LIKE '%DROP TABLE%' AND pid <> pg_backend_pid()";
    while ask(&observer, waits).await != [["1"]] {
        assert!(!tidying.is_finished(), "it has not waited for the position row");
    }
    let read = appending.batch_execute("SELECT count(*) FROM fieldwatch_events; COMMIT").await;
    read.expect("whoever has the position row gets at the table");
    tidying.await.expect("no panic").expect("tidied");
    assert_eq!(ask(&observer, FIRST_TABLE_KEPT).await, [["0"]]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_forgotten_is_erased_even_when_an_expired_table_cannot_be_dropped() {
    let database = Database::on(&or_skip!(server()));
    let (opened, mut fleet) = with_an_expired_table(&database).await;
    let (reading, observer) = (client(&database).await, client(&database).await);
    reading.batch_execute("BEGIN; SELECT count(*) FROM fieldwatch_events").await.expect("read");
    opened.store.append(fleet.forget("device-3").into()).await.expect("append");
    assert!(opened.store.tidy().await.is_err(), "somebody reads the table that is to be dropped");
    assert_eq!(ask(&observer, FIRST_TABLE_KEPT).await, [["1"]]);
    let left = "SELECT count(*) FROM fieldwatch_events WHERE device_id = 'device-3'";
    assert_eq!(ask(&observer, left).await, [["1"]], "that it was forgotten");
    reading.batch_execute("COMMIT").await.expect("committed");
    opened.store.tidy().await.expect("tidied");
    assert_eq!(ask(&observer, FIRST_TABLE_KEPT).await, [["0"]]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn appends_go_on_into_the_next_table_whatever_is_in_them() {
    let database = Database::on(&or_skip!(server()));
    let opened = database.open().await;
    opened.recover().await;
    let client = client(&database).await;
    let mut fleet = Fleet::new(&opened.numbers, 1);
    fill(&opened, &mut fleet, 3).await;
    let at_the_end = "UPDATE fieldwatch_log SET position = (((position >> 32) + 1) << 32) - 5";
    for table in 1..4 {
        ask(&client, at_the_end).await;
        fill(&opened, &mut fleet, 3).await;
        let newest = opened.store.newest();
        assert_eq!(newest >> 32, table, "the third table was not made ahead");
        for _ in 0..3 {
            opened.store.append(fleet.batch_of_anything(10, 4)).await.expect("append");
        }
    }
    let told = opened.all_events(0, 10).await;
    assert!(told.is_sorted_by_key(|event| event.position));
    drop(opened);
    let opened = database.open().await;
    assert_eq!(&opened.recover().await.0, fleet.states());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn events_can_be_read_by_people_who_ask_in_sql() {
    let database = Database::on(&or_skip!(server()));
    let opened = database.open().await;
    opened.recover().await;
    let mut fleet = Fleet::new(&opened.numbers, 1);
    for celsius in [10, 30] {
        opened.store.append(fleet.reading("a'b", celsius, 30).into()).await.expect("append");
    }
    opened.store.append(fleet.describe("a'b", "a name").into()).await.expect("append");
    let rows = ask(
        &client(&database).await,
        "SELECT device_id, version, type, at, temperature, latitude, longitude, reading_id FROM fieldwatch_events ORDER BY position",
    )
    .await;
    assert_eq!(rows[1], ["a'b", "2", "DeviceTemperatureHasIncreased", "2026-01-01 00:00:02+00", "30", "50", "0.3", "reading 3"]);
    assert_eq!(rows[0][7], "0000000000000002");
    assert_eq!(rows[2], ["a'b", "3", "DeviceHasBeenDescribed", "2026-01-01 00:00:03+00", "", "", "", ""]);
}

#[tokio::test]
async fn a_schema_of_a_newer_program_is_refused_with_both_versions() {
    let database = Database::on(&or_skip!(server()));
    drop(database.open().await);
    ask(&client(&database).await, "UPDATE fieldwatch_log SET schema_version = 999").await;
    let refused = PostgresStore::connect(database.options(), Arc::new(DeviceNumbers::default())).await;
    let Err(error @ PostgresOpenError::NewerSchema { found: 999, known }) = refused else { panic!("it is refused") };
    assert_eq!(known, 1);
    let text = error.to_string();
    assert!(text.contains("999") && text.contains("up to 1"), "{text}");
}

#[tokio::test]
async fn who_is_not_let_in_is_told_so_and_who_reaches_nobody_too() {
    let server = or_skip!(server());
    let database = Database::on(&server);
    let numbers = || Arc::new(DeviceNumbers::default());
    let mut wrong = database.options();
    wrong.url = wrong.url.replace("only", "lonely");
    let Err(refused) = PostgresStore::connect(wrong, numbers()).await else { panic!("it is refused") };
    assert!(matches!(refused, PostgresOpenError::Refused(_)), "{refused:?}");
    assert!(!refused.to_string().contains("lonely"), "{refused}");
    let mut absent = database.options();
    absent.url = server.url("no_such_database");
    let Err(refused) = PostgresStore::connect(absent, numbers()).await else { panic!("it is refused") };
    assert!(matches!(refused, PostgresOpenError::Refused(_)), "{refused:?}");
    let mut nobody = database.options();
    nobody.url = "postgresql://u:secret@127.0.0.1:1/d".into();
    let Err(unreachable) = PostgresStore::connect(nobody, numbers()).await else { panic!("nobody is there") };
    assert!(matches!(unreachable, PostgresOpenError::Unreachable(_)), "{unreachable:?}");
    assert!(!unreachable.to_string().contains("secret"), "{unreachable}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn processes_that_start_together_make_the_tables_once() {
    let database = Arc::new(Database::on(&or_skip!(server())));
    let mut starts = tokio::task::JoinSet::new();
    for _ in 0..6 {
        let database = Arc::clone(&database);
        starts.spawn(async move { database.open().await.store.log_id().to_owned() });
    }
    let ids = starts.join_all().await;
    assert!(ids.iter().all(|id| *id == ids[0]), "{ids:?}");
}
