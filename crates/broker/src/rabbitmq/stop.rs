//! How the queue's tasks end: first whoever works, then the connections under them.

use std::{sync::Arc, time::Duration};
use tokio::sync::watch;

/// How far the end has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Phase {
    Running,
    /// Everybody is to finish.
    Asked,
    /// Connections go.
    Ended,
}

/// Work gets so long to give back what it holds, before its connection is closed.
const GRACE: Duration = Duration::from_millis(500);

/// Tells tasks to end. Cheap to clone; tasks hold it, and do not keep anything alive by it.
#[derive(Clone)]
pub(crate) struct Stop(watch::Receiver<Phase>);

/// Ends all tasks when asked, or dropped.
pub(crate) struct Stopper(Arc<watch::Sender<Phase>>);

impl Stopper {
    pub(crate) fn new() -> (Self, Stop) {
        let (sender, receiver) = watch::channel(Phase::Running);
        (Self(Arc::new(sender)), Stop(receiver))
    }

    /// Asks everybody to end; does not wait for it.
    pub(crate) fn stop(&self) {
        let first = self.0.send_if_modified(|phase| {
            let first = *phase == Phase::Running;
            *phase = Phase::Asked.max(*phase);
            first
        });
        if !first {
            return;
        }
        let sender = Arc::clone(&self.0);
        // Without a runtime nobody is left to be waited for.
        match tokio::runtime::Handle::try_current() {
            Ok(runtime) => drop(runtime.spawn(async move {
                tokio::time::sleep(GRACE).await;
                sender.send_replace(Phase::Ended);
            })),
            Err(_) => drop(sender.send_replace(Phase::Ended)),
        }
    }
}

impl Drop for Stopper {
    fn drop(&mut self) {
        self.stop();
    }
}

impl Stop {
    pub(crate) fn is_asked(&self) -> bool {
        *self.0.borrow() >= Phase::Asked
    }

    /// Waits until everybody is to end. Cancel-safe.
    pub(crate) async fn asked(&self) {
        // An error says that nobody is left who could ask.
        let _ = self.0.clone().wait_for(|phase| *phase >= Phase::Asked).await.map(drop);
    }

    /// Waits until connections are to go. Cancel-safe.
    pub(crate) async fn ended(&self) {
        let _ = self.0.clone().wait_for(|phase| *phase == Phase::Ended).await.map(drop);
    }
}
