//! `fieldwatch broker reset`: has the broker forget whose it is, so that another number of partitions or another store can be used.

use std::fmt::Write as _;

use anyhow::anyhow;
use fieldwatch_broker::{RabbitOptions, Reset, reset_rabbitmq};

use super::load_settings;
use crate::cli::{Broker, Common};
use crate::failure::Failure;
use crate::output::write_text;
use crate::runtime;
use crate::service::{node, queue::rabbit_options};
use crate::settings::{QueueKind, Settings};

pub(crate) fn run(common: &Common, asked: &Broker) -> Result<(), Failure> {
    let settings = load_settings(common)?.settings;
    match asked {
        Broker::Reset => reset(&settings),
    }
}

fn reset(settings: &Settings) -> Result<(), Failure> {
    if settings.queue.kind != QueueKind::RabbitMq {
        return Err(Failure::Usage(
            "broker reset is for queue.kind = \"rabbitmq\"; the configured queue is the embedded one, which no broker has a part in"
                .to_owned(),
        ));
    }
    let options = options(settings)?;
    runtime::run(|stop| async move {
        let done = tokio::select! {
            done = reset_rabbitmq(&options) => done.map_err(|refused| anyhow!("not reset: {refused}"))?,
            () = stop.requested() => return Err(anyhow!("ended before it was done; some partitions may be gone").into()),
        };
        Ok(write_text(&told(done))?)
    })
}

/// How the configured broker is used, or what is wrong with that.
pub(super) fn options(settings: &Settings) -> Result<RabbitOptions, Failure> {
    rabbit_options(settings, node::name()).map_err(|error| Failure::Usage(format!("{error:#}")))
}

/// What was deleted and what was not.
fn told(done: Reset) -> String {
    let mut text = String::new();
    let _ = match done.partitions {
        0 => writeln!(text, "there were no partitions to delete"),
        1 => writeln!(text, "deleted 1 partition: the queue fieldwatch.readings.0"),
        many => writeln!(text, "deleted {many} partitions: the queues fieldwatch.readings.0 to fieldwatch.readings.{}", many - 1),
    };
    text.push_str("deleted what the broker remembered: the number of partitions and the store's log\n");
    let _ = writeln!(text, "{} dead letters stay in the queue fieldwatch.dead-letters", done.dead_letters);
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_deleted_is_named_and_what_stays_too() {
        let text = told(Reset { partitions: 16, dead_letters: 3 });
        assert!(text.contains("16 partitions: the queues fieldwatch.readings.0 to fieldwatch.readings.15\n"), "{text}");
        assert!(text.ends_with("3 dead letters stay in the queue fieldwatch.dead-letters\n"), "{text}");
        assert!(told(Reset { partitions: 0, dead_letters: 0 }).starts_with("there were no partitions"));
    }
}
