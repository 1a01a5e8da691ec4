//! `fieldwatch completions SHELL`

use anyhow::Context as _;
use clap::CommandFactory as _;
use clap_complete::Shell;

use crate::cli::Cli;
use crate::failure::Failure;
use crate::output::write_out;

pub(crate) fn run(shell: Shell) -> Result<(), Failure> {
    // Into memory first: clap's own writing panics when its reader has gone away.
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "fieldwatch", &mut script);
    Ok(write_out(|out| std::io::Write::write_all(out, &script).context("cannot write the output"))?)
}
