//! The one task that tells: subscribers in the order of the log, whoever stored it, then those who appended.
//!
//! What this process stored is told from memory, where it follows directly what was told before; what others stored is read.
//! As positions become visible in their order, everything before an append of this process can be read once it is answered.

use super::{
    connection::{Connection, Failure, Purpose, jittered, within},
    shared::Shared,
    window::WindowReader,
    writer::Answer,
};
use crate::{Entry, Stored};
use std::{
    sync::{Arc, atomic::Ordering},
    time::{Duration, Instant},
};
use tokio::{sync::mpsc, task::JoinHandle, time::MissedTickBehavior};

/// How many groups wait to be told. When subscribers are slower than the database, the writer waits for them.
pub(super) const FEED_QUEUE: usize = 8;
/// Others notify with every append, and what they stored is looked for not more often than this: each look costs the server about as
/// much as a small append.
const LOOK_PAUSE: Duration = Duration::from_millis(20);
/// Notifications may be lost; others' appends are looked for so often all the same.
const LOOK_AGAIN: Duration = Duration::from_millis(250);
/// While an append of this process is under way, what others stored is told with it, but not later than this.
const WITH_OWN: Duration = Duration::from_millis(300);
/// The pause after a read that failed, and before a new connection that listens.
const AFTER_FAILURE: Duration = Duration::from_millis(500);
/// A connection that listens is asked whether it still works after so long.
const SILENCE: Duration = Duration::from_secs(5);
/// A read that an append waits for is given so long even when reading has failed for long.
const SHORTEST_READ: Duration = Duration::from_secs(1);
/// One look takes this long at most.
const LOOK_DEADLINE: Duration = Duration::from_secs(5);

const END: &str = "SELECT position, newest_event FROM fieldwatch_log";

/// Batches of one group of this process that are durable and not told of yet: first and last position, and who waits.
pub(super) struct OwnBatch {
    /// The group's first position.
    pub(super) first: u64,
    pub(super) batches: Vec<(u64, u64, Arc<Stored>, Answer)>,
}

/// Tells until the writer has ended and everything is told.
pub(super) async fn run(shared: Arc<Shared>, mut own: mpsc::Receiver<OwnBatch>) {
    let stops = StopsIfPanicking(&shared);
    let (wakes, mut notified) = mpsc::channel(1);
    let listening = Listening(tokio::spawn(listen(Arc::clone(&shared), wakes)));
    let mut looks = tokio::time::interval(LOOK_AGAIN);
    looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut feed = Feed { shared: &shared, put_off_since: None, unread_since: None };
    let (mut is_notified, mut rested_at) = (false, tokio::time::Instant::now());
    loop {
        tokio::select! {
            biased;
            group = own.recv() => match group {
                Some(group) => feed.tell_own(group).await,
                None => break,
            },
            Some(()) = notified.recv(), if !is_notified => is_notified = true,
            () = tokio::time::sleep_until(rested_at), if is_notified => {
                is_notified = false;
                feed.look().await;
                rested_at = tokio::time::Instant::now() + LOOK_PAUSE;
            }
            _ = looks.tick() => feed.look().await,
        }
    }
    drop((listening, stops));
}

struct Feed<'a> {
    shared: &'a Shared,
    /// Since when looking was put off because an append of this process is under way.
    put_off_since: Option<Instant>,
    /// Since when what is to be told with appends of this process cannot be read.
    unread_since: Option<Instant>,
}

