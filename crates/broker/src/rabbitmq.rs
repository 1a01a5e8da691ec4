//! The queue that lives at a `RabbitMQ`, shared by several processes.
//!
//! Each partition is a quorum queue with a single active consumer: whoever the broker says owns it. A process stands by for
//! all of them ([`stand`]), and processes tell one another who is there, so that they share evenly ([`members`]). What is
//! published is confirmed ([`publisher`]); what is delivered is acknowledged when it is stored; what comes twice is recognised
//! by the number that its sender gave it ([`progress`]).
//!
//! Two connections ([`link`]), each made again when it is lost: one for what is published, which the broker does not read
//! while it is short of room, and one for everything else. What has to be at the broker is in [`topology`], whose it is in
//! [`identity`].

mod options;

mod address;

mod setting_up;

mod identity;

mod topology;

mod publisher;

mod message;

mod consumer;

mod stand;

mod progress;

mod members;

mod targets;

mod letters;

pub(crate) mod original;

mod looking;

mod reset;

mod shared;

mod link;

mod socket;

mod live;

mod held;

mod broken;

mod stop;

mod random;

pub use address::{InvalidRabbitAddress, RabbitAddress};
pub use options::{Deadlines, RabbitOptions};
pub use reset::{Reset, ResetError, reset};

use crate::{
    BoxFuture, Checkpoint, ConsumeError, Consumer, DeadLetter, DeadLetterError, Entries, ForgottenDevices, LetterBox, Listener,
    Metrics, NewLetter, Parking, PartitionReport, PublishError, QueueHealth, ReadingQueue,
};
use fieldwatch_domain::Timestamp;
use letters::Letters;
use link::Link;
use members::Members;
use publisher::Publisher;
use setting_up::{Permission, Standing, StoreKnown};
use shared::{Partition, Shared};
use std::{collections::BTreeSet, sync::Arc, time::Duration};
use stop::Stopper;
use tokio::{
    runtime::Handle,
    sync::watch,
    time::{Instant, sleep},
};

/// How often it is looked whether the broker has answered.
const LOOK_AGAIN: Duration = Duration::from_millis(20);

/// The queue at a `RabbitMQ`, and the dead letters there.
pub struct RabbitQueue {
    shared: Arc<Shared>,
    publisher: Publisher,
    letters: Arc<Letters>,
    members: Arc<Members>,
    metrics: Metrics,
    log_id: watch::Sender<Option<String>>,
    store_answers: watch::Sender<bool>,
    stopper: Stopper,
}

impl RabbitQueue {
    /// Begins to use the broker, whether it is there or not; does not wait for it. [`ReadingQueue::health`] says how it is.
    ///
    /// Runs on the tokio runtime that this is called on, which must have I/O and time; publishers and consumers may run on
    /// others. Everything ends when the last reference is dropped.
    ///
    /// # Panics
    /// Outside a tokio runtime.
    pub fn open(options: RabbitOptions) -> Arc<Self> {
        let runtime = Handle::current();
        let (stopper, stop) = Stopper::new();
        let (log_id, log_id_known) = watch::channel(options.log_id.clone());
        let metrics = Metrics::default();
        let giving = Link::open(&options, "publishing", stop.clone());
        let taking = Link::open(&options, "consuming", stop.clone());
        let (store_answers, answers) = watch::channel(true);
        let store = StoreKnown { log_id: log_id_known, answers };
        let standing = Standing::begin(&options, taking.clone(), store, stop.clone());
        let partitions = (0..options.partitions).map(|_| Partition::default()).collect();
        let shared = Arc::new(Shared { options, giving, taking, standing, stop, partitions });
        let letters = Arc::new(Letters::new(&shared, runtime));
        let publisher = Publisher::start(&shared, &metrics);
        let members = Members::start(&shared);
        looking::start(&shared, &letters);
        Arc::new(Self { shared, publisher, letters, members, metrics, log_id, store_answers, stopper })
    }

    /// Says which store the readings are decided into. Before that nothing is consumed.
    pub fn set_log_id(&self, log_id: &str) {
        self.log_id.send_if_modified(|known| {
            let is_new = known.as_deref() != Some(log_id);
            *known = Some(log_id.into());
            is_new
        });
    }

    /// Waits until letters can be looked at and entries published, at most so long. An alarm of the broker is not waited for.
    ///
    /// # Errors
    /// Why not, for people; at once where waiting does not help, because the broker belongs to others.
    pub async fn ready(&self, patience: Duration) -> Result<(), String> {
        let Shared { standing, giving, taking, .. } = self.shared.as_ref();
        let give_up = Instant::now() + patience;
        loop {
            match standing.permission() {
                Permission::Granted if giving.now().is_some() && taking.now().is_some() => return Ok(()),
                Permission::Denied(why) => return Err(why),
                Permission::Granted | Permission::Pending(_) => {}
            }
            if Instant::now() >= give_up {
                return Err(self.trouble().unwrap_or_else(|| "it has not answered".into()));
            }
            sleep(LOOK_AGAIN).await;
        }
    }

    /// The devices of all dead letters, each once.
    ///
    /// # Errors
    /// When they cannot be read.
    pub async fn letter_devices(&self) -> Result<BTreeSet<String>, DeadLetterError> {
        self.letters.devices().await
    }

