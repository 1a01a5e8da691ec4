//! Appends in `PostgreSQL` against a bare bulk insert of the same rows, which an example of the store's crate measures from inside.

use std::process::Command;
use std::time::Duration;

use anyhow::Context as _;
use serde::Deserialize;

use crate::bench::Bench;
use crate::figure::{Measured, Row};
use crate::process::said_within;
use crate::wording::{count, median, per_second, series};

const GOAL_RATIO: f64 = 0.70;
/// Cargo may have to build it first.
const EXAMPLE_WITHIN: Duration = Duration::from_mins(10);

/// What the example says.
#[derive(Debug, Deserialize)]
struct Appended {
    /// Events in each transaction.
    batch: u32,
    events_per_second: f64,
    bare_insert_events_per_second: f64,
    copy_events_per_second: f64,
    /// Time of the bare inserts over time of the appends.
    ratio: f64,
}

pub(crate) fn measure(bench: &Bench) -> anyhow::Result<Measured> {
    let mut turns = Vec::new();
    for _ in 0..bench.pick(3, 1) {
        let mut example = Command::new("cargo");
        example.args(["run", "--release", "--quiet", "--package", "fieldwatch-event-store", "--example", "append_postgresql"]);
        example.args(["--", "--json"]).current_dir(bench.repository());
        let said =
            said_within(&mut example, EXAMPLE_WITHIN).context("run the example append_postgresql of fieldwatch-event-store")?;
        turns.push(read(&said)?);
    }
    Ok(found_in(&turns))
}

fn read(said: &str) -> anyhow::Result<Appended> {
    let line = said.lines().find(|line| line.starts_with('{'));
    let line = line.with_context(|| format!("find the figures in what the example said: {said}"))?;
    serde_json::from_str(line).with_context(|| format!("read what the example said: {line}"))
}

fn found_in(turns: &[Appended]) -> Measured {
    let all = |of: fn(&Appended) -> f64| turns.iter().map(of).collect::<Vec<_>>();
    let (appends, inserts, copies) = (
        all(|turn| turn.events_per_second),
        all(|turn| turn.bare_insert_events_per_second),
        all(|turn| turn.copy_events_per_second),
    );
    let ratios = all(|turn| turn.ratio);
    let ratio = median(&ratios);
    let batch = turns.first().map_or(0, |turn| turn.batch);
    let what = format!("events appended by {}", count(f64::from(batch)));
    let mut measured = Measured::default();
    measured.rows.push(
        Row::held_to(&what, per_second(median(&appends)), "70 % of a bare bulk insert", ratio >= GOAL_RATIO)
            .beside(per_second(median(&inserts)), Some(ratio)),
    );
    measured.rows.push(
        Row::aside("the same beside COPY, without goal", per_second(median(&appends)))
            .beside(per_second(median(&copies)), Some(median(&appends) / median(&copies).max(1.0))),
    );
    measured.notes.push(format!(
        "A private server whose commits wait for the disk; each batch is a transaction. The floor is `INSERT … SELECT unnest(…)` of the same \
         columns into a table of the same columns and indexes, rounds of 20 batches in turns. Each run, events a second: append {}; insert {}; \
         copy {}; ratio {}.",
        series(&appends),
        series(&inserts),
        series(&copies),
        ratios.iter().map(|ratio| format!("{ratio:.2}")).collect::<Vec<_>>().join(", ")
    ));
    measured
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::figure::Verdict;

    #[test]
    fn appends_are_held_to_the_bare_insert_and_not_to_copy() {
        let turn = |ratio: f64| {
            let said = format!(
                "building\n{{\"benchmark\":\"event_store_append_postgresql\",\"batch\":1000,\"events_per_second\":50000,\
                 \"bare_insert_events_per_second\":60000,\"copy_events_per_second\":100000,\"ratio\":{ratio},\"ratio_to_copy\":0.5}}\n"
            );
            read(&said).expect("said")
        };
        let verdict = |ratio| found_in(&[turn(ratio)]).rows.iter().map(|row| row.verdict).collect::<Vec<_>>();
        assert_eq!(verdict(0.71), [Verdict::Reached, Verdict::NoGoal]);
        assert_eq!(verdict(0.69), [Verdict::Missed, Verdict::NoGoal]);
        assert!(read("nothing").is_err());
    }
}
