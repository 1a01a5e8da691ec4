//! A connection that is made again whenever it is lost, to one of the hosts after the other.

use super::{
    RabbitOptions, address,
    broken::Broken,
    live::Live,
    socket::{self, Socket},
    stop::Stop,
};
use futures_util::StreamExt;
use lapin::{Connection, ConnectionProperties, Event, tcp::OwnedTLSConfig, uri::AMQPUri};
use std::{
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};
use tokio::{
    sync::watch,
    time::{sleep, timeout},
};
use tracing::{info, warn};

/// Between two attempts to connect, at first and at most; each a random part of it is left out.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(3);
/// A host is returned to first when a connection to it has lived for so long.
const WORTH_RETURNING: Duration = Duration::from_secs(10);
/// A connection that was lost is closed in good order if that is possible so fast.
const FAREWELL: Duration = Duration::from_secs(1);

/// A connection that is made again whenever it is lost. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Link {
    live: watch::Receiver<Option<Arc<Live>>>,
    away: Arc<Mutex<Away>>,
}

/// Why and since when there is no connection.
#[derive(Clone)]
struct Away {
    since: Instant,
    why: String,
}

impl Link {
    /// Begins to connect; does not wait for it. `purpose` tells its connections from others, for people.
    pub(crate) fn open(options: &RabbitOptions, purpose: &'static str, stop: Stop) -> Self {
        let (sender, live) = watch::channel(None);
        let away = Arc::new(Mutex::new(Away { since: Instant::now(), why: "it is being connected".into() }));
        let keeper = Keeper { options: options.clone(), purpose, live: sender, away: Arc::clone(&away), connected: 0 };
        tokio::spawn(keeper.keep(stop));
        Self { live, away }
    }

    /// The connection, if there is one.
    pub(crate) fn now(&self) -> Option<Arc<Live>> {
        self.live.borrow().clone().filter(|live| !live.is_lost())
    }

    /// Waits for a connection. Cancel-safe.
    pub(crate) async fn live(&self) -> Arc<Live> {
        let mut live = self.live.clone();
        loop {
            let found = live.borrow_and_update().clone().filter(|live| !live.is_lost());
            if let Some(found) = found {
                return found;
            }
            if live.changed().await.is_err() {
                // The queue is closed: there will be none.
                std::future::pending::<()>().await;
            }
        }
    }

    /// Why there is no connection, and for how long there has been none.
    pub(crate) fn away(&self) -> Option<(String, Duration)> {
        if self.now().is_some() {
            return None;
        }
        let away = self.away.lock().unwrap_or_else(PoisonError::into_inner).clone();
        Some((away.why, away.since.elapsed()))
    }
}

/// Keeps the connection.
struct Keeper {
    options: RabbitOptions,
    purpose: &'static str,
    live: watch::Sender<Option<Arc<Live>>>,
    away: Arc<Mutex<Away>>,
    connected: u64,
}

impl Keeper {
    async fn keep(mut self, stop: Stop) {
        let hosts = self.options.address.hosts().to_vec();
        let mut pause = FIRST_PAUSE;
        let mut attempt = 0;
        loop {
            let host = &hosts[attempt % hosts.len()];
            attempt += 1;
            let connected = tokio::select! {
                biased;
                () = stop.asked() => return,
                connected = self.connect(host) => connected,
            };
            match connected {
                Ok((connection, socket)) => {
                    pause = FIRST_PAUSE;
                    let since = Instant::now();
                    let stopped = self.use_it(connection, host, &stop).await;
                    socket.end();
                    if stopped {
                        return;
                    }
                    // The same host first: mostly it was only the connection. Unless that host only lets in and then ends it.
                    if since.elapsed() >= WORTH_RETURNING {
                        attempt -= 1;
                    }
                }
                Err(why) => self.note(&format!("{}: {why}", address::shown(host))),
            }
            let part = rand_part();
            tokio::select! {
                () = stop.asked() => return,
                () = sleep(pause.mul_f64(0.5 + part / 2.0)) => {}
            }
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }

    async fn connect(&self, host: &AMQPUri) -> Result<(Connection, Socket), Broken> {
        let name = format!("fieldwatch {} ({})", self.options.node, self.purpose);
        let properties = ConnectionProperties::default().with_connection_name(name.into());
        let tls = self.tls().await?;
        socket::connect(host.clone(), properties, tls, self.options.deadlines.connect).await
    }

    /// Read each time, so that a certificate can be replaced.
    async fn tls(&self) -> Result<OwnedTLSConfig, Broken> {
        let Some(file) = &self.options.ca_file else { return Ok(OwnedTLSConfig::default()) };
        let chain = tokio::fs::read_to_string(file).await;
        let chain = chain.map_err(|error| Broken::new(format!("{}: {error}", file.display())))?;
        Ok(OwnedTLSConfig { identity: None, cert_chain: Some(chain) })
    }

    /// Gives the connection to whoever waits, until it is lost. True: because the queue is closed.
    async fn use_it(&mut self, connection: Connection, host: &AMQPUri, stop: &Stop) -> bool {
        self.connected += 1;
        let mut events = Box::pin(connection.events_listener());
        let live = Arc::new(Live::new(connection, self.connected, self.options.deadlines.call));
        info!(broker = address::shown(host), purpose = self.purpose, "connected to the broker");
        self.live.send_replace(Some(Arc::clone(&live)));
        let why = loop {
            tokio::select! {
                biased;
                () = stop.ended() => break None,
                why = live.until_lost() => break Some(why),
                event = events.next() => match event {
                    Some(Event::ConnectionBlocked(why)) => {
                        warn!(why, purpose = self.purpose, "the broker takes nothing now");
                        live.set_blocked(Some(why));
                    }
                    Some(Event::ConnectionUnblocked) => {
                        info!(purpose = self.purpose, "the broker takes messages again");
                        live.set_blocked(None);
                    }
                    // Of a channel alone: whoever has it is told.
                    Some(Event::Error(error)) if error.is_amqp_soft_error() => {}
                    Some(Event::Error(error)) => live.lose(&error.to_string()),
                    Some(_) => {}
                    None => live.lose("the connection has ended"),
                }
            }
        };
        let stopped = why.is_none();
        let why = why.unwrap_or_else(|| "the queue is closed".into());
        live.lose(&why);
        self.away.lock().unwrap_or_else(PoisonError::into_inner).since = Instant::now();
        self.live.send_replace(None);
        self.note(&why);
        // Whoever has a consumer on it has to find the connection closed before letting it go: a consumer that is let go of on a
        // working connection is cancelled, and what was delivered to it comes out of order.
        let _ = timeout(FAREWELL, live.connection.close(200, "bye".into())).await;
        stopped
    }

    /// Notes why there is no connection.
    fn note(&self, why: &str) {
        let mut away = self.away.lock().unwrap_or_else(PoisonError::into_inner);
        if away.why != why {
            warn!(why, purpose = self.purpose, "no connection to the broker");
            away.why = why.into();
        }
    }
}

/// A random number from 0 to 1.
fn rand_part() -> f64 {
    f64::from(super::random::bits() as u32) / f64::from(u32::MAX)
}
