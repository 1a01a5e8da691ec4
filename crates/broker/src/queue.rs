//! What every queue promises.

use crate::Entries;
use fieldwatch_wire::queued::{Checkpoint, EntryForm};
use prometheus_client::metrics::histogram::Histogram;
use std::{future::Future, ops::Range, pin::Pin, time::Duration};

/// A future that a trait object can give.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// The durable queue of readings and commands, in partitions. A device's entries are all in one partition, in order.
pub trait ReadingQueue: Send + Sync + 'static {
    /// What it is: `embedded` or `rabbitmq`.
    fn kind(&self) -> &'static str;

    /// How many partitions there are. A device's partition is FNV-1a 64 of its id modulo this.
    fn partitions(&self) -> u16;

    /// Makes the entries durable, all or none, before it returns. Empty entries are durable at once.
    /// Cancel-safe in the sense that entries once handed over are published even if nobody waits for the answer.
    fn publish(&self, entries: Entries) -> BoxFuture<'_, Result<(), PublishError>>;

    /// Whether other processes may consume the same partitions. Then who owns which changes while it runs, and consumers
    /// tell of it ([`Next::Gained`], [`Next::Lost`]); otherwise this process owns all of them from the first moment.
    fn is_shared(&self) -> bool {
        false
    }

    /// Takes over these partitions, from where the store says they have been decided (`decided` may name others too). Of a
    /// shared queue: stands by for them, and `decided` says nothing, since [`Consumer::begin`] does.
    fn consume(&self, partitions: &[u16], decided: &[Checkpoint]) -> Result<Box<dyn Consumer>, ConsumeError>;

    /// For each partition, how many readings and commands were accepted and not yet stored as decided.
    fn depths(&self) -> Vec<u64>;

    /// For how long the oldest entry not yet stored as decided has been waiting; zero when there is none.
    fn lag(&self) -> Duration;

    /// Whether it takes entries, and why not.
    fn health(&self) -> QueueHealth;

    /// Says whether the store answers into which this process decides entries. While it does not, a queue that is shared
    /// leaves all its partitions to other processes; it is taken to answer until it is said not to.
    fn store_answers(&self, answers: bool) {
        let _ = answers;
    }

    /// How each partition is, as far as this process knows; empty where there is nothing to tell beyond [`Self::depths`].
    fn reports(&self) -> Vec<PartitionReport> {
        Vec::new()
    }

    /// Says a few bytes to all processes that share the queue, this one too, as soon as it can; they may be lost. A queue
    /// of one process says them to nobody.
    fn tell(&self, message: Vec<u8>) {
        drop(message);
    }

    /// From now on this hears what any process said by [`Self::tell`]. It must be quick and not block.
    fn hear(&self, listener: Listener) {
        drop(listener);
    }

    /// Its metrics, to be registered by whoever serves them.
    fn metrics(&self) -> &Metrics;
}

/// The one owner of some partitions.
pub trait Consumer: Send {
    /// The next entries, at most `limit` (a message of several may exceed it), as soon as there is one; or a change of who
    /// owns what. Cancel-safe: what was not returned comes with the next call.
    fn next(&mut self, limit: usize) -> BoxFuture<'_, Result<Next, ConsumeError>>;

    /// What was decided of a delivery is stored, its checkpoints with it: the queue may forget it. What belongs to a
    /// partition that was lost meanwhile is ignored.
    fn stored(&mut self, delivered: Delivered);

    /// Begins to give the entries of a partition that was gained: those that `decided` does not know yet. Of a partition
    /// that was lost meanwhile nothing comes.
    fn begin(&mut self, partition: u16, decided: Option<&Checkpoint>) {
        let _ = (partition, decided);
    }

    /// Gives a partition back, so that another process can own it. It stands by again after a while. What was delivered of
    /// it and not stored goes to its next owner. [`Next::Lost`] does not come.
    fn give_up(&mut self, partition: u16, why: GivingUp) {
        let _ = (partition, why);
    }
}

/// Why a partition is given back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GivingUp {
    /// Its devices could not be restored: for some time others should have it, if they can.
    CannotBegin,
    /// Another process has taken it over, or nobody knows what of it is stored: whoever owns it next looks anew.
    InDoubt,
}

