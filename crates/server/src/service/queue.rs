//! The queue that is configured.

use std::path::PathBuf;
use std::sync::Arc;

use anyhow::Context as _;
use fieldwatch_broker::{DeadLetters, EmbeddedQueue, EmbeddedQueueOptions, LetterBox, Parking, RabbitAddress, RabbitOptions, RabbitQueue, ReadingQueue};
use fieldwatch_domain::Timestamp;
use tokio::task::spawn_blocking;

use super::Plan;
use crate::settings::{QueueKind, Role, Settings};

/// The queue, and the place for its dead letters.
#[derive(Clone)]
pub(crate) struct Queue {
    kind: Kind,
    pub(super) letters: Arc<dyn LetterBox>,
    pub(super) parking: Arc<dyn Parking>,
}

#[derive(Clone)]
enum Kind {
    Embedded(Arc<EmbeddedQueue>, DeadLetters),
    RabbitMq(Arc<RabbitQueue>),
}

impl Queue {
    /// Opens the embedded queue, which may take a moment, or begins to connect to the broker, which never does.
    pub(super) async fn open(plan: &Plan) -> anyhow::Result<Self> {
        match plan.settings.queue.kind {
            QueueKind::Embedded => Self::embedded(plan).await,
            QueueKind::RabbitMq => Self::rabbitmq(plan),
        }
    }

    fn rabbitmq(plan: &Plan) -> anyhow::Result<Self> {
        let queue = RabbitQueue::open(rabbit_options(&plan.settings, plan.node.clone())?);
        Ok(Self { letters: Arc::clone(&queue) as _, parking: Arc::clone(&queue) as _, kind: Kind::RabbitMq(queue) })
    }

    async fn embedded(plan: &Plan) -> anyhow::Result<Self> {
        let (folder, sync) = (plan.folder(), plan.switches.sync());
        let (max_bytes, least_free_bytes) = (plan.settings.queue.max_bytes.bytes(), plan.limits.queue_least_free_bytes);
        // It looks for a torn tail, which reads files.
        let opening = spawn_blocking(move || {
            let dir = folder.queue();
            let queue = EmbeddedQueue::open(EmbeddedQueueOptions { dir: dir.clone(), sync, max_bytes, least_free_bytes })
                .with_context(|| format!("cannot open the queue in {}", dir.display()))?;
            anyhow::Ok((queue, DeadLetters::open(&folder.dead_letters(), sync)?))
        });
        let (queue, letters) = opening.await.context("opening the queue failed")??;
        let (shown, parking) = (Arc::new(letters.clone()), Arc::new(letters.clone()));
        Ok(Self { kind: Kind::Embedded(queue, letters), letters: shown, parking })
    }

    /// The queue as everybody else sees it.
    pub(super) fn shared(&self) -> Arc<dyn ReadingQueue> {
        match &self.kind {
            Kind::Embedded(queue, _) => Arc::clone(queue) as _,
            Kind::RabbitMq(queue) => Arc::clone(queue) as _,
        }
    }

    /// The store has answered: its log is the one that the queue's readings go to.
    pub(super) fn goes_to(&self, log_id: &str) {
        match &self.kind {
            Kind::Embedded(..) => {}
            Kind::RabbitMq(queue) => queue.set_log_id(log_id),
        }
    }

    /// The dead letters, where this process keeps them itself.
    pub(super) fn own_letters(&self) -> Option<&DeadLetters> {
        match &self.kind {
            Kind::Embedded(_, letters) => Some(letters),
            Kind::RabbitMq(_) => None,
        }
    }

    /// Removes what was consumed, and what is not to be kept of the dead letters.
    pub(super) async fn tidy(&self, now: Timestamp) -> anyhow::Result<()> {
        match &self.kind {
            Kind::Embedded(queue, letters) => {
                queue.tidy();
                let (letters, undecided_from) = (letters.clone(), queue.undecided_from());
                // It may write all of them anew.
                let tidying = spawn_blocking(move || letters.tidy(now, undecided_from));
                Ok(tidying.await.context("tidying the dead letters failed")??)
            }
            Kind::RabbitMq(_) => Ok(()),
        }
    }

    /// Takes nothing any more, and gives nothing but what it has.
    pub(super) fn close(&self) {
        match &self.kind {
            Kind::Embedded(queue, _) => queue.close(),
            Kind::RabbitMq(queue) => queue.close(),
        }
    }
}

/// How the broker of these settings is used.
///
/// # Errors
/// When no address is set, or it cannot be used.
pub(crate) fn rabbit_options(settings: &Settings, node: String) -> anyhow::Result<RabbitOptions> {
    let rabbitmq = &settings.queue.rabbitmq;
    let url = rabbitmq.url.as_ref().context("queue.rabbitmq.url is not set")?;
    let address = RabbitAddress::parse(url.expose()).context("queue.rabbitmq.url cannot be used")?;
    Ok(RabbitOptions {
        ca_file: rabbitmq.ca_file.as_ref().map(PathBuf::from),
        partitions: u16::try_from(rabbitmq.partitions).context("queue.rabbitmq.partitions")?,
        prefetch: u16::try_from(rabbitmq.prefetch).context("queue.rabbitmq.prefetch")?,
        consumes: settings.server.roles.contains(&Role::State),
        ..RabbitOptions::new(address, node)
    })
}
