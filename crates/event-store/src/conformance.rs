//! What every event store promises, as tests that each store runs.
//!
//! A store gives a [`Place`]: where the data of one store lies, empty at first, opened again and again as by one process
//! after another. [`event_store_keeps_its_promises!`](crate::event_store_keeps_its_promises) makes a test of each promise:
//!
//! ```ignore
//! fieldwatch_event_store::event_store_keeps_its_promises!(Folder::new());
//! ```

mod fleet;

mod appending;
mod forgetting;
mod reading;
mod recovering;

pub use appending::*;
pub use fleet::Fleet;
pub use forgetting::*;
pub use reading::*;
pub use recovering::*;

use crate::{BoxFuture, DeviceState, EventStore, HistoryEntry, Recovered, Recovery};
use fieldwatch_domain::{DeviceNumbers, RecordedEvent};
use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
};

/// Where the data of one store lies; nothing at first.
pub trait Place: Send + Sync {
    /// Opens the store as a new process would, with numbers of its own. The one opened before was dropped.
    fn open(&self) -> BoxFuture<'_, Opened>;
}

/// A store as one process has it.
pub struct Opened {
    /// The store.
    pub store: Arc<dyn EventStore>,
    /// The numbers of its devices.
    pub numbers: Arc<DeviceNumbers>,
}

/// Every device by its id, as a recovery gives them.
pub type Restored = BTreeMap<String, DeviceState>;

impl Opened {
    /// Recovers everything: every device that has a state, and what else is told.
    pub async fn recover(&self) -> (Restored, Recovery) {
        let states: Mutex<BTreeMap<u32, DeviceState>> = Mutex::default();
        let visit = |found: Recovered<'_>| {
            let mut states = states.lock().unwrap_or_else(PoisonError::into_inner);
            match found {
                Recovered::Device(number, state) => {
                    states.insert(number.as_u32(), state);
                }
                Recovered::Entry(entry) => states.entry(entry.device().as_u32()).or_default().apply(entry),
            }
        };
        let recovery = self.store.recover(&visit).await.expect("the store can be recovered");
        let states = states.into_inner().unwrap_or_else(PoisonError::into_inner);
        let by_id = states
            .into_iter()
            .map(|(number, state)| (self.numbers.id(fieldwatch_domain::DeviceNumber::from_u32(number)).as_str().to_owned(), state));
        (by_id.collect(), recovery)
    }

    /// All events, read in pages of this size.
    pub async fn all_events(&self, after: u64, page: usize) -> Vec<RecordedEvent> {
        let (mut events, mut after) = (Vec::new(), after);
        loop {
            let read = self.store.read_all(after, page).await.expect("the log can be read");
            events.extend(read.events);
            after = read.next;
            if read.at_end {
                return events;
            }
        }
    }

    /// The whole history of a device, newest first, read in pages of this size.
    pub async fn whole_history(&self, id: &str, page: usize) -> Vec<HistoryEntry> {
        let (mut entries, mut before): (Vec<HistoryEntry>, _) = (Vec::new(), None);
        loop {
            let read = self.store.history(self.numbers.number(id), before, page).await.expect("the history can be read");
            entries.extend(read.entries);
            if !read.more {
                return entries;
            }
            before = entries.last().map(position_of);
        }
    }
}

/// The place of an entry in the log.
pub fn position_of(entry: &HistoryEntry) -> u64 {
    match entry {
        HistoryEntry::Event(event) => event.position,
        HistoryEntry::Late(late) => late.position,
    }
}

/// Makes a test of each promise. The expression gives a new, empty [`Place`] each time.
#[macro_export]
macro_rules! event_store_keeps_its_promises {
    ($place:expr) => {
        $crate::event_store_keeps_its_promises! { @each $place;
            a_new_store_is_empty
            a_batch_is_stored_with_growing_positions
            versions_go_on_without_gap
            a_batch_is_stored_whole_or_not_at_all
            subscribers_are_told_in_order_before_the_answer
            of_two_owners_of_a_device_one_is_refused
            owners_of_different_devices_do_not_disturb_one_another
            events_are_counted_by_type
            an_append_is_stored_though_nobody_waits_for_it
            a_history_is_told_newest_first_page_by_page
            all_events_are_read_from_any_position
            a_position_that_is_not_in_the_log_is_told
            late_readings_are_in_the_history_and_are_no_events
            observations_are_remembered_and_never_shown
            of_a_forgotten_device_nothing_is_told
            a_forgotten_device_begins_anew_and_its_versions_go_on
            it_is_told_where_a_device_was_forgotten_last
            what_is_forgotten_stays_forgotten_after_a_start_and_tidying
            recovery_gives_the_fold_of_everything
            snapshots_change_nothing_but_the_time_a_recovery_takes
            the_newest_checkpoint_of_each_partition_is_restored
            loading_a_device_gives_what_recovery_gives
            a_passivated_device_is_loaded_as_it_was
            the_log_keeps_its_name
        }
    };
    (@each $place:expr; $($promise:ident)*) => {
        $(
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $promise() {
                $crate::conformance::$promise(&$place).await;
            }
        )*
    };
}
