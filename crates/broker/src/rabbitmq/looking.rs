//! Looks at the queues every second: how much waits there, and whether both connections still lead anywhere.

use super::{
    broken::Broken,
    letters::{self, Letters},
    live::Live,
    shared::Shared,
    topology::{self, READINGS, queue_of},
};
use lapin::{Channel, ExchangeKind, options::ExchangeDeclareOptions, types::FieldTable};
use std::{
    sync::{Arc, atomic::Ordering::Relaxed},
    time::Instant,
};
use tokio::time::{Duration, sleep};

const EVERY: Duration = Duration::from_secs(1);

/// Begins to look.
pub(super) fn start(shared: &Arc<Shared>, letters: &Arc<Letters>) {
    let (looking, probing) = (Arc::clone(shared), Arc::clone(shared));
    let letters = Arc::clone(letters);
    tokio::spawn(async move {
        tokio::select! {
            () = looking.stop.asked() => {}
            () = look(&looking, &letters) => {}
        }
    });
    tokio::spawn(async move {
        tokio::select! {
            () = probing.stop.asked() => {}
            () = probe(&probing) => {}
        }
    });
}

async fn look(shared: &Shared, letters: &Letters) {
    loop {
        shared.standing.may_give().await;
        let live = shared.taking.live().await;
        if let Err(broken) = look_through(shared, letters, &live).await
            && broken.is(404)
        {
            shared.standing.declare_again();
        }
        sleep(EVERY).await;
    }
}

/// Looks again and again, on one channel.
async fn look_through(shared: &Shared, letters: &Letters, live: &Live) -> Result<(), Broken> {
    let channel = live.channel().await?;
    loop {
        for partition in 0..shared.options.partitions {
            let published_before = shared.seen(partition).published;
            let (waiting, _) = topology::look_at(live, &channel, queue_of(partition)).await?;
            let mut seen = shared.seen(partition);
            // What was published before the look is either counted by it, or was delivered.
            seen.published -= published_before;
            seen.waiting = u64::from(waiting);
            if waiting == 0 {
                seen.waiting_since = None;
            } else {
                seen.waiting_since.get_or_insert_with(Instant::now);
            }
        }
        letters.waiting.store(letters::count(live, &channel).await?, Relaxed);
        sleep(EVERY).await;
    }
}

/// Asks something on the connection for publishing, which is otherwise silent while nobody publishes.
async fn probe(shared: &Shared) {
    let mut channel: Option<(u64, Channel)> = None;
    loop {
        sleep(EVERY).await;
        shared.standing.may_give().await;
        let live = shared.giving.live().await;
        if live.blocked().is_some() {
            continue;
        }
        if channel.as_ref().is_none_or(|(number, channel)| *number != live.number || !channel.status().connected()) {
            channel = live.channel().await.ok().map(|channel| (live.number, channel));
        }
        let Some((_, channel)) = &channel else { continue };
        let options = ExchangeDeclareOptions { passive: true, ..Default::default() };
        let asked = channel.exchange_declare(READINGS.into(), ExchangeKind::Direct, options, FieldTable::default());
        if live.ask("answer", asked).await.is_err_and(|broken| broken.is(404)) {
            shared.standing.declare_again();
        }
    }
}
