//! How a message gets from the original's queue into a partition, and when it is acknowledged.

use super::held::{Content, Held, Waiting};
use super::holding::{Hold, Holding, hold};
use super::topology::{Found, find};
use super::{Original, Parts};
use crate::Entries;
use crate::rabbitmq::{broken::Broken, letters::Parked, live::Live};
use fieldwatch_wire::ingest::{OriginalRefused, parse_original_message};
use lapin::message::Delivery;
use std::borrow::Cow;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::watch;
use tokio::time::{sleep, timeout};

/// So many messages are published together.
const MOST_TOGETHER: usize = 2_000;
/// After so long a group that the queue did not take is offered again; each time it doubles, up to the second number.
const OFFER_AGAIN: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(2));
/// After so long, or sooner, it is seen whether another has let go of the queue.
const TRY_AGAIN: Duration = Duration::from_secs(1);
/// After so long it is tried again when something went wrong, and seen whether there is a connection.
const BREATH: Duration = Duration::from_millis(500);
/// A publisher's clock that is ahead is told of so often at most.
const WARN_AGAIN: Duration = Duration::from_mins(1);

/// Why moving ended.
enum Ended {
    /// It was asked to.
    Stopped,
    /// The queue is not held any more, or the broker not reached: why, for people.
    Lost(String),
}

impl From<Broken> for Ended {
    fn from(broken: Broken) -> Self {
        Self::Lost(broken.text)
    }
}

/// By which the mover is told to end.
struct Stop(watch::Receiver<bool>);

impl Stop {
    fn is_asked_for(&self) -> bool {
        *self.0.borrow()
    }

    /// Waits until the end is asked for. Cancel-safe.
    async fn asked_for(&mut self) {
        // An error means that nobody is left who could ask.
        let _ = self.0.wait_for(|stop| *stop).await;
    }

    /// Waits for so long; an error when the end was asked for meanwhile.
    async fn pause(&mut self, pause: Duration) -> Result<(), Ended> {
        match timeout(pause, self.asked_for()).await {
            Ok(()) => Err(Ended::Stopped),
            Err(_) => Ok(()),
        }
    }
}

/// Moves until it is told to stop.
pub(super) async fn run(parts: Arc<Parts>, stop: watch::Receiver<bool>) {
    let mut stop = Stop(stop);
    if parts.options.original == Original::Off {
        parts.said.say("the original's queue is not read (original = \"off\")".into(), false);
        return;
    }
    while !stop.is_asked_for() {
        let Some(live) = connected(&parts, &mut stop).await else { return };
        if let Err(Ended::Lost(why)) = watch_over(&parts, &live, &mut stop).await {
            parts.said.say(format!("the original's queue is not read: {why}"), true);
            // One that only refused something serves the next attempt.
            let _ = stop.pause(BREATH).await;
        }
    }
}

/// Waits for a connection, and says when there is none for long; `None` when the end is asked for.
async fn connected(parts: &Parts, stop: &mut Stop) -> Option<Arc<Live>> {
    loop {
        tokio::select! {
            biased;
            () = stop.asked_for() => return None,
            live = parts.link.live() => return Some(live),
            () = sleep(BREATH) => {}
        }
        if let Some((why, since)) = parts.link.away()
            && since > parts.patience
        {
            parts.said.say(format!("the original's queue is not read: {why}"), true);
        }
    }
}

/// Looks for the queue and moves what is in it, as long as the connection lasts.
async fn watch_over(parts: &Parts, live: &Arc<Live>, stop: &mut Stop) -> Result<(), Ended> {
    while !live.is_lost() {
        match find(live, parts.options.original, &parts.options.names).await? {
            Found::NotThere(missing) => parts.said.say(format!("waits for the original's queue: {missing}"), true),
            Found::There { warning } => {
                let holding = alone(parts, live, stop).await?;
                let mut mover = Mover { parts, holding, waiting: Waiting::default(), warning, warned_at: None };
                let ended = mover.go_on(stop).await;
                if let Err(broken) = mover.holding.release().await {
                    live.lose(&broken.text);
                }
                ended?;
            }
        }
        stop.pause(parts.options.look_again).await?;
    }
    // Found out while it was looked for; what was said last says why.
    Ok(())
}

/// Stands by until nobody else holds the queue.
async fn alone(parts: &Parts, live: &Arc<Live>, stop: &mut Stop) -> Result<Box<Holding>, Ended> {
    let queue = &parts.options.names.queue;
    loop {
        match hold(live, queue, parts.options.prefetch).await? {
            Hold::Ours(holding) => return Ok(holding),
            Hold::Another => parts.said.say(format!("stands by: another consumer holds the queue {queue}"), false),
        }
        stop.pause(parts.options.look_again.min(TRY_AGAIN)).await?;
    }
}

/// What moves while the queue is held.
struct Mover<'p> {
    parts: &'p Parts,
    holding: Box<Holding>,
    waiting: Waiting,
    warning: Option<String>,
    warned_at: Option<Instant>,
}

