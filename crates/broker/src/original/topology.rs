//! The original's exchange and queue: what of them is there, and of which kind.
//!
//! Nothing tells whether a queue is bound to an exchange without binding it or sending something through, so with
//! [`Original::Existing`] a missing binding is not seen: the mover waits for messages that never come.

use super::refusal::{Difference, Refusal, words};
use super::{Names, Original};
use lapin::options::{ExchangeDeclareOptions, QueueBindOptions, QueueDeclareOptions};
use lapin::types::{AMQPValue, FieldTable, ShortString};
use lapin::{Channel, Connection, Error, ExchangeKind};

/// What was found, or made.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Found {
    /// All of it is there.
    There {
        /// What a person should know of it.
        warning: Option<String>,
    },
    /// Not all of it is there as it should be: what is missing, for people.
    NotThere(String),
}

/// What an exchange or a queue of a name is.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Kind {
    Missing,
    Durable,
    /// Gone when the broker restarts.
    Transient,
    /// There, but this user is not told more.
    Unknown,
    /// Not what the original uses: why not.
    Foreign(String),
}

/// Looks for the topology, and declares it where that is asked for.
pub(super) async fn find(connection: &Connection, original: Original, names: &Names) -> Result<Found, Error> {
    let mut exchange = exchange(connection, names).await?;
    let mut queue = queue(connection, names).await?;
    let wanted = match original {
        Original::Existing | Original::Off => None,
        Original::Durable => Some(Kind::Durable),
        Original::AsOriginal => Some(Kind::Transient),
    };
    if let Some(wanted) = wanted {
        let unlike = [unlike(&exchange, &wanted, "exchange", &names.exchange), unlike(&queue, &wanted, "queue", &names.queue)];
        if let Some(unlike) = unlike.into_iter().flatten().reduce(|all, one| format!("{all}; {one}")) {
            return Ok(Found::NotThere(unlike));
        }
        if let Err(error) = declare(connection, &wanted, names).await {
            return refused(&error, &wanted).map(Found::NotThere).ok_or(error);
        }
        (exchange, queue) = (wanted.clone(), wanted);
    }
    Ok(judge(&exchange, &queue, names))
}

/// What is found, in words.
fn judge(exchange: &Kind, queue: &Kind, names: &Names) -> Found {
    let parts = [(exchange, "exchange", &names.exchange), (queue, "queue", &names.queue)];
    let missing = parts.iter().filter_map(|(kind, what, name)| match kind {
        Kind::Missing => Some(format!("the {what} {name} is not there")),
        Kind::Foreign(why) => Some(format!("the {what} {name} {why}")),
        Kind::Durable | Kind::Transient | Kind::Unknown => None,
    });
    if let Some(missing) = missing.reduce(|all, one| format!("{all}; {one}")) {
        return Found::NotThere(missing);
    }
    let warning = parts.iter().filter_map(|(kind, what, name)| match kind {
        Kind::Transient => Some(format!("the {what} {name} is not durable, so a restart of the broker loses it")),
        Kind::Unknown => Some(format!("whether the {what} {name} is durable is not told to this user of the broker")),
        Kind::Missing | Kind::Durable | Kind::Foreign(_) => None,
    });
    Found::There { warning: warning.reduce(|all, one| format!("{all}; {one}")) }
}

/// Why a thing that is there is not the one that would be declared.
fn unlike(kind: &Kind, wanted: &Kind, what: &str, name: &str) -> Option<String> {
    match (kind, wanted) {
        (Kind::Foreign(why), _) => Some(format!("the {what} {name} {why}")),
        (Kind::Transient, Kind::Durable) => {
            Some(format!("the {what} {name} is there but not durable: delete it, or use it as it is by original = \"existing\""))
        }
        (Kind::Durable, Kind::Transient) => Some(format!(
            "the {what} {name} is there but durable, which the original's own declaration would not agree with: delete it, or use it \
             as it is by original = \"existing\""
        )),
        _ => None,
    }
}

async fn exchange(connection: &Connection, names: &Names) -> Result<Kind, Error> {
    let passive = ExchangeDeclareOptions { passive: true, ..ExchangeDeclareOptions::default() };
    match declare_exchange(connection, names, passive, FieldTable::default()).await {
        Ok(()) => {}
        Err(error) => return absent(error),
    }
    // An argument that no exchange may have: what is there is compared with it, property by property, and nothing is made
    // where nothing is.
    let mut impossible = FieldTable::default();
    impossible.insert("alternate-exchange".into(), AMQPValue::LongInt(-1));
    let durable = ExchangeDeclareOptions { durable: true, ..ExchangeDeclareOptions::default() };
    Ok(told(declare_exchange(connection, names, durable, impossible).await, |difference| match difference {
        Difference { of: "type", current } => Kind::Foreign(format!("is of type {}, not direct", current.unwrap_or("another"))),
        Difference { of: "durable", .. } => Kind::Transient,
        Difference { .. } => Kind::Durable,
    }))
}

async fn queue(connection: &Connection, names: &Names) -> Result<Kind, Error> {
    let passive = QueueDeclareOptions { passive: true, ..QueueDeclareOptions::default() };
    match declare_queue(connection, names, passive, FieldTable::default()).await {
        Ok(()) => {}
        Err(error) => return absent(error),
    }
    let mut impossible = FieldTable::default();
    impossible.insert("x-max-length".into(), AMQPValue::LongInt(-1));
    let durable = QueueDeclareOptions { durable: true, ..QueueDeclareOptions::default() };
    Ok(told(declare_queue(connection, names, durable, impossible).await, |difference| match difference {
        Difference { of: "durable", .. } => Kind::Transient,
        Difference { of: "x-queue-type", current: Some("stream") } => Kind::Foreign("is a stream, which cannot be emptied".into()),
        Difference { .. } => Kind::Durable,
    }))
}

