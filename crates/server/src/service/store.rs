//! The event store that is configured.

use std::sync::Arc;

use anyhow::Context as _;
use fieldwatch_domain::DeviceNumbers;
use fieldwatch_event_store::{EmbeddedOptions, EmbeddedStore, EventStore};
use fieldwatch_gateway::Late;
use tokio::task::spawn_blocking;

use super::Plan;
use crate::settings::StoreKind;

/// Opens the embedded store, or connects to the database: for as long as it takes, since the database may come later. What is
/// waited for is told meanwhile.
///
/// # Errors
/// When there is no sense in waiting.
pub(super) async fn open(plan: &Plan, numbers: &Arc<DeviceNumbers>, late: &Late) -> anyhow::Result<Arc<dyn EventStore>> {
    match plan.settings.store.kind {
        StoreKind::Embedded => embedded(plan, numbers).await,
        StoreKind::PostgreSql | StoreKind::KurrentDb | StoreKind::InfluxDb => {
            late.waits_for(None);
            anyhow::bail!("this store is not built yet")
        }
    }
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
