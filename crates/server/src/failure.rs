//! How a command ends when it does not end well, and with which exit code.

use std::process::ExitCode;

use crate::settings::Problems;

/// Why a command did not do what it was asked for.
#[derive(Debug)]
pub(crate) enum Failure {
    /// Wrong usage or configuration; nothing was opened.
    Usage(String),
    /// The work failed.
    Work(anyhow::Error),
    /// The work failed, and what the command wrote says how: a summary, a list of problems.
    Told,
}

impl Failure {
    /// 1 the work failed, 2 wrong usage or configuration.
    pub(crate) fn exit_code(&self) -> u8 {
        match self {
            Self::Usage(_) => 2,
            Self::Work(_) | Self::Told => 1,
        }
    }

    /// Says on stderr what went wrong, and gives the exit code.
    pub(crate) fn report(&self) -> ExitCode {
        match self {
            Self::Usage(what) => eprintln!("{what}"),
            Self::Work(error) => eprintln!("fieldwatch: {error:#}"),
            Self::Told => {}
        }
        ExitCode::from(self.exit_code())
    }
}

impl From<anyhow::Error> for Failure {
    fn from(error: anyhow::Error) -> Self {
        Self::Work(error)
    }
}

impl From<Problems> for Failure {
    fn from(problems: Problems) -> Self {
        Self::Usage(problems.to_string())
    }
}
