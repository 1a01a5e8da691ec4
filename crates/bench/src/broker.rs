//! A state node that works off what waits at the broker, against a bare consumer of the same messages.

use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use serde_json::Value;

use crate::bare_consumer;
use crate::bench::{Bench, Folder};
use crate::figure::{Measured, Row};
use crate::ground::{Broker, Database, Settings, queue_at};
use crate::prefill::{Fleet, LINES};
use crate::server::Server;
use crate::shares::PARTITIONS;
use crate::wording::{count, median, per_second, series};

const GOAL_RATIO: f64 = 0.70;
/// Devices in each partition, in thousands.
const THOUSANDS: u32 = 6;
/// Readings in a small message: about so many gather in one while a few thousand a second come singly.
const FEW_LINES: u32 = 20;
/// How long a node may take for what waits.
const WORKED_OFF_WITHIN: Duration = Duration::from_mins(3);
const ASK_EVERY: Duration = Duration::from_millis(10);

/// What is measured.
struct Case {
    store: &'static str,
    what: &'static str,
    change_one_in: u32,
    /// Readings in a message.
    lines: u32,
    /// How often each device has reported when a node begins; even, so that it ends where it began.
    rounds: u32,
}

pub(crate) fn measure(bench: &Bench) -> anyhow::Result<Measured> {
    let broker = Broker::start()?;
    let database = Database::start()?;
    let mut measured = Measured::default();
    for (store, rounds_of_few, rounds_of_all) in [("embedded", 20, 20), ("PostgreSQL", 12, 4)] {
        let queue = broker.fresh();
        let settings = queue_at(&queue);
        let settings = if store == "embedded" { settings } else { settings.store_at(&database.fresh()?) };
        let place = Place { bench, folder: bench.folder("broker")?, queue, settings };
        // Which number of partitions and which store the broker belongs to is settled by whoever comes first.
        let ingest = place.start("ingest", 0)?;
        let mut is_known = false;
        for (what, change_one_in, rounds) in
            [("one reading in 50 raises an event", 50, rounds_of_few), ("every reading does", 1, rounds_of_all)]
        {
            let case = Case { store, what, change_one_in, lines: LINES, rounds: bench.pick(rounds, 2) };
            place.measure(&case, &ingest, &mut is_known, &mut measured)?;
        }
        if store == "embedded" {
            let what = "one reading in 50 raises an event, small messages";
            let case = Case { store, what, change_one_in: 50, lines: FEW_LINES, rounds: 2 };
            place.measure(&case, &ingest, &mut is_known, &mut measured)?;
        }
    }
    measured.notes.push(format!(
        "Messages of {LINES} readings, small ones of {FEW_LINES}, in {PARTITIONS} partitions (quorum queues), published by a node with role `ingest` and all there before the \
         clock starts. A node with roles `state` and `api` is started: from the first message that it holds, so with the taking over of all \
         partitions, until the last event is stored. The floor: the same client library (lapin), one connection, a channel for each \
         queue, prefetch 64, one acknowledgement for 16 messages, the bodies dropped unread; it has copies of the same messages from queues \
         of the same kind bound beside the partitions, and takes turns with the node."
    ));
    measured.notes.push(
        "One state node needs the embedded store only, and that is what the goal is held to; PostgreSQL is what several nodes share.".into(),
    );
    Ok(measured)
}

/// One virtual host with its store.
struct Place<'a> {
    bench: &'a Bench,
    folder: Folder,
    queue: String,
    settings: Settings,
}

