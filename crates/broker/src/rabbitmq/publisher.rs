//! Publishing: what is handed over at the same time travels together.
//!
//! Each partition has one lane, with one message under way at a time: while the broker makes it durable, the next gathers. So
//! groups are as large as the broker is slow, a partition's messages are in order whatever happens, and a message that is not
//! known to be confirmed is sent again, under its number, before anything follows it.

use super::{
    broken::Broken,
    message::{self, MOST_BYTES, MOST_LINES, Mark},
    random,
    setting_up::Permission,
    shared::Shared,
    topology::READINGS,
};
use crate::{Entries, Metrics, PublishError};
use fieldwatch_wire::{
    queued::{ENTRY_HEADER, read_entry_header, read_request},
    queued_line::write_line,
};
use lapin::{Channel, Confirmation, options::BasicPublishOptions};
use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering::Relaxed},
};
use tokio::{
    sync::{mpsc, oneshot},
    time::{Duration, Instant, sleep, timeout_at},
};
use tracing::warn;

/// Lines that wait, all together; beyond it a publisher is refused.
const MOST_WAITING_BYTES: usize = 32 << 20;
/// So long after its deadline a publisher still waits for its lane to say why.
const GRACE: Duration = Duration::from_millis(100);
/// Before a message is sent again.
const PAUSE: Duration = Duration::from_millis(20);
/// A broker that refuses a message so often in a row has no room for it.
const MOST_REFUSALS: u32 = 3;

/// Takes entries to the broker.
pub(crate) struct Publisher {
    shared: Arc<Shared>,
    lanes: Vec<mpsc::UnboundedSender<Piece>>,
    waiting: Arc<AtomicUsize>,
}

/// Lines of one publisher for one partition, at most as many as a message has.
struct Piece {
    lines: String,
    count: usize,
    deadline: Instant,
    handed_over: Instant,
    answer: oneshot::Sender<Result<(), PublishError>>,
}

impl Publisher {
    pub(crate) fn start(shared: &Arc<Shared>, metrics: &Metrics) -> Self {
        let waiting = Arc::new(AtomicUsize::new(0));
        // One id for this life of the process, so that a checkpoint knows few.
        let sender = random::bits();
        let lanes = (0..shared.options.partitions).map(|partition| {
            let (pieces_in, pieces) = mpsc::unbounded_channel();
            let lane = Lane {
                shared: Arc::clone(shared),
                metrics: metrics.clone(),
                waiting: Arc::clone(&waiting),
                partition,
                sender,
                next: 1,
                pieces,
                held: None,
                channel: None,
            };
            tokio::spawn(lane.run());
            pieces_in
        });
        let lanes = lanes.collect();
        Self { shared: Arc::clone(shared), lanes, waiting }
    }

    /// Publishes entries, and waits until all of them are confirmed.
    pub(crate) async fn publish(&self, entries: Entries) -> Result<(), PublishError> {
        if entries.is_empty() {
            return Ok(());
        }
        self.check()?;
        let answers = self.hand_over(&entries)?;
        // A lane that answers at the deadline knows more.
        let give_up = Instant::now() + self.shared.options.deadlines.publish + GRACE;
        drop(entries);
        let mut outcome = Ok(());
        for answer in answers {
            let answer = match timeout_at(give_up, answer).await {
                Ok(answer) => answer.unwrap_or_else(|_| Err(PublishError::Stopped("it is closed".into()))),
                // It travels with others that may wait longer.
                Err(_) => Err(PublishError::Unconfirmed("no confirmation in time".into())),
            };
            match answer {
                Ok(()) => {}
                // Of several answers the one that leaves most open.
                Err(error @ PublishError::Unconfirmed(_)) => outcome = Err(error),
                Err(error) => outcome = outcome.and(Err(error)),
            }
        }
        // What one partition took is durable, whatever the others did.
        outcome
    }

    /// Whether there is any sense in handing something over now.
    fn check(&self) -> Result<(), PublishError> {
        let Shared { stop, standing, giving, options, .. } = self.shared.as_ref();
        if stop.is_asked() {
            return Err(PublishError::Stopped("it is closed".into()));
        }
        if let Permission::Denied(why) = standing.permission() {
            return Err(PublishError::Stopped(why));
        }
        if let Some((why, since)) = giving.away().filter(|(_, since)| *since > options.deadlines.away) {
            return Err(PublishError::Full(format!("no connection to the broker for {} s: {why}", since.as_secs())));
        }
        if let Some(why) = giving.now().and_then(|live| live.blocked()) {
            return Err(alarm(&why));
        }
        if self.waiting.load(Relaxed) > MOST_WAITING_BYTES { Err(PublishError::Busy) } else { Ok(()) }
    }

