//! What an append costs beside a bare bulk insert: `cargo run --release --example append_postgresql -- [--json] [--no-sync]`.
//!
//! Batches of 1 000 events of 100 000 devices go to a private server (or the one of `FIELDWATCH_TEST_POSTGRESQL_URL`) in turns:
//! through the store, by `INSERT … SELECT unnest(…)` of the same columns into a table of the same columns and indexes, and by
//! `COPY` into another one, each batch in a transaction of its own. The ratio is the bare time over the store's, by sums over
//! all rounds: 1 means that the store costs nothing, the goal is 0.7.

mod load;

use fieldwatch_domain::{DeviceNumber, DeviceNumbers, EventType};
use fieldwatch_event_store::{Batch, Entry, EventStore, PostgresOptions, PostgresStore};
use fieldwatch_real_servers::postgresql::{PostgreSql, Settings};
use fieldwatch_wire::stored::{Link, write_event};
use futures_util::{SinkExt, pin_mut};
use load::batch;
use std::{
    sync::Arc,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};
use tokio_postgres::{Client, NoTls, Statement};

const DEVICES: usize = 100_000;
const BATCH: usize = 1_000;
const BATCHES_A_ROUND: usize = 20;
const ROUNDS: usize = 15;

/// What the bare insert says; `TYPES` stands for the names of the types, in their order.
const INSERT: &str = "INSERT INTO bare (position, version, at, recorded_at, latitude, longitude, temperature, type, shelf, device_id, \
     reading_id, record) SELECT unnest($1::int8[]), unnest($2::int8[]), unnest($3::timestamptz[]), unnest($4::timestamptz[]), \
     unnest($5::float8[]), unnest($6::float8[]), unnest($7::float4[]), \
     ('{TYPES}'::fieldwatch_event_type[])[unnest($8::int2[])], unnest($9::int2[]), unnest($10::text[]), unnest($11::text[]), \
     unnest($12::bytea[])";

type Failed = Box<dyn std::error::Error>;

fn main() -> Result<(), Failed> {
    let has = |flag: &str| std::env::args().any(|argument| argument == flag);
    let server = PostgreSql::start_with(Settings { durable: !has("--no-sync"), certificate: None }).map_err(|missing| missing.0)?;
    let database = server.create_database()?;
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let [append, insert, copy] = runtime.block_on(measure(&server.url(&database)))?;
    let events = (ROUNDS * BATCHES_A_ROUND * BATCH) as f64;
    let rate = |time: Duration| events / time.as_secs_f64();
    let ratio = |bare: Duration| bare.as_secs_f64() / append.as_secs_f64();
    if has("--json") {
        println!(
            "{{\"benchmark\":\"event_store_append_postgresql\",\"batch\":{BATCH},\"events_per_second\":{:.0},\
             \"bare_insert_events_per_second\":{:.0},\"copy_events_per_second\":{:.0},\"ratio\":{:.3},\"ratio_to_copy\":{:.3}}}",
            rate(append),
            rate(insert),
            rate(copy),
            ratio(insert),
            ratio(copy)
        );
    } else {
        println!("append {:.0} events/s, ", rate(append));
        println!("bare insert {:.0} events/s, ratio {:.3}", rate(insert), ratio(insert));
        println!("copy {:.0} events/s, ratio {:.3}", rate(copy), ratio(copy));
    }
    Ok(())
}

