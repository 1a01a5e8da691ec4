//! The command line: which figure to measure, of which program, and where.

// The comments on commands and flags are their help texts, and on a terminal backticks would be read as typed.
#![allow(clippy::doc_markdown)]

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

/// Measures Fieldwatch against the floors of the same run
#[derive(Debug, Parser)]
#[command(
    name = "bench",
    disable_help_subcommand = true,
    after_help = "Examples:\n  bench all              every figure, then docs/benchmarks.md\n  bench single --quick   see one of them work\n\nExit codes: 0 all was measured, 1 something could not be, 2 wrong usage. A missed goal is 0."
)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) place: Place,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// What is measured, and where.
#[derive(Args, Debug)]
pub(crate) struct Place {
    /// The program to measure [default: fieldwatch beside this one]
    #[arg(long, global = true, value_name = "FILE")]
    pub(crate) program: Option<PathBuf>,
    /// Folder for the data of the servers, on the disk to measure; at most 10 GB [default: ../bench beside this program's folder]
    #[arg(long, global = true, value_name = "FOLDER")]
    pub(crate) work: Option<PathBuf>,
    /// The repository: its commit is named, its page measured, its docs written
    #[arg(long, global = true, value_name = "FOLDER", default_value = ".")]
    pub(crate) repository: PathBuf,
    /// Small and short, to see that it works; the figures say nothing, and docs/ is left alone
    #[arg(long, global = true)]
    pub(crate) quick: bool,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Everything, then docs/benchmarks.md
    All,
    /// Single readings: rate against a bare server, latency at half of it
    Single,
    /// Batches of 1000, until all is decided and stored
    Batches,
    /// 10 000 devices, each once a second, and how soon the stream tells
    Steady,
    /// Memory of a million devices
    Memory,
    /// From kill -9 to an answer for every device
    Restart,
    /// Durable appends of the event store against plain writes
    Append,
    /// What the page costs the browser while a fleet moves
    Page,
    /// A state node that works off what waits at RabbitMQ, against a bare consumer
    Broker,
    /// Appends of a thousand events in PostgreSQL, against a bare bulk insert
    Postgresql,
    /// From kill -9 of one of three nodes until all partitions go on, and from a join until they are shared
    FailOver,
    /// From a reading at one node to its event on a stream of another
    Across,
    /// Write docs/benchmarks.md from what was measured last
    Report,
    /// Be the bare server
    #[command(hide = true)]
    Floor {
        /// Where to listen
        #[arg(long)]
        listen: SocketAddr,
        /// How many readings each answer says were accepted
        #[arg(long, default_value_t = 1)]
        accepted: u32,
    },
}