    fn hand_over(&self, entries: &Entries) -> Result<Vec<oneshot::Receiver<Result<(), PublishError>>>, PublishError> {
        let handed_over = Instant::now();
        let deadline = handed_over + self.shared.options.deadlines.publish;
        let mut open: Vec<(String, usize)> = vec![(String::new(), 0); self.lanes.len()];
        let mut full: Vec<(usize, String, usize)> = Vec::new();
        let mut rest = entries.bytes();
        while let Some((header, behind)) = rest.split_first_chunk::<ENTRY_HEADER>() {
            let (partition, length) = read_entry_header(*header);
            let (body, behind) = behind.split_at(length);
            rest = behind;
            let lane = usize::from(partition);
            let (lines, count) = open.get_mut(lane).ok_or_else(|| unlike("they are for another number of partitions"))?;
            let (device_id, request) = read_request(body).map_err(|damaged| unlike(&damaged.to_string()))?;
            write_line(lines, device_id, &request);
            *count += 1;
            if *count == MOST_LINES || lines.len() >= MOST_BYTES {
                full.push((lane, std::mem::take(lines), std::mem::take(count)));
            }
        }
        full.extend(
            open.into_iter().enumerate().filter(|(_, (_, count))| *count > 0).map(|(lane, (lines, count))| (lane, lines, count)),
        );
        let mut answers = Vec::with_capacity(full.len());
        for (lane, lines, count) in full {
            let (answer, receiver) = oneshot::channel();
            self.waiting.fetch_add(lines.len(), Relaxed);
            answers.push(receiver);
            // An error says that the lane has ended, which the answer says, too.
            let _ = self.lanes[lane].send(Piece { lines, count, deadline, handed_over, answer });
        }
        Ok(answers)
    }
}

fn unlike(why: &str) -> PublishError {
    PublishError::Stopped(format!("these entries cannot be published: {why}"))
}

fn alarm(why: &str) -> PublishError {
    PublishError::Full(format!("the broker has an alarm: {why}"))
}

/// The messages of one partition, one after the other.
struct Lane {
    shared: Arc<Shared>,
    metrics: Metrics,
    waiting: Arc<AtomicUsize>,
    partition: u16,
    sender: u64,
    /// The number of the next message.
    next: u64,
    pieces: mpsc::UnboundedReceiver<Piece>,
    /// One that had no room in the last message.
    held: Option<Piece>,
    /// The channel, and the number of its connection.
    channel: Option<(u64, Channel)>,
}

/// How one attempt ended.
enum Attempt {
    Confirmed,
    /// The broker does not have it.
    Refused(String),
    /// It has no queue.
    Returned,
    /// Nobody knows.
    Unsure(String),
    /// Nothing was sent.
    NotSent(String),
}

impl Lane {
    async fn run(mut self) {
        let stop = self.shared.stop.clone();
        tokio::select! {
            () = stop.ended() => {}
            () = self.work() => {}
        }
    }

    async fn work(&mut self) {
        loop {
            let first = match self.held.take() {
                Some(held) => held,
                None => match self.pieces.recv().await {
                    Some(piece) => piece,
                    None => return,
                },
            };
            let mut group = self.gather(first);
            // What nobody can wait for any more is not sent: its publisher is told so, and may try again.
            let too_late = Instant::now() + PAUSE;
            for late in group.extract_if(.., |piece| piece.deadline < too_late) {
                self.waiting.fetch_sub(late.lines.len(), Relaxed);
                let _ = late.answer.send(Err(PublishError::Full("it waited too long behind others".into())));
            }
            if group.is_empty() {
                continue;
            }
            let mut body = String::with_capacity(group.iter().map(|piece| piece.lines.len()).sum());
            for piece in &group {
                body.push_str(&piece.lines);
            }
            let lines: usize = group.iter().map(|piece| piece.count).sum();
            // Those that came first are answered at their own deadlines.
            let latest = group.iter().map(|piece| piece.deadline).max().unwrap_or_else(Instant::now);
            let outcome = self.send(body.as_bytes(), latest).await;
            if outcome.is_ok() {
                let mut seen = self.shared.seen(self.partition);
                seen.published += lines as u64;
                seen.weigh(lines as u64);
                self.metrics.commit_seconds.observe(group[0].handed_over.elapsed().as_secs_f64());
            }
            self.waiting.fetch_sub(body.len(), Relaxed);
            for piece in group {
                // Nobody may be waiting any more.
                let _ = piece.answer.send(outcome.clone());
            }
        }
    }