async fn measure(url: &str) -> Result<[Duration; 3], Failed> {
    let numbers = Arc::new(DeviceNumbers::default());
    let devices: Vec<DeviceNumber> = (0..DEVICES).map(|at| numbers.number(&format!("device-{at:07}"))).collect();
    let store = PostgresStore::connect(PostgresOptions::new(url, "bench"), Arc::clone(&numbers)).await?;
    store.recover(&|_| {}).await?;
    let (client, connection) = tokio_postgres::connect(url, NoTls).await?;
    let driver = tokio::spawn(connection);
    for table in ["bare", "copied"] {
        let create = format!(
            "CREATE TABLE {table} (LIKE fieldwatch_events INCLUDING DEFAULTS); ALTER TABLE {table} ADD PRIMARY KEY (position); \
             ALTER TABLE {table} ADD UNIQUE (device_id, version)"
        );
        client.batch_execute(&create).await?;
    }
    let types = EventType::ALL.map(EventType::name).join(",");
    let insert = client.prepare(&INSERT.replace("TYPES", &types)).await?;
    let (mut versions, mut random) = (vec![0_u64; DEVICES], 7_u64);
    let mut times = [Duration::ZERO; 3];
    let mut position = 0;
    for _ in 0..ROUNDS {
        let round: Vec<Batch> = (0..BATCHES_A_ROUND).map(|_| batch(&devices, &mut versions, &mut random, BATCH)).collect();
        let rows: Vec<Rows> = round.iter().map(|batch| Rows::of(batch, &numbers, &mut position)).collect();
        let begun = Instant::now();
        for batch in round {
            store.append(batch).await?;
        }
        times[0] += begun.elapsed();
        let begun = Instant::now();
        for rows in &rows {
            rows.insert(&client, &insert).await?;
        }
        times[1] += begun.elapsed();
        let begun = Instant::now();
        for rows in &rows {
            rows.copy(&client).await?;
        }
        times[2] += begun.elapsed();
    }
    drop((store, client));
    driver.abort();
    Ok(times)
}

/// The columns of a batch, ready before the clock runs.
#[derive(Default)]
struct Rows {
    position: Vec<i64>,
    version: Vec<i64>,
    at: Vec<SystemTime>,
    latitude: Vec<f64>,
    longitude: Vec<f64>,
    temperature: Vec<f32>,
    event_type: Vec<i16>,
    shelf: Vec<i16>,
    device: Vec<String>,
    reading: Vec<String>,
    record: Vec<Vec<u8>>,
    text: String,
}

impl Rows {
    fn of(batch: &Batch, numbers: &DeviceNumbers, position: &mut i64) -> Self {
        let mut rows = Self::default();
        for entry in &batch.entries {
            let Entry::Event(event) = entry else { continue };
            *position += 1;
            let id = numbers.id(event.device).as_str().to_owned();
            let at = UNIX_EPOCH + Duration::from_millis(event.at.unix_ms() as u64);
            let mut record = Vec::new();
            write_event(&mut record, Link::None, &id, event);
            let reading = event.reading_id.as_ref().map(ToString::to_string).unwrap_or_default();
            let hex: String = record.iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().concat();
            let time = "2026-01-01 00:00:00.5+00";
            let (version, shelf) = (event.version as i64, event.device.shelf() as i16);
            let row = format!(
                "{position}\t{version}\t{time}\t{time}\t38.5698\t45.6974\t48.5\tDeviceTemperatureHasIncreased\t{shelf}\t{id}\t{reading}\t\\\\x{hex}\n"
            );
            rows.text.push_str(&row);
            rows.position.push(*position);
            rows.version.push(version);
            rows.at.push(at);
            rows.latitude.push(38.5698);
            rows.longitude.push(45.6974);
            rows.temperature.push(48.5);
            rows.event_type.push(2);
            rows.shelf.push(shelf);
            rows.device.push(id);
            rows.reading.push(reading);
            rows.record.push(record);
        }
        rows
    }

    async fn insert(&self, client: &Client, insert: &Statement) -> Result<(), tokio_postgres::Error> {
        let rows = self;
        client
            .execute(
                insert,
                &[
                    &rows.position,
                    &rows.version,
                    &rows.at,
                    &rows.at,
                    &rows.latitude,
                    &rows.longitude,
                    &rows.temperature,
                    &rows.event_type,
                    &rows.shelf,
                    &rows.device,
                    &rows.reading,
                    &rows.record,
                ],
            )
            .await?;
        Ok(())
    }

    async fn copy(&self, client: &Client) -> Result<(), tokio_postgres::Error> {
        let sink = client.copy_in("COPY copied (position, version, at, recorded_at, latitude, longitude, temperature, type, shelf, device_id, reading_id, record) FROM STDIN").await?;
        pin_mut!(sink);
        sink.send(bytes::Bytes::copy_from_slice(self.text.as_bytes())).await?;
        sink.finish().await?;
        Ok(())
    }
}
