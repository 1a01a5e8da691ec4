//! Durable appends of the event store against plain writes, which an example of its crate measures from inside.

use std::process::Command;
use std::time::Duration;

use anyhow::Context as _;

use crate::bench::Bench;
use crate::figure::{Measured, Row};
use crate::process::said_within;

const GOAL_RATIO: f64 = 0.70;
const BATCHES: [u32; 2] = [64, 1_024];
/// Cargo may have to build it first.
const EXAMPLE_WITHIN: Duration = Duration::from_mins(10);

pub(crate) fn measure(bench: &Bench) -> anyhow::Result<Measured> {
    let folder = bench.folder("append")?;
    let mut example = Command::new("cargo");
    example.args(["run", "--release", "--quiet", "--package", "fieldwatch-event-store", "--example", "append", "--"]);
    // The folder twice: as what it is asked for, and for an example that takes none.
    example.arg(folder.path()).env("TMPDIR", folder.path()).current_dir(bench.repository());
    let said = said_within(&mut example, EXAMPLE_WITHIN).context("run the example append of fieldwatch-event-store")?;
    let mut measured = Measured::default();
    for batch in BATCHES {
        let (line, ratio) = said
            .lines()
            .find_map(|line| Some((line, ratio_of(line, batch)?)))
            .with_context(|| format!("find the ratio of batches of {batch} in what the example said:\n{said}"))?;
        let row = Row::held_to(format!("batches of {batch} events"), squeezed(line), "≥ 70 % of plain writes", ratio >= GOAL_RATIO);
        measured.rows.push(Row { ratio: Some(ratio), ..row });
    }
    measured.notes.push("Plain writes of the same bytes with the same fsyncs, in the same folder and run.".into());
    Ok(measured)
}

fn squeezed(line: &str) -> String {
    line.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// The ratio in a line about batches of that size: the number behind `ratio`, as a part of one or in percent.
fn ratio_of(line: &str, batch: u32) -> Option<f64> {
    let about: String = line.split("ratio").next()?.chars().filter(|char| !matches!(char, '_' | ' ' | ',')).collect();
    let first: String = about.chars().skip_while(|char| !char.is_ascii_digit()).take_while(char::is_ascii_digit).collect();
    if first.parse() != Ok(batch) {
        return None;
    }
    let behind = line.split_once("ratio")?.1.trim_start_matches([':', '=', ' ']);
    let number: String = behind.chars().take_while(|char| char.is_ascii_digit() || *char == '.').collect();
    let percent = behind[number.len()..].trim_start().starts_with('%');
    let number: f64 = number.parse().ok()?;
    Some(if percent { number / 100.0 } else { number })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ratio_stands_behind_its_word() {
        for (line, batch, ratio) in [
            ("batch   64: 51 000 events/s, plain 62 000 events/s, ratio 0.82", 64, Some(0.82)),
            ("batches of 1 024 events   ratio: 91 %", 1_024, Some(0.91)),
            ("batch   64  append 2.1ms ratio 0.82", 1_024, None),
            ("ratio 0.82", 64, None),
            ("batch 64", 64, None),
        ] {
            assert_eq!(ratio_of(line, batch), ratio, "{line}");
        }
    }
}
