//! What has to be done from time to time while the service runs.

use std::sync::Arc;
use std::time::Duration;

use fieldwatch_device_state::WallClock;
use fieldwatch_directory::Directory;
use fieldwatch_event_store::EventStore;
use fieldwatch_push::Hub;
use tokio::task::{JoinSet, spawn_blocking};
use tokio::time::{MissedTickBehavior, interval_at};
use tracing::{debug, warn};

use super::forgetting::Forgetting;
use super::queue::Queue;
use crate::limits::Limits;

/// What has to be tidied.
pub(super) struct Untidy {
    pub(super) store: Arc<dyn EventStore>,
    pub(super) queue: Queue,
    pub(super) clock: WallClock,
}

/// The tasks that do it. They end when this is dropped, which harms nothing: each can be cut anywhere.
pub(super) struct Chores {
    _tasks: JoinSet<()>,
}

impl Chores {
    /// `untidy`: what this process looks after; `reading`: what it serves to readers.
    pub(super) fn start(
        limits: &Limits,
        untidy: Option<Untidy>,
        forgetting: Option<Arc<Forgetting>>,
        reading: Option<(Arc<Directory>, Arc<Hub>)>,
    ) -> Self {
        let mut tasks = JoinSet::new();
        if let Some(untidy) = untidy {
            tasks.spawn(tidy(untidy, limits.first_tidy_after, limits.tidy_interval));
        }
        if let Some(forgetting) = forgetting {
            tasks.spawn(forgetting.settle());
        }
        if let Some((directory, hub)) = reading {
            tasks.spawn(Arc::clone(&hub).run());
            if let Some(every) = directory.idle_interval() {
                tasks.spawn(mark_idle(directory, hub, every));
            }
        }
        Self { _tasks: tasks }
    }
}

/// Becoming idle is no event: nobody but a look at the clock tells of it.
async fn mark_idle(directory: Arc<Directory>, hub: Arc<Hub>, every: Duration) {
    each(every, every, || {
        let (directory, hub) = (Arc::clone(&directory), Arc::clone(&hub));
        async move {
            // It looks at every device, which may take a while.
            let marking = spawn_blocking(move || {
                let idle = directory.mark_idle();
                if !idle.is_empty() {
                    hub.refresh(&idle);
                }
                idle.len()
            });
            match marking.await {
                Ok(devices) => debug!(devices, "looked for idle devices"),
                Err(error) => warn!(%error, "looking for idle devices failed"),
            }
        }
    })
    .await;
}

/// What was consumed and what was forgotten must not lie around: the one in the queue, the other in the store and among the
/// dead letters.
async fn tidy(Untidy { store, queue, clock }: Untidy, first: Duration, every: Duration) {
    each(first, every, || {
        let (store, queue, now) = (Arc::clone(&store), queue.clone(), clock());
        async move {
            match queue.tidy(now).await {
                Ok(()) => debug!("queue and dead letters are tidy"),
                Err(error) => {
                    warn!(error = format!("{error:#}"), "the dead letters could not be tidied; the next try comes by itself");
                }
            }
            match store.tidy().await {
                Ok(()) => debug!("the store is tidy"),
                Err(error) => warn!(%error, "the store could not be tidied; the next try comes by itself"),
            }
        }
    })
    .await;
}

async fn each<F: Future<Output = ()>>(first: Duration, every: Duration, mut work: impl FnMut() -> F) {
    // A zero interval would be a busy loop, and panics in tokio.
    let every = every.max(Duration::from_millis(1));
    let mut tick = interval_at(tokio::time::Instant::now() + first, every);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tick.tick().await;
        work().await;
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use tokio::sync::Notify;

    use super::*;

    #[tokio::test]
    async fn work_goes_on_at_its_interval_even_at_one_of_zero() {
        let times = AtomicU32::new(0);
        let enough = Notify::new();
        let work = each(Duration::ZERO, Duration::ZERO, || {
            if times.fetch_add(1, Ordering::Relaxed) == 2 {
                enough.notify_one();
            }
            std::future::ready(())
        });
        tokio::select! {
            () = work => panic!("it goes on for ever"),
            () = enough.notified() => {}
        }
    }
}
