//! The program: settings, wiring, start, drain.

#[allow(dead_code, reason = "the commands are wired next")]
mod cli;
#[allow(dead_code, unused_imports, reason = "the commands are wired next")]
mod settings;

use std::io::{self, Write as _};
use std::process::ExitCode;

use clap::{CommandFactory as _, Parser as _};

use crate::cli::{Cli, Command, Config};
use crate::settings::{Explain, Sources};

/// Wrong usage or configuration.
const EXIT_USAGE: u8 = 2;

fn main() -> ExitCode {
    let cli = Cli::parse();
    let sources = Sources::of_this_process(cli.common.config.as_deref(), cli.common.settings());
    if let Command::Completions { shell } = cli.command {
        clap_complete::generate(shell, &mut Cli::command(), "fieldwatch", &mut io::stdout());
        return ExitCode::SUCCESS;
    }
    let loaded = match settings::load(&sources) {
        Ok(loaded) => loaded,
        Err(problems) => {
            eprintln!("{problems}");
            return ExitCode::from(EXIT_USAGE);
        }
    };
    match cli.command {
        Command::Config(Config::Print { explain }) => {
            let explain = if explain { Explain::Yes } else { Explain::No };
            match io::stdout().write_all(settings::print(&loaded, explain).as_bytes()) {
                Ok(()) => ExitCode::SUCCESS,
                Err(_) => ExitCode::FAILURE,
            }
        }
        Command::Config(Config::Check) => {
            println!("the configuration is right");
            ExitCode::SUCCESS
        }
        _ => ExitCode::FAILURE,
    }
}
