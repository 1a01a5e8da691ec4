//! Log lines on stderr, for people or as JSON: constant messages, their values as fields.

use std::io::{self, IsTerminal as _};

use tracing::level_filters::LevelFilter;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{Layer as _, fmt};

use crate::cli::{Common, LogFormat};

/// All crates of this program begin so.
const OURS: &str = "fieldwatch";

/// Starts logging, once in the life of the process.
pub(crate) fn start(common: &Common) {
    let level = level(common.verbose, common.quiet);
    // Other people's crates are heard when something is wrong, and otherwise only by those who asked for everything.
    let others = if level == LevelFilter::TRACE { LevelFilter::DEBUG } else { level.min(LevelFilter::WARN) };
    let wanted = Targets::new().with_target(OURS, level).with_default(others);
    let lines = fmt::layer().with_writer(io::stderr);
    let lines = match common.log_format {
        LogFormat::Text => lines.with_ansi(io::stderr().is_terminal()).boxed(),
        LogFormat::Json => lines.json().flatten_event(true).boxed(),
    };
    tracing_subscriber::registry().with(lines.with_filter(wanted)).init();
}

fn level(verbose: u8, quiet: u8) -> LevelFilter {
    match (verbose, quiet) {
        (0, 0) => LevelFilter::INFO,
        (1, _) => LevelFilter::DEBUG,
        (2.., _) => LevelFilter::TRACE,
        (0, 1) => LevelFilter::WARN,
        (0, 2..) => LevelFilter::ERROR,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_flag_is_one_step() {
        let levels = [(0, 2), (0, 1), (0, 0), (1, 0), (2, 0)].map(|(verbose, quiet)| level(verbose, quiet));
        assert!(levels.is_sorted());
        assert_eq!((levels[0], levels[2]), (LevelFilter::ERROR, LevelFilter::INFO));
    }
}
