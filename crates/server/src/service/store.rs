//! The event store that is configured.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use fieldwatch_domain::DeviceNumbers;
use fieldwatch_event_store::{EmbeddedOptions, EmbeddedStore, EventStore, PostgresOpenError, PostgresOptions, PostgresStore};
use fieldwatch_gateway::Late;
use tokio::task::spawn_blocking;
use tokio::time::sleep;
use tracing::warn;

use super::Plan;
use crate::settings::{Settings, StoreKind};

/// How often a database that is not there is asked again.
const ASK_DATABASE_EVERY: Duration = Duration::from_secs(1);

/// Opens the embedded store, or connects to the database: for as long as it takes, since the database may come later. What is
/// waited for is told meanwhile.
///
/// # Errors
/// When there is no sense in waiting.
pub(super) async fn open(plan: &Plan, numbers: &Arc<DeviceNumbers>, late: &Late) -> anyhow::Result<Arc<dyn EventStore>> {
    match plan.settings.store.kind {
        StoreKind::Embedded => embedded(plan, numbers).await,
        StoreKind::PostgreSql => postgresql(plan, numbers, late).await,
        StoreKind::KurrentDb | StoreKind::InfluxDb => anyhow::bail!("this store is not built yet"),
    }
}

async fn postgresql(plan: &Plan, numbers: &Arc<DeviceNumbers>, late: &Late) -> anyhow::Result<Arc<dyn EventStore>> {
    let options = postgres_options(&plan.settings, plan.node.clone())?;
    late.waits_for(Some("the database has not answered yet".to_owned()));
    let mut told = String::new();
    loop {
        let error = match PostgresStore::connect(options.clone(), Arc::clone(numbers)).await {
            Ok(store) => return Ok(Arc::new(store)),
            Err(error) => error,
        };
        match &error {
            // No wait helps.
            PostgresOpenError::Address(_)
            | PostgresOpenError::NotSupported { .. }
            | PostgresOpenError::Encoding { .. }
            | PostgresOpenError::NewerSchema { .. } => {
                return Err(error.into());
            }
            // Somebody may start it, let this process in, or make room.
            PostgresOpenError::Unreachable(_) | PostgresOpenError::Refused(_) | PostgresOpenError::Failed(_) => {}
        }
        let what = error.to_string();
        if what != told {
            warn!(error = %what, "waiting for the database");
            told.clone_from(&what);
        }
        late.waits_for(Some(what));
        sleep(ASK_DATABASE_EVERY).await;
    }
}

/// How the database of these settings is used.
///
/// # Errors
/// When no address is set.
pub(crate) fn postgres_options(settings: &Settings, node: String) -> anyhow::Result<PostgresOptions> {
    let url = settings.store.postgresql.url.as_ref().context("store.postgresql.url is not set")?;
    Ok(PostgresOptions { retention: settings.store.retention, ..PostgresOptions::new(url.expose(), node) })
}

async fn embedded(plan: &Plan, numbers: &Arc<DeviceNumbers>) -> anyhow::Result<Arc<dyn EventStore>> {
    let numbers = Arc::clone(numbers);
    let dir = plan.folder().store();
    let options = EmbeddedOptions {
        dir: dir.clone(),
        sync: plan.switches.sync(),
        retention: plan.settings.store.retention,
        least_free_bytes: plan.limits.store_least_free_bytes,
        snapshot_every_bytes: plan.limits.snapshot_every_bytes,
    };
    // It looks for a torn tail, which reads files.
    let opening = spawn_blocking(move || EmbeddedStore::open(options, numbers));
    let opened = opening.await.context("opening the event store failed")?;
    Ok(opened.with_context(|| format!("cannot open the event store in {}", dir.display()))?)
}
