//! What a shard pulls: the messages of its partitions, without repeats.

use super::{
    letters::Letters,
    progress::Progress,
    shared::Shared,
    stand::{Happening, Message, Order, Stand},
};
use crate::{
    Acknowledge, BoxFuture, Checkpoint, ConsumeError, Consumer, Delivered, DeliveredEntry, Delivery, EntryForm, GivingUp, Next,
};
use std::{
    collections::{BTreeMap, VecDeque},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Instant,
};
use tokio::sync::mpsc;
use tracing::warn;

/// The messages of some partitions, while this process owns them.
pub(super) struct RabbitConsumer {
    shared: Arc<Shared>,
    happenings: mpsc::UnboundedReceiver<Happening>,
    orders: BTreeMap<u16, mpsc::UnboundedSender<Order>>,
    ours: BTreeMap<u16, Ours>,
    /// The channels of partitions that were given up: what still comes of them is for the next owner.
    given_up: BTreeMap<u16, u64>,
    changes: VecDeque<Next>,
    /// The partition after which the next delivery begins, so that all have their turn.
    last: u16,
}

/// A partition of which something came.
struct Ours {
    channel: u64,
    /// `None` until it was begun.
    progress: Option<Progress>,
    waiting: VecDeque<Message>,
    /// Deliveries that are not stored.
    outstanding: u32,
    /// The last message that was passed over while something was outstanding.
    passed_over: Option<u64>,
    /// Another process is to own it.
    leaving: bool,
}

impl RabbitConsumer {
    pub(super) fn start(shared: &Arc<Shared>, letters: &Arc<Letters>, partitions: &[u16]) -> Self {
        let (sender, happenings) = mpsc::unbounded_channel();
        let mut orders = BTreeMap::new();
        for partition in partitions.iter().copied() {
            let (orders_in, orders_out) = mpsc::unbounded_channel();
            let stand = Stand {
                shared: Arc::clone(shared),
                letters: Arc::clone(letters),
                partition,
                happenings: sender.clone(),
                orders: orders_out,
                something_came: false,
            };
            letters.runtime().spawn(stand.run());
            orders.insert(partition, orders_in);
        }
        Self::of(Arc::clone(shared), happenings, orders)
    }

    fn of(
        shared: Arc<Shared>,
        happenings: mpsc::UnboundedReceiver<Happening>,
        orders: BTreeMap<u16, mpsc::UnboundedSender<Order>>,
    ) -> Self {
        let (ours, given_up, changes) = (BTreeMap::new(), BTreeMap::new(), VecDeque::new());
        Self { shared, happenings, orders, ours, given_up, changes, last: 0 }
    }

    fn take_in(&mut self, happening: Happening) {
        match happening {
            Happening::Came { partition, channel, .. } if self.given_up.get(&partition) == Some(&channel) => {}
            Happening::Came { partition, channel, message } => {
                let ours = self.ours.entry(partition).or_insert_with(|| {
                    self.changes.push_back(Next::Gained(partition));
                    Ours::on(channel)
                });
                if ours.channel == channel && !ours.leaving {
                    ours.waiting.push_back(message);
                }
            }
            Happening::Leaving { partition, channel } => {
                let Some(ours) = self.ours.get_mut(&partition).filter(|ours| ours.channel == channel) else { return };
                let is_it = |change: &Next| matches!(change, Next::Gained(gained) if *gained == partition);
                if let Some(untold) = self.changes.iter().position(is_it) {
                    // Nobody has heard of it, and nobody has to.
                    self.changes.remove(untold);
                    self.ours.remove(&partition);
                    self.given_up.insert(partition, channel);
                    self.order(partition, Order::Leave { channel });
                    return;
                }
                ours.leaving = true;
                ours.waiting.clear();
                if ours.outstanding == 0 {
                    self.order(partition, Order::Leave { channel });
                }
            }
            Happening::Gone { partition, channel } => {
                self.order(partition, Order::Heard { channel });
                if self.ours.get(&partition).is_none_or(|ours| ours.channel != channel) {
                    return;
                }
                self.ours.remove(&partition);
                let untold = self.changes.iter().position(|change| matches!(change, Next::Gained(gained) if *gained == partition));
                match untold {
                    Some(at) => drop(self.changes.remove(at)),
                    None => self.changes.push_back(Next::Lost(partition)),
                }
            }
        }
    }