    /// Removes the dead letters of forgotten devices from before that; the others stay in their order. Says how many were removed.
    ///
    /// # Errors
    /// When that was not possible, or only for some of them.
    pub async fn erase_letters(&self, forgotten: &ForgottenDevices) -> Result<u64, DeadLetterError> {
        self.letters.erase(forgotten).await
    }

    /// Takes nothing more, and gives the partitions to others. Does not wait.
    ///
    /// What was handed over before is still published if the broker answers within half a second.
    pub fn close(&self) {
        self.stopper.stop();
    }
}

impl ReadingQueue for RabbitQueue {
    fn kind(&self) -> &'static str {
        "rabbitmq"
    }

    fn partitions(&self) -> u16 {
        self.shared.options.partitions
    }

    /// What one partition took is durable even if another did not: then it takes effect though an error is told.
    fn publish(&self, entries: Entries) -> BoxFuture<'_, Result<(), PublishError>> {
        Box::pin(self.publisher.publish(entries))
    }

    fn is_shared(&self) -> bool {
        true
    }

    fn consume(&self, partitions: &[u16], _decided: &[Checkpoint]) -> Result<Box<dyn Consumer>, ConsumeError> {
        if self.shared.stop.is_asked() {
            return Err(ConsumeError::Closed);
        }
        Ok(Box::new(consumer::RabbitConsumer::start(&self.shared, &self.letters, partitions)))
    }

    /// As of the last second. What waits at the broker are messages, of which each counts as many entries as those have on
    /// average that this process saw; so it is an estimate, but 0 only when nothing waits.
    fn depths(&self) -> Vec<u64> {
        self.shared.partitions.iter().map(|partition| partition.seen().depth()).collect()
    }

    /// Since the receipt of the oldest entry that this process holds; of what it does not hold, since it was first seen to wait.
    fn lag(&self) -> Duration {
        let now = letters::now();
        self.shared.partitions.iter().map(|partition| partition.seen().lag(now)).max().unwrap_or_default()
    }

    fn health(&self) -> QueueHealth {
        QueueHealth { trouble: self.trouble() }
    }

    fn store_answers(&self, answers: bool) {
        let changed = self.store_answers.send_if_modified(|known| std::mem::replace(known, answers) != answers);
        if !changed {
            return;
        }
        if answers {
            tracing::info!("the store answers again, partitions are taken");
            // Whatever could not be begun, that is what was wrong.
            self.shared.partitions.iter().for_each(|partition| partition.seen().has_begun());
        } else {
            tracing::warn!("the store does not answer, partitions are left to other processes");
        }
    }

    fn reports(&self) -> Vec<PartitionReport> {
        let report = |(partition, ours): (u16, &Partition)| {
            let seen = ours.seen();
            let owner = if seen.is_ours { Some(self.shared.options.node.clone()) } else { None };
            PartitionReport {
                partition,
                owner: owner.or_else(|| self.members.owner(partition)),
                is_ours: seen.is_ours,
                waiting: seen.waiting,
                unacknowledged: seen.unacknowledged.len() as u64,
                redelivered: seen.redelivered,
            }
        };
        (0..).zip(&self.shared.partitions).map(report).collect()
    }

    fn tell(&self, message: Vec<u8>) {
        self.members.tell(message);
    }

    fn hear(&self, listener: Listener) {
        self.members.hear(listener);
    }

    fn metrics(&self) -> &Metrics {
        &self.metrics
    }
}

impl RabbitQueue {
    /// Why it does not take entries, or does not give them.
    fn trouble(&self) -> Option<String> {
        let Shared { stop, giving, taking, standing, .. } = self.shared.as_ref();
        if stop.is_asked() {
            return Some("it is closed".into());
        }
        if let Permission::Denied(why) = standing.permission() {
            return Some(why);
        }
        if let Some((why, _)) = giving.away().or_else(|| taking.away()) {
            return Some(format!("no connection to the broker: {why}"));
        }
        if let Some(why) = giving.now().and_then(|live| live.blocked()) {
            return Some(format!("the broker has an alarm: {why}"));
        }
        if let Permission::Pending(why) = standing.permission() {
            return Some(why);
        }
        (0_u16..).zip(&self.shared.partitions).find_map(|(partition, ours)| {
            let refused = ours.seen().refused.clone();
            refused.map(|why| format!("the broker does not let this process stand by for partition {partition}: {why}"))
        })
    }
}

impl Parking for RabbitQueue {
    fn park<'a>(&'a self, letter: NewLetter<'a>) -> BoxFuture<'a, Result<(), DeadLetterError>> {
        self.letters.park(letter)
    }
}

impl LetterBox for RabbitQueue {
    fn list(&self) -> BoxFuture<'_, Result<Vec<DeadLetter>, DeadLetterError>> {
        self.letters.list()
    }

    fn requeued(&self, ids: Vec<u64>, at: Timestamp) -> BoxFuture<'_, Result<(), DeadLetterError>> {
        self.letters.requeued(ids, at)
    }

    fn waiting(&self) -> u64 {
        LetterBox::waiting(self.letters.as_ref())
    }
}
