//! Durable appends of the event store against plain writes, which an example of its crate measures from inside.

use std::process::Command;
use std::time::Duration;

use anyhow::Context as _;
use serde::Deserialize;

use crate::bench::Bench;
use crate::figure::{Measured, Row};
use crate::process::said_within;
use crate::wording::{count, per_second};

const GOAL_RATIO: f64 = 0.70;
const OWNERS: [u32; 2] = [1, 2];
const BATCHES: [u32; 2] = [64, 1_024];
/// Cargo may have to build it first.
const EXAMPLE_WITHIN: Duration = Duration::from_mins(10);

/// One line of what the example says.
#[derive(Debug, Deserialize)]
struct Appended {
    /// Who append at the same time.
    owners: u32,
    /// Events in each.
    batch: u32,
    events_per_second: f64,
    plain_events_per_second: f64,
    /// Time of the plain writes over time of the appends.
    ratio: f64,
}

pub(crate) fn measure(bench: &Bench) -> anyhow::Result<Measured> {
    let folder = bench.folder("append")?;
    let mut example = Command::new("cargo");
    example.args(["run", "--release", "--quiet", "--package", "fieldwatch-event-store", "--example", "append", "--", "--json"]);
    example.arg(folder.path()).current_dir(bench.repository());
    let said = said_within(&mut example, EXAMPLE_WITHIN).context("run the example append of fieldwatch-event-store")?;
    found_in(&said)
}

fn found_in(said: &str) -> anyhow::Result<Measured> {
    let lines = said.lines().filter(|line| line.starts_with('{'));
    let appended: Vec<Appended> =
        lines.map(serde_json::from_str).collect::<Result<_, _>>().with_context(|| format!("read what the example said: {said}"))?;
    let mut measured = Measured::default();
    for owners in OWNERS {
        for batch in BATCHES {
            let of_batch = appended.iter().find(|appended| (appended.owners, appended.batch) == (owners, batch));
            let of_batch =
                of_batch.with_context(|| format!("find {owners} owners, batches of {batch} in what the example said: {said}"))?;
            let what = format!("events appended by {}, {}", count(f64::from(batch)), owners_word(owners));
            let rate = per_second(of_batch.events_per_second);
            let row = if owners == 1 {
                Row::held_to(what, rate, "70 % of plain writes", of_batch.ratio >= GOAL_RATIO)
            } else {
                Row::aside(what, rate)
            };
            measured.rows.push(row.beside(per_second(of_batch.plain_events_per_second), Some(of_batch.ratio)));
        }
    }
    measured.notes.push(
        "An owner has one batch in flight. Two of them, as the two shards of this machine, share a sync; the floor has one for each batch."
            .into(),
    );
    measured.notes.push("The floor is plain writes of as many bytes with the same fsyncs, in turns, in the same folder.".into());
    Ok(measured)
}

fn owners_word(owners: u32) -> &'static str {
    if owners == 1 { "one owner" } else { "two owners" }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::figure::Verdict;

    #[test]
    fn each_batch_size_is_held_to_its_ratio() {
        let line = |owners: u32, batch: u32, ratio: f64| {
            format!(
                r#"{{"benchmark":"event_store_append","owners":{owners},"batch":{batch},"bytes_per_event":40,"events_per_second":51000,"plain_events_per_second":62000,"ratio":{ratio}}}"#
            )
        };
        let two = format!("{}\n{}\n", line(2, 64, 0.1), line(2, 1_024, 0.2));
        let measured = found_in(&format!("{}\n{}\n{two}", line(1, 64, 0.823), line(1, 1_024, 0.69))).expect("all");
        let rows: Vec<_> = measured.rows.iter().take(2).map(|row| (row.what.as_str(), row.verdict)).collect();
        assert_eq!(
            rows,
            [("events appended by 64, one owner", Verdict::Reached), ("events appended by 1 024, one owner", Verdict::Missed)]
        );
        assert!(measured.rows[2..].iter().all(|row| !matches!(row.verdict, Verdict::Reached | Verdict::Missed)));
        assert!(found_in(&line(1, 64, 0.8)).is_err());
        assert!(found_in(r#"{"batch":64}"#).is_err());
    }
}