impl Feed<'_> {
    /// Tells what is before the group, then its batches, and answers them. Where that cannot be read for as long as an append
    /// may take, they are answered all the same, because they are stored; they are told when they can be read.
    async fn tell_own(&mut self, group: OwnBatch) {
        self.shared.own.end();
        self.put_off_since = None;
        let mut is_told = true;
        if self.shared.is_following() {
            let last = group.batches.last().map_or(0, |(_, last, ..)| *last);
            // One whose answer took too long may have been read, and told, before; of one that was told in part the rest is read.
            let upto = if self.told() < group.first { group.first - 1 } else { last };
            is_told = self.catch_up(upto).await;
        }
        for (first, last, stored, answer) in group.batches {
            if is_told && (first > self.told() || last < first) {
                self.tell(&stored, last.max(self.told()));
            }
            // Whoever gave up waiting does not hear of it; stored it is all the same.
            let _ = answer.send(Ok(stored));
        }
    }

    /// Reads and tells up to a position; gives up, and says so, when that was not possible for as long as an append may take.
    async fn catch_up(&mut self, upto: u64) -> bool {
        while self.told() < upto {
            let patience = self.shared.options.append_deadline;
            let begun = Instant::now();
            let left = patience.saturating_sub(self.unread_since.map_or(Duration::ZERO, |since| since.elapsed()));
            match within(left.max(SHORTEST_READ), self.read_up_to(upto, |_| true)).await {
                Ok(_) => self.reads(),
                Err(failure) => {
                    self.shared.reading(Some(failure.text()));
                    if self.unread_since.get_or_insert(begun).elapsed() >= patience {
                        return false;
                    }
                    tokio::time::sleep(jittered(AFTER_FAILURE)).await;
                }
            }
        }
        true
    }

    /// Says that what was to be read was read.
    fn reads(&mut self) {
        self.unread_since = None;
        self.shared.reading(None);
    }

    /// Looks for what others have stored.
    async fn look(&mut self) {
        let rests = self.shared.own.at_rest();
        if rests.is_none() {
            let since = *self.put_off_since.get_or_insert_with(Instant::now);
            if since.elapsed() < WITH_OWN {
                return;
            }
        }
        let seen = self.shared.end.load(Ordering::Acquire);
        let end =
            self.shared.feed_pool.read_within(LOOK_DEADLINE, |connection| async move { connection.row(END, &[]).await }).await;
        let (end, newest) = match end {
            Ok(row) => (row.get::<_, i64>(0) as u64, row.get::<_, i64>(1) as u64),
            Err(failure) => {
                self.shared.reading(Some(failure.text()));
                return;
            }
        };
        if self.shared.went_back(seen, end).is_some() {
            return;
        }
        if !self.shared.is_following() {
            self.reads();
            if self.shared.subscribers.read().is_empty() {
                self.shared.newest.fetch_max(newest, Ordering::AcqRel);
            }
            return;
        }
        // What was read may hold an append of this process whose answer is on its way: that is told with the answer.
        let is_of_others = |shared: &Shared| rests.is_none() || shared.own.at_rest() == rests;
        while self.told() < end {
            match self.read_up_to(end, is_of_others).await {
                Ok(true) => {}
                Ok(false) => break,
                Err(failure) => {
                    self.shared.reading(Some(failure.text()));
                    return;
                }
            }
        }
        self.reads();
    }

    /// Reads the next part of the log up to a position that is the end of an append, and tells it, if that is still wanted.
    /// Takes no longer than an append may: the answers to this process's own may wait for it.
    async fn read_up_to(&self, end: u64, is_wanted: impl Fn(&Shared) -> bool) -> Result<bool, Failure> {
        let (shared, told) = (self.shared, self.told());
        let (found, upto) = shared
            .feed_pool
            .read_within(shared.options.append_deadline, |connection| async move {
                WindowReader { connection: &connection, numbers: &shared.numbers, shelves: None }.next(told, end).await
            })
            .await?;
        if !is_wanted(shared) {
            return Ok(false);
        }
        let entries: Vec<Entry> = found.into_iter().map(|(_, entry)| entry).collect();
        let last_event = entries.iter().rev().find_map(|entry| match entry {
            Entry::Event(event) => Some(event.position),
            Entry::Late(_) | Entry::Observation(_) | Entry::Passivated(_) => None,
        });
        let newest = last_event.unwrap_or_else(|| shared.newest.load(Ordering::Acquire));
        if entries.is_empty() {
            shared.told.store(upto, Ordering::Release);
        } else {
            self.tell(&Arc::new(Stored { entries, newest }), upto);
        }
        Ok(true)
    }

    fn told(&self) -> u64 {
        self.shared.told.load(Ordering::Acquire)
    }

    fn tell(&self, stored: &Arc<Stored>, upto: u64) {
        for subscriber in self.shared.subscribers.read().iter() {
            subscriber(stored);
        }
        self.shared.newest.fetch_max(stored.newest, Ordering::AcqRel);
        self.shared.told.store(upto, Ordering::Release);
    }
}

/// Wakes the feed whenever somebody has stored something, on a connection of its own that is made again and again.
async fn listen(shared: Arc<Shared>, wakes: mpsc::Sender<()>) {
    loop {
        let (sender, mut notified) = mpsc::channel(1);
        let connection = shared.connector.connect(Purpose::Listen, Some(sender)).await;
        if let Ok(connection) = connection
            && connection.batch("LISTEN fieldwatch").await.is_ok()
        {
            while let Some(writer) = next_notification(&connection, &mut notified).await {
                // What this process stores it tells anyway. A feed that has been woken and did not look yet will see this too.
                if writer != shared.writer {
                    let _ = wakes.try_send(());
                }
            }
        }
        tokio::time::sleep(jittered(AFTER_FAILURE)).await;
    }
}

/// What is notified next; `None` when the connection is gone. As silence may mean that its way is cut, it is asked then.
async fn next_notification(connection: &Connection, notified: &mut mpsc::Receiver<String>) -> Option<String> {
    loop {
        match tokio::time::timeout(SILENCE, notified.recv()).await {
            Ok(notification) => return notification,
            Err(_) => within(SILENCE, connection.batch("")).await.ok()?,
        }
    }
}

/// Ends with the feed.
struct Listening(JoinHandle<()>);

impl Drop for Listening {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// What a subscriber that panics was told is not known, so nothing more may be told, and nothing more is taken.
struct StopsIfPanicking<'a>(&'a Shared);

impl Drop for StopsIfPanicking<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let reason = "who is told of stored events has failed";
            tracing::error!(reason, "the event store has stopped");
            self.0.troubles.lock().stopped = Some(reason.into());
        }
    }
}