    /// Everything that waits, up to the limit.
    fn gather(&mut self, limit: usize) -> Option<Delivery> {
        let mut delivery = Delivery { form: EntryForm::Line, ..Delivery::default() };
        let order: Vec<u16> =
            self.ours.range(self.last + 1..).chain(self.ours.range(..=self.last)).map(|(number, _)| *number).collect();
        for partition in order {
            if delivery.entries.len() >= limit {
                break;
            }
            let Some(ours) = self.ours.get_mut(&partition) else { continue };
            if let Some(acknowledge) = ours.give(partition, &mut delivery, limit) {
                self.order(partition, acknowledge);
            }
            self.last = partition;
        }
        (!delivery.entries.is_empty()).then_some(delivery)
    }

    fn order(&self, partition: u16, order: Order) {
        if let Some(orders) = self.orders.get(&partition) {
            // An error says that the queue is closed.
            let _ = orders.send(order);
        }
    }
}

impl Ours {
    fn on(channel: u64) -> Self {
        Self { channel, progress: None, waiting: VecDeque::new(), outstanding: 0, passed_over: None, leaving: false }
    }

    /// Adds what waits to a delivery, up to its limit. Gives what is to be acknowledged at once, since it is passed over.
    fn give(&mut self, partition: u16, delivery: &mut Delivery, limit: usize) -> Option<Order> {
        let progress = self.progress.as_mut()?;
        let (mut last, mut given, mut moved) = (None, 0_u32, false);
        while delivery.entries.len() < limit
            && let Some(message) = self.waiting.pop_front()
        {
            last = Some(message.tag);
            if message.lines.is_empty() {
                continue;
            }
            if let Some(mark) = message.mark {
                if !progress.note(mark.sender, mark.number, mark.settled) {
                    continue;
                }
                moved = true;
            }
            given += message.lines.len() as u32;
            let from = delivery.bytes.len();
            delivery.bytes.extend_from_slice(&message.body);
            delivery.entries.extend(message.lines.into_iter().map(|line| DeliveredEntry {
                body: from + line.start..from + line.end,
                partition,
                place: new_place(),
            }));
        }
        let (tag, channel) = (last?, self.channel);
        if given == 0 {
            if self.outstanding == 0 {
                return Some(Order::Acknowledge { channel, tag });
            }
            self.passed_over = Some(tag);
            return None;
        }
        self.outstanding += 1;
        delivery.delivered.counts.push((partition, given));
        delivery.delivered.acknowledge.push(Acknowledge { partition, channel, tag });
        if moved {
            delivery.checkpoints.push(Checkpoint { partition, progress: progress.encode() });
        }
        None
    }
}

impl Consumer for RabbitConsumer {
    fn next(&mut self, limit: usize) -> BoxFuture<'_, Result<Next, ConsumeError>> {
        Box::pin(async move {
            loop {
                while let Ok(happening) = self.happenings.try_recv() {
                    self.take_in(happening);
                }
                if let Some(change) = self.changes.pop_front() {
                    return Ok(change);
                }
                if let Some(delivery) = self.gather(limit.max(1)) {
                    return Ok(Next::Delivery(delivery));
                }
                match self.happenings.recv().await {
                    Some(happening) => self.take_in(happening),
                    None => return Err(ConsumeError::Closed),
                }
            }
        })
    }

    fn stored(&mut self, delivered: Delivered) {
        for Acknowledge { partition, channel, tag } in delivered.acknowledge {
            let Some(ours) = self.ours.get_mut(&partition).filter(|ours| ours.channel == channel) else { continue };
            ours.outstanding = ours.outstanding.saturating_sub(1);
            let is_last = ours.outstanding == 0;
            let leaving = is_last && ours.leaving;
            let tag = if is_last { ours.passed_over.take().unwrap_or(tag).max(tag) } else { tag };
            self.order(partition, Order::Acknowledge { channel, tag });
            if leaving {
                self.order(partition, Order::Leave { channel });
            }
        }
    }

    fn begin(&mut self, partition: u16, decided: Option<&Checkpoint>) {
        let Some(ours) = self.ours.get_mut(&partition) else { return };
        let progress = decided.map(|decided| Progress::decode(&decided.progress));
        if progress == Some(None) {
            // The devices recognise what comes twice by its ids, as far as they remember.
            warn!(partition, "the partition's checkpoint is of another kind of queue; everything that waits is taken");
        }
        ours.progress = Some(progress.flatten().unwrap_or_default());
        self.shared.seen(partition).has_begun();
    }

    fn give_up(&mut self, partition: u16, why: GivingUp) {
        if let Some(ours) = self.ours.remove(&partition) {
            match why {
                GivingUp::CannotBegin => self.shared.seen(partition).was_given_up(Instant::now()),
                GivingUp::InDoubt => {}
            }
            self.given_up.insert(partition, ours.channel);
            self.order(partition, Order::Leave { channel: ours.channel });
        }
        self.changes.retain(|change| !matches!(change, Next::Gained(changed) | Next::Lost(changed) if *changed == partition));
    }
}

