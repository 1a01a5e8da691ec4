//! `fieldwatch demo`: the service on a data folder of its own, and a fleet that reports to it.

use std::time::{Duration, Instant};

use fieldwatch_simulator::{Profile, Progress, SimulateOptions, simulate};
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tracing::{debug, warn};

use super::load_settings;
use super::serve::{plan, start};
use crate::cli::{Common, Demo};
use crate::failure::Failure;
use crate::output::write_text;
use crate::runtime;
use crate::service::{Plan, Service};
use crate::signals::Stop;

/// Within the data folder that is configured, so that simulated devices never get among real ones.
const FOLDER: &str = "demo";
/// Always the same fleet, so that a demo that is started again goes on with the devices that it knows.
const SEED: u64 = 2_026;
/// One in so many is a refrigerated transport, the others drive about.
const COLD_CHAIN_SHARE: u32 = 4;
/// Fast enough that markers move while one looks.
const INTERVAL: Duration = Duration::from_secs(1);
/// More than this the fleet does not send, so that a large one leaves the machine some air: it reports less often instead.
const MOST_READINGS_PER_SECOND: u32 = 10_000;
/// A fleet above this many devices sends in batches, as a large one would.
const MOST_SINGLE: u32 = 1_000;
const BATCH: u32 = 100;
/// How long requests on their way may take when the demo ends.
const FLEET_STOP: Duration = Duration::from_millis(500);
const WARN_EVERY: Duration = Duration::from_secs(30);

pub(crate) fn run(common: &Common, demo: &Demo) -> Result<(), Failure> {
    let mut settings = load_settings(common)?.settings;
    if common.data_dir.is_none() {
        settings.data_dir.push(FOLDER);
    }
    let plan = plan(settings)?;
    let devices = demo.devices;
    runtime::run(|stop| async move { demonstrate(&plan, devices, &stop).await })
}

async fn demonstrate(plan: &Plan, devices: u32, stop: &Stop) -> Result<(), Failure> {
    let Some(service) = start(plan, stop).await? else { return Ok(()) };
    let fleets = fleets(service.url(), devices);
    write_text(&welcome(&service, plan, devices, fleets[0].interval))?;

    let ended = CancellationToken::new();
    let mut running = JoinSet::new();
    for options in fleets {
        running.spawn(drive(options, ended.clone()));
    }
    let stopping = ended.clone();
    let fleet = tokio::spawn({
        let stop = stop.clone();
        async move {
            stop.requested().await;
            stopping.cancel();
            // Its last readings are still taken, because the service stops on the same signal and lets requests in hand finish.
            if timeout(FLEET_STOP, running.join_all()).await.is_err() {
                debug!("the fleet had requests on their way");
            }
        }
    });
    let result = service.run(stop).await;
    ended.cancel();
    fleet.abort();
    Ok(result?)
}

/// A fleet until it is told to end.
async fn drive(options: SimulateOptions, ended: CancellationToken) {
    let mut trouble = Trouble::default();
    let profile = options.profile;
    match simulate(options, move |progress| trouble.look(&progress), ended.cancelled_owned()).await {
        Ok(summary) => debug!(%profile, sent = summary.sent, failed = summary.failed, "the fleet has ended"),
        Err(error) => warn!(%profile, %error, "the fleet could not start"),
    }
}

/// The fleets of a demo with so many devices, the larger one first.
fn fleets(url: &str, devices: u32) -> Vec<SimulateOptions> {
    let cold = devices / COLD_CHAIN_SHARE;
    let interval = INTERVAL.max(Duration::from_secs_f64(f64::from(devices) / f64::from(MOST_READINGS_PER_SECOND)));
    let fleet = |profile, devices, device_prefix: &str| SimulateOptions {
        profile,
        seed: SEED,
        interval,
        duration: None,
        batch: (devices > MOST_SINGLE).then_some(BATCH),
        device_prefix: device_prefix.to_owned(),
        ..SimulateOptions::new(url, devices)
    };
    // Both profiles know trucks.
    let both = [fleet(Profile::Commute, devices - cold, ""), fleet(Profile::ColdChain, cold, "cold-")];
    both.into_iter().filter(|fleet| fleet.devices > 0).collect()
}

fn welcome(service: &Service, plan: &Plan, devices: u32, interval: Duration) -> String {
    let interval = if interval == INTERVAL { "each second".to_owned() } else { format!("every {:.1} s", interval.as_secs_f64()) };
    let (url, folder) = (service.url(), plan.settings.data_dir.display());
    format!(
        "\nFieldwatch is at {url}\n{devices} simulated devices report {interval}; their data lies in {folder} and is there again next time.\nCtrl-C ends it.\n\n"
    )
}

/// Says now and then that readings fail: a demo whose map stands still should not be a riddle.
#[derive(Default)]
struct Trouble {
    failed: u64,
    warned: Option<Instant>,
}

impl Trouble {
    fn look(&mut self, progress: &Progress) {
        let more = progress.failed.saturating_sub(self.failed);
        if more > 0 && self.warned.is_none_or(|at| at.elapsed() >= WARN_EVERY) {
            warn!(failed = more, "readings of the simulated fleet were not accepted");
            self.warned = Some(Instant::now());
            self.failed = progress.failed;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fleet_of_any_size_is_split_without_a_rest() {
        for devices in [1, 3, 4, 200, 1_000_000] {
            let fleets = fleets("http://127.0.0.1:1", devices);
            assert_eq!(fleets.iter().map(|fleet| fleet.devices).sum::<u32>(), devices);
            assert!(fleets.iter().all(|fleet| fleet.devices > 0));
        }
    }

    #[test]
    fn a_large_fleet_reports_less_often_and_in_batches() {
        let usual = &fleets("http://127.0.0.1:1", 200)[0];
        assert_eq!((usual.interval, usual.batch, usual.duration), (INTERVAL, None, None));
        let large = &fleets("http://127.0.0.1:1", 100_000)[0];
        assert_eq!((large.interval, large.batch), (Duration::from_secs(10), Some(BATCH)));
    }
}
