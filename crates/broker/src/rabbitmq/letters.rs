//! The dead letters of all processes: a queue at the broker, from which nothing is ever delivered by itself.
//!
//! A letter is the bytes of the entry as they came, with headers: `x-fieldwatch-reason`, `x-fieldwatch-source` (a partition's
//! number, or `original`), `x-fieldwatch-id`, `x-fieldwatch-at` (Unix ms), and `x-fieldwatch-device` where that is known.
//!
//! To look at them they are taken one by one and given back by closing the channel, which keeps their order. Who looks at the
//! same moment from another process sees those that are not taken.

use super::{
    broken::Broken,
    live::Live,
    message::{as_text, number},
    shared::Shared,
    stop::Stop,
    topology::{self, DEAD_LETTERS, text},
};
use crate::{BoxFuture, DeadLetter, DeadLetterError, ForgottenDevices, LetterBox, NewLetter, Parking};
use fieldwatch_domain::Timestamp;
use fieldwatch_wire::{
    queued::{EntryForm, read_request},
    queued_line::{read_line, write_line},
};
use lapin::{
    BasicProperties, Channel, Confirmation,
    message::BasicGetMessage,
    options::{BasicAckOptions, BasicGetOptions, BasicPublishOptions},
    types::{AMQPValue, FieldTable},
};
use std::{
    borrow::Cow,
    collections::{BTreeSet, HashSet, VecDeque},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};
use tokio::{runtime::Handle, time::timeout};

/// So many letters are looked at.
const MOST_LISTED: usize = 10_000;
/// Of a longer reason the first so many characters are kept.
const MOST_REASON_CHARS: usize = 1_000;
/// So many places are remembered, by which a letter that is parked twice is recognised.
const MOST_PLACES: usize = 10_000;

/// The dead letters of all processes.
pub(crate) struct Letters {
    shared: Arc<Shared>,
    runtime: Handle,
    /// One at a time is parked; the channel for it, with the number of its connection.
    parking: tokio::sync::Mutex<Option<(u64, Channel)>>,
    /// One at a time looks, so that all see the same.
    looking: tokio::sync::Mutex<()>,
    places: Mutex<(HashSet<u64>, VecDeque<u64>)>,
    last_id: AtomicU64,
    pub(super) waiting: AtomicU64,
}

/// A letter on its way.
pub(crate) struct Parked<'a> {
    /// A partition's number, or `original`.
    pub(crate) source: Cow<'a, str>,
    pub(crate) reason: &'a str,
    pub(crate) device_id: Option<&'a str>,
    pub(crate) at: Timestamp,
    pub(crate) body: &'a [u8],
}

impl Letters {
    pub(crate) fn new(shared: &Arc<Shared>, runtime: Handle) -> Self {
        Self {
            shared: Arc::clone(shared),
            runtime,
            parking: tokio::sync::Mutex::default(),
            looking: tokio::sync::Mutex::default(),
            places: Mutex::default(),
            last_id: AtomicU64::new(0),
            waiting: AtomicU64::new(0),
        }
    }

    /// Where tasks run.
    pub(super) fn runtime(&self) -> &Handle {
        &self.runtime
    }

    /// Publishes a letter, and waits until it is confirmed.
    pub(crate) async fn publish(&self, letter: &Parked<'_>) -> Result<(), Broken> {
        let mut parking = self.parking.lock().await;
        let live = timeout(self.shared.options.deadlines.publish, async {
            self.shared.standing.may_give().await;
            self.shared.giving.live().await
        });
        let live = live.await.map_err(|_| Broken::new("there is no connection to the broker"))?;
        if let Some(why) = live.blocked() {
            return Err(Broken::new(format!("the broker has an alarm: {why}")));
        }
        let usable = parking.take().filter(|(number, channel)| *number == live.number && channel.status().connected());
        let channel = match usable {
            Some((_, channel)) => channel,
            None => live.confirming_channel().await?,
        };
        let properties = self.properties(letter);
        let options = BasicPublishOptions { mandatory: true, ..Default::default() };
        let confirmed = async {
            let publishing = channel.basic_publish("".into(), DEAD_LETTERS.into(), options, letter.body, properties);
            publishing.await?.await
        };
        let confirmation = live.ask("confirm a dead letter", confirmed).await?;
        *parking = Some((live.number, channel));
        match confirmation {
            Confirmation::Ack(None) | Confirmation::NotRequested => {
                self.waiting.fetch_add(1, Relaxed);
                Ok(())
            }
            Confirmation::Ack(Some(_)) | Confirmation::Nack(Some(_)) => {
                self.shared.standing.declare_again();
                Err(Broken::new("there is no queue for dead letters at the broker"))
            }
            Confirmation::Nack(None) => Err(Broken::new("the broker does not take it")),
        }
    }

