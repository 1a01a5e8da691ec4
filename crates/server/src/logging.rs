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
/// The client of `RabbitMQ`. It logs every refusal of the broker as an error, also of questions that are asked to be refused: whether
/// a queue is there, whose a broker is. What matters of it comes back to us as an answer, and is logged in our words.
const BROKER_CLIENT: &str = "lapin";

/// Starts logging, once in the life of the process. A command that gives one answer logs one step less: its answer says how it went.
pub(crate) fn start(common: &Common, gives_one_answer: bool) {
    let quieter = u8::from(gives_one_answer && common.verbose == 0);
    let wanted = wanted(level(common.verbose, common.quiet.saturating_add(quieter)));
    let lines = fmt::layer().with_writer(io::stderr);
    let lines = match common.log_format {
        LogFormat::Text => lines.with_ansi(io::stderr().is_terminal()).boxed(),
        LogFormat::Json => lines.json().flatten_event(true).boxed(),
    };
    tracing_subscriber::registry().with(lines.with_filter(wanted)).init();
}

/// Whose lines are written, from which level on.
fn wanted(level: LevelFilter) -> Targets {
    // Other people's crates are heard when something is wrong, and otherwise only by those who asked for everything.
    let others = if level == LevelFilter::TRACE { LevelFilter::DEBUG } else { level.min(LevelFilter::WARN) };
    let broker_client = if level >= LevelFilter::DEBUG { others } else { LevelFilter::OFF };
    Targets::new().with_target(OURS, level).with_target(BROKER_CLIENT, broker_client).with_default(others)
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
    use tracing::Level;

    use super::*;

    #[test]
    fn each_flag_is_one_step() {
        let levels = [(0, 2), (0, 1), (0, 0), (1, 0), (2, 0)].map(|(verbose, quiet)| level(verbose, quiet));
        assert!(levels.is_sorted());
        assert_eq!((levels[0], levels[2]), (LevelFilter::ERROR, LevelFilter::INFO));
    }

    #[test]
    fn what_the_broker_refuses_is_said_in_our_words_only() {
        let usual = wanted(LevelFilter::INFO);
        assert!(!usual.would_enable("lapin::channel", &Level::ERROR));
        assert!(usual.would_enable("fieldwatch_broker::rabbitmq::link", &Level::INFO));
        assert!(usual.would_enable("hyper::proto", &Level::WARN) && !usual.would_enable("hyper::proto", &Level::INFO));
        assert!(wanted(LevelFilter::DEBUG).would_enable("lapin::channel", &Level::ERROR), "who asks for more hears it too");
    }
}
