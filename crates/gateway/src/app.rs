//! What the handlers share.

use crate::Parts;
use crate::intake::Intake;
use crate::metrics::Metrics;
use prometheus_client::metrics::gauge::Gauge;
use std::fmt;
use std::sync::Arc;
use std::time::Instant;

/// The parts, and what is made of them once.
pub(crate) struct App {
    pub(crate) parts: Arc<Parts>,
    pub(crate) intake: Arc<Intake>,
    pub(crate) metrics: Metrics,
    pub(crate) begun: Instant,
}

impl App {
    pub(crate) fn new(parts: Arc<Parts>, connections: Gauge) -> Self {
        let intake = Arc::new(Intake::new(&parts));
        let metrics = Metrics::new(&parts, &intake, connections);
        Self { parts, intake, metrics, begun: Instant::now() }
    }
}

impl fmt::Debug for App {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("App")
    }
}
