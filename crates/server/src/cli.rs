//! The command line: what can be asked of the program. Only words and their checks; `main` does the work.
//!
//! Wrong usage ends with exit code 2 and a sentence that names the argument, which is what clap does by itself.

// The comments on commands and flags are their help texts, and on a terminal backticks would be read as typed.
#![allow(clippy::doc_markdown)]

use std::path::PathBuf;
use std::time::Duration;

use clap::{ArgAction, Args, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;

use crate::settings::{Flag, parse_duration};

/// Keeps the state of devices that report temperature and location, and shows them live on a map.
#[derive(Debug, Parser)]
#[command(
    name = "fieldwatch",
    version,
    disable_help_subcommand = true,
    after_help = "Examples:\n  fieldwatch demo                      see it work, with a simulated fleet\n  fieldwatch serve                     the service, on http://127.0.0.1:8080\n  fieldwatch config print --explain    every setting, its meaning and where it comes from\n\nExit codes: 0 done, 1 the work failed, 2 wrong usage or configuration."
)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) common: Common,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// Flags that every command takes, before or after its name.
#[derive(Args, Debug)]
#[command(next_help_heading = "Common flags")]
pub(crate) struct Common {
    /// Configuration file [default: ./fieldwatch.toml, if there is one]
    #[arg(long, global = true, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// Folder of the embedded queue and store; wins over data_dir
    #[arg(long, global = true, value_name = "FOLDER")]
    pub(crate) data_dir: Option<String>,
    /// Address and port of the HTTP server, such as 127.0.0.1:8080; wins over server.listen
    #[arg(long, global = true, value_name = "ADDRESS")]
    pub(crate) listen: Option<String>,
    /// How log lines are written
    #[arg(long, global = true, value_enum, default_value_t)]
    pub(crate) log_format: LogFormat,
    /// Log more; twice for even more
    #[arg(short, long, global = true, action = ArgAction::Count)]
    pub(crate) verbose: u8,
    /// Log only warnings; twice for only errors
    #[arg(short, long, global = true, action = ArgAction::Count, conflicts_with = "verbose")]
    pub(crate) quiet: u8,
}

impl Common {
    /// Those flags that set a setting.
    pub(crate) fn settings(&self) -> Vec<Flag> {
        let flag = |name, key, value: &Option<String>| Some(Flag { name, key, value: value.clone()? });
        [flag("--data-dir", "data_dir", &self.data_dir), flag("--listen", "server.listen", &self.listen)]
            .into_iter()
            .flatten()
            .collect()
    }
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum LogFormat {
    /// For people
    #[default]
    Text,
    /// One JSON object a line
    Json,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run the service: all roles, embedded queue and store, unless configured otherwise
    #[command(
        after_help = "Examples:\n  fieldwatch serve\n  fieldwatch serve --config /etc/fieldwatch.toml --log-format json\n\nSIGTERM and SIGINT drain: it stops taking readings, finishes what is in hand, closes streams and exits 0."
    )]
    Serve,
    /// See it work: the service on a data folder of its own, plus a simulated fleet
    #[command(
        after_help = "Example:\n  fieldwatch demo --devices 1000\n\nIts data lies in the folder demo within data_dir, or where --data-dir says, and is there again next time. A fleet of more\nthan 10 000 devices reports less often than each second. Zones and ranges are planned."
    )]
    Demo(Demo),
    /// Send a bounded load to a running server, and sum up what came of it
    #[command(
        after_help = "Example:\n  fieldwatch simulate --target http://127.0.0.1:8080 --devices 1000 --interval 1s --duration 60s\n\nExits 1 when a reading failed."
    )]
    Simulate(Simulate),
    /// Replay recorded readings with their own times
    #[command(
        after_help = "Examples:\n  fieldwatch send track.csv --target http://127.0.0.1:8080\n  fieldwatch send track.ndjson --target http://127.0.0.1:8080 --speed 60\n\nA CSV file starts with the line at,deviceId,temperature,lat,lon. What was refused is listed with its line."
    )]
    Send(Send),
    /// Read the event log of the data folder, also while a server uses it
    #[command(subcommand)]
    Events(Events),
    /// Readings that could not be processed: in the data folder, or at the broker with queue.kind = "rabbitmq"
    #[command(subcommand)]
    DeadLetters(DeadLetters),
    /// Look after the broker that several processes share
    #[command(subcommand)]
    Broker(Broker),
    /// Check or print the configuration
    #[command(subcommand)]
    Config(Config),
    /// Print the OpenAPI document of the API
    #[command(after_help = "Example:\n  fieldwatch openapi > openapi.json")]
    Openapi,
    /// Print a completion script for a shell
    #[command(after_help = "Example:\n  fieldwatch completions bash > /etc/bash_completion.d/fieldwatch")]
    Completions {
        /// The shell to complete in
        shell: Shell,
    },
}

impl Command {
    /// Whether it is asked something at a broker, answers, and ends: then nobody waits for lines about its connections.
    pub(crate) fn gives_one_answer(&self) -> bool {
        matches!(self, Self::Broker(_) | Self::DeadLetters(_))
    }
}