/// Entries are numbered through the life of the process.
fn new_place() -> u64 {
    static LAST: AtomicU64 = AtomicU64::new(0);
    LAST.fetch_add(1, Relaxed) + 1
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ReadingQueue as _;
    use crate::{RabbitAddress, RabbitOptions, RabbitQueue};

    const CHANNEL: u64 = 7;

    /// A consumer of partition 3, which hears and orders what the test likes; there is no broker.
    fn consumer() -> (Arc<RabbitQueue>, RabbitConsumer, mpsc::UnboundedReceiver<Order>) {
        let address = RabbitAddress::parse("amqp://127.0.0.1:1/").expect("an address");
        let queue = RabbitQueue::open(RabbitOptions::new(address, "a"));
        let (orders_in, orders) = mpsc::unbounded_channel();
        let (_, happenings) = mpsc::unbounded_channel();
        let consumer = RabbitConsumer::of(Arc::clone(&queue.shared), happenings, BTreeMap::from([(3, orders_in)]));
        (queue, consumer, orders)
    }

    fn came(tag: u64) -> Happening {
        let message = Message { tag, mark: None, body: b"line".to_vec(), lines: std::iter::once(0..4).collect() };
        Happening::Came { partition: 3, channel: CHANNEL, message }
    }

    fn is_wanted(queue: &RabbitQueue) -> bool {
        queue.shared.seen(3).is_wanted(Instant::now())
    }

    #[tokio::test]
    async fn a_partition_that_is_left_before_anybody_heard_of_it_is_never_told_of() {
        let (_queue, mut consumer, mut orders) = consumer();
        consumer.take_in(came(1));
        consumer.take_in(Happening::Leaving { partition: 3, channel: CHANNEL });
        assert!(matches!(orders.try_recv(), Ok(Order::Leave { channel: CHANNEL })));
        consumer.take_in(came(2));
        consumer.take_in(Happening::Gone { partition: 3, channel: CHANNEL });
        assert!(consumer.changes.is_empty(), "{:?}", consumer.changes.len());
    }

    #[tokio::test]
    async fn that_a_channel_is_gone_is_answered_even_if_its_partition_was_given_up() {
        let (_queue, mut consumer, mut orders) = consumer();
        consumer.take_in(came(1));
        consumer.give_up(3, GivingUp::CannotBegin);
        assert!(matches!(orders.try_recv(), Ok(Order::Leave { channel: CHANNEL })));
        consumer.take_in(Happening::Gone { partition: 3, channel: CHANNEL });
        assert!(matches!(orders.try_recv(), Ok(Order::Heard { channel: CHANNEL })));
    }

    #[tokio::test]
    async fn a_partition_is_not_wanted_after_it_was_given_up_but_is_after_stepping_aside() {
        let (queue, mut consumer, _orders) = consumer();
        consumer.take_in(came(1));
        assert!(matches!(consumer.changes.pop_front(), Some(Next::Gained(3))));
        consumer.begin(3, None);
        consumer.take_in(Happening::Leaving { partition: 3, channel: CHANNEL });
        consumer.take_in(Happening::Gone { partition: 3, channel: CHANNEL });
        assert!(is_wanted(&queue));
        consumer.take_in(came(2));
        consumer.give_up(3, GivingUp::InDoubt);
        assert!(is_wanted(&queue), "whoever owns it next looks anew, this process too");
        let again = Happening::Came {
            partition: 3,
            channel: CHANNEL + 1,
            message: Message { tag: 1, mark: None, body: Vec::new(), lines: Vec::new() },
        };
        consumer.take_in(again);
        consumer.give_up(3, GivingUp::CannotBegin);
        assert!(!is_wanted(&queue));
        queue.store_answers(false);
        queue.store_answers(true);
        assert!(is_wanted(&queue), "the store was what was wrong");
    }
}
