//! The queue that is configured.

use std::path::PathBuf;
use std::sync::Arc;

use anyhow::Context as _;
use fieldwatch_broker::{
    DeadLetters, EmbeddedQueue, EmbeddedQueueOptions, LetterBox, MoverMetrics, Names, Original, OriginalMover, OriginalOptions,
    Parking, RabbitAddress, RabbitOptions, RabbitQueue, ReadingQueue,
};
use fieldwatch_domain::{DeviceNumbers, Timestamp};
use fieldwatch_event_store::EventStore;
use fieldwatch_gateway::{NamedCounter, Note};
use fieldwatch_wire::ingest::LocalClock;
use prometheus_client::metrics::counter::Counter;
use tokio::task::spawn_blocking;

use super::Plan;
use super::bringing_up::now;
use super::broker_letters::BrokerLetters;
use super::parts::ingest_limits;
use crate::settings::{OriginalTopology, QueueKind, Role, Settings};

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
    RabbitMq(Arc<RabbitQueue>, Arc<BrokerLetters>, Option<Arc<OriginalMover>>),
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
        let mover = if plan.settings.server.roles.contains(&Role::Ingest) {
            let options = original_options(plan)?;
            (options.original != Original::Off).then(|| Arc::new(OriginalMover::start(options, &queue, Arc::clone(&queue) as _)))
        } else {
            None
        };
        let letters = Arc::new(BrokerLetters::new(&queue));
        let parking = Arc::clone(&letters) as _;
        Ok(Self { kind: Kind::RabbitMq(queue, Arc::clone(&letters), mover), letters, parking })
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
            Kind::RabbitMq(queue, ..) => Arc::clone(queue) as _,
        }
    }

    /// The store has answered: its log is the one that the queue's readings go to.
    pub(super) fn goes_to(&self, log_id: &str) {
        match &self.kind {
            Kind::Embedded(..) => {}
            Kind::RabbitMq(queue, ..) => queue.set_log_id(log_id),
        }
    }

    /// The store has recovered: it knows which devices were forgotten.
    pub(super) fn store_is(&self, store: &Arc<dyn EventStore>, numbers: &Arc<DeviceNumbers>) {
        match &self.kind {
            Kind::Embedded(..) => {}
            Kind::RabbitMq(_, letters, _) => letters.store_is(store, numbers),
        }
    }

    /// The dead letters, where this process keeps them itself.
    pub(super) fn own_letters(&self) -> Option<&DeadLetters> {
        match &self.kind {
            Kind::Embedded(_, letters) => Some(letters),
            Kind::RabbitMq(..) => None,
        }
    }

    /// What there is to say of the original's queue, for people.
    pub(super) fn notes(&self) -> Vec<Note> {
        let Kind::RabbitMq(_, _, Some(mover)) = &self.kind else { return Vec::new() };
        let mover = Arc::clone(mover);
        vec![Box::new(move || Some(mover.status().text).filter(|text| !text.is_empty()))]
    }

    /// What is counted about the original's queue.
    pub(super) fn counters(&self) -> Vec<NamedCounter> {
        let Kind::RabbitMq(_, _, Some(mover)) = &self.kind else { return Vec::new() };
        let MoverMetrics { moved, unusable, redelivered, ahead } = mover.metrics();
        let named = |name, help, counter: &Counter| NamedCounter { name, help, counter: counter.clone() };
        vec![
            named("fieldwatch_original_moved", "Readings moved from the original queue into the partitions", moved),
            named("fieldwatch_original_unusable", "Messages of the original queue that became dead letters", unusable),
            named("fieldwatch_original_redelivered", "Messages of the original queue that came again", redelivered),
            named("fieldwatch_original_ahead", "Readings of the original queue whose time was too far ahead", ahead),
        ]
    }

    /// Ends what moves readings here from elsewhere; what is on the way is finished.
    pub(super) async fn stop_moving(&self) {
        if let Kind::RabbitMq(_, _, Some(mover)) = &self.kind {
            mover.stop().await;
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
            Kind::RabbitMq(_, letters, _) => letters.tidy().await,
        }
    }

    /// Takes nothing any more, and gives nothing but what it has.
    pub(super) fn close(&self) {
        match &self.kind {
            Kind::Embedded(queue, _) => queue.close(),
            Kind::RabbitMq(queue, ..) => queue.close(),
        }
    }
}

fn original_options(plan: &Plan) -> anyhow::Result<OriginalOptions> {
    let rabbitmq = &plan.settings.queue.rabbitmq;
    let original = match rabbitmq.original {
        OriginalTopology::Existing => Original::Existing,
        OriginalTopology::Durable => Original::Durable,
        OriginalTopology::Original => Original::AsOriginal,
        OriginalTopology::Off => Original::Off,
    };
    let clock = LocalClock::in_zone(&rabbitmq.original_time_zone).context("queue.rabbitmq.original_time_zone")?;
    let names =
        Names { exchange: rabbitmq.exchange.clone(), queue: rabbitmq.queue.clone(), routing_key: rabbitmq.routing_key.clone() };
    Ok(OriginalOptions { names, ..OriginalOptions::new(original, clock, ingest_limits(plan), now) })
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
