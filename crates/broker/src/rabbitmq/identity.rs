//! What the broker remembers of its first user: how many partitions there are, and which store they are decided into.
//!
//! Each is a durable queue that nothing is ever published to, with the value as an argument: the broker itself refuses to
//! declare a queue again with another one, and says both. So it is set once, at one moment, whoever comes first.

use super::{
    broken::Broken,
    live::Live,
    topology::{LOG_MARKER, PARTITIONS_MARKER, READINGS, close, look_at, text},
};
use lapin::{options::QueueDeclareOptions, types::FieldTable};

/// The argument that carries the value. It has no effect on a queue whose messages never expire, having none.
const CARRIER: &str = "x-dead-letter-routing-key";

/// Why a process may not use the partitions.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum NotOurs {
    /// The broker belongs to others.
    #[error("{0}")]
    Differs(String),
    /// It could not be asked.
    #[error(transparent)]
    Unknown(#[from] Broken),
}

/// Checks that the broker has been used before.
pub(super) async fn must_be_settled(live: &Live) -> Result<(), NotOurs> {
    let channel = live.channel().await?;
    match look_at(live, &channel, PARTITIONS_MARKER.into()).await {
        Ok(_) => {
            close(live, &channel).await;
            Ok(())
        }
        Err(refused) if refused.is(404) => Err(NotOurs::Differs("nobody has used this broker for readings yet".into())),
        Err(broken) => Err(broken.into()),
    }
}

/// Has the broker remember the number of partitions, or checks that it remembers the same.
pub(super) async fn settle_partitions(live: &Live, partitions: u16) -> Result<(), NotOurs> {
    settle(live, PARTITIONS_MARKER, &partitions.to_string()).await.map_err(|unlike| {
        unlike.map_err(|theirs| {
            format!("it was set up for {theirs} partitions, and this process is configured for {partitions} (see fieldwatch broker reset)")
        })
    })
}

/// Has the broker remember the store, or checks that it remembers the same.
pub(super) async fn settle_log(live: &Live, log_id: &str) -> Result<(), NotOurs> {
    settle(live, LOG_MARKER, log_id).await.map_err(|unlike| {
        unlike.map_err(|theirs| {
            format!("its readings belong into the store with the log {theirs}, and this process has the log {log_id}")
        })
    })
}

/// What the broker remembers instead, or why it could not be asked.
enum Unlike {
    Theirs(String),
    Broken(Broken),
}

impl Unlike {
    fn map_err(self, words: impl FnOnce(String) -> String) -> NotOurs {
        match self {
            Self::Theirs(theirs) => NotOurs::Differs(format!("the broker is used by others: {}", words(theirs))),
            Self::Broken(broken) => NotOurs::Unknown(broken),
        }
    }
}

async fn settle(live: &Live, marker: &str, value: &str) -> Result<(), Unlike> {
    let channel = live.channel().await.map_err(Unlike::Broken)?;
    let mut arguments = FieldTable::default();
    arguments.insert("x-dead-letter-exchange".into(), text(READINGS));
    arguments.insert(CARRIER.into(), text(value));
    let durable = QueueDeclareOptions { durable: true, ..Default::default() };
    match live.ask("declare a marker", channel.queue_declare(marker.into(), durable, arguments)).await {
        Ok(_) => {
            close(live, &channel).await;
            Ok(())
        }
        Err(refused) if refused.is(406) => Err(Unlike::Theirs(value_in(&refused.text).unwrap_or(refused.text))),
        Err(broken) => Err(Unlike::Broken(broken)),
    }
}

/// The value that is there, from what the broker says when another one is declared: `… received 'a' but current is 'b'`.
pub(super) fn value_in(refusal: &str) -> Option<String> {
    let (_, theirs) = refusal.split_once(CARRIER)?.1.split_once("current is ")?;
    let theirs = theirs.trim_matches(|quote| quote == '\'' || quote == '"');
    Some(theirs.split(['\'', '"']).next().unwrap_or(theirs).into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_value_is_read_from_what_the_broker_says() {
        let said = "PRECONDITION_FAILED - inequivalent arg 'x-dead-letter-routing-key' for queue 'fieldwatch.partitions' in vhost \
                    't1': received '32' but current is '16'";
        assert_eq!(value_in(said), Some("16".into()));
        assert_eq!(value_in("PRECONDITION_FAILED - inequivalent arg 'durable' …"), None);
    }
}
