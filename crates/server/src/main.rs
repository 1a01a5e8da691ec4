//! The program: settings, wiring, start, drain.
//!
//! `main` is the table of commands; each is a module of its own in [`commands`]. The server is [`service`], the commands that serve are
//! thin. Start there, then follow one reading: gateway, wire, broker, device state, domain, event store, push.

mod cli;

mod commands;

mod service;

mod settings;

mod limits;
mod switches;

mod data_folder;
mod running_server;

mod runtime;
mod signals;

mod open_files;

mod failure;
mod logging;
mod output;
mod progress;

use std::process::ExitCode;

use clap::Parser as _;

use cli::{Cli, Command};
use failure::Failure;

/// A million devices are many small things, made and dropped by several threads. It gives memory back to the system by itself.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let cli = Cli::parse();
    logging::start(&cli.common, cli.command.gives_one_answer());
    match run(cli) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => failure.report(),
    }
}

fn run(cli: Cli) -> Result<(), Failure> {
    let common = cli.common;
    match cli.command {
        Command::Serve => commands::serve::run(&common),
        Command::Demo(demo) => commands::demo::run(&common, &demo),
        Command::Simulate(simulate) => commands::simulate::run(&common, &simulate),
        Command::Send(send) => commands::send::run(&common, &send),
        Command::Events(events) => commands::events::run(&common, &events),
        Command::DeadLetters(letters) => commands::dead_letters::run(&common, &letters),
        Command::Broker(asked) => commands::broker::run(&common, &asked),
        Command::Config(config) => commands::config::run(&common, &config),
        Command::Openapi => commands::openapi::run(),
        Command::Completions { shell } => commands::completions::run(shell),
    }
}
