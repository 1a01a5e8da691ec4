//! Where entries go that no device could take.

use fieldwatch_broker::{DeadLetterError, DeadLetters};
use fieldwatch_domain::Timestamp;

/// Keeps entries that could not be processed. [`DeadLetters`] does; another queue has another place for them.
pub trait Parking: Send + Sync + 'static {
    /// Parks an entry, durably; one from the same place is parked once. May block for one sync.
    ///
    /// # Errors
    /// When it is not durable; the entry will be parked again.
    fn park(
        &self,
        place: u64,
        parked_at: Timestamp,
        reason: &str,
        device_id: Option<&str>,
        body: &[u8],
    ) -> Result<(), DeadLetterError>;
}

impl Parking for DeadLetters {
    fn park(
        &self,
        place: u64,
        parked_at: Timestamp,
        reason: &str,
        device_id: Option<&str>,
        body: &[u8],
    ) -> Result<(), DeadLetterError> {
        Self::park(self, place, parked_at, reason, device_id, body).map(|_id| ())
    }
}
