//! One of three nodes is killed under load, and comes back.

use std::thread::{scope, sleep};
use std::time::{Duration, Instant};

use anyhow::{Context as _, anyhow};
use fieldwatch_simulator::load;

use crate::arrivals::{Arrival, Listening, Schedule};
use crate::bench::{Bench, Folder};
use crate::figure::{Measured, Row};
use crate::ground::{Broker, Database, Settings, node_name, start_nodes};
use crate::server::Server;
use crate::shares::{PARTITIONS, partition_of, seen_by, wait_until_even, wait_until_owned};
use crate::wording::{count, seconds};

const DEVICES: u32 = 2_000;
const INTERVAL: Duration = Duration::from_secs(1);
const GOAL: Duration = Duration::from_secs(10);
/// From the start of a kill to the start of the next: what has to be seen of it is seen by then, or is missed.
const TURN: Duration = Duration::from_secs(24);
/// Of it, until the node is started again.
const DOWN: Duration = Duration::from_secs(8);
/// Before the first kill.
const LEAD: Duration = Duration::from_secs(4);
const EVEN_WITHIN: Duration = Duration::from_secs(12);
/// How long events may still come after the last answer.
const EVENTS_WITHIN: Duration = Duration::from_secs(30);

/// One kill and the join after it.
struct Turn {
    killed: Instant,
    /// How many partitions the killed node owned.
    owned: usize,
    /// From the kill until the others say that they own all.
    taken_over: Option<Duration>,
    /// From the start of the new process, and from when it was ready, until no node had too much.
    even: Option<(Duration, Duration)>,
}

pub(crate) fn measure(bench: &Bench) -> anyhow::Result<Measured> {
    let turns: u32 = bench.pick(3, 1);
    let broker = Broker::start()?;
    let database = Database::start()?;
    let folder = bench.folder("fail-over")?;
    let ([entry, watched, victim], settings) = start_nodes(bench, &folder, (&broker, &database))?;
    wait_until_even(&[&entry, &watched, &victim], Duration::from_mins(1))?
        .context("the partitions were not shared at the start")?;

    let length = LEAD + TURN * turns;
    let expected = u64::from(DEVICES) * length.as_secs();
    let listening = Listening::start(&watched, expected as usize)?;
    let (report, done) = scope(|scope| {
        let loading = scope.spawn(|| bench.load(load::paced_posts(entry.url(), DEVICES, INTERVAL, length)));
        let done = kill_and_join(bench, &folder, &settings, [&entry, &watched], victim, turns);
        let report = loading.join().map_err(|_| anyhow!("the load panicked")).and_then(|report| report);
        (report, done)
    });
    let (report, done) = (report?, done?);
    let heard = listening.finish(expected, EVENTS_WITHIN)?;
    let schedule = Schedule { started: report.started, devices: DEVICES, interval: INTERVAL };
    let arrivals: Vec<Arrival> = heard.arrivals(schedule).collect();

    let mut measured = Measured::default();
    let processed: Vec<Option<Duration>> = done.iter().map(|turn| processed_after(turn.killed, &arrivals)).collect();
    let (text, reached) = worst(&processed);
    measured.rows.push(Row::held_to("after kill -9, until an event of each partition's new readings", text, "≤ 10 s", reached));
    let taken_over: Vec<_> = done.iter().map(|turn| turn.taken_over).collect();
    measured.rows.push(Row::aside("after kill -9, until the others own all by their status", worst(&taken_over).0));
    let even: Vec<_> = done.iter().map(|turn| turn.even.map(|(of_process, _)| of_process)).collect();
    let (text, reached) = worst(&even);
    measured.rows.push(Row::held_to("after a join, until no node has more than one over its share", text, "≤ 10 s", reached));

    let failed = report.failed + report.not_sent;
    let missing = expected.saturating_sub(heard.count());
    let lost = format!("{} of {}", count((failed + missing) as f64), count(expected as f64));
    let unbroken = failed == 0 && missing == 0 && heard.interruptions.is_empty();
    measured.rows.push(Row::held_to("readings refused, or without event on the stream", lost, "none", unbroken));
    measured.notes.push(format!(
        "Three nodes with all roles on one RabbitMQ and one PostgreSQL, default settings, {PARTITIONS} partitions; {}/s single readings to the first, \
         each raising an event, the stream is the second's, the third is killed and started again 8 s later, {turns} times. Worst of all; \
         in brackets each. The join counts from the start of the process.",
        count(f64::from(DEVICES))
    ));
    for (number, turn) in (1..).zip(&done) {
        let around = |due: Instant| due + Duration::from_secs(1) >= turn.killed && due < turn.killed + DOWN;
        let longest = arrivals.iter().filter(|arrival| around(arrival.due)).map(Arrival::delay).max().unwrap_or_default();
        let ready = turn.even.map_or_else(|| "never".to_owned(), |(_, ready)| seconds(ready));
        measured.notes.push(format!(
            "Kill {number}: the node owned {} partitions; the longest way from a reading due from 1 s before it to 8 s after to its event was {}. Even {ready} after the new \
             process was ready.",
            turn.owned,
            seconds(longest)
        ));
    }
    if !unbroken {
        measured.notes.push(format!(
            "{failed} readings failed ({:?}), {missing} events missing, interrupted by {:?}.",
            report.first_failures, heard.interruptions
        ));
    }
    Ok(measured)
}

