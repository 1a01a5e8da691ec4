//! `fieldwatch simulate`: a fleet that reports for some time, and what came of it.

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use thiserror::Error;
use tokio::time::{Instant, MissedTickBehavior, interval_at, timeout};

use crate::client::Connection;
use crate::fleet::{Fleet, Profile};
use crate::open_model::{Run, Source};
use crate::pace::{Due, Pace};
use crate::summary::Summary;
use crate::target::{Target, TargetError};
use crate::verdict::Endpoint;

/// More connections than this do not make a run smoother, and each costs both sides a socket.
const MOST_CONNECTIONS_BY_DEFAULT: u32 = 256;
const CONNECT_DEADLINE: Duration = Duration::from_secs(5);
const PROGRESS_INTERVAL: Duration = Duration::from_secs(1);

/// What to simulate, and where to send it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SimulateOptions {
    /// The server, as `http://host:port`.
    pub target: String,
    /// How many devices report; at least 1.
    pub devices: u32,
    /// How often each of them does; above zero.
    pub interval: Duration,
    /// For how long; `None`: until stopped.
    pub duration: Option<Duration>,
    /// How many readings go in one request, as NDJSON; `None`: one request per reading. At most all devices' readings go
    /// together. The original form knows no batches.
    pub batch: Option<u32>,
    /// How the devices behave.
    pub profile: Profile,
    /// What makes this fleet differ from others of the profile.
    pub seed: u64,
    /// Over how many keep-alive connections; 0: one per device or batch, at most 256.
    pub connections: usize,
    /// What comes before each device's id.
    pub device_prefix: String,
}

impl SimulateOptions {
    /// Commuting vehicles that report each second for a minute, one reading a request.
    pub fn new(target: impl Into<String>, devices: u32) -> SimulateOptions {
        SimulateOptions {
            target: target.into(),
            devices,
            interval: Duration::from_secs(1),
            duration: Some(Duration::from_mins(1)),
            batch: None,
            profile: Profile::Commute,
            seed: 1,
            connections: 0,
            device_prefix: String::new(),
        }
    }
}

/// How far a run has come.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Progress {
    /// Since the start.
    pub elapsed: Duration,
    /// Readings sent so far.
    pub sent: u64,
    /// Readings accepted so far.
    pub accepted: u64,
    /// Readings sent and not accepted so far.
    pub failed: u64,
    /// Readings accepted per second since the progress before.
    pub rate: f64,
}

/// Why a run did not start.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum SimulateError {
    /// The target is not an address.
    #[error(transparent)]
    Target(#[from] TargetError),
    /// An option has a value that makes no run.
    #[error("{0}")]
    Option(&'static str),
    /// Nobody answers there. Found out before the start, so that a mistyped address does not fail for a minute.
    #[error("{0}")]
    Unreachable(String),
}

/// Lets a fleet report until its time is over or `stop` completes, and calls `progress` once a second.
///
/// Dropping the future ends the run at once; what is on its way is lost to the count. `stop` waits for it.
pub async fn simulate(
    options: SimulateOptions,
    mut progress: impl FnMut(Progress) + Send,
    stop: impl Future<Output = ()>,
) -> Result<Summary, SimulateError> {
    let target = Arc::new(options.target.parse::<Target>()?);
    let source = Arc::new(FleetSource::of(&options)?);
    let pace = Pace { units: source.units(), interval: options.interval, duration: options.duration };
    let connections = match u32::try_from(options.connections).unwrap_or(u32::MAX) {
        0 => MOST_CONNECTIONS_BY_DEFAULT,
        wanted => wanted,
    };
    reach(&target).await?;

    let mut run = Run::start(&target, pace, connections, &source);
    let mut stop = pin!(stop);
    let mut stopping = false;
    let mut tick = interval_at(Instant::now() + PROGRESS_INTERVAL, PROGRESS_INTERVAL);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut before = (Duration::ZERO, 0);
    loop {
        tokio::select! {
            () = run.ended() => break,
            () = &mut stop, if !stopping => {
                stopping = true;
                run.stop();
            }
            _ = tick.tick() => {
                let now = progress_since(before, &run);
                before = (now.elapsed, now.accepted);
                progress(now);
            }
        }
    }
    Ok(Summary::of(run.tally(), run.elapsed()))
}

async fn reach(target: &Arc<Target>) -> Result<(), SimulateError> {
    let mut connection = Connection::new(Arc::clone(target));
    match timeout(CONNECT_DEADLINE, connection.open()).await {
        Ok(Ok(())) => Ok(()),
        Ok(Err(error)) => Err(SimulateError::Unreachable(error.to_string())),
        Err(_) => Err(SimulateError::Unreachable(format!("cannot connect to {target} within {} s", CONNECT_DEADLINE.as_secs()))),
    }
}

fn progress_since((elapsed_before, accepted_before): (Duration, u64), run: &Run) -> Progress {
    let elapsed = run.elapsed();
    let (sent, accepted, failed) = run.counts();
    let rate = (accepted - accepted_before) as f64 / elapsed.saturating_sub(elapsed_before).as_secs_f64();
    Progress { elapsed, sent, accepted, failed, rate }
}

/// The readings of a fleet, alone or in batches of neighboring devices.
struct FleetSource {
    fleet: Fleet,
    devices_per_unit: u32,
    batched: bool,
}

impl FleetSource {
    fn of(options: &SimulateOptions) -> Result<FleetSource, SimulateError> {
        if options.devices == 0 {
            return Err(SimulateError::Option("a fleet has at least one device"));
        }
        if options.interval.is_zero() {
            return Err(SimulateError::Option("the interval is above zero"));
        }
        if options.batch == Some(0) {
            return Err(SimulateError::Option("a batch has at least one reading"));
        }
        if options.batch.is_some() && options.profile == Profile::Original {
            return Err(SimulateError::Option("the profile 'original' posts to /event, which takes no batches"));
        }
        let fleet = Fleet::new(options.profile, options.devices, options.seed);
        Ok(FleetSource {
            fleet: fleet.with_id_prefix(&options.device_prefix),
            devices_per_unit: options.batch.unwrap_or(1).min(options.devices),
            batched: options.batch.is_some(),
        })
    }

    fn units(&self) -> u32 {
        self.fleet.devices().div_ceil(self.devices_per_unit)
    }

    fn devices(&self, unit: u32) -> std::ops::Range<u32> {
        let first = unit * self.devices_per_unit;
        first..first.saturating_add(self.devices_per_unit).min(self.fleet.devices())
    }
}

impl Source for FleetSource {
    fn endpoint(&self) -> Endpoint {
        match self.fleet.profile() {
            Profile::Original => Endpoint::Original,
            Profile::Commute | Profile::ColdChain => Endpoint::Readings,
        }
    }

    fn content_type(&self) -> &'static str {
        if self.batched { "application/x-ndjson" } else { "application/json" }
    }

    fn readings(&self, unit: u32) -> u64 {
        self.devices(unit).len() as u64
    }

    fn write_body(&self, due: Due, body: &mut Vec<u8>) {
        for device in self.devices(due.unit) {
            let reading = self.fleet.reading(device, due.step, due.at);
            match self.endpoint() {
                Endpoint::Original => reading.write_original_json(body),
                Endpoint::Readings => reading.write_json(body),
            }
            if self.batched {
                body.push(b'\n');
            }
        }
    }
}
