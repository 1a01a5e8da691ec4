//! The way to one client: a bounded channel of chunks, a deadline, and what was sent so far.

use crate::message;
use bytes::Bytes;
use std::time::Duration;
use tokio::{
    sync::mpsc,
    time::{Instant, timeout},
};

/// Messages are put together into chunks of about this size, so that a client costs few system calls.
pub(crate) const CHUNK: usize = 64 * 1024;
/// From this size on a text is sent as it is, shared with all other streams, instead of being copied into a chunk.
const SHARED_FROM: usize = 4 * 1024;

/// Why a stream ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// The client took too little for too long.
    TooSlow,
    /// The client is gone, or the hub is closed.
    Over,
}

/// The sending side of one stream. Remembers up to which position everything that is wanted was sent.
pub(crate) struct Outlet {
    chunks: mpsc::Sender<Bytes>,
    /// A place that is held free, so that the last message finds one even in a full channel.
    last_place: Option<mpsc::OwnedPermit<Bytes>>,
    keep_alive: Duration,
    sent_at: Instant,
    /// Up to here everything was sent.
    told: u64,
    gathered: Vec<u8>,
    /// Up to here everything was sent once `gathered` is.
    gathered_to: u64,
}

impl Outlet {
    /// An outlet and the client's end; `places` chunks can wait.
    pub(crate) fn new(places: usize, keep_alive: Duration) -> (Self, mpsc::Receiver<Bytes>) {
        let (chunks, client) = mpsc::channel(places.max(1) + 1);
        let last_place = chunks.clone().try_reserve_owned().ok();
        let sent_at = Instant::now();
        (Self { chunks, last_place, keep_alive, sent_at, told: 0, gathered: Vec::new(), gathered_to: 0 }, client)
    }

    /// A handle by which to see that the client is gone.
    pub(crate) fn client(&self) -> mpsc::Sender<Bytes> {
        self.chunks.clone()
    }

    /// Up to which position everything was sent.
    pub(crate) const fn told(&self) -> u64 {
        self.told
    }

    /// When the next keep-alive is due.
    pub(crate) fn keep_alive_at(&self) -> Instant {
        self.sent_at + self.keep_alive
    }

    /// When something was sent last.
    pub(crate) const fn sent_at(&self) -> Instant {
        self.sent_at
    }

    /// Sends a chunk; with it everything up to `told` is sent.
    pub(crate) async fn send(&mut self, chunk: Bytes, told: u64, patience: Duration) -> Result<(), End> {
        match timeout(patience, self.chunks.reserve()).await {
            Ok(Ok(place)) => place.send(chunk),
            Ok(Err(_)) => return Err(End::Over),
            Err(_) => return Err(End::TooSlow),
        }
        self.told = told;
        self.sent_at = Instant::now();
        Ok(())
    }

    /// Sends a chunk if there is room for one now.
    pub(crate) fn send_now(&mut self, chunk: Bytes, told: u64) -> bool {
        let sent = self.chunks.try_send(chunk).is_ok();
        if sent {
            self.told = told;
            self.sent_at = Instant::now();
        }
        sent
    }

    /// Whether there is room for a chunk now.
    pub(crate) fn has_room(&self) -> bool {
        self.chunks.capacity() > 0
    }

    /// Waits for room for a chunk. Cancel-safe.
    pub(crate) async fn room(&self) -> Result<(), End> {
        self.chunks.reserve().await.map(drop).map_err(|_| End::Over)
    }

    /// Sends whole messages soon: together with others, or at once when they are many.
    pub(crate) async fn gather(&mut self, messages: Bytes, told: u64, patience: Duration) -> Result<(), End> {
        if messages.len() >= SHARED_FROM || self.gathered.len() + messages.len() > CHUNK {
            self.flush(patience).await?;
        }
        if messages.len() >= SHARED_FROM {
            return self.send(messages, told, patience).await;
        }
        self.gathered.extend_from_slice(&messages);
        self.gathered_to = told;
        Ok(())
    }

    /// Says that up to `told` there is nothing more to send.
    pub(crate) fn looked_at(&mut self, told: u64) {
        if self.gathered.is_empty() {
            self.told = self.told.max(told);
        } else {
            self.gathered_to = self.gathered_to.max(told);
        }
    }

    /// Sends what was gathered.
    pub(crate) async fn flush(&mut self, patience: Duration) -> Result<(), End> {
        if self.gathered.is_empty() {
            return Ok(());
        }
        let chunk = Bytes::copy_from_slice(&self.gathered);
        self.gathered.clear();
        self.send(chunk, self.gathered_to, patience).await
    }

    /// The last message of a stream that is cut; what was gathered and not sent is read again after `told`.
    pub(crate) fn overrun(&mut self) {
        if let Some(place) = self.last_place.take() {
            place.send(message::overrun(self.told));
        }
    }
}