impl Place<'_> {
    fn start(&self, role: &'static str, turn: u32) -> anyhow::Result<Server> {
        // Lengths of mailboxes would be most of what is asked for again and again.
        // What an embedded store holds, nobody else could show.
        let roles = if role == "state" { "state,api" } else { role };
        let settings = self.settings.with("FIELDWATCH_SERVER__ROLES", roles).with("FIELDWATCH_METRICS__MAILBOX_INTERVAL", "never");
        let mut node = self.bench.spawn_node(&self.folder, role, &settings)?;
        if turn == 0 {
            node.wait_until_ready()?;
        }
        Ok(node)
    }

    fn measure(&self, case: &Case, ingest: &Server, is_known: &mut bool, measured: &mut Measured) -> anyhow::Result<()> {
        let Case { store, what, change_one_in, lines, rounds } = *case;
        let bench = self.bench;
        let mut fleet = Fleet::new(bench.pick(THOUSANDS, 1), lines, change_one_in);
        if *is_known {
            // Each case ends with the first variant, which is the same in all.
            fleet.was_reported();
        } else {
            fleet.report(ingest, 1)?;
            self.work_off(fleet.messages_a_round() * u64::from(PARTITIONS) * u64::from(lines))?;
            bench.load(bare_consumer::bind(&self.queue))?;
            *is_known = true;
        }

        let of_each = fleet.messages_a_round() * u64::from(rounds);
        let messages = of_each * u64::from(PARTITIONS);
        let readings = messages * u64::from(lines);
        let (mut rates, mut floors, mut processor, mut starts, mut bytes) = (Vec::new(), Vec::new(), Vec::new(), Vec::new(), 0);
        for turn in 1..=bench.pick(3, 1) {
            let begun = Instant::now();
            fleet.report(ingest, rounds)?;
            let filled = readings as f64 / begun.elapsed().as_secs_f64();
            let (took, of_floor) = bench.load(bare_consumer::drop_all(&self.queue, of_each))?;
            bytes = of_floor;
            floors.push(readings as f64 / took.as_secs_f64());
            let worked = self.work_off(fleet.events(rounds))?;
            rates.push(readings as f64 / worked.took.as_secs_f64());
            processor.push(worked.processor * 1e9 / readings as f64);
            starts.push(worked.until_first.as_secs_f64());
            println!(
                "  {store}, {what}, turn {turn}: {}; floor {}; filled by {}",
                per_second(rates[rates.len() - 1]),
                per_second(floors[floors.len() - 1]),
                per_second(filled)
            );
        }
        let (rate, floor) = (median(&rates), median(&floors));
        let ratio = rate / floor;
        let name = format!("{store}, {what}");
        let row = if store == "embedded" && lines == LINES {
            Row::held_to(&name, per_second(rate), "70 % of the floor", ratio >= GOAL_RATIO)
        } else {
            Row::aside(&name, per_second(rate))
        };
        measured.rows.push(row.beside(per_second(floor), Some(ratio)));
        measured.notes.push(format!(
            "{name}: {} readings in {} messages of {} bytes a turn; readings a second: node {}; floor {}. Until the first event was stored: {:.2} s. \
             Processor time of the node: {:.0} ns a reading.",
            count(readings as f64),
            count(messages as f64),
            count(bytes as f64 / messages as f64),
            series(&rates),
            series(&floors),
            median(&starts),
            median(&processor)
        ));
        Ok(())
    }

    /// Starts a state node, and waits until it has stored so many events, which is when all is worked off; then ends it.
    fn work_off(&self, expected: u64) -> anyhow::Result<Worked> {
        let node = self.start("state", 1)?;
        let end = Instant::now() + WORKED_OFF_WITHIN;
        let in_time = || -> anyhow::Result<()> {
            sleep(ASK_EVERY);
            ensure!(Instant::now() < end, "{expected} events were not stored within {} s", WORKED_OFF_WITHIN.as_secs());
            Ok(())
        };
        while node.get("/health/live").is_err() {
            in_time()?;
        }
        // Until devices are restored it has no status, and no partition either.
        while !holds_any(&node).unwrap_or(false) {
            in_time()?;
        }
        let begun = Instant::now();
        let stopwatch = node.stopwatch()?;
        let mut until_first = None;
        loop {
            let events = node.events()?;
            if events > 0 {
                until_first.get_or_insert_with(|| begun.elapsed());
            }
            if events >= expected {
                break;
            }
            in_time()?;
        }
        let took = begun.elapsed();
        let processor = stopwatch.nanos_each(1)? / 1e9;
        node.wait_until_decided(WORKED_OFF_WITHIN).context("wait until nothing is left")?;
        node.stop()?;
        Ok(Worked { took, until_first: until_first.unwrap_or_default(), processor })
    }
}

struct Worked {
    took: Duration,
    until_first: Duration,
    /// Seconds.
    processor: f64,
}

fn holds_any(node: &Server) -> anyhow::Result<bool> {
    let status = node.json("/api/v1/status")?;
    let partitions = status["partitions"].as_array().context("find partitions in the status")?;
    Ok(partitions.iter().any(|one| one["ours"] == Value::Bool(true)))
}
