//! Standing by for one partition: a channel of its own, on which the broker delivers as soon as this process is the owner.
//!
//! The channel is only ever closed as a whole, with its consumer alive: see [`Held`].

use super::{
    broken::Broken,
    held::Held,
    letters::Letters,
    live::Live,
    message::{self, Format, Mark},
    shared::{Shared, Unacknowledged},
    topology::queue_of,
};
use crate::BoxFuture;
use fieldwatch_wire::ingest::parse_rfc3339;
use futures_util::FutureExt;
use lapin::{
    message::Delivery,
    options::{BasicAckOptions, BasicConsumeOptions, BasicQosOptions},
    types::FieldTable,
};
use std::{
    ops::Range,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
};
use tokio::{
    sync::mpsc,
    time::{Duration, Instant, sleep, sleep_until},
};
use tracing::{debug, error, warn};

/// Before a channel that was lost is opened anew.
const PAUSE: Duration = Duration::from_millis(200);
/// Each time that the broker refuses, the pause doubles, up to this.
const LONGEST_PAUSE: Duration = Duration::from_secs(5);
/// For so long what was given may still be stored before another process takes over.
const PARTING: Duration = Duration::from_secs(1);

/// What happens to a partition.
pub(super) enum Happening {
    /// A message was delivered.
    Came { partition: u16, channel: u64, message: Message },
    /// Another process is to own the partition: nothing new of it may be given.
    Leaving { partition: u16, channel: u64 },
    /// The channel is gone.
    Gone { partition: u16, channel: u64 },
}

/// A message, as it was delivered.
pub(super) struct Message {
    pub(super) tag: u64,
    pub(super) mark: Option<Mark>,
    pub(super) body: Vec<u8>,
    pub(super) lines: Vec<Range<usize>>,
}

/// What the consumer wants of a stand. Orders for another channel mean nothing.
pub(super) enum Order {
    /// To acknowledge everything up to a message.
    Acknowledge { channel: u64, tag: u64 },
    /// To let another process own the partition, and stand by again after a while.
    Leave { channel: u64 },
    /// The consumer knows that the channel is gone, and holds nothing of it.
    Heard { channel: u64 },
}

/// A stand for one partition.
pub(super) struct Stand {
    pub(super) shared: Arc<Shared>,
    pub(super) letters: Arc<Letters>,
    pub(super) partition: u16,
    pub(super) happenings: mpsc::UnboundedSender<Happening>,
    pub(super) orders: mpsc::UnboundedReceiver<Order>,
    /// Whether the consumer was given something of the present channel.
    pub(super) something_came: bool,
}

/// A message of an unknown format, until it waits among the dead letters.
type BeingParked = BoxFuture<'static, Result<Message, ()>>;

/// Why a channel is gone.
enum End {
    /// There was none.
    NotOpened,
    Lost,
    Left,
    Stopped,
}

impl Stand {
    pub(super) async fn run(mut self) {
        let stop = self.shared.stop.clone();
        let mut after_refusal = PAUSE;
        loop {
            let live = tokio::select! {
                biased;
                () = stop.asked() => return,
                live = self.shared.standing.may_take() => live,
            };
            let channel = new_channel_number();
            let end = match self.open(&live).await {
                Ok(held) => {
                    after_refusal = PAUSE;
                    {
                        let mut seen = self.shared.seen(self.partition);
                        seen.standing_since = Some(std::time::Instant::now());
                        seen.refused = None;
                    }
                    let end = self.stand(&live, held, channel).await;
                    self.shared.seen(self.partition).leave();
                    end
                }
                Err(broken) => {
                    self.note_refusal(&broken);
                    if broken.is(404) {
                        self.shared.standing.declare_again();
                    }
                    End::NotOpened
                }
            };
            let something_came = std::mem::take(&mut self.something_came);
            if !matches!(end, End::NotOpened) {
                // An error says that the consumer is gone, and with it the orders.
                let _ = self.happenings.send(Happening::Gone { partition: self.partition, channel });
            }
            // While a shard waits for its store nobody takes in what came: each channel would add to it.
            if something_came && !matches!(end, End::Stopped) && !self.until_heard(channel).await {
                return;
            }
            let pause = match end {
                End::Stopped => return,
                End::Left => self.shared.options.deadlines.hello * 3,
                End::Lost => PAUSE,
                End::NotOpened => {
                    let pause = after_refusal;
                    after_refusal = (pause * 2).min(LONGEST_PAUSE);
                    pause
                }
            };
            tokio::select! {
                () = stop.asked() => return,
                () = sleep(pause) => {}
            }
            if self.orders.is_closed() {
                return;
            }
        }
    }

