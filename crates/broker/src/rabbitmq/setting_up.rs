//! Before anything is published or taken, and again after each connection: that the broker is ours, and all is there.

use super::{
    broken::Broken,
    held::Held,
    identity::{self, NotOurs},
    link::Link,
    live::Live,
    options::RabbitOptions,
    stop::Stop,
    topology::{self, PARTITIONS_MARKER, RESETTING},
};
use lapin::{
    options::{BasicConsumeOptions, QueueDeclareOptions},
    types::FieldTable,
};
use std::{sync::Arc, time::Duration};
use tokio::{
    sync::{Notify, watch},
    time::sleep,
};
use tracing::{error, info, warn};

/// Between two attempts.
const PAUSE: Duration = Duration::from_millis(500);
/// Between two looks at whether a broker that belongs to others was given free.
const LONG_PAUSE: Duration = Duration::from_secs(2);

/// Whether this process may publish.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Permission {
    Granted,
    /// Not yet: it was not asked, or could not be.
    Pending(String),
    /// The broker belongs to others.
    Denied(String),
}

/// What this process may do with the broker. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Standing {
    give: watch::Receiver<Permission>,
    /// The connection on which it may consume.
    take: watch::Receiver<Option<Arc<Live>>>,
    /// Asks for everything to be declared again.
    again: Arc<Notify>,
}

impl Standing {
    /// Sets everything up on each connection of the link.
    pub(crate) fn begin(options: &RabbitOptions, link: Link, store: StoreKnown, stop: Stop) -> Self {
        let (give_sender, give) = watch::channel(Permission::Pending("it is not known yet whom the broker belongs to".into()));
        let (take_sender, take) = watch::channel(None);
        let again = Arc::new(Notify::new());
        let setup =
            SettingUp { options: options.clone(), link, store, give: give_sender, take: take_sender, again: Arc::clone(&again) };
        tokio::spawn(async move {
            tokio::select! {
                () = stop.ended() => {}
                () = setup.run() => {}
            }
        });
        Self { give, take, again }
    }

    pub(crate) fn permission(&self) -> Permission {
        self.give.borrow().clone()
    }

    /// Waits until something may be published. Cancel-safe.
    pub(crate) async fn may_give(&self) {
        if self.give.clone().wait_for(|permission| *permission == Permission::Granted).await.is_err() {
            std::future::pending::<()>().await;
        }
    }

    /// Whether this process consumes, or would if something were published.
    pub(crate) fn takes(&self) -> bool {
        self.take.borrow().is_some()
    }

    /// Waits for a connection on which this process may consume. Cancel-safe.
    pub(crate) async fn may_take(&self) -> Arc<Live> {
        let mut take = self.take.clone();
        loop {
            let found = take.borrow_and_update().clone().filter(|live| !live.is_lost());
            if let Some(live) = found {
                return live;
            }
            if take.changed().await.is_err() {
                std::future::pending::<()>().await;
            }
        }
    }

    /// Waits until this process may not consume any more on this connection. Cancel-safe.
    pub(crate) async fn until_over(&self, live: &Live) {
        let is_over = |now: &Option<Arc<Live>>| now.as_ref().is_none_or(|now| now.number != live.number);
        let _ = self.take.clone().wait_for(is_over).await.map(drop);
    }

    /// Asks for everything to be declared again: something of it was not there.
    pub(crate) fn declare_again(&self) {
        self.again.notify_one();
    }
}

/// What is known of the store into which this process decides.
pub(crate) struct StoreKnown {
    /// The id of its log, once it has answered.
    pub(crate) log_id: watch::Receiver<Option<String>>,
    /// Whether it answers now.
    pub(crate) answers: watch::Receiver<bool>,
}

struct SettingUp {
    options: RabbitOptions,
    link: Link,
    store: StoreKnown,
    give: watch::Sender<Permission>,
    take: watch::Sender<Option<Arc<Live>>>,
    again: Arc<Notify>,
}

