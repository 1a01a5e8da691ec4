//! Who shares the partitions: every process says every half second that it lives, and what it owns.
//!
//! From who is there everybody computes alike who is to own what ([`targets`]). A process that owns what another is to own
//! steps aside; one that is to own what it does not asks whoever does by a message without lines, which shows that one that it
//! does. Only the balance depends on this: that a partition has one owner at a time is the broker's doing.

use super::{
    broken::Broken,
    held::Held,
    live::Live,
    message,
    shared::Shared,
    targets::targets,
    topology::{MEMBERS, READINGS},
};
use crate::Listener;
use fieldwatch_wire::Damaged;
use lapin::{
    BasicProperties, Channel,
    message::Delivery,
    options::{BasicConsumeOptions, BasicPublishOptions, QueueBindOptions, QueueDeclareOptions},
    types::FieldTable,
};
use serde::{Deserialize, Serialize};
use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock},
};
use tokio::{
    sync::mpsc,
    time::{Duration, Instant, MissedTickBehavior, interval, sleep, timeout},
};

/// What a message among processes is, in its property `type`.
const HELLO: &str = "hello";
const TOLD: &str = "told";
/// So many periods after the last hello a process counts as gone.
const PERIODS_TO_LIVE: u32 = 4;
/// What processes tell one another may wait in such numbers.
const MOST_TOLD: usize = 256;
/// For so long a process waits for a partition before it asks for it.
const PATIENCE: Duration = Duration::from_secs(1);
/// A question that nobody answers is gone after this, so that none are left when all processes have ended.
pub(super) const QUESTION_LIFE_MS: u64 = 2_000;
/// Before the exchange is asked for again.
const PAUSE: Duration = Duration::from_millis(500);

/// Who shares the partitions.
pub(super) struct Members {
    seen: Mutex<BTreeMap<String, Member>>,
    listeners: RwLock<Vec<Listener>>,
    told: mpsc::Sender<Vec<u8>>,
}

struct Member {
    heard: Instant,
    consumes: bool,
    owns: Vec<u16>,
    stands_by: Vec<u16>,
}

/// What a process says of itself.
#[derive(Serialize, Deserialize)]
struct Hello {
    node: String,
    consumes: bool,
    owns: Vec<u16>,
    /// What it would be given if nobody before it wanted it, without what it could not begin with lately. Former versions do not say.
    #[serde(default)]
    stands_by: Vec<u16>,
}

impl Members {
    /// Begins to say and hear who is there.
    pub(super) fn start(shared: &Arc<Shared>) -> Arc<Self> {
        let (told, telling) = mpsc::channel(MOST_TOLD);
        let members = Arc::new(Self { seen: Mutex::default(), listeners: RwLock::default(), told });
        let fellowship = Fellowship {
            shared: Arc::clone(shared),
            members: Arc::clone(&members),
            telling,
            channel: None,
            asked: BTreeMap::new(),
        };
        let stop = shared.stop.clone();
        tokio::spawn(async move {
            tokio::select! {
                () = stop.ended() => {}
                () = fellowship.run() => {}
            }
        });
        members
    }

    /// Who owns a partition, as far as was heard.
    pub(super) fn owner(&self, partition: u16) -> Option<String> {
        let seen = self.seen();
        let owners = seen.iter().filter(|(_, member)| member.owns.contains(&partition));
        owners.max_by_key(|(_, member)| member.heard).map(|(node, _)| node.clone())
    }

    pub(super) fn tell(&self, message: Vec<u8>) {
        // When too many wait, one is lost.
        let _ = self.told.try_send(message);
    }

    pub(super) fn hear(&self, listener: Listener) {
        self.listeners.write().unwrap_or_else(PoisonError::into_inner).push(listener);
    }

    fn seen(&self) -> MutexGuard<'_, BTreeMap<String, Member>> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes in what came; true when a process is new.
    fn take_in(&self, delivery: &Delivery) -> Result<bool, Damaged> {
        match delivery.properties.kind().as_ref().map(lapin::types::ShortString::as_str) {
            Some(HELLO) => {
                let hello: Hello = serde_json::from_slice(&delivery.data).map_err(|_| Damaged("hello"))?;
                let Hello { node, consumes, owns, stands_by } = hello;
                let member = Member { heard: Instant::now(), consumes, owns, stands_by };
                Ok(self.seen().insert(node, member).is_none())
            }
            Some(TOLD) => {
                for listener in self.listeners.read().unwrap_or_else(PoisonError::into_inner).iter() {
                    listener(&delivery.data);
                }
                Ok(false)
            }
            _ => Err(Damaged("message among processes")),
        }
    }

    /// Whether a process has said that it waits for a partition.
    fn stands_by(&self, node: &str, partition: u16) -> bool {
        self.seen().get(node).is_some_and(|member| member.stands_by.contains(&partition))
    }

    /// Forgets who was not heard for long, and gives who consumes, in the order of their names.
    fn consumers(&self, time_to_live: Duration) -> Vec<String> {
        let mut seen = self.seen();
        seen.retain(|_, member| member.heard.elapsed() < time_to_live);
        seen.iter().filter(|(_, member)| member.consumes).map(|(node, _)| node.clone()).collect()
    }
}

