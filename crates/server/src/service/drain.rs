//! How the service ends: along the way of a reading, with a deadline for each step.

use std::process;
use std::thread;
use std::time::{Duration, Instant};

use fieldwatch_broker::ReadingQueue;
use tokio::time::{sleep, timeout};
use tracing::{info, warn};

use super::Service;

/// How often it is looked whether the queue has run empty: the answer costs nothing, and people wait for it.
const LOOK_AT_QUEUE_EVERY: Duration = Duration::from_millis(10);
/// How much longer than asked for the shards may take to answer: they look at the clock between two batches.
const GRACE: Duration = Duration::from_millis(500);

impl Service {
    /// Stops taking in, finishes what is in memory, closes streams. What does not get done in time waits in the queue on the disk.
    pub(super) async fn drain(self) {
        let begun = Instant::now();
        end_at_last(self.limits.stop_at_last);
        self.intake.cancel();

        if timeout(self.limits.stop_moving, self.queue.stop_moving()).await.is_err() {
            warn!("the mover of the original queue did not stop in time; what it has in hand goes back to the broker");
        }
        // A start that is still going on gives its devices up.
        self.bringing_up.abort();
        let queue = self.queue.shared();
        // What waits in a shared queue is for the other processes.
        if !queue.is_shared() {
            let left = emptied(&*queue, self.limits.drain_queue).await;
            if left > 0 {
                info!(left, "readings wait on the disk for the next start");
            }
            self.queue.close();
        }
        if let Some(states) = self.parts.late.states() {
            let stopping = states.stop(self.limits.stop_states);
            if timeout(self.limits.stop_states + GRACE, stopping).await.is_err() {
                warn!("devices did not stop in time; the next start replays what they did not save");
            }
        }
        self.queue.close();
        // Streams were told everything by now.
        if let Some(side) = self.parts.late.read_side() {
            side.hub.close();
        }
        let rest = self.limits.drain_connections.saturating_sub(begun.elapsed());
        // Its result was seen if it ended before, and a handle must not be asked twice.
        let mut gateway = self.gateway;
        if !gateway.is_finished() && timeout(rest + GRACE, &mut gateway).await.is_err() {
            warn!("connections did not close in time");
            gateway.abort();
        }
        info!(elapsed_ms = begun.elapsed().as_millis() as u64, "ended");
    }
}

/// Waits until everything that was accepted is stored as decided; gives what is left at the deadline.
async fn emptied(queue: &dyn ReadingQueue, deadline: Duration) -> u64 {
    let waiting = || queue.depths().iter().sum::<u64>();
    let emptying = async {
        while waiting() > 0 {
            sleep(LOOK_AT_QUEUE_EVERY).await;
        }
    };
    // Cancelled or not, the queue says itself what is left.
    let _ = timeout(deadline, emptying).await;
    waiting()
}

/// A disk that does not answer must not keep the process: what was acknowledged is on it already.
fn end_at_last(after: Duration) {
    thread::spawn(move || {
        thread::sleep(after);
        warn!("ended at the deadline, with work in hand");
        process::exit(0);
    });
}
