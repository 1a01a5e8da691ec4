//! `fieldwatch serve`

use tracing::{error, info};

use super::{load_settings, refuse_unsupported};
use crate::cli::Common;
use crate::failure::Failure;
use crate::limits::Limits;
use crate::runtime;
use crate::service::{Plan, Service, node};
use crate::settings::Settings;
use crate::signals::Stop;
use crate::switches::Switches;

pub(crate) fn run(common: &Common) -> Result<(), Failure> {
    let plan = plan(load_settings(common)?.settings)?;
    runtime::run(|stop| async move { serve(&plan, &stop).await })
}

/// What a service with these settings is made from.
///
/// # Errors
/// When they ask for what is not built yet. Nothing is opened by then.
pub(super) fn plan(settings: Settings) -> Result<Plan, Failure> {
    refuse_unsupported(&settings)?;
    Ok(Plan { settings, switches: Switches::of_this_process(), limits: Limits::default(), node: node::name() })
}

async fn serve(plan: &Plan, stop: &Stop) -> Result<(), Failure> {
    match start(plan, stop).await? {
        Some(service) => service.run(stop).await.map_err(|error| logged(&error)),
        None => Ok(()),
    }
}

/// Starts the service; `None` when the end was wanted before it was ready.
pub(super) async fn start(plan: &Plan, stop: &Stop) -> Result<Option<Service>, Failure> {
    tokio::select! {
        started = Service::start(plan) => Ok(Some(started.map_err(|error| logged(&error))?)),
        () = stop.requested() => {
            // Nothing was taken in, so there is nothing to finish.
            info!("ended before it was ready");
            Ok(None)
        }
    }
}

/// A service's last words belong into its log, in the form of the log.
fn logged(failure: &anyhow::Error) -> Failure {
    error!(error = format!("{failure:#}"), "the service failed");
    Failure::Told
}