/// Says and hears.
struct Fellowship {
    shared: Arc<Shared>,
    members: Arc<Members>,
    telling: mpsc::Receiver<Vec<u8>>,
    /// For what is said, with the number of its connection.
    channel: Option<(u64, Channel)>,
    /// When partitions were asked for that this process is to own.
    asked: BTreeMap<u16, Instant>,
}

impl Fellowship {
    async fn run(mut self) {
        loop {
            self.shared.standing.may_give().await;
            let live = self.shared.taking.live().await;
            if let Ok(inbox) = inbox(&live).await {
                self.listen(&live, inbox).await;
            }
            sleep(PAUSE).await;
        }
    }

    async fn listen(&mut self, live: &Live, mut inbox: Held) {
        let period = self.shared.options.deadlines.hello;
        let began = Instant::now();
        let mut beat = interval(period);
        beat.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                _ = live.until_lost() => break,
                _ = beat.tick() => {
                    self.say_hello().await;
                    // Whoever is there is heard within a period.
                    if began.elapsed() > period {
                        self.balance(period).await;
                    }
                }
                message = self.telling.recv() => {
                    let Some(message) = message else { break };
                    self.say(MEMBERS, "", &message, BasicProperties::default().with_type(TOLD.into())).await;
                }
                delivery = inbox.next() => {
                    let Some(delivery) = delivery else { break };
                    // A newcomer is answered at once.
                    if self.members.take_in(&delivery).unwrap_or(false) {
                        self.say_hello().await;
                    }
                }
            }
        }
        inbox.close(live).await;
    }

    /// Steps aside where another is to own what this process does, and asks for what it is to own itself.
    async fn balance(&mut self, period: Duration) {
        if !self.shared.standing.takes() {
            return;
        }
        let consumers = self.members.consumers(period * PERIODS_TO_LIVE);
        let Some(us) = consumers.iter().position(|node| *node == self.shared.options.node) else { return };
        for (partition, target) in (0..).zip(targets(&consumers, self.shared.options.partitions)) {
            let (is_ours, standing_for, is_wanted) = {
                let seen = self.shared.seen(partition);
                (seen.is_ours, seen.standing_since.map(|since| since.elapsed()), seen.is_wanted(std::time::Instant::now()))
            };
            // Only where that one waits for it: otherwise those that are not to own it would hand it round among themselves.
            if target != us && is_ours && self.members.stands_by(&consumers[target], partition) {
                self.shared.partition(partition).step_aside.notify_one();
            }
            if target == us && !is_ours && is_wanted && standing_for.is_some_and(|waited| waited >= PATIENCE) {
                let asked = self.asked.get(&partition).is_some_and(|asked| asked.elapsed() < PATIENCE);
                if !asked {
                    self.asked.insert(partition, Instant::now());
                    let properties = message::properties(None).with_expiration(QUESTION_LIFE_MS.to_string().into());
                    self.say(READINGS, &partition.to_string(), b"", properties).await;
                }
            }
        }
    }

    async fn say_hello(&mut self) {
        let (mut owns, mut stands_by) = (Vec::new(), Vec::new());
        for partition in 0..self.shared.options.partitions {
            let seen = self.shared.seen(partition);
            if seen.is_ours {
                owns.push(partition);
            } else if seen.standing_since.is_some() && seen.is_wanted(std::time::Instant::now()) {
                stands_by.push(partition);
            }
        }
        // One whose store has not answered cannot be given anything yet.
        let hello = Hello { node: self.shared.options.node.clone(), consumes: self.shared.standing.takes(), owns, stands_by };
        let hello = serde_json::to_vec(&hello).expect("names and numbers can be written");
        self.say(MEMBERS, "", &hello, BasicProperties::default().with_type(HELLO.into())).await;
    }

    /// Publishes if that is possible now, and waits for nothing but the socket.
    async fn say(&mut self, exchange: &str, key: &str, message: &[u8], properties: BasicProperties) {
        let Some(live) = self.shared.giving.now() else { return };
        if live.blocked().is_some() {
            return;
        }
        if self.channel.as_ref().is_none_or(|(number, channel)| *number != live.number || !channel.status().connected()) {
            self.channel = live.channel().await.ok().map(|channel| (live.number, channel));
        }
        let Some((_, channel)) = &self.channel else { return };
        let said = channel.basic_publish(exchange.into(), key.into(), BasicPublishOptions::default(), message, properties);
        // A socket that takes nothing is noticed by others.
        let _ = timeout(PAUSE, said).await;
    }
}

/// A queue of this process's own, for what all say.
async fn inbox(live: &Live) -> Result<Held, Broken> {
    let channel = live.channel().await?;
    let options = QueueDeclareOptions { exclusive: true, auto_delete: true, ..Default::default() };
    let queue = live.ask("declare a queue", channel.queue_declare("".into(), options, FieldTable::default())).await?;
    let name = queue.name().clone();
    let bound = channel.queue_bind(name.clone(), MEMBERS.into(), "".into(), QueueBindOptions::default(), FieldTable::default());
    live.ask("bind a queue", bound).await?;
    let options = BasicConsumeOptions { no_ack: true, ..Default::default() };
    let consumer = live.ask("hear others", channel.basic_consume(name, "".into(), options, FieldTable::default())).await?;
    Ok(Held::new(channel, consumer))
}