#[derive(Args, Debug)]
pub(crate) struct Demo {
    /// Size of the simulated fleet
    #[arg(long, value_name = "N", default_value_t = 200, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub(crate) devices: u32,
}

#[derive(Args, Debug)]
pub(crate) struct Simulate {
    /// Address of the server, such as http://127.0.0.1:8080
    #[arg(long, value_name = "URL", value_parser = http_url)]
    pub(crate) target: String,
    /// Number of simulated devices
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=10_000_000))]
    pub(crate) devices: u32,
    /// Time between two readings of one device
    #[arg(long, default_value = "1s", value_parser = parse_duration)]
    pub(crate) interval: Duration,
    /// How long to send
    #[arg(long, default_value = "60s", value_parser = parse_duration)]
    pub(crate) duration: Duration,
    /// Readings in one request
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=50_000))]
    pub(crate) batch: u32,
    /// How devices move and what they measure
    #[arg(long, value_enum, default_value_t)]
    pub(crate) profile: Profile,
    /// The same seed gives the same fleet [default: another one each time]
    #[arg(long, value_name = "S")]
    pub(crate) seed: Option<u64>,
    /// Print the summary as one JSON object
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Profile {
    /// Vehicles that drive between places
    #[default]
    Commute,
    /// Refrigerated transports
    ColdChain,
    /// The load of the original system's test
    Original,
}

#[derive(Args, Debug)]
pub(crate) struct Send {
    /// Readings as .csv or .ndjson, perhaps with .gz behind it
    #[arg(value_name = "FILE", value_parser = recording)]
    pub(crate) file: PathBuf,
    /// Address of the server, such as http://127.0.0.1:8080
    #[arg(long, value_name = "URL", value_parser = http_url)]
    pub(crate) target: String,
    /// Keep the pace of the recording, so many times as fast [default: as fast as the server takes it]
    #[arg(long, value_name = "N", value_parser = speed)]
    pub(crate) speed: Option<f64>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Events {
    /// Write events as NDJSON, oldest first
    #[command(
        after_help = "Examples:\n  fieldwatch events export > events.ndjson\n  fieldwatch events export --device AL-0012 --after 4096"
    )]
    Export {
        #[command(flatten)]
        device: OfDevice,
        /// Only events whose position is greater
        #[arg(long, value_name = "POSITION")]
        after: Option<u64>,
    },
    /// Follow the log: write each new event as it is stored
    #[command(after_help = "Example:\n  fieldwatch events tail --device AL-0012")]
    Tail(OfDevice),
    /// Check checksums, versions without gap, and that a replay gives the stored state; exits 1 when something is wrong
    #[command(after_help = "Example:\n  fieldwatch events verify --data-dir /var/lib/fieldwatch")]
    Verify(OfDevice),
}