    /// Parks a message of an unknown format as it is; tries until that succeeds, or the queue is closed.
    pub(super) async fn park_message(&self, partition: u16, body: &[u8], stop: &Stop) -> Result<(), ()> {
        let reason = "the message is of a format that is not known here";
        let at = now();
        let letter = Parked { source: Cow::Owned(partition.to_string()), reason, device_id: None, at, body };
        loop {
            match self.publish(&letter).await {
                Ok(()) => return Ok(()),
                Err(broken) => tracing::warn!(partition, why = broken.text, "a message cannot be parked"),
            }
            tokio::select! {
                () = stop.asked() => return Err(()),
                () = tokio::time::sleep(Duration::from_millis(500)) => {}
            }
        }
    }

    fn properties(&self, letter: &Parked<'_>) -> BasicProperties {
        let reason: String = letter.reason.chars().take(MOST_REASON_CHARS).collect();
        let mut headers = FieldTable::default();
        headers.insert("x-fieldwatch-reason".into(), text(&reason));
        headers.insert("x-fieldwatch-source".into(), text(&letter.source));
        headers.insert("x-fieldwatch-id".into(), AMQPValue::LongLongInt(self.new_id() as i64));
        headers.insert("x-fieldwatch-at".into(), AMQPValue::LongLongInt(letter.at.unix_ms()));
        if let Some(id) = letter.device_id {
            headers.insert("x-fieldwatch-device".into(), text(id));
        }
        BasicProperties::default().with_headers(headers).with_delivery_mode(2)
    }

    /// Grows with time in all processes, and fits into a number of JSON: milliseconds, and 10 bits that tell processes apart.
    fn new_id(&self) -> u64 {
        let process = fieldwatch_domain::fnv1a_64(self.shared.options.node.as_bytes()) & 0x1f;
        let id = ((now().unix_ms().max(0) as u64) << 10) | (process << 5);
        let next = |last: u64| if last >= id { last + 1 } else { id };
        let last = self.last_id.fetch_update(Relaxed, Relaxed, |last| Some(next(last)));
        next(last.unwrap_or_else(|last| last))
    }

    /// The devices of all letters, each once.
    pub(super) async fn devices(&self) -> Result<BTreeSet<String>, DeadLetterError> {
        let mut devices = BTreeSet::new();
        let walked = self.walk(usize::MAX, |letter| {
            devices.extend(letter.device_id.clone());
            false
        });
        walked.await.map_err(|broken| failed("read", broken))?;
        Ok(devices)
    }

    /// Removes what may not be shown any more; says how many that were.
    pub(super) async fn erase(&self, forgotten: &ForgottenDevices) -> Result<u64, DeadLetterError> {
        let mut erased = 0;
        let walked = self.walk(usize::MAX, |letter| {
            let goes = forgotten.hide(letter.device_id.as_deref(), letter.at);
            erased += u64::from(goes);
            goes
        });
        walked.await.map_err(|broken| failed("erase from", broken))?;
        Ok(erased)
    }

    /// Takes letters one by one, oldest first, at most so many, and gives each to `visit`, which says whether it is to be removed.
    async fn walk(&self, most: usize, mut visit: impl FnMut(&Letter) -> bool) -> Result<(), Broken> {
        let _turn = self.looking.lock().await;
        let live = timeout(self.shared.options.deadlines.call, async {
            self.shared.standing.may_give().await;
            self.shared.taking.live().await
        });
        let live = live.await.map_err(|_| Broken::new("there is no connection to the broker"))?;
        let channel = live.channel().await?;
        let (mut last_id, mut kept) = (0, 0);
        for _ in 0..most {
            let got = channel.basic_get(DEAD_LETTERS.into(), BasicGetOptions::default());
            let Some(got) = live.ask("give a dead letter", got).await? else { break };
            let letter = Letter::of(&got, last_id);
            last_id = letter.id;
            if visit(&letter) {
                live.ask("remove a dead letter", got.delivery.acker.ack(BasicAckOptions::default())).await?;
                let _ = self.waiting.fetch_update(Relaxed, Relaxed, |waiting| Some(waiting.saturating_sub(1)));
            } else {
                kept += 1;
            }
        }
        // What was not acknowledged goes back, in order; and what was acknowledged is, once the broker has answered.
        live.ask("take back dead letters", channel.close(200, "looked at".into())).await?;
        self.until_back(&live, kept).await
    }

