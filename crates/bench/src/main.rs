//! Measures the program from outside, and writes `docs/benchmarks.md`.
//!
//! It knows the program by its command line and its HTTP interface alone, so that what it says is what a user would see. Where a
//! goal is a ratio, the floor is measured in the same run, in turns with the program, by the same load on the same processors.
//!
//! Start reading at [`figure::Figure`], then at any file that measures one: `single`, `batches`, `steady`, `memory`, `restart`,
//! `append`, `page`, and of several nodes `broker`, `postgresql`, `fail_over`, `across`. `server`, `http`, `arrivals` and `floor` are
//! what they stand on, `ground`, `prefill`, `shares` and `bare_consumer` where there are several nodes; `report` writes the page.

mod cli;
mod figure;

// The figures.
mod across;
mod append;
mod batches;
mod broker;
mod fail_over;
mod memory;
mod page;
mod postgresql;
mod restart;
mod single;
mod steady;

// What they stand on.
mod arrivals;
mod bare_consumer;
mod bench;
mod floor;
mod ground;
mod http;
mod machine;
mod prefill;
mod process;
mod server;
mod shares;
mod usage;

// What becomes of them.
mod report;
mod wording;

use std::process::ExitCode;

use clap::Parser as _;

use crate::bench::Bench;
use crate::cli::{Cli, Command};
use crate::figure::{Figure, Name};

/// The program's own, so that the floor does not differ from it in that.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    match run(&Cli::parse()) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("bench: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// A missed goal does not fail a run: to find it out is what the run is for. A figure that could not be measured does.
fn run(cli: &Cli) -> anyhow::Result<ExitCode> {
    if let Command::Floor { listen, accepted } = cli.command {
        return floor::serve(listen, accepted).map(|()| ExitCode::SUCCESS);
    }
    let bench = Bench::prepare(&cli.place)?;
    let mut all_measured = true;
    for name in wanted(&cli.command) {
        let figure = Figure::measure(name, &bench);
        all_measured &= figure.was_measured();
        print!("{figure}");
        figure.keep(&bench)?;
    }
    if matches!(cli.command, Command::All | Command::Report) {
        println!("written: {}", report::write(&bench)?.display());
    }
    Ok(if all_measured { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn wanted(command: &Command) -> Vec<Name> {
    match command {
        Command::Floor { .. } | Command::Report => Vec::new(),
        Command::All => Name::ALL.to_vec(),
        Command::Single => vec![Name::Single],
        Command::Batches => vec![Name::Batches],
        Command::Steady => vec![Name::Steady],
        Command::Memory => vec![Name::Memory],
        Command::Restart => vec![Name::Restart],
        Command::Append => vec![Name::Append],
        Command::Page => vec![Name::Page],
        Command::Broker => vec![Name::Broker],
        Command::Postgresql => vec![Name::Postgresql],
        Command::FailOver => vec![Name::FailOver],
        Command::Across => vec![Name::Across],
    }
}