fn kill_and_join(
    bench: &Bench,
    folder: &Folder,
    settings: &Settings,
    [entry, watched]: [&Server; 2],
    mut victim: Server,
    turns: u32,
) -> anyhow::Result<Vec<Turn>> {
    let begun = Instant::now();
    let until = |at: Duration| sleep((begun + at).saturating_duration_since(Instant::now()));
    let mut done = Vec::new();
    for turn in 0..turns {
        until(LEAD + TURN * turn);
        let owned = seen_by(&victim)?.iter().filter(|partition| partition.ours).count();
        let killed = Instant::now();
        victim.kill()?;
        let taken_over = wait_until_owned(&[entry, watched], DOWN)?.map(|at| at - killed);
        until(LEAD + TURN * turn + DOWN);
        victim = bench.spawn_node(folder, &node_name(3), settings)?;
        victim.wait_until_ready()?;
        let ready = Instant::now();
        let even = wait_until_even(&[entry, watched, &victim], EVEN_WITHIN)?;
        let even = even.map(|at| (at - victim.spawned(), at.saturating_duration_since(ready)));
        let shown = |time: Option<Duration>| time.map_or_else(|| "not in time".to_owned(), seconds);
        println!(
            "  kill {}: {owned} partitions taken over after {}; even after {}",
            turn + 1,
            shown(taken_over),
            shown(even.map(|even| even.0))
        );
        done.push(Turn { killed, owned, taken_over, even });
    }
    Ok(done)
}

/// From a kill until an event had come, in each partition, of a reading that was due after it. `None` where none came.
fn processed_after(killed: Instant, arrivals: &[Arrival]) -> Option<Duration> {
    let mut first: Vec<Option<Instant>> = vec![None; usize::from(PARTITIONS)];
    for arrival in arrivals.iter().filter(|arrival| arrival.due >= killed) {
        let partition = partition_of(&format!("load-{:06}", arrival.device));
        let first = &mut first[usize::from(partition)];
        *first = Some(first.map_or(arrival.arrived, |before| before.min(arrival.arrived)));
    }
    let all: Option<Vec<Instant>> = first.into_iter().collect();
    all?.into_iter().max().map(|last| last.saturating_duration_since(killed))
}

/// The worst of all turns with each of them, and whether it is good enough.
fn worst(turns: &[Option<Duration>]) -> (String, bool) {
    let each = |time: &Option<Duration>| time.map_or_else(|| "not in time".to_owned(), |time| format!("{:.2}", time.as_secs_f64()));
    let brackets = turns.iter().map(each).collect::<Vec<_>>().join(", ");
    let all: Option<Vec<Duration>> = turns.iter().copied().collect();
    match all.and_then(|all| all.into_iter().max()) {
        Some(worst) => (format!("{} ({brackets})", seconds(worst)), worst <= GOAL),
        None => (format!("not in time ({brackets})"), false),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kill_is_over_when_each_partition_has_told_of_a_reading_from_after_it() {
        let before = Instant::now();
        let killed = before + Duration::from_millis(1);
        let after = |millis| killed + Duration::from_millis(millis);
        let mut arrivals: Vec<Arrival> = (0..2_000).map(|device| Arrival { device, due: after(5), arrived: after(40) }).collect();
        assert_eq!(processed_after(killed, &arrivals), Some(Duration::from_millis(40)));
        let slow = partition_of("load-000000");
        for arrival in &mut arrivals {
            if partition_of(&format!("load-{:06}", arrival.device)) == slow {
                arrival.arrived = after(900);
            }
        }
        // What was due before says nothing.
        arrivals.push(Arrival { device: 0, due: before, arrived: after(1) });
        assert_eq!(processed_after(killed, &arrivals), Some(Duration::from_millis(900)));
        arrivals.retain(|arrival| partition_of(&format!("load-{:06}", arrival.device)) != slow);
        assert_eq!(processed_after(killed, &arrivals), None);
    }

    #[test]
    fn one_turn_out_of_time_misses_the_goal() {
        let second = Some(Duration::from_secs(1));
        assert_eq!(worst(&[second, Some(Duration::from_secs(2))]), ("2.00 s (1.00, 2.00)".to_owned(), true));
        assert!(!worst(&[second, None]).1);
        assert!(!worst(&[second, Some(Duration::from_secs(11))]).1);
    }
}
