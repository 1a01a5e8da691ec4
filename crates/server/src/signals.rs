//! The wish to end: the first signal lets the work finish, the second does not.

use std::process;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

/// What shells expect of a process that a signal has ended: 128 and the signal's number.
const EXIT_KILLED: i32 = 128;

/// So soon after the first signal another one is the same wish: a wrapper passes it on to the process and to its group.
const SAME_WISH: Duration = Duration::from_secs(1);

/// Told when somebody wants this process to end. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Stop(CancellationToken);

impl Stop {
    /// By SIGTERM or SIGINT. Needs a tokio runtime.
    pub(crate) fn on_signals() -> anyhow::Result<Self> {
        let stop = Self(CancellationToken::new());
        let watch = |kind| signal(kind).context("cannot watch for signals");
        let (terminate, interrupt) = (watch(SignalKind::terminate())?, watch(SignalKind::interrupt())?);
        tokio::spawn(stop.clone().watch(terminate, interrupt));
        Ok(stop)
    }

    async fn watch(self, mut terminate: Signal, mut interrupt: Signal) {
        next(&mut terminate, &mut interrupt).await;
        info!("ending; a second signal ends at once");
        self.0.cancel();
        let first = Instant::now();
        let second = loop {
            let again = next(&mut terminate, &mut interrupt).await;
            if first.elapsed() >= SAME_WISH {
                break again;
            }
        };
        warn!("ended by a second signal");
        // The line is out: stderr is not buffered.
        process::exit(EXIT_KILLED + second.as_raw_value());
    }

    /// Completes when the end is wanted; at once when it was before. Cancel-safe.
    pub(crate) async fn requested(&self) {
        self.0.cancelled().await;
    }

    /// Whether the end is wanted.
    pub(crate) fn is_requested(&self) -> bool {
        self.0.is_cancelled()
    }
}

async fn next(terminate: &mut Signal, interrupt: &mut Signal) -> SignalKind {
    tokio::select! {
        _ = terminate.recv() => SignalKind::terminate(),
        _ = interrupt.recv() => SignalKind::interrupt(),
    }
}
