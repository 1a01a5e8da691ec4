//! `docs/benchmarks.md`: all figures as they were last kept, with the machine, and with what was noted by hand.

use std::fmt::Write as _;
use std::fs;
use std::path::PathBuf;

use anyhow::Context as _;

use crate::bench::Bench;
use crate::figure::{Figure, Name, Row, Verdict};
use crate::machine;

const INTRODUCTION: &str = "\
What Fieldwatch does on one small machine, measured from outside. `make bench` writes this page; do not edit it. What is known of
the reasons is kept by hand in [benchmarks-notes.md](benchmarks-notes.md), and repeated below.

How to read it:

- Program, floor and load share the same processors. On a machine of its own the program does more.
- A *floor* is the least that could be done: for HTTP a bare hyper server that reads the request, answers the same bytes and forgets
  them; for appends plain writes with the same fsyncs. Floor and program take turns in one run, and the ratio is that of the medians:
  a shared machine is noisy, and a ratio is less so than a rate.
- Latency counts from when a request was due, not from when a busy client came to send it.
- MISSED is what it says. Figures are not chosen: the page has what the last run found.
";

/// Writes the page and says where. What was measured quickly goes beside its figures, not into docs/.
pub(crate) fn write(bench: &Bench) -> anyhow::Result<PathBuf> {
    let docs = bench.repository().join("docs");
    let kept: Vec<Option<Figure>> = Name::ALL.into_iter().map(|name| Figure::kept(name, bench)).collect::<anyhow::Result<_>>()?;
    let notes = fs::read_to_string(docs.join("benchmarks-notes.md")).unwrap_or_default();
    let page = page(&kept, &machine::described(bench.work())?, &notes);
    let path = if bench.quick() { bench.results()? } else { docs }.join("benchmarks.md");
    fs::write(&path, page).with_context(|| format!("write {}", path.display()))?;
    Ok(path)
}

fn page(figures: &[Option<Figure>], machine: &[(&str, String)], notes: &str) -> String {
    let mut page = String::new();
    write_page(&mut page, figures, machine, notes).expect("writing to memory does not fail");
    page
}

fn write_page(page: &mut String, figures: &[Option<Figure>], machine: &[(&str, String)], notes: &str) -> std::fmt::Result {
    writeln!(page, "# Benchmarks\n\n{INTRODUCTION}")?;
    writeln!(page, "{}\n", summary(figures))?;

    writeln!(page, "## Machine\n\n| | |\n|---|---|")?;
    for (what, value) in machine {
        writeln!(page, "| {what} | {} |", cell(value))?;
    }
    writeln!(page)?;
    for (name, figure) in Name::ALL.iter().zip(figures) {
        writeln!(page, "## {}\n", name.title())?;
        match figure {
            Some(figure) => write_figure(page, figure)?,
            None => writeln!(page, "Not measured yet: `bench {}`.\n", name.word())?,
        }
    }
    // Of the notes all but their title.
    let notes = notes.split_once('\n').map_or("", |(_, rest)| rest).trim();
    if !notes.is_empty() {
        writeln!(page, "## Notes\n\n{notes}")?;
    }
    while page.ends_with("\n\n") {
        page.pop();
    }
    Ok(())
}

fn summary(figures: &[Option<Figure>]) -> String {
    let rows = || figures.iter().flatten().flat_map(|figure| &figure.measured.rows);
    let with = |verdict| rows().filter(|row| row.verdict == verdict).count();
    let (reached, missed) = (with(Verdict::Reached), with(Verdict::Missed));
    let unmeasured = with(Verdict::NotMeasured) + figures.iter().filter(|figure| figure.is_none()).count();
    let but = if unmeasured > 0 { format!(", {unmeasured} not measured") } else { String::new() };
    format!("**{reached} goals reached, {missed} missed{but}.**")
}

/// A title and what stands under it.
type Column = (&'static str, fn(&Row) -> String);

fn write_figure(page: &mut String, figure: &Figure) -> std::fmt::Result {
    let columns: [Column; 6] = [
        ("what", |row| row.what.clone()),
        ("measured", |row| row.measured.clone()),
        ("floor", |row| row.floor.clone().unwrap_or_default()),
        ("ratio", |row| row.ratio.map(|ratio| format!("{ratio:.2}")).unwrap_or_default()),
        ("goal", |row| row.goal.clone().unwrap_or_default()),
        ("", |row| row.verdict.word().to_owned()),
    ];
    // A column that no row has anything in is left out.
    let rows = &figure.measured.rows;
    let used = || columns.iter().filter(|(_, of)| rows.iter().any(|row| !of(row).is_empty()));
    writeln!(page, "| {} |", used().map(|(name, _)| *name).collect::<Vec<_>>().join(" | "))?;
    writeln!(page, "|{}", "---|".repeat(used().count()))?;
    for row in rows {
        writeln!(page, "| {} |", used().map(|(_, of)| cell(&of(row))).collect::<Vec<_>>().join(" | "))?;
    }
    writeln!(page)?;
    for note in &figure.measured.notes {
        writeln!(page, "- {note}")?;
    }
    writeln!(
        page,
        "- `{}` on {}, commit {}, {} s; the machine was {:.0} % idle before.\n",
        figure.command, figure.taken, figure.commit, figure.seconds, figure.idle_before
    )
}

/// A text as one cell of a table.
fn cell(text: &str) -> String {
    text.replace('|', "\\|").split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::figure::Measured;

    fn figure(name: Name, rows: Vec<Row>) -> Figure {
        Figure {
            name,
            command: format!("bench {}", name.word()),
            taken: "2026-01-01T00:00:00Z".into(),
            commit: "abc".into(),
            idle_before: 99.0,
            seconds: 12.0,
            measured: Measured { rows, notes: vec!["A note.".into()] },
        }
    }

    #[test]
    fn a_page_says_what_was_reached_missed_and_not_measured() {
        let figures = [
            Some(figure(
                Name::Single,
                vec![
                    Row::held_to("rate", "50/s", "55 % of the floor", false).beside("100/s", Some(0.5)),
                    Row::held_to("p99", "3 ms", "< 25 ms", true),
                ],
            )),
            Some(figure(
                Name::Batches,
                vec![Row { verdict: Verdict::NotMeasured, ..Row::aside("Batches", "no | program\nthere") }],
            )),
            None,
        ];
        let page = page(&figures, &[("kernel", "Linux".into())], "# Notes on the figures\n\nThe disk is slow.\n");
        for part in [
            "**1 goals reached, 1 missed, 2 not measured.**",
            "| kernel | Linux |",
            "| what | measured | floor | ratio | goal |  |\n|---|---|---|---|---|---|\n| rate | 50/s | 100/s | 0.50 | 55 % of the floor | MISSED |",
            "| what | measured |  |\n|---|---|---|\n| Batches | no \\| program there | NOT MEASURED |",
            "Not measured yet: `bench steady`.",
            "- `bench single` on 2026-01-01T00:00:00Z, commit abc, 12 s; the machine was 99 % idle before.",
            "## Notes\n\nThe disk is slow.\n",
        ] {
            assert!(page.contains(part), "{part}\nis not in\n{page}");
        }
        assert!(!page.contains("Notes on the figures"));
    }
}