    /// The broker answers that a channel is closed before the queue has its messages back. Whoever looks next is to see them.
    async fn until_back(&self, live: &Live, kept: u64) -> Result<(), Broken> {
        let channel = live.channel().await?;
        let give_up = Instant::now() + self.shared.options.deadlines.call;
        // Others may take some meanwhile, or another process may be looking at them.
        while count(live, &channel).await? < kept && Instant::now() < give_up {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        topology::close(live, &channel).await;
        Ok(())
    }
}

/// A letter as it lies at the broker.
struct Letter {
    id: u64,
    at: Timestamp,
    reason: String,
    device_id: Option<String>,
    body: Vec<u8>,
}

impl Letter {
    /// `before`: the id of the one before, which this one's is higher than.
    fn of(got: &BasicGetMessage, before: u64) -> Self {
        let headers = got.delivery.properties.headers().as_ref().map(FieldTable::inner);
        let get = |name: &str| headers.and_then(|headers| headers.get(name));
        let id = get("x-fieldwatch-id").and_then(number).and_then(|id| u64::try_from(id).ok()).unwrap_or(0);
        let body = got.delivery.data.clone();
        let device_id = get("x-fieldwatch-device").and_then(as_text);
        Self {
            id: id.max(before + 1),
            at: Timestamp::from_unix_ms(get("x-fieldwatch-at").and_then(number).unwrap_or(0)),
            reason: get("x-fieldwatch-reason").and_then(as_text).unwrap_or_default(),
            device_id: device_id.or_else(|| read_line(&body).ok().map(|(id, _)| id.into_owned())),
            body,
        }
    }
}

impl Parking for Letters {
    fn park<'a>(&'a self, letter: NewLetter<'a>) -> BoxFuture<'a, Result<(), DeadLetterError>> {
        Box::pin(async move {
            if self.places.lock().unwrap_or_else(PoisonError::into_inner).0.contains(&letter.place) {
                return Ok(());
            }
            let line = match letter.form {
                EntryForm::Line => Cow::Borrowed(letter.body),
                EntryForm::Packed => as_line(letter.body),
            };
            let parked = Parked {
                source: Cow::Owned(letter.partition.to_string()),
                reason: letter.reason,
                device_id: letter.device_id,
                at: letter.parked_at,
                body: &line,
            };
            self.publish(&parked).await.map_err(|broken| failed("write to", broken))?;
            let mut places = self.places.lock().unwrap_or_else(PoisonError::into_inner);
            let (known, order) = &mut *places;
            if known.insert(letter.place) {
                order.push_back(letter.place);
            }
            if order.len() > MOST_PLACES
                && let Some(oldest) = order.pop_front()
            {
                known.remove(&oldest);
            }
            Ok(())
        })
    }
}

impl LetterBox for Letters {
    fn list(&self) -> BoxFuture<'_, Result<Vec<DeadLetter>, DeadLetterError>> {
        Box::pin(async move {
            let mut letters = Vec::new();
            let walked = self.walk(MOST_LISTED, |letter| {
                letters.push(DeadLetter {
                    id: letter.id,
                    place: letter.id,
                    parked_at: letter.at,
                    reason: letter.reason.clone(),
                    device_id: letter.device_id.clone(),
                    form: EntryForm::Line,
                    body: letter.body.clone(),
                    requeued_at: None,
                });
                false
            });
            walked.await.map_err(|broken| failed("read", broken))?;
            Ok(letters)
        })
    }

    /// They are removed: that they were given to their devices is known from what those did.
    fn requeued(&self, ids: Vec<u64>, _at: Timestamp) -> BoxFuture<'_, Result<(), DeadLetterError>> {
        Box::pin(async move {
            let ids: HashSet<u64> = ids.into_iter().collect();
            self.walk(MOST_LISTED, |letter| ids.contains(&letter.id)).await.map_err(|broken| failed("requeue from", broken))
        })
    }

    fn waiting(&self) -> u64 {
        self.waiting.load(Relaxed)
    }
}

/// An entry of the embedded queue as a line, if it can be read.
fn as_line(body: &[u8]) -> Cow<'_, [u8]> {
    let Ok((device_id, request)) = read_request(body) else { return Cow::Borrowed(body) };
    let mut line = String::new();
    write_line(&mut line, device_id, &request);
    line.pop();
    Cow::Owned(line.into_bytes())
}

fn failed(action: &'static str, broken: Broken) -> DeadLetterError {
    DeadLetterError { action, detail: broken.text }
}

/// Closes nothing and asks nobody: the time of this machine.
pub(super) fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp::from_unix_ms(since.as_millis() as i64)
}

/// How many letters wait, asked of the broker.
pub(super) async fn count(live: &Live, channel: &Channel) -> Result<u64, Broken> {
    let (waiting, _) = topology::look_at(live, channel, DEAD_LETTERS.into()).await?;
    Ok(u64::from(waiting))
}
