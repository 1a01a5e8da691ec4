//! The original's exchange and queue: what of them is there, and of which kind.
//!
//! Nothing tells whether a queue is bound to an exchange without binding it or sending something through, so with
//! [`Original::Existing`] a missing binding is not seen: the mover waits for messages that never come.

use super::refusal::{Difference, Refusal};
use super::{Names, Original};
use crate::rabbitmq::{broken::Broken, live::Live, topology::quorum};
use lapin::options::{ExchangeDeclareOptions, QueueBindOptions, QueueDeclareOptions};
use lapin::types::{AMQPValue, FieldTable, ShortString};
use lapin::{Channel, ExchangeKind};

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
pub(super) async fn find(live: &Live, original: Original, names: &Names) -> Result<Found, Broken> {
    let mut exchange = exchange(live, names).await?;
    let mut queue = queue(live, names).await?;
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
        if let Err(error) = declare(live, &wanted, names).await {
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

async fn exchange(live: &Live, names: &Names) -> Result<Kind, Broken> {
    let passive = ExchangeDeclareOptions { passive: true, ..ExchangeDeclareOptions::default() };
    match declare_exchange(live, names, passive, FieldTable::default()).await {
        Ok(()) => {}
        Err(error) => return absent(error),
    }
    // An argument that no exchange may have: what is there is compared with it, property by property, and nothing is made
    // where nothing is.
    let mut impossible = FieldTable::default();
    impossible.insert("alternate-exchange".into(), AMQPValue::LongInt(-1));
    let durable = ExchangeDeclareOptions { durable: true, ..ExchangeDeclareOptions::default() };
    Ok(told(declare_exchange(live, names, durable, impossible).await, |difference| match difference {
        Difference { of: "type", current } => Kind::Foreign(format!("is of type {}, not direct", current.unwrap_or("another"))),
        Difference { of: "durable", .. } => Kind::Transient,
        Difference { .. } => Kind::Durable,
    }))
}

async fn queue(live: &Live, names: &Names) -> Result<Kind, Broken> {
    let passive = QueueDeclareOptions { passive: true, ..QueueDeclareOptions::default() };
    match declare_queue(live, names, passive, FieldTable::default()).await {
        Ok(()) => {}
        Err(error) => return absent(error),
    }
    let mut impossible = FieldTable::default();
    impossible.insert("x-max-length".into(), AMQPValue::LongInt(-1));
    let durable = QueueDeclareOptions { durable: true, ..QueueDeclareOptions::default() };
    Ok(told(declare_queue(live, names, durable, impossible).await, |difference| match difference {
        Difference { of: "durable", .. } => Kind::Transient,
        Difference { of: "x-queue-type", current: Some("stream") } => Kind::Foreign("is a stream, which cannot be emptied".into()),
        Difference { .. } => Kind::Durable,
    }))
}

/// What is there where a passive declaration failed.
fn absent(error: Broken) -> Result<Kind, Broken> {
    match Refusal::of(&error) {
        Some(Refusal::NotFound) => Ok(Kind::Missing),
        Some(Refusal::InUse) => Ok(Kind::Foreign("belongs to another connection alone".into())),
        Some(Refusal::Forbidden) => Ok(Kind::Foreign(format!("is not for this user of the broker ({})", error.text))),
        Some(Refusal::Otherwise | Refusal::NotOffered) | None => Err(error),
    }
}

fn told(answer: Result<(), Broken>, kind: impl FnOnce(Difference<'_>) -> Kind) -> Kind {
    match answer {
        Err(error) => match (Refusal::of(&error), Difference::told(&error.text)) {
            (Some(Refusal::Otherwise), Some(difference)) => kind(difference),
            _ => Kind::Unknown,
        },
        Ok(()) => Kind::Unknown,
    }
}

/// Declares what is missing, and binds it. What is there already is left as it is.
async fn declare(live: &Live, kind: &Kind, names: &Names) -> Result<(), Broken> {
    let durable = *kind == Kind::Durable;
    let channel = live.channel().await?;
    let options = ExchangeDeclareOptions { durable, ..ExchangeDeclareOptions::default() };
    if exchange(live, names).await? == Kind::Missing {
        let declared = channel.exchange_declare(name(&names.exchange), ExchangeKind::Direct, options, FieldTable::default());
        live.ask("declare the exchange", declared).await?;
    }
    if queue(live, names).await? == Kind::Missing {
        let options = QueueDeclareOptions { durable, ..QueueDeclareOptions::default() };
        let arguments = if durable { quorum() } else { FieldTable::default() };
        live.ask("declare the queue", channel.queue_declare(name(&names.queue), options, arguments)).await?;
    }
    let (queue, exchange, key) = (name(&names.queue), name(&names.exchange), name(&names.routing_key));
    let bound = channel.queue_bind(queue, exchange, key, QueueBindOptions::default(), FieldTable::default());
    live.ask("bind the queue", bound).await?;
    closed(live, &channel).await;
    Ok(())
}

/// Why a broker does not declare it, in words; `None` when that is not why it failed.
fn refused(error: &Broken, wanted: &Kind) -> Option<String> {
    let said = &error.text;
    match Refusal::of(error)? {
        Refusal::NotOffered if *wanted == Kind::Transient => Some(format!(
            "the broker declares no queue as the original does, neither durable nor exclusive ({said}); RabbitMQ 4.3 and later refuse \
             them unless deprecated_features.permit.transient_nonexcl_queues is set; original = \"durable\" needs no such queue"
        )),
        _ => Some(format!("the broker refuses to declare it ({said})")),
    }
}

async fn declare_exchange(
    live: &Live,
    names: &Names,
    options: ExchangeDeclareOptions,
    arguments: FieldTable,
) -> Result<(), Broken> {
    // A refusal closes the channel, so each question has its own.
    let channel = live.channel().await?;
    let declared = channel.exchange_declare(name(&names.exchange), ExchangeKind::Direct, options, arguments);
    live.ask("say what the exchange is", declared).await?;
    closed(live, &channel).await;
    Ok(())
}

async fn declare_queue(live: &Live, names: &Names, options: QueueDeclareOptions, arguments: FieldTable) -> Result<(), Broken> {
    let channel = live.channel().await?;
    let declared = channel.queue_declare(name(&names.queue), options, arguments);
    live.ask("say what the queue is", declared).await?;
    closed(live, &channel).await;
    Ok(())
}

fn name(text: &str) -> ShortString {
    text.into()
}

/// Closes a channel that has done its work; if it is closed already, all the better.
async fn closed(live: &Live, channel: &Channel) {
    let _ = live.ask("close a channel", channel.close(200, "done".into())).await;
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
