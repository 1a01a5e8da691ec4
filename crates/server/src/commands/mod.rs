//! The commands, one module each: what was asked on the command line becomes work, and the work's end an exit code.

pub(crate) mod serve;

pub(crate) mod demo;

pub(crate) mod simulate;

pub(crate) mod send;

pub(crate) mod events;

pub(crate) mod dead_letters;

pub(crate) mod broker;

pub(crate) mod config;

pub(crate) mod openapi;

pub(crate) mod completions;

use crate::cli::Common;
use crate::failure::Failure;
use crate::progress::Wanted;
use crate::settings::{self, Loaded, Settings, Sources};

/// The settings of this process, or everything that is wrong with them.
fn load_settings(common: &Common) -> Result<Loaded, Failure> {
    Ok(settings::load(&Sources::of_this_process(common.config.as_deref(), common.settings()))?)
}

/// Refuses settings that ask for what this version cannot do: `serve` as `config check`, so that a check is worth something.
fn refuse_unsupported(settings: &Settings) -> Result<(), Failure> {
    let missing = settings::unsupported(settings);
    if missing.is_empty() { Ok(()) } else { Err(Failure::Usage(missing.join("\n"))) }
}

/// Whoever asks for quiet does not want progress either.
fn wants_progress(common: &Common) -> Wanted {
    if common.quiet == 0 { Wanted::Yes } else { Wanted::No }
}
