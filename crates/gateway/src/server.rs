//! The server around the routes: takes connections, bounds them, and ends them in order.

use crate::Readiness;
use crate::answer::Answer;
use crate::connection::{PatientStream, Phase};
use crate::front;
use axum::http::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use prometheus_client::metrics::gauge::Gauge;
use std::convert::Infallible;
use std::future::Future;
use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// At most so many connections; one more is answered 503 and closed. A quarter above what is promised.
const MAX_CONNECTIONS: usize = 25_000;

/// What hyper holds of a head at most, and reads of a body in one piece. Heads beyond it are 431.
const MAX_HEAD_BYTES: usize = 64 * 1024;

/// What the kernel holds for a client that is slow to read. Bounds what a slow stream costs and how old what it reads is;
/// without it the kernel lets a buffer grow to megabytes. (The kernel doubles the number for its own bookkeeping.)
const SEND_BUFFER_BYTES: usize = 128 * 1024;

/// A client that acknowledges nothing of what was sent, or takes nothing, for so long is gone. Long enough for a device that
/// drives through a tunnel; a stream that is too slow is cut by the hub long before.
const CLIENT_TIMEOUT: Duration = Duration::from_secs(20);

/// After this pause another connection is tried when the process has no file descriptors left.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Told to who comes beyond [`MAX_CONNECTIONS`].
const FULL_HOUSE: &[u8] = b"HTTP/1.1 503 Service Unavailable\r\nRetry-After: 5\r\nConnection: close\r\nContent-Length: 0\r\n\r\n";

/// The HTTP server.
pub struct Gateway {}

impl Gateway {
    /// Serves until `stop` is cancelled: then takes no new connections, lets requests in hand finish, and returns when all
    /// connections are closed or `drain` has passed. The hub is closed by the caller.
    pub async fn serve(listener: TcpListener, readiness: Readiness, stop: CancellationToken, drain: Duration) {
        let tasks = TaskTracker::new();
        let cut = CancellationToken::new();
        let places = Arc::new(Semaphore::new(MAX_CONNECTIONS));
        tasks.spawn(sample_mailboxes(readiness.clone(), stop.clone()));
        loop {
            let accepted = tokio::select! {
                biased;
                () = stop.cancelled() => break,
                accepted = listener.accept() => accepted,
            };
            match accepted {
                Ok((stream, _)) => match Arc::clone(&places).try_acquire_owned() {
                    Ok(place) => {
                        let readiness = readiness.clone();
                        let (stop, cut) = (stop.clone(), cut.clone());
                        tasks.spawn(async move {
                            let _place = place;
                            let _open = Open::new(readiness.connections());
                            let answer = move |request| {
                                let readiness = readiness.clone();
                                async move { front::answer(&readiness, request).await }
                            };
                            connection(stream, answer, stop, cut).await;
                        });
                    }
                    // A fresh connection has room for a few bytes; whether they arrive is not our worry. (tokio would first
                    // want to hear that it is writable.)
                    Err(_) => drop(socket2::SockRef::from(&stream).send(FULL_HOUSE)),
                },
                Err(error) => {
                    // One connection's own failure, or no descriptor left; either way others may still come.
                    tracing::warn!(%error, "a connection could not be taken");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            }
        }
        drop(listener);
        tasks.close();
        if tokio::time::timeout(drain, tasks.wait()).await.is_err() {
            tracing::warn!(connections = tasks.len(), "connections are cut, they did not end in time");
            cut.cancel();
            tasks.wait().await;
        }
    }
}

/// One connection, from its first request to its end.
async fn connection<F, A>(stream: TcpStream, answer: F, stop: CancellationToken, cut: CancellationToken)
where
    F: Fn(Request<Incoming>) -> A,
    A: Future<Output = Answer>,
{
    if let Err(error) = configure(&stream) {
        tracing::debug!(%error, "a connection ended before it was configured");
        return;
    }
    let phase = Phase::default();
    let io = TokioIo::new(PatientStream::new(stream, phase.clone()));
    let service = service_fn(move |request| {
        phase.busy();
        let (answer, phase) = (answer(request), phase.clone());
        async move {
            let answer = answer.await;
            phase.waiting();
            Ok::<_, Infallible>(answer)
        }
    });
    let mut builder = http1::Builder::new();
    // Not `pipeline_flush`: with it hyper keeps its answer to a head that it cannot parse to itself, because bytes are left to read.
    builder.max_buf_size(MAX_HEAD_BYTES);
    let mut served = pin!(builder.serve_connection(io, service));
    let result = tokio::select! {
        result = served.as_mut() => result,
        () = stop.cancelled() => {
            served.as_mut().graceful_shutdown();
            tokio::select! {
                result = served => result,
                () = cut.cancelled() => Ok(()),
            }
        }
    };
    if let Err(error) = result {
        // Clients go away, send nonsense, or are slow; none of it is our failure.
        tracing::debug!(%error, "a connection ended early");
    }
}

/// Counts a connection while it is open.
struct Open(Gauge);

impl Open {
    fn new(gauge: &Gauge) -> Self {
        gauge.inc();
        Self(gauge.clone())
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.0.dec();
    }
}

fn configure(stream: &TcpStream) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let socket = socket2::SockRef::from(stream);
    socket.set_send_buffer_size(SEND_BUFFER_BYTES)?;
    #[cfg(target_os = "linux")]
    socket.set_tcp_user_timeout(Some(CLIENT_TIMEOUT))?;
    Ok(())
}

async fn sample_mailboxes(readiness: Readiness, stop: CancellationToken) {
    let sampling = async {
        let app = readiness.wait().await;
        let Some(interval) = app.parts.mailbox_interval else { return };
        loop {
            tokio::time::sleep(interval).await;
            app.metrics.mailboxes.sample();
        }
    };
    tokio::select! {
        () = stop.cancelled() => {}
        () = sampling => {}
    }
}

#[cfg(test)]
mod tests;