#[derive(Args, Debug)]
pub(crate) struct OfDevice {
    /// Only this device
    #[arg(long, value_name = "ID")]
    pub(crate) device: Option<String>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum DeadLetters {
    /// One line each: id, time, device, reason
    List,
    /// One of them whole, its bytes as they came
    Show {
        /// As shown by "list"
        id: u64,
    },
    /// Give it to its device again
    #[command(after_help = "Examples:\n  fieldwatch dead-letters requeue 17\n  fieldwatch dead-letters requeue --all")]
    Requeue(Requeue),
}

#[derive(Args, Debug)]
#[group(required = true, multiple = false)]
pub(crate) struct Requeue {
    /// As shown by "list"
    pub(crate) id: Option<u64>,
    /// All of them
    #[arg(long)]
    pub(crate) all: bool,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Broker {
    /// Have it forget the number of partitions and the store, and delete the partitions
    #[command(
        after_help = "It is refused while partitions hold readings or any process uses them: stop all processes when everything is decided.\nDead letters stay. The next process to start decides the number of partitions and the store.\n\nExample:\n  fieldwatch broker reset --config /etc/fieldwatch.toml"
    )]
    Reset,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Config {
    /// Say what is wrong, with file, line and key; exits 2 when something is
    Check,
    /// Print every setting and where it comes from, as a file that can be read in again; secrets are masked
    #[command(after_help = "Example:\n  fieldwatch config print --explain > fieldwatch.toml")]
    Print {
        /// Say before each setting what it means
        #[arg(long)]
        explain: bool,
    },
}

fn http_url(text: &str) -> Result<String, String> {
    let host = text.strip_prefix("http://").or_else(|| text.strip_prefix("https://"));
    match host {
        Some(host) if !host.is_empty() && !host.starts_with('/') => Ok(text.to_owned()),
        _ => Err("must start with http:// or https:// and name a host".to_owned()),
    }
}

fn recording(text: &str) -> Result<PathBuf, String> {
    let path = PathBuf::from(text);
    let name = text.to_ascii_lowercase();
    let name = name.strip_suffix(".gz").unwrap_or(&name);
    if [".csv", ".ndjson"].iter().any(|ending| name.ends_with(ending)) {
        Ok(path)
    } else {
        Err("must end in .csv or .ndjson, perhaps with .gz behind it".to_owned())
    }
}

fn speed(text: &str) -> Result<f64, String> {
    text.parse()
        .ok()
        .filter(|speed: &f64| speed.is_finite() && *speed > 0.0)
        .ok_or_else(|| "must be a number greater than 0; 1 is the pace of the recording".to_owned())
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;
    use clap::error::ErrorKind;

    use super::*;

    fn parsed(line: &str) -> Cli {
        Cli::try_parse_from(line.split(' ')).unwrap_or_else(|error| panic!("{line}: {error}"))
    }

    fn refused(line: &str) -> clap::Error {
        Cli::try_parse_from(line.split(' ')).err().unwrap_or_else(|| panic!("{line} was taken"))
    }

    #[test]
    fn the_tree_of_commands_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn common_flags_are_taken_before_and_after_the_command() {
        for line in ["fieldwatch --listen 127.0.0.1:9 --data-dir /d serve", "fieldwatch serve --listen 127.0.0.1:9 --data-dir /d"] {
            let flags = parsed(line).common.settings();
            let seen: Vec<_> = flags.iter().map(|flag| (flag.name, flag.key, flag.value.as_str())).collect();
            assert_eq!(seen, [("--data-dir", "data_dir", "/d"), ("--listen", "server.listen", "127.0.0.1:9")]);
        }
        assert_eq!(parsed("fieldwatch events verify -vv --log-format json").common.verbose, 2);
        assert!(parsed("fieldwatch serve").common.settings().is_empty());
    }

    #[test]
    fn demo_has_two_hundred_devices_unless_told_otherwise() {
        assert!(matches!(parsed("fieldwatch demo").command, Command::Demo(Demo { devices: 200 })));
        assert!(matches!(parsed("fieldwatch demo --devices 7").command, Command::Demo(Demo { devices: 7 })));
    }

    #[test]
    fn a_simulation_is_described_completely() {
        let line = "fieldwatch simulate --target http://h:1 --devices 10 --interval 500ms --duration 1m30s --batch 100 --profile cold-chain --seed 3 --json";
        let Command::Simulate(simulate) = parsed(line).command else { panic!("another command") };
        assert_eq!(simulate.target, "http://h:1");
        assert_eq!((simulate.devices, simulate.batch, simulate.seed, simulate.json), (10, 100, Some(3), true));
        assert_eq!((simulate.interval, simulate.duration), (Duration::from_millis(500), Duration::from_secs(90)));
        assert_eq!(simulate.profile, Profile::ColdChain);
    }

    #[test]
    fn a_simulation_needs_to_know_only_target_and_number_of_devices() {
        let Command::Simulate(simulate) = parsed("fieldwatch simulate --target http://h --devices 1").command else {
            panic!("another command")
        };
        assert_eq!((simulate.interval, simulate.duration, simulate.batch), (Duration::from_secs(1), Duration::from_mins(1), 1));
        assert_eq!(refused("fieldwatch simulate --devices 1").kind(), ErrorKind::MissingRequiredArgument);
    }

    #[test]
    fn every_command_of_the_contract_is_taken() {
        for line in [
            "fieldwatch serve --config a.toml",
            "fieldwatch send a.csv --target http://h --speed 10",
            "fieldwatch send a.ndjson --target https://h",
            "fieldwatch send A.CSV.gz --target http://h",
            "fieldwatch events export --device a --after 5",
            "fieldwatch events tail",
            "fieldwatch events verify --device a",
            "fieldwatch dead-letters list",
            "fieldwatch dead-letters show 3",
            "fieldwatch dead-letters requeue 3",
            "fieldwatch dead-letters requeue --all",
            "fieldwatch broker reset --config a.toml",
            "fieldwatch config check",
            "fieldwatch config print --explain",
            "fieldwatch openapi",
            "fieldwatch completions zsh",
        ] {
            parsed(line);
        }
    }

    #[test]
    fn wrong_usage_exits_with_two() {
        for line in [
            "fieldwatch",
            "fieldwatch watch",
            "fieldwatch serve --port 1",
            "fieldwatch serve -q -v",
            "fieldwatch demo --devices 0",
            "fieldwatch simulate --target h --devices 1",
            "fieldwatch simulate --target http://h --devices 1 --interval 30",
            "fieldwatch send a.txt --target http://h",
            "fieldwatch send a.csv --target http://h --speed 0",
            "fieldwatch send a.csv --target http://h --speed nan",
            "fieldwatch broker",
            "fieldwatch dead-letters requeue",
            "fieldwatch dead-letters show first",
            "fieldwatch dead-letters requeue 3 --all",
            "fieldwatch completions tcsh",
        ] {
            assert_eq!(refused(line).exit_code(), 2, "{line}");
        }
    }

    #[test]
    fn help_and_version_are_no_failure() {
        for line in ["fieldwatch --help", "fieldwatch --version", "fieldwatch events export --help"] {
            assert_eq!(refused(line).exit_code(), 0, "{line}");
        }
    }
}
