//! `fieldwatch broker reset`: has the broker forget whose it is, and takes the partitions away.

use super::{
    RabbitOptions,
    broken::Broken,
    link::Link,
    live::Live,
    members::QUESTION_LIFE_MS,
    stop::Stopper,
    topology::{self, LOG_MARKER, PARTITIONS_MARKER, RESETTING, queue_of},
};
use lapin::{
    options::{QueueDeclareOptions, QueueDeleteOptions},
    types::FieldTable,
};
use tokio::time::{Duration, Instant, sleep, timeout};

/// Between two looks at partitions that are not empty.
const PAUSE: Duration = Duration::from_millis(200);

/// Why the broker was not reset. Nothing was taken away, except where it says otherwise.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ResetError {
    /// Partitions hold messages.
    #[error("partitions hold messages that are not decided: {}", shown(.0))]
    NotEmpty(
        /// Which, and how many.
        Vec<(u16, u64)>,
    ),
    /// A process uses the broker.
    #[error("{0} process(es) use the broker: stop them first")]
    InUse(
        /// How many are connected.
        u32,
    ),
    /// Somebody else does the same.
    #[error("it is being reset already")]
    Running,
    /// The broker could not be asked, or refused; some partitions may be gone.
    #[error("the broker cannot be reset: {0}")]
    Failed(String),
}

/// What was taken away. Dead letters stay.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reset {
    /// So many partitions.
    pub partitions: u16,
    /// So many dead letters are still there.
    pub dead_letters: u64,
}

fn shown(partitions: &[(u16, u64)]) -> String {
    let all: Vec<String> = partitions.iter().map(|(partition, messages)| format!("{partition} ({messages})")).collect();
    all.join(", ")
}

/// Has the broker forget the number of partitions and the store, and takes away the partitions, which must be empty and
/// unused. Runs on a tokio runtime.
///
/// # Errors
/// When something of it is still needed.
pub async fn reset(options: &RabbitOptions) -> Result<Reset, ResetError> {
    let (stopper, stop) = Stopper::new();
    let link = Link::open(options, "reset", stop);
    let patience = options.deadlines.connect + options.deadlines.call;
    let Ok(live) = timeout(patience, link.live()).await else {
        let why = link.away().map(|(why, _)| why).unwrap_or_default();
        return Err(ResetError::Failed(format!("no connection: {why}")));
    };
    let done = take_away(&live).await;
    // The lock goes with the connection.
    let _ = timeout(options.deadlines.call, live.connection.close(200, "done".into())).await;
    stopper.stop();
    done
}

async fn take_away(live: &Live) -> Result<Reset, ResetError> {
    lock(live).await?;
    // What a process asked shortly before it ended is still there for a moment.
    let give_up = Instant::now() + Duration::from_millis(2 * QUESTION_LIFE_MS);
    let partitions = loop {
        let partitions = look_at_partitions(live).await?;
        let full: Vec<(u16, u64)> =
            (0..).zip(&partitions).filter(|(_, found)| **found > 0).map(|(at, found)| (at, u64::from(*found))).collect();
        if full.is_empty() {
            break partitions;
        }
        if Instant::now() >= give_up {
            return Err(ResetError::NotEmpty(full));
        }
        sleep(PAUSE).await;
    };
    for partition in 0..partitions.len() as u16 {
        let consumers = consumers(live, queue_of(partition).as_str()).await.map_err(failed)?;
        if consumers > 0 {
            return Err(ResetError::InUse(consumers));
        }
    }
    // Whoever uses the partitions consumes from the marker, and the broker refuses to delete it then: at one moment.
    let unused = QueueDeleteOptions { if_unused: true, ..Default::default() };
    match delete(live, PARTITIONS_MARKER, unused).await {
        Ok(()) => {}
        Err(refused) if refused.is(406) => return Err(ResetError::InUse(users(live).await)),
        Err(other) => return Err(failed(other)),
    }
    // Who comes now waits, because of the lock. The last one first, so that after a crash those that are left are found.
    for partition in (0..partitions.len() as u16).rev() {
        delete(live, queue_of(partition).as_str(), QueueDeleteOptions::default()).await.map_err(failed)?;
    }
    delete(live, LOG_MARKER, QueueDeleteOptions::default()).await.map_err(failed)?;
    let dead_letters = count(live, topology::DEAD_LETTERS).await.map_err(failed)?.unwrap_or(0);
    Ok(Reset { partitions: partitions.len() as u16, dead_letters: u64::from(dead_letters) })
}

async fn lock(live: &Live) -> Result<(), ResetError> {
    let channel = live.channel().await.map_err(failed)?;
    let exclusive = QueueDeclareOptions { exclusive: true, ..Default::default() };
    match live.ask("lock", channel.queue_declare(RESETTING.into(), exclusive, FieldTable::default())).await {
        Ok(_) => Ok(()),
        Err(refused) if refused.is(405) => Err(ResetError::Running),
        Err(other) => Err(failed(other)),
    }
}

/// How many messages wait in each partition that is there.
async fn look_at_partitions(live: &Live) -> Result<Vec<u32>, ResetError> {
    let mut found = Vec::new();
    for partition in 0..u16::MAX {
        match count(live, queue_of(partition).as_str()).await.map_err(failed)? {
            Some(messages) => found.push(messages),
            None => break,
        }
    }
    Ok(found)
}

/// How many messages wait in a queue; `None` when there is no such queue.
async fn count(live: &Live, queue: &str) -> Result<Option<u32>, Broken> {
    let channel = live.channel().await?;
    match topology::look_at(live, &channel, queue.into()).await {
        Ok((messages, _)) => {
            topology::close(live, &channel).await;
            Ok(Some(messages))
        }
        Err(refused) if refused.is(404) => Ok(None),
        Err(other) => Err(other),
    }
}

/// How many consumers a queue has, which process ever they belong to.
async fn consumers(live: &Live, queue: &str) -> Result<u32, Broken> {
    let channel = live.channel().await?;
    match topology::look_at(live, &channel, queue.into()).await {
        Ok((_, consumers)) => {
            topology::close(live, &channel).await;
            Ok(consumers)
        }
        Err(refused) if refused.is(404) => Ok(0),
        Err(other) => Err(other),
    }
}

async fn users(live: &Live) -> u32 {
    let Ok(channel) = live.channel().await else { return 1 };
    topology::look_at(live, &channel, PARTITIONS_MARKER.into()).await.map_or(1, |(_, consumers)| consumers)
}

/// Deletes a queue; one that is not there counts as deleted.
async fn delete(live: &Live, queue: &str, options: QueueDeleteOptions) -> Result<(), Broken> {
    let channel = live.channel().await?;
    match live.ask("delete a queue", channel.queue_delete(queue.into(), options)).await {
        Ok(_) => {
            topology::close(live, &channel).await;
            Ok(())
        }
        Err(refused) if refused.is(404) => Ok(()),
        Err(other) => Err(other),
    }
}

fn failed(broken: Broken) -> ResetError {
    ResetError::Failed(broken.text)
}