    /// Says once why the broker does not let this process stand by. A connection that fails says so itself.
    fn note_refusal(&self, broken: &Broken) {
        let (partition, why) = (self.partition, &broken.text);
        debug!(partition, why, "cannot stand by for a partition");
        if broken.code.is_none() {
            return;
        }
        let mut seen = self.shared.seen(partition);
        if seen.refused.as_ref() != Some(why) {
            warn!(partition, why, "the broker does not let this process stand by for a partition");
            seen.refused = Some(why.clone());
        }
    }

    /// Waits until the consumer knows that a channel is gone; false when there is none any more.
    async fn until_heard(&mut self, channel: u64) -> bool {
        let stop = self.shared.stop.clone();
        loop {
            tokio::select! {
                () = stop.asked() => return false,
                order = self.orders.recv() => match order {
                    None => return false,
                    Some(Order::Heard { channel: of }) if of == channel => return true,
                    // For a channel that is gone.
                    Some(_) => {}
                }
            }
        }
    }

    async fn open(&self, live: &Live) -> Result<Held, Broken> {
        let channel = live.channel().await?;
        let prefetch = channel.basic_qos(self.shared.options.prefetch, BasicQosOptions::default());
        live.ask("limit what is delivered ahead", prefetch).await?;
        let tag = format!("{}/{}", self.shared.options.node, self.partition);
        let queue = queue_of(self.partition);
        let consuming = channel.basic_consume(queue, tag.into(), BasicConsumeOptions::default(), FieldTable::default());
        let consumer = live.ask("consume from a partition", consuming).await?;
        Ok(Held::new(channel, consumer))
    }