/// What is there where a passive declaration failed.
fn absent(error: Error) -> Result<Kind, Error> {
    match Refusal::of(&error) {
        Some(Refusal::NotFound) => Ok(Kind::Missing),
        Some(Refusal::InUse) => Ok(Kind::Foreign("belongs to another connection alone".into())),
        Some(Refusal::Forbidden) => Ok(Kind::Foreign(format!("is not for this user of the broker ({})", words(&error)))),
        Some(Refusal::Otherwise | Refusal::NotAllowed) | None => Err(error),
    }
}

fn told(answer: Result<(), Error>, kind: impl FnOnce(Difference<'_>) -> Kind) -> Kind {
    match answer {
        Err(error) => match (Refusal::of(&error), Difference::told(&words(&error))) {
            (Some(Refusal::Otherwise), Some(difference)) => kind(difference),
            _ => Kind::Unknown,
        },
        Ok(()) => Kind::Unknown,
    }
}

/// Declares what is missing, and binds it. What is there already is left as it is.
async fn declare(connection: &Connection, kind: &Kind, names: &Names) -> Result<(), Error> {
    let durable = *kind == Kind::Durable;
    let channel = connection.create_channel().await?;
    let options = ExchangeDeclareOptions { durable, ..ExchangeDeclareOptions::default() };
    if exchange(connection, names).await? == Kind::Missing {
        channel.exchange_declare(names.exchange.as_str().into(), ExchangeKind::Direct, options, FieldTable::default()).await?;
    }
    if queue(connection, names).await? == Kind::Missing {
        let options = QueueDeclareOptions { durable, ..QueueDeclareOptions::default() };
        let arguments = if durable { durable_queue() } else { FieldTable::default() };
        channel.queue_declare(names.queue.as_str().into(), options, arguments).await?;
    }
    let (queue, exchange, key) = (names.queue.as_str(), names.exchange.as_str(), names.routing_key.as_str());
    channel.queue_bind(queue.into(), exchange.into(), key.into(), QueueBindOptions::default(), FieldTable::default()).await?;
    closed(&channel).await;
    Ok(())
}

/// A queue on the disks of a majority of the broker's nodes, which drops nothing however often it has to deliver it again:
/// from `RabbitMQ` 4.0 on the twentieth time would be the last otherwise.
fn durable_queue() -> FieldTable {
    let mut arguments = FieldTable::default();
    arguments.insert("x-queue-type".into(), AMQPValue::LongString("quorum".into()));
    arguments.insert("x-delivery-limit".into(), AMQPValue::LongInt(DELIVERY_LIMIT));
    arguments
}

/// Never reached, and known to every version; "none" is written in another way by each.
const DELIVERY_LIMIT: i32 = 1_000_000_000;

/// Why a broker does not declare it, in words; `None` when that is not why it failed.
fn refused(error: &Error, wanted: &Kind) -> Option<String> {
    let said = words(error);
    match Refusal::of(error)? {
        Refusal::NotAllowed if *wanted == Kind::Transient => Some(format!(
            "the broker declares no queue as the original does, neither durable nor exclusive ({said}); RabbitMQ 4.3 and later refuse \
             them unless deprecated_features.permit.transient_nonexcl_queues is set; original = \"durable\" needs no such queue"
        )),
        _ => Some(format!("the broker refuses to declare it ({said})")),
    }
}

async fn declare_exchange(
    connection: &Connection,
    names: &Names,
    options: ExchangeDeclareOptions,
    arguments: FieldTable,
) -> Result<(), Error> {
    // A refusal closes the channel, so each question has its own.
    let channel = connection.create_channel().await?;
    channel.exchange_declare(name(&names.exchange), ExchangeKind::Direct, options, arguments).await?;
    closed(&channel).await;
    Ok(())
}

async fn declare_queue(
    connection: &Connection,
    names: &Names,
    options: QueueDeclareOptions,
    arguments: FieldTable,
) -> Result<(), Error> {
    let channel = connection.create_channel().await?;
    channel.queue_declare(name(&names.queue), options, arguments).await?;
    closed(&channel).await;
    Ok(())
}

fn name(text: &str) -> ShortString {
    text.into()
}

/// Closes a channel that has done its work; if it is closed already, all the better.
async fn closed(channel: &Channel) {
    let _ = channel.close(200, "done".into()).await;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_missing_is_said_and_what_is_not_durable_is_warned_of() {
        let names = Names::default();
        assert_eq!(judge(&Kind::Durable, &Kind::Durable, &names), Found::There { warning: None });
        assert_eq!(
            judge(&Kind::Missing, &Kind::Foreign("is a stream".into()), &names),
            Found::NotThere("the exchange device-events-ex is not there; the queue device-events-q is a stream".into())
        );
        assert_eq!(
            judge(&Kind::Durable, &Kind::Transient, &names),
            Found::There { warning: Some("the queue device-events-q is not durable, so a restart of the broker loses it".into()) }
        );
    }

    #[test]
    fn what_is_there_in_another_way_is_not_declared_over() {
        let unlike = |kind, wanted| unlike(&kind, &wanted, "queue", "q").is_some();
        assert!(unlike(Kind::Transient, Kind::Durable));
        assert!(unlike(Kind::Durable, Kind::Transient));
        assert!(unlike(Kind::Foreign(String::new()), Kind::Durable));
        assert!(!unlike(Kind::Missing, Kind::Durable));
        assert!(!unlike(Kind::Transient, Kind::Transient));
    }
}
