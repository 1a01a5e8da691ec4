//! A figure: what was measured, beside what was aimed at.

use std::fmt;
use std::fs;
use std::time::Instant;

use anyhow::Context as _;
use serde::{Deserialize, Serialize};

use crate::bench::Bench;
use crate::{across, append, batches, broker, fail_over, machine, memory, page, postgresql, restart, single, steady};

/// Which figure.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Name {
    Single,
    Batches,
    Steady,
    Memory,
    Restart,
    Append,
    Page,
    Broker,
    Postgresql,
    FailOver,
    Across,
}

impl Name {
    pub(crate) const ALL: [Name; 11] = [
        Name::Single,
        Name::Batches,
        Name::Steady,
        Name::Memory,
        Name::Restart,
        Name::Append,
        Name::Page,
        Name::Broker,
        Name::Postgresql,
        Name::FailOver,
        Name::Across,
    ];

    /// As on the command line.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Name::Single => "single",
            Name::Batches => "batches",
            Name::Steady => "steady",
            Name::Memory => "memory",
            Name::Restart => "restart",
            Name::Append => "append",
            Name::Page => "page",
            Name::Broker => "broker",
            Name::Postgresql => "postgresql",
            Name::FailOver => "fail-over",
            Name::Across => "across",
        }
    }

    pub(crate) fn title(self) -> &'static str {
        match self {
            Name::Single => "Single readings",
            Name::Batches => "Batches",
            Name::Steady => "A steady fleet",
            Name::Memory => "Memory",
            Name::Restart => "Restart",
            Name::Append => "Durable append",
            Name::Page => "The page",
            Name::Broker => "Batches from RabbitMQ",
            Name::Postgresql => "Append in PostgreSQL",
            Name::FailOver => "Fail-over of three nodes",
            Name::Across => "From one node to another",
        }
    }

    fn measure(self, bench: &Bench) -> anyhow::Result<Measured> {
        match self {
            Name::Single => single::measure(bench),
            Name::Batches => batches::measure(bench),
            Name::Steady => steady::measure(bench),
            Name::Memory => memory::measure(bench),
            Name::Restart => restart::measure(bench),
            Name::Append => append::measure(bench),
            Name::Page => page::measure(bench),
            Name::Broker => broker::measure(bench),
            Name::Postgresql => postgresql::measure(bench),
            Name::FailOver => fail_over::measure(bench),
            Name::Across => across::measure(bench),
        }
    }
}

/// What a measurement found.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct Measured {
    pub(crate) rows: Vec<Row>,
    /// What has to be known to understand the rows, one sentence or more each.
    pub(crate) notes: Vec<String>,
}

/// One line of a figure's table.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Row {
    pub(crate) what: String,
    pub(crate) measured: String,
    pub(crate) floor: Option<String>,
    /// Measured over floor.
    pub(crate) ratio: Option<f64>,
    pub(crate) goal: Option<String>,
    pub(crate) verdict: Verdict,
}

impl Row {
    /// A row without a goal: something that explains the others.
    pub(crate) fn aside(what: impl Into<String>, measured: impl Into<String>) -> Row {
        Row { what: what.into(), measured: measured.into(), floor: None, ratio: None, goal: None, verdict: Verdict::NoGoal }
    }

    pub(crate) fn held_to(what: impl Into<String>, measured: impl Into<String>, goal: impl Into<String>, reached: bool) -> Row {
        let verdict = if reached { Verdict::Reached } else { Verdict::Missed };
        Row { goal: Some(goal.into()), verdict, ..Row::aside(what, measured) }
    }

    /// The floor is for comparison; whether it counts for the goal is said by the goal.
    pub(crate) fn beside(self, floor: impl Into<String>, ratio: Option<f64>) -> Row {
        Row { floor: Some(floor.into()), ratio, ..self }
    }
}

/// What a row says of its goal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) enum Verdict {
    Reached,
    Missed,
    NoGoal,
    NotMeasured,
}

impl Verdict {
    pub(crate) fn word(self) -> &'static str {
        match self {
            Verdict::Reached => "reached",
            Verdict::Missed => "MISSED",
            Verdict::NoGoal => "",
            Verdict::NotMeasured => "NOT MEASURED",
        }
    }
}

/// A measurement with what it takes to repeat it.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Figure {
    pub(crate) name: Name,
    pub(crate) command: String,
    /// UTC, to the second.
    pub(crate) taken: String,
    pub(crate) commit: String,
    /// How idle the machine was before, in percent: what others did on it does not go into the figures unseen.
    pub(crate) idle_before: f64,
    pub(crate) seconds: f64,
    #[serde(flatten)]
    pub(crate) measured: Measured,
}

impl Figure {
    /// Measures, and says so. What fails is a figure too: one that was not measured.
    pub(crate) fn measure(name: Name, bench: &Bench) -> Figure {
        println!("== {} ({})", name.title(), name.word());
        let taken = machine::now();
        let idle_before = machine::idle_percent();
        let begun = Instant::now();
        let measured = name.measure(bench).unwrap_or_else(|error| {
            let row = Row { verdict: Verdict::NotMeasured, ..Row::aside(name.title(), format!("{error:#}")) };
            Measured { rows: vec![row], notes: Vec::new() }
        });
        Figure {
            name,
            command: format!("bench {}{}", name.word(), if bench.quick() { " --quick" } else { "" }),
            taken,
            commit: machine::commit(bench.repository()),
            idle_before,
            seconds: begun.elapsed().as_secs_f64().round(),
            measured,
        }
    }

    pub(crate) fn was_measured(&self) -> bool {
        self.measured.rows.iter().all(|row| row.verdict != Verdict::NotMeasured)
    }

    /// Kept until the figure is measured again, so that one can be renewed alone.
    pub(crate) fn keep(&self, bench: &Bench) -> anyhow::Result<()> {
        let path = bench.results()?.join(format!("{}.json", self.name.word()));
        fs::write(&path, serde_json::to_vec_pretty(self)?).with_context(|| format!("write {}", path.display()))
    }

    /// The figure as it was last kept; `None` if it never was.
    pub(crate) fn kept(name: Name, bench: &Bench) -> anyhow::Result<Option<Figure>> {
        let path = bench.results()?.join(format!("{}.json", name.word()));
        match fs::read(&path) {
            Ok(bytes) => Ok(Some(serde_json::from_slice(&bytes).with_context(|| format!("read {}", path.display()))?)),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error).with_context(|| format!("read {}", path.display())),
        }
    }
}

impl fmt::Display for Figure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for row in &self.measured.rows {
            write!(f, "  {}: {}", row.what, row.measured)?;
            if let Some(floor) = &row.floor {
                write!(f, ", floor {floor}")?;
            }
            if let Some(ratio) = row.ratio {
                write!(f, ", ratio {ratio:.2}")?;
            }
            if let Some(goal) = &row.goal {
                write!(f, ", goal {goal}")?;
            }
            writeln!(f, " {}", row.verdict.word())?;
        }
        for note in &self.measured.notes {
            writeln!(f, "  note: {note}")?;
        }
        writeln!(f, "  took {} s; the machine was {:.0} % idle before", self.seconds, self.idle_before)
    }
}
