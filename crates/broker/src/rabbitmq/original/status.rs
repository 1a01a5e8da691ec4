//! How the mover is, for people and for metrics.

use parking_lot::Mutex;
use prometheus_client::metrics::counter::Counter;

/// How the mover is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MoverStatus {
    /// In words for people.
    pub text: String,
    /// Whether somebody should look at it.
    pub warning: bool,
}

/// What the mover has done since it started.
#[derive(Clone, Debug, Default)]
pub struct MoverMetrics {
    /// `fieldwatch_original_moved_total`: readings that are in the partitions now.
    pub moved: Counter,
    /// `fieldwatch_original_unusable_total`: messages that became dead letters.
    pub unusable: Counter,
    /// `fieldwatch_original_redelivered_total`: messages that the broker had delivered to somebody before.
    pub redelivered: Counter,
    /// `fieldwatch_original_ahead_total`: readings whose own time was too far ahead, so that the time of receipt counts.
    pub ahead: Counter,
}

/// The status as it was said last.
#[derive(Debug, Default)]
pub(super) struct Said {
    last: Mutex<MoverStatus>,
}

impl Said {
    /// Says how the mover is, in the log too when that is something new.
    pub(super) fn say(&self, text: String, warning: bool) {
        let status = MoverStatus { text, warning };
        let mut last = self.last.lock();
        if *last == status {
            return;
        }
        if status.warning {
            tracing::warn!(status = %status.text, "readings of the original queue");
        } else {
            tracing::info!(status = %status.text, "readings of the original queue");
        }
        *last = status;
    }

    pub(super) fn last(&self) -> MoverStatus {
        self.last.lock().clone()
    }
}
