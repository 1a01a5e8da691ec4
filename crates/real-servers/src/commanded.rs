//! What both servers can be told.

use crate::answer::Answer;
use fieldwatch_real_servers::{postgresql::PostgreSql, rabbitmq::RabbitMq};
use std::io;

/// A server that does as it is told.
pub(crate) trait Commanded {
    /// Where it is reached, without a virtual host or database.
    fn address(&self) -> String;

    /// Whether it was started here, and so may be killed.
    fn is_ours(&self) -> bool;

    /// Kills it with its children.
    fn kill(&mut self);

    /// Starts it again.
    fn restart(&mut self) -> io::Result<()>;

    /// Keeps it frozen as long as `wait` runs.
    fn while_frozen(&self, wait: &mut dyn FnMut());

    /// A command that only this kind of server knows.
    fn other(&mut self, word: &str, rest: &str) -> io::Result<Answer>;
}

impl Commanded for RabbitMq {
    fn address(&self) -> String {
        self.url("")
    }

    fn is_ours(&self) -> bool {
        Self::is_ours(self)
    }

    fn kill(&mut self) {
        self.kill9();
    }

    fn restart(&mut self) -> io::Result<()> {
        Self::restart(self);
        Ok(())
    }

    fn while_frozen(&self, wait: &mut dyn FnMut()) {
        self.freeze();
        wait();
        self.go_on();
    }

    fn other(&mut self, word: &str, rest: &str) -> io::Result<Answer> {
        match (word, rest) {
            ("vhost", "") => Ok(Answer::Url(self.url(&self.create_vhost()))),
            ("encrypted", "") => Ok(match self.encrypted(&self.create_vhost()) {
                Ok((url, certificates)) => Answer::Encrypted(url, certificates.authority().display().to_string()),
                Err(missing) => Answer::Missing(missing.0),
            }),
            ("alarm" | "control", _) if !Self::is_ours(self) => Err(io::Error::other("a broker that is configured is left alone")),
            ("alarm", "on" | "off") => {
                self.set_disk_alarm(rest == "on");
                Ok(Answer::Done)
            }
            ("control", _) => Ok(Answer::Said(self.control(&rest.split(' ').collect::<Vec<_>>()))),
            _ => Err(unknown(word)),
        }
    }
}

impl Commanded for PostgreSql {
    fn address(&self) -> String {
        self.url("")
    }

    fn is_ours(&self) -> bool {
        self.is_own()
    }

    fn kill(&mut self) {
        self.kill9();
    }

    fn restart(&mut self) -> io::Result<()> {
        Self::restart(self)
    }

    fn while_frozen(&self, wait: &mut dyn FnMut()) {
        let frozen = self.stop_cont();
        wait();
        drop(frozen);
    }

    fn other(&mut self, word: &str, rest: &str) -> io::Result<Answer> {
        match word {
            "database" => Ok(Answer::Url(self.url(&self.create_database()?))),
            "sql" => {
                let (database, statement) = rest.split_once(' ').ok_or_else(|| io::Error::other("sql DATABASE STATEMENT"))?;
                Ok(Answer::Said(self.ask(database, statement)?))
            }
            _ => Err(unknown(word)),
        }
    }
}

fn unknown(word: &str) -> io::Error {
    io::Error::other(format!("no command {word:?}"))
}
