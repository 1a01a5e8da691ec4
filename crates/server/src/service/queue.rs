//! The queue that is configured.

use std::sync::Arc;

use anyhow::Context as _;
use fieldwatch_broker::{DeadLetters, EmbeddedQueue, EmbeddedQueueOptions, LetterBox, Parking, ReadingQueue};
use fieldwatch_domain::Timestamp;
use tokio::task::spawn_blocking;

use super::Plan;
use crate::settings::QueueKind;

/// The queue, and the place for its dead letters.
#[derive(Clone)]
pub(super) struct Queue {
    kind: Kind,
    pub(super) letters: Arc<dyn LetterBox>,
    pub(super) parking: Arc<dyn Parking>,
}

#[derive(Clone)]
enum Kind {
    Embedded(Arc<EmbeddedQueue>, DeadLetters),
}

impl Queue {
    /// Opens the embedded queue, which may take a moment, or begins to connect to the broker, which never does.
    pub(super) async fn open(plan: &Plan) -> anyhow::Result<Self> {
        match plan.settings.queue.kind {
            QueueKind::Embedded => Self::embedded(plan).await,
            QueueKind::RabbitMq => anyhow::bail!("queue.kind = \"rabbitmq\" is not built yet"),
        }
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
        }
    }

    /// The store has answered: its log is the one that the queue's readings go to.
    pub(super) fn goes_to(&self, log_id: &str) {
        match &self.kind {
            Kind::Embedded(..) => drop(log_id.to_owned()),
        }
    }

    /// The dead letters, where this process keeps them itself.
    pub(super) fn own_letters(&self) -> Option<&DeadLetters> {
        match &self.kind {
            Kind::Embedded(_, letters) => Some(letters),
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
        }
    }

    /// Takes nothing any more, and gives nothing but what it has.
    pub(super) fn close(&self) {
        match &self.kind {
            Kind::Embedded(queue, _) => queue.close(),
        }
    }
}
