//! `fieldwatch-real-servers rabbitmq|postgresql`: a real server for tests that are written in another language.
//!
//! Says `{"url":…,"pid":…}` in one line when the server answers, or `{"missing":…}` with exit code 3 when it cannot be had here.
//! From then on it takes a command a line, and answers each with a line: `{"ok":true}`, `{"url":…}`, `{"url":…,"authority":…}`, `{"said":…}`,
//! `{"missing":…}` or `{"error":…}`. It ends, and everything with it, when its input closes, so it never outlives whoever started it.
//!
//! | command | does |
//! |---|---|
//! | `vhost`, `database` | creates a fresh one, and gives its address |
//! | `encrypted` | `RabbitMQ`: creates a fresh one whose connections are encrypted, and says by which `authority`'s certificate (a file); or what is `missing` for it |
//! | `kill` | kills the server with its children, at once |
//! | `restart` | starts it again on the same port and data, and waits until it answers |
//! | `freeze`, `thaw` | stops it in its tracks; lets it go on. In between it takes no other command |
//! | `alarm on`, `alarm off` | `RabbitMQ`: has it believe that its disk is full |
//! | `control WORDS` | `RabbitMQ`: runs `rabbitmqctl` |
//! | `sql DATABASE STATEMENT` | `PostgreSQL`: gives what `psql` says |

mod answer;

mod commanded;

use answer::Answer;
use commanded::Commanded;
use fieldwatch_real_servers::{Missing, postgresql::PostgreSql, rabbitmq::RabbitMq};
use std::{
    io::{self, BufRead, StdinLock},
    process::ExitCode,
};

const MISSING: u8 = 3;
const WRONG_USAGE: u8 = 2;

fn main() -> ExitCode {
    let kind = std::env::args().nth(1).unwrap_or_default();
    match kind.as_str() {
        "rabbitmq" => start(RabbitMq::start()),
        "postgresql" => start(PostgreSql::start()),
        _ => {
            eprintln!("usage: fieldwatch-real-servers rabbitmq|postgresql");
            ExitCode::from(WRONG_USAGE)
        }
    }
}

fn start<S: Commanded>(started: Result<S, Missing>) -> ExitCode {
    match started {
        Ok(mut server) => {
            Answer::Started(server.address()).say();
            take_commands(&mut server, &mut io::stdin().lock());
            ExitCode::SUCCESS
        }
        Err(Missing(why)) => {
            Answer::Missing(why).say();
            ExitCode::from(MISSING)
        }
    }
}

/// Until the input closes.
fn take_commands<S: Commanded>(server: &mut S, input: &mut StdinLock<'_>) {
    while let Some(line) = next_line(input) {
        let (word, rest) = line.split_once(' ').unwrap_or((&line, ""));
        let answer = match word {
            "freeze" | "kill" | "restart" if !server.is_ours() => not_ours(),
            "freeze" => {
                server.while_frozen(&mut || {
                    Answer::Done.say();
                    wait_for_thaw(input);
                });
                Answer::Done
            }
            "thaw" => Answer::Error("it is not frozen".into()),
            "kill" => {
                server.kill();
                Answer::Done
            }
            "restart" => answer::of(server.restart().map(|()| Answer::Done)),
            _ => answer::of(server.other(word, rest)),
        };
        answer.say();
    }
}

/// The answer to `thaw` is said by whoever thaws. A closed input thaws too.
fn wait_for_thaw(input: &mut StdinLock<'_>) {
    while let Some(line) = next_line(input) {
        if line == "thaw" {
            return;
        }
        Answer::Error(format!("it is frozen, and takes no {line:?}")).say();
    }
}

fn not_ours() -> Answer {
    Answer::Error("a server that is configured is left alone".into())
}

fn next_line(input: &mut StdinLock<'_>) -> Option<String> {
    let mut line = String::new();
    let read = input.read_line(&mut line).unwrap_or(0);
    (read > 0).then(|| line.trim_end_matches('\n').to_owned())
}