/// What a consumer gives.
#[derive(Debug)]
pub enum Next {
    /// Entries to be decided.
    Delivery(Delivery),
    /// This process owns the partition now. Its entries come after [`Consumer::begin`].
    Gained(u16),
    /// This process does not own the partition any more: what is known of its devices will soon be wrong.
    Lost(u16),
}

/// Who hears what processes tell one another.
pub type Listener = Box<dyn Fn(&[u8]) + Send + Sync>;

/// How a partition of a shared queue is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PartitionReport {
    /// Its number.
    pub partition: u16,
    /// The process that owns it, by the name it has among its like; `None` while nobody is known to.
    pub owner: Option<String>,
    /// Whether that is this process.
    pub is_ours: bool,
    /// Messages that wait in the broker.
    pub waiting: u64,
    /// Messages delivered to this process and not yet acknowledged.
    pub unacknowledged: u64,
    /// Messages that came to this process more than once since it started.
    pub redelivered: u64,
}

/// Entries of several partitions, in order within each.
#[derive(Debug, Default)]
pub struct Delivery {
    /// The bodies of all entries ([`fieldwatch_wire::queued::read_entry`]).
    pub bytes: Vec<u8>,
    /// In which form they are.
    pub form: EntryForm,
    /// Each entry.
    pub entries: Vec<DeliveredEntry>,
    /// How far the partitions are decided once all of these entries are; only partitions that have moved.
    pub checkpoints: Vec<Checkpoint>,
    /// To be given back by [`Consumer::stored`].
    pub delivered: Delivered,
}

/// One entry of a delivery.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeliveredEntry {
    /// Where its body lies in [`Delivery::bytes`].
    pub body: Range<usize>,
    /// Its partition.
    pub partition: u16,
    /// Its place in the queue, unique for the queue's life: by it a letter that was parked twice is recognised.
    pub place: u64,
}

/// What the queue needs to know to forget a delivery.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Delivered {
    /// Entries by partition.
    pub counts: Vec<(u16, u32)>,
    /// The embedded queue: the address up to which everything was delivered.
    pub through: u64,
    /// `RabbitMQ`: what is to be acknowledged.
    pub acknowledge: Vec<Acknowledge>,
}

/// Everything of a partition up to a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Acknowledge {
    /// The partition.
    pub partition: u16,
    /// The channel that delivered it: tags of another channel mean other messages.
    pub channel: u64,
    /// The tag of the last message.
    pub tag: u64,
}

/// How a queue is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct QueueHealth {
    /// What is wrong, for people; `None` when it takes entries.
    pub trouble: Option<String>,
}

/// Why entries were not published. Nothing of them was kept, except where it says otherwise.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PublishError {
    /// The queue has grown to its limit, or the disk is nearly full: try again later.
    #[error("the queue cannot take anything now: {0}")]
    Full(String),
    /// Too many publishers wait already: try again soon.
    #[error("too many requests wait for the queue")]
    Busy,
    /// The broker did not confirm in time. Nobody knows whether it has the entries: they may still take effect.
    #[error("the broker did not confirm in time: {0}")]
    Unconfirmed(String),
    /// The disk failed, and nobody knows whether the entries are durable; only a new start may help.
    #[error("the queue has stopped: {0}")]
    Stopped(String),
}

/// Why no entries can be consumed.
#[derive(Clone, Debug, thiserror::Error)]
pub enum ConsumeError {
    /// The queue is being closed.
    #[error("the queue is closed")]
    Closed,
    /// It could not be read.
    #[error("the queue cannot be read: {0}")]
    Failed(String),
}

/// What is measured about a queue.
#[derive(Clone, Debug)]
pub struct Metrics {
    /// `fieldwatch_queue_commit_seconds`: one group commit, from its first waiter until it is durable.
    pub commit_seconds: Histogram,
}

impl Default for Metrics {
    fn default() -> Self {
        let buckets = [0.000_1, 0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0];
        Self { commit_seconds: Histogram::new(buckets) }
    }
}