impl SettingUp {
    async fn run(mut self) {
        loop {
            let live = self.link.live().await;
            let pause = match self.use_it(&live).await {
                Ok(()) => PAUSE,
                Err(NotOurs::Differs(why)) => {
                    let denied = Permission::Denied(why.clone());
                    if self.give.send_replace(denied.clone()) != denied {
                        error!(why, "nothing is published to the broker, and nothing taken from it");
                    }
                    LONG_PAUSE
                }
                Err(NotOurs::Unknown(broken)) => {
                    if !live.is_lost() {
                        let pending = Permission::Pending(format!("the broker cannot be set up: {}", broken.text));
                        if self.give.send_replace(pending.clone()) != pending {
                            warn!(why = broken.text, "the broker cannot be set up");
                        }
                    }
                    PAUSE
                }
            };
            self.take.send_replace(None);
            sleep(pause).await;
        }
    }

    /// Sets up, and waits until that has to be done again.
    async fn use_it(&mut self, live: &Arc<Live>) -> Result<(), NotOurs> {
        if !self.options.founds {
            identity::must_be_settled(live).await?;
        }
        identity::settle_partitions(live, self.options.partitions).await?;
        // From now on `broker reset` sees that somebody uses them.
        let mut presence = be_seen(live).await?;
        let used = self.use_seen(live, &mut presence).await;
        // Whoever publishes from now on would not be seen by `broker reset`.
        let pending = Permission::Pending("the broker is being set up again".into());
        self.give.send_if_modified(|now| {
            let was_granted = *now == Permission::Granted;
            if was_granted {
                *now = pending;
            }
            was_granted
        });
        // Whatever happened: on a working connection a channel that is only dropped stays open, and their number is limited.
        presence.close(live).await;
        used
    }

    /// Goes on while others see this process.
    async fn use_seen(&mut self, live: &Arc<Live>, presence: &mut Held) -> Result<(), NotOurs> {
        let RabbitOptions { partitions, max_partition_bytes, consumes, .. } = self.options;
        check_no_reset(live).await?;
        let log_id = self.store.log_id.borrow_and_update().clone();
        if consumes && let Some(log_id) = &log_id {
            identity::settle_log(live, log_id).await?;
        }
        topology::declare(live, partitions, max_partition_bytes).await?;
        if self.give.send_replace(Permission::Granted) != Permission::Granted {
            info!(partitions, "the broker is set up");
        }
        loop {
            let answers = *self.store.answers.borrow_and_update();
            let takes = consumes && log_id.is_some() && answers;
            self.take.send_replace(takes.then(|| Arc::clone(live)));
            tokio::select! {
                _ = live.until_lost() => break,
                () = self.again.notified() => break,
                _ = self.store.log_id.changed() => break,
                // Only what this process takes depends on it.
                Ok(()) = self.store.answers.changed() => {}
                // Nothing ever comes; an end says that somebody has taken the marker away.
                _ = presence.next() => break,
            }
        }
        Ok(())
    }
}

/// Consumes from the marker, which never has anything.
async fn be_seen(live: &Live) -> Result<Held, Broken> {
    let channel = live.channel().await?;
    let options = BasicConsumeOptions { no_ack: true, ..Default::default() };
    let consuming = channel.basic_consume(PARTITIONS_MARKER.into(), "".into(), options, FieldTable::default());
    let consumer = live.ask("consume from a marker", consuming).await?;
    Ok(Held::new(channel, consumer))
}

/// Keeps out while somebody takes everything away.
async fn check_no_reset(live: &Live) -> Result<(), Broken> {
    let channel = live.channel().await?;
    let passive = QueueDeclareOptions { passive: true, ..Default::default() };
    match live.ask("look for a reset", channel.queue_declare(RESETTING.into(), passive, FieldTable::default())).await {
        Err(refused) if refused.is(404) => Ok(()),
        Err(refused) if refused.is(405) => Err(Broken::new("fieldwatch broker reset is running")),
        Err(other) => Err(other),
        Ok(_) => Err(Broken::new("fieldwatch broker reset is running")),
    }
}