    /// What waits behind the first piece, as far as it fits into one message.
    fn gather(&mut self, first: Piece) -> Vec<Piece> {
        let (mut lines, mut bytes) = (first.count, first.lines.len());
        let mut group = vec![first];
        while let Ok(piece) = self.pieces.try_recv() {
            lines += piece.count;
            bytes += piece.lines.len();
            if lines > MOST_LINES || bytes > MOST_BYTES {
                self.held = Some(piece);
                break;
            }
            group.push(piece);
        }
        group
    }

    /// Sends one message until it is confirmed.
    async fn send(&mut self, body: &[u8], deadline: Instant) -> Result<(), PublishError> {
        // A number is used for one body only: what was given up may still come.
        let number = self.next;
        self.next += 1;
        let mark = Mark { sender: self.sender, number, settled: number - 1 };
        let (mut unsure, mut refusals) = (false, 0);
        loop {
            if let Permission::Denied(why) = self.shared.standing.permission() {
                return Err(if unsure { PublishError::Unconfirmed(why) } else { PublishError::Stopped(why) });
            }
            let trouble = match self.attempt(body, mark, deadline).await {
                Attempt::Confirmed => return Ok(()),
                Attempt::Returned => {
                    self.shared.standing.declare_again();
                    let why = format!("partition {} has no queue at the broker", self.partition);
                    return Err(if unsure { PublishError::Unconfirmed(why) } else { PublishError::Full(why) });
                }
                Attempt::Refused(why) => {
                    refusals += 1;
                    if refusals == MOST_REFUSALS {
                        return Err(if unsure { PublishError::Unconfirmed(why) } else { PublishError::Full(why) });
                    }
                    why
                }
                Attempt::Unsure(why) => {
                    unsure = true;
                    why
                }
                Attempt::NotSent(why) => why,
            };
            let blocked = self.shared.giving.now().and_then(|live| live.blocked());
            if Instant::now() + PAUSE >= deadline || (blocked.is_some() && !unsure) {
                let partition = self.partition;
                warn!(partition, number, unsure, why = trouble, "a message was not published");
                return Err(match (unsure, blocked) {
                    (true, _) => PublishError::Unconfirmed(trouble),
                    (false, Some(why)) => alarm(&why),
                    (false, None) => PublishError::Full(trouble),
                });
            }
            sleep(PAUSE).await;
        }
    }

    async fn attempt(&mut self, body: &[u8], mark: Mark, deadline: Instant) -> Attempt {
        let live = async {
            self.shared.standing.may_give().await;
            self.shared.giving.live().await
        };
        let Ok(live) = timeout_at(deadline, live).await else {
            let why = match (self.shared.giving.away(), self.shared.standing.permission()) {
                (Some((why, _)), _) | (None, Permission::Pending(why)) => why,
                (None, _) => "the broker does not answer".into(),
            };
            return Attempt::NotSent(why);
        };
        if let Some(why) = live.blocked() {
            return Attempt::NotSent(why);
        }
        if self.channel.as_ref().is_none_or(|(number, channel)| *number != live.number || !channel.status().connected()) {
            match timeout_at(deadline, live.confirming_channel()).await {
                Ok(Ok(channel)) => self.channel = Some((live.number, channel)),
                Ok(Err(Broken { text, .. })) => return Attempt::NotSent(text),
                Err(_) => return Attempt::NotSent("no channel in time".into()),
            }
        }
        let Some((_, channel)) = &self.channel else { return Attempt::NotSent("no channel".into()) };
        let options = BasicPublishOptions { mandatory: true, ..Default::default() };
        let key = self.partition.to_string().into();
        let begun = Instant::now();
        if begun >= deadline {
            return Attempt::NotSent("no channel in time".into());
        }
        let confirmed = async {
            let confirm = channel.basic_publish(READINGS.into(), key, options, body, message::properties(Some(mark))).await?;
            confirm.await
        };
        match timeout_at(deadline, confirmed).await {
            Ok(Ok(Confirmation::Ack(None) | Confirmation::NotRequested)) => Attempt::Confirmed,
            Ok(Ok(Confirmation::Ack(Some(_)) | Confirmation::Nack(Some(_)))) => Attempt::Returned,
            Ok(Ok(Confirmation::Nack(None))) => Attempt::Refused(format!("partition {} is full at the broker", self.partition)),
            Ok(Err(error)) => {
                self.channel = None;
                let broken = Broken::from(error);
                if broken.is(404) {
                    self.shared.standing.declare_again();
                }
                Attempt::Unsure(broken.text)
            }
            Err(_) => {
                // A confirmation that comes late must not be taken for another's.
                self.channel = None;
                if live.blocked().is_none() && begun.elapsed() >= self.shared.options.deadlines.publish.mul_f64(0.8) {
                    live.lose("the broker does not confirm");
                }
                Attempt::Unsure("no confirmation in time".into())
            }
        }
    }
}