impl Mover<'_> {
    /// Moves until it is told to stop, or cannot go on.
    async fn go_on(&mut self, stop: &mut Stop) -> Result<(), Ended> {
        self.say_moving();
        loop {
            if self.waiting.len() == 0 {
                let next = tokio::select! {
                    biased;
                    () = stop.asked_for() => return Err(Ended::Stopped),
                    next = self.holding.next() => next,
                };
                let gone = || Ended::Lost("the queue was deleted, or the broker closed the connection".into());
                let delivery = next.ok_or_else(gone)?.map_err(Broken::from)?;
                self.arrived(delivery);
            }
            while self.waiting.len() < usize::from(self.parts.options.prefetch)
                && let Some(delivery) = self.holding.here()
            {
                self.arrived(delivery.map_err(Broken::from)?);
            }
            let group = self.waiting.take(MOST_TOGETHER);
            self.move_group(&group, stop).await?;
            self.holding.acknowledge(&self.waiting.acknowledge(&group)).await?;
            if stop.is_asked_for() {
                return Err(Ended::Stopped);
            }
        }
    }

    /// Takes in a message.
    fn arrived(&mut self, delivery: Delivery) {
        let (options, metrics) = (&self.parts.options, &self.parts.metrics);
        if delivery.redelivered {
            metrics.redelivered.inc();
        }
        let id = delivery.properties.message_id().as_ref().map(lapin::types::ShortString::as_str);
        let content = match parse_original_message(&delivery.data, id, &options.clock, &options.limits, (options.now)()) {
            Ok(message) => {
                let device_id = Box::from(message.accepted.device_id.as_ref());
                if let Some(own_time) = message.too_far_ahead {
                    metrics.ahead.inc();
                    if self.warned_at.is_none_or(|at| at.elapsed() > WARN_AGAIN) {
                        self.warned_at = Some(Instant::now());
                        let own_time_ms = own_time.unix_ms();
                        tracing::warn!(device = %device_id, own_time_ms, "the time of a reading is ahead, so that of receipt counts");
                    }
                }
                Content::Reading { device_id, reading: message.accepted.reading }
            }
            Err(refused) => Content::Unusable { reason: reason(&refused), body: delivery.data },
        };
        self.waiting.push(Held { tag: delivery.delivery_tag, content });
    }

    /// Publishes a group, and keeps what is unusable of it, again and again until all of it is confirmed. Its order is kept, for
    /// nothing else is published meanwhile.
    async fn move_group(&mut self, group: &[Held], stop: &mut Stop) -> Result<(), Ended> {
        let metrics = &self.parts.metrics;
        let mut entries = Entries::new(self.parts.queue.partitions());
        let mut unusable = Vec::new();
        for message in group {
            match &message.content {
                Content::Reading { device_id, reading } => entries.record(device_id, reading),
                Content::Unusable { reason, body } => unusable.push((reason.as_str(), body.as_slice())),
            }
        }
        let (mut pause, longest) = OFFER_AGAIN;
        let mut was_refused = false;
        // Also before the first time: a process that was frozen may not know yet that another has moved these.
        self.holding.check().await?;
        loop {
            match self.offer(&entries, &mut unusable).await {
                Ok(()) => break,
                Err(why) => self.parts.said.say(format!("what is in the original's queue waits there: {why}"), true),
            }
            was_refused = true;
            stop.pause(pause).await?;
            pause = (pause * 2).min(longest);
            // Another may have taken over meanwhile, and be ahead: then these must not be published any more.
            self.holding.check().await?;
        }
        metrics.moved.inc_by(entries.len() as u64);
        if was_refused {
            self.say_moving();
        }
        Ok(())
    }

    /// Tries once. What was kept is not kept again by the next try.
    async fn offer(&self, entries: &Entries, unusable: &mut Vec<(&str, &[u8])>) -> Result<(), String> {
        while let Some((reason, body)) = unusable.last() {
            let at = (self.parts.options.now)();
            let letter = Parked { source: Cow::Borrowed("original"), reason, device_id: None, at, body };
            self.parts.letters.publish(&letter).await.map_err(|broken| format!("dead letters: {}", broken.text))?;
            self.parts.metrics.unusable.inc();
            unusable.pop();
        }
        self.parts.queue.publish(entries.clone()).await.map_err(|error| error.to_string())
    }

    fn say_moving(&self) {
        let queue = &self.parts.options.names.queue;
        match &self.warning {
            None => self.parts.said.say(format!("moves readings from the queue {queue}"), false),
            Some(warning) => self.parts.said.say(format!("moves readings from the queue {queue}; {warning}"), true),
        }
    }
}

/// Why a message is unusable, for people.
fn reason(refused: &OriginalRefused) -> String {
    match refused {
        OriginalRefused::Reading(rejections) => {
            let told: Vec<String> =
                rejections.iter().map(|bad| format!("{} {}", bad.field, bad.reason).trim_start().to_owned()).collect();
            told.join("; ")
        }
        OriginalRefused::Body(_) | OriginalRefused::MediaType(_) => refused.to_string(),
    }
}
