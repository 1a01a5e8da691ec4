//! One connection: how long it may keep us waiting, and how it ends.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep};

/// So long a head may take from its first byte. Nobody needs more to send a few hundred bytes, except to hold a place.
const HEAD_PATIENCE: Duration = Duration::from_secs(10);

/// So long a connection is kept on which nothing happens. More than the 60 s that are promised, so that a client which
/// reports every minute keeps its connection.
const IDLE_PATIENCE: Duration = Duration::from_secs(75);

/// So long the rest of a refused body is read and dropped. Closing at once would reset the connection, and the reset may
/// overtake the answer.
const LINGER_PATIENCE: Duration = Duration::from_secs(2);

/// What a connection is doing. The stream begins a head; the service around the handlers tells the rest.
#[derive(Clone, Debug, Default)]
pub(crate) struct Phase(Arc<AtomicU8>);

/// Nothing of a next request has come.
const WAITING: u8 = 0;
/// Something of a head has come.
const HEAD: u8 = 1;
/// A handler has the request, and its own patience for the body.
const BUSY: u8 = 2;

impl Phase {
    pub(crate) fn busy(&self) {
        self.0.store(BUSY, Ordering::Relaxed);
    }

    pub(crate) fn waiting(&self) {
        self.0.store(WAITING, Ordering::Relaxed);
    }

    fn get(&self) -> u8 {
        self.0.load(Ordering::Relaxed)
    }
}

/// A stream of bytes with patience.
///
/// hyper's own time-out for heads also ends idle connections, which have to be kept for longer; so both are told apart here.
pub(crate) struct PatientStream<S> {
    inner: S,
    phase: Phase,
    /// When something was last written, or a head began.
    last: Instant,
    /// Rings at or before the deadline; moved only when it rings too early, so that requests cost no timer.
    alarm: Pin<Box<Sleep>>,
    peer_has_ended: bool,
    is_shut_down: bool,
}

impl<S> PatientStream<S> {
    pub(crate) fn new(inner: S, phase: Phase) -> Self {
        let last = Instant::now();
        let alarm = Box::pin(tokio::time::sleep_until(last + HEAD_PATIENCE));
        Self { inner, phase, last, alarm, peer_has_ended: false, is_shut_down: false }
    }

    /// Ready once the deadline has passed.
    fn poll_deadline(&mut self, cx: &mut Context<'_>, deadline: Instant) -> Poll<()> {
        if self.alarm.deadline() > deadline {
            self.alarm.as_mut().reset(deadline);
        }
        loop {
            ready!(self.alarm.as_mut().poll(cx));
            if Instant::now() >= deadline {
                return Poll::Ready(());
            }
            self.alarm.as_mut().reset(deadline);
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for PatientStream<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = &mut *self;
        let before = buf.filled().len();
        if let Poll::Ready(result) = Pin::new(&mut this.inner).poll_read(cx, buf) {
            if result.is_ok() && buf.filled().len() == before {
                this.peer_has_ended = true;
            } else if this.phase.get() == WAITING {
                this.phase.0.store(HEAD, Ordering::Relaxed);
                this.last = Instant::now();
            }
            return Poll::Ready(result);
        }
        let deadline = match this.phase.get() {
            HEAD => this.last + HEAD_PATIENCE,
            WAITING => this.last + IDLE_PATIENCE,
            _ => return Poll::Pending,
        };
        ready!(this.poll_deadline(cx, deadline));
        Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for PatientStream<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        self.last = Instant::now();
        Pin::new(&mut self.inner).poll_write(cx, buf)
    }

    fn poll_write_vectored(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bufs: &[io::IoSlice<'_>]) -> Poll<io::Result<usize>> {
        self.last = Instant::now();
        Pin::new(&mut self.inner).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(cx)
    }

    /// Ends our side, then reads what still comes until the other side ends too, for a short time.
    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = &mut *self;
        if !this.is_shut_down {
            ready!(Pin::new(&mut this.inner).poll_shutdown(cx))?;
            this.is_shut_down = true;
            this.last = Instant::now();
        }
        let deadline = this.last + LINGER_PATIENCE;
        let mut dropped = [0; 8192];
        while !this.peer_has_ended {
            if this.poll_deadline(cx, deadline).is_ready() {
                break;
            }
            let mut buf = ReadBuf::new(&mut dropped);
            match ready!(Pin::new(&mut this.inner).poll_read(cx, &mut buf)) {
                Ok(()) => this.peer_has_ended = buf.filled().is_empty(),
                Err(_) => this.peer_has_ended = true,
            }
        }
        Poll::Ready(Ok(()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    #[tokio::test(start_paused = true)]
    async fn a_head_that_does_not_come_to_its_end_is_given_up_after_ten_seconds() {
        let (mut client, server) = tokio::io::duplex(64);
        let begun = Instant::now();
        let mut stream = PatientStream::new(server, Phase::default());
        client.write_all(b"GET ").await.expect("room");
        let mut buf = [0; 16];
        assert_eq!(stream.read(&mut buf).await.expect("bytes"), 4);
        let error = stream.read(&mut buf).await.expect_err("no more came");
        assert_eq!((error.kind(), begun.elapsed().as_secs()), (io::ErrorKind::TimedOut, 10));
    }

    #[tokio::test(start_paused = true)]
    async fn a_slow_head_is_given_up_however_often_a_byte_comes() {
        let (mut client, server) = tokio::io::duplex(64);
        let begun = Instant::now();
        let mut stream = PatientStream::new(server, Phase::default());
        let drip = tokio::spawn(async move {
            while client.write_all(b"x").await.is_ok() {
                tokio::time::sleep(Duration::from_secs(3)).await;
            }
        });
        let mut buf = [0; 1];
        while stream.read(&mut buf).await.is_ok() {}
        assert_eq!(begun.elapsed().as_secs(), 10);
        drop(stream);
        drip.await.expect("it ends with the stream");
    }

    #[tokio::test(start_paused = true)]
    async fn an_idle_connection_is_kept_for_more_than_a_minute() {
        let (_client, server) = tokio::io::duplex(64);
        let begun = Instant::now();
        let mut stream = PatientStream::new(server, Phase::default());
        stream.read(&mut [0; 1]).await.expect_err("nothing came");
        assert_eq!(begun.elapsed().as_secs(), 75);
    }

    #[tokio::test(start_paused = true)]
    async fn while_a_handler_has_the_request_nothing_is_given_up() {
        let (_client, server) = tokio::io::duplex(64);
        let phase = Phase::default();
        phase.busy();
        let mut stream = PatientStream::new(server, phase);
        let waited = tokio::time::timeout(Duration::from_hours(1), stream.read(&mut [0; 1])).await;
        assert!(waited.is_err(), "{waited:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn the_end_waits_a_moment_for_the_other_side_and_drops_what_it_says() {
        let (mut client, server) = tokio::io::duplex(64);
        let begun = Instant::now();
        let mut stream = PatientStream::new(server, Phase::default());
        client.write_all(&[b'x'; 60]).await.expect("room");
        stream.shutdown().await.expect("it ends");
        assert_eq!(begun.elapsed().as_secs(), 2);

        let (client, server) = tokio::io::duplex(64);
        let begun = Instant::now();
        drop(client);
        PatientStream::new(server, Phase::default()).shutdown().await.expect("it ends");
        assert_eq!(begun.elapsed().as_secs(), 0);
    }
}