    async fn stand(&mut self, live: &Live, mut held: Held, channel: u64) -> End {
        let shared = Arc::clone(&self.shared);
        let partition = self.partition;
        let mut leave_at = None;
        let mut being_parked: Option<BeingParked> = None;
        // Who was asked to step aside while already leaving, is asked no more.
        let _ = shared.partition(partition).step_aside.notified().now_or_never();
        let end = loop {
            let parting = async {
                match leave_at {
                    Some(at) => sleep_until(at).await,
                    None => std::future::pending().await,
                }
            };
            let is_parking = being_parked.is_some();
            let parked = async {
                match &mut being_parked {
                    Some(parking) => parking.await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                biased;
                () = shared.stop.asked() => break End::Stopped,
                _ = live.until_lost() => break End::Lost,
                () = shared.standing.until_over(live) => break End::Lost,
                order = self.orders.recv() => match order {
                    None => break End::Stopped,
                    Some(Order::Acknowledge { channel: of, tag }) if of == channel => {
                        if acknowledge(live, &held, tag).await.is_err() {
                            break End::Lost;
                        }
                        shared.seen(partition).acknowledge(tag);
                    }
                    Some(Order::Leave { channel: of }) if of == channel => break End::Left,
                    Some(_) => {}
                },
                () = parting => break End::Left,
                () = shared.partition(partition).step_aside.notified(), if leave_at.is_none() => {
                    leave_at = Some(Instant::now() + PARTING);
                    let _ = self.happenings.send(Happening::Leaving { partition, channel });
                }
                parked = parked => {
                    being_parked = None;
                    let Ok(message) = parked else { break End::Lost };
                    // Otherwise it goes back, too.
                    if leave_at.is_none() && self.came(message, channel).is_err() {
                        break End::Lost;
                    }
                }
                // Nothing may overtake what is being parked.
                delivery = held.next(), if !is_parking => match delivery {
                    None => break End::Lost,
                    // It goes back with the channel, in order.
                    Some(_) if leave_at.is_some() => {}
                    Some(delivery) => match self.take(delivery, channel) {
                        Ok(parking) => being_parked = parking,
                        Err(()) => break End::Lost,
                    },
                },
            }
        };
        if matches!(end, End::Stopped) {
            self.acknowledge_the_last(live, &held, channel).await;
        }
        held.close(live).await;
        end
    }

    /// What is stored already is not to come again at the next owner.
    async fn acknowledge_the_last(&mut self, live: &Live, held: &Held, channel: u64) {
        let mut last = None;
        while let Ok(order) = self.orders.try_recv() {
            if let Order::Acknowledge { channel: of, tag } = order
                && of == channel
            {
                last = last.max(Some(tag));
            }
        }
        if let Some(tag) = last {
            // What is not taken comes again, and is recognised.
            let _ = acknowledge(live, held, tag).await;
        }
    }

    /// Takes a message in. One of an unknown format comes only when it is parked, for which the stand has to wait.
    fn take(&mut self, delivery: Delivery, channel: u64) -> Result<Option<BeingParked>, ()> {
        let Delivery { delivery_tag: tag, redelivered, properties, data: body, .. } = delivery;
        let known = match message::read(&properties) {
            Format::Lines(mark) => message::lines(&body).map(|lines| (mark, lines)),
            Format::Unknown => None,
        };
        let is_known = known.is_some();
        let (mark, lines) = known.unwrap_or_default();
        {
            let mut seen = self.shared.seen(self.partition);
            seen.is_ours = true;
            seen.redelivered += u64::from(redelivered);
            let count = lines.len() as u64;
            if count > 0 {
                seen.weigh(count);
            }
            let received_at = lines.first().and_then(|line| received_at(&body[line.clone()]));
            seen.unacknowledged.push_back(Unacknowledged { tag, lines: count, received_at });
        }
        self.something_came = true;
        let message = Message { tag, mark, body, lines };
        if is_known {
            return self.came(message, channel).map(|()| None);
        }
        error!(partition = self.partition, bytes = message.body.len(), "a message of an unknown format is parked whole");
        let (letters, stop, partition) = (Arc::clone(&self.letters), self.shared.stop.clone(), self.partition);
        Ok(Some(Box::pin(async move {
            letters.park_message(partition, &message.body, &stop).await?;
            // Without lines it is only to be acknowledged.
            Ok(Message { body: Vec::new(), ..message })
        })))
    }

    /// Hands a message over.
    fn came(&self, message: Message, channel: u64) -> Result<(), ()> {
        self.happenings.send(Happening::Came { partition: self.partition, channel, message }).map_err(drop)
    }
}

async fn acknowledge(live: &Live, held: &Held, tag: u64) -> Result<(), Broken> {
    let options = BasicAckOptions { multiple: true };
    live.ask("take an acknowledgement", held.channel.basic_ack(tag, options)).await.map(drop)
}

/// When a line was received, as far as that is easily seen.
fn received_at(line: &[u8]) -> Option<fieldwatch_domain::Timestamp> {
    const MEMBER: &[u8] = b"\"receivedAt\":\"";
    const TIME: usize = "2026-01-01T00:00:00.000Z".len();
    let from = line.windows(MEMBER.len()).rposition(|window| window == MEMBER)? + MEMBER.len();
    parse_rfc3339(std::str::from_utf8(line.get(from..from + TIME)?).ok()?)
}

/// Channels are numbered through the life of the process, so that a tag is never taken for that of another.
fn new_channel_number() -> u64 {
    static LAST: AtomicU64 = AtomicU64::new(0);
    LAST.fetch_add(1, Relaxed) + 1
}
