//! Silence and passivation: what happens to a device when nothing is received from it.

use crate::backoff::Backoff;
use crate::cells::Cell;
use crate::storing::End;
use crate::turn::recorded_without_reading;
use crate::wheel::Wheel;
use crate::{Shard, StateOptions, ticks};
use fieldwatch_domain::{DeviceNumber, Presence, Timestamp};
use fieldwatch_event_store::{AppendError, Batch, DeviceState, Entry};
use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};
use tracing::{debug, error};

/// How many devices are looked at between two deliveries: when a whole fleet falls silent, readings still get through. Their
/// states, with long names and many labels, also have to fit into one frame of a store.
const MOST_LOOKED_AT: usize = 2_048;
/// When a store did not take what was due, it is due again after so many ticks (1 s).
const AGAIN_AFTER: u32 = 20;

/// When devices have to be looked at. Spans are in ticks.
#[derive(Debug)]
pub(crate) struct Timers {
    /// `None` when neither silence nor passivation is wanted.
    wheel: Option<Wheel>,
    silent_after: Option<u32>,
    idle_after: Option<u32>,
    shortest: u32,
}

impl Timers {
    /// As the options want them.
    pub(crate) fn new(options: &StateOptions) -> Self {
        let silent_after = options.silent_after.map(ticks::at_least);
        let idle_after = options.idle_after.map(ticks::at_least);
        let shortest = silent_after.into_iter().chain(idle_after).min();
        Self { wheel: shortest.map(Wheel::new), silent_after, idle_after, shortest: shortest.unwrap_or(u32::MAX) }
    }

    /// Has a device looked at one shortest span after its last receipt, unless the wheel holds it already.
    ///
    /// A device in the wheel is always looked at before anything can be due for it, because it never waits longer there than
    /// the shortest span.
    pub(crate) fn arm(&mut self, device: DeviceNumber, cell: &mut Cell) {
        self.arm_at(device, cell, cell.received.saturating_add(self.shortest));
    }

    fn arm_at(&mut self, device: DeviceNumber, cell: &mut Cell, due: u32) {
        if let Some(wheel) = &mut self.wheel
            && !cell.is_armed()
        {
            cell.set_armed(true);
            wheel.arm(device, due);
        }
    }

    /// Arms a device again that was looked at in the tick `now`, if anything may become due for it. `may_go_silent`: it is
    /// known and not silent.
    pub(crate) fn arm_again(&mut self, device: DeviceNumber, cell: &mut Cell, now: u32, may_go_silent: bool) {
        let silent_at = self.silent_after.filter(|_| may_go_silent).map(|after| cell.received.saturating_add(after));
        let idle_at = self.idle_after.filter(|_| cell.state().is_some()).map(|after| cell.received.saturating_add(after));
        if let Some(due) = silent_at.into_iter().chain(idle_at).min() {
            self.arm_at(device, cell, due.min(now.saturating_add(self.shortest)));
        }
    }

    /// The tick at which the next device is to be looked at.
    pub(crate) fn next_due(&self) -> Option<u32> {
        self.wheel.as_ref().and_then(Wheel::next_due)
    }

    /// Forgets the devices that are not to be kept.
    pub(crate) fn retain(&mut self, keep: impl FnMut(DeviceNumber) -> bool) {
        if let Some(wheel) = &mut self.wheel {
            wheel.retain(keep);
        }
    }

    fn take_due(&mut self, now: u32, due: &mut Vec<DeviceNumber>) {
        if let Some(wheel) = &mut self.wheel {
            wheel.take_due(now, MOST_LOOKED_AT, due);
        }
    }

    /// What is due for a device at the tick `now`.
    fn verdict(&self, cell: &Cell, now: u32) -> Verdict {
        let passed = |after: Option<u32>| after.is_some_and(|after| cell.received.saturating_add(after) <= now);
        // A passivated device waits in the wheel only while it may go silent.
        let may_go_silent = cell.state().map_or(cell.is_passivated(), may_go_silent);
        Verdict { silent: may_go_silent && passed(self.silent_after), idle: cell.state().is_some() && passed(self.idle_after) }
    }
}

#[derive(Clone, Copy, Debug)]
struct Verdict {
    silent: bool,
    idle: bool,
}

/// A device for which something is due.
struct Due {
    device: DeviceNumber,
    silent: bool,
    /// It has no memory afterwards: it is idle, or was passivated before.
    passivate: bool,
    /// Its entries in the batch.
    entries: Range<usize>,
    may_go_silent: bool,
}

/// Whether silence would be news of this device.
pub(crate) fn may_go_silent(state: &DeviceState) -> bool {
    match state.device.presence() {
        Presence::Present => true,
        Presence::Unknown | Presence::Silent { .. } => false,
    }
}

impl Shard {
    /// Looks at devices whose time has come, at most so many that readings do not wait for long.
    ///
    /// # Errors
    /// Why the shard's work ends.
    pub(crate) async fn expire_due(&mut self) -> Result<(), End> {
        let now = self.heard_through;
        let mut devices = Vec::new();
        self.timers.take_due(now, &mut devices);
        let mut due = Vec::new();
        for device in devices {
            let cell = self.cells.cell(device);
            cell.set_armed(false);
            let Verdict { silent, idle } = self.timers.verdict(cell, now);
            if silent || idle {
                let passivate = idle || cell.is_passivated();
                due.push(Due { device, silent, passivate, entries: 0..0, may_go_silent: false });
            } else {
                let may_go_silent = cell.state().map_or(cell.is_passivated(), may_go_silent);
                self.timers.arm_again(device, cell, now, may_go_silent);
            }
        }
        if due.is_empty() { Ok(()) } else { self.store_due(due, now).await }
    }

    async fn store_due(&mut self, mut due: Vec<Due>, now: u32) -> Result<(), End> {
        let mut passivated = Vec::new();
        for due in &due {
            if self.cells.cell(due.device).is_passivated() {
                passivated.push(due.device);
            }
        }
        // These stay out of their cells: they are needed for a moment only.
        let mut loaded = self.load_all(passivated).await?;
        loaded.sort_unstable_by_key(|(device, _)| *device);
        let mut entries = Vec::with_capacity(due.len());
        for due in &mut due {
            let from_store = loaded.binary_search_by_key(&due.device, |(device, _)| *device).ok().map(|at| &loaded[at].1);
            if let Some(state) = from_store.or_else(|| self.cells.cell(due.device).state()) {
                let recorded_at = (self.options.clock)();
                let before = entries.len();
                let decided = catch_unwind(AssertUnwindSafe(|| due.decide(state, recorded_at, &mut entries)));
                if decided.is_err() {
                    // It stays as it is, and is looked at again after its next reading.
                    entries.truncate(before);
                    self.metrics.panics.inc();
                    error!(shard = self.index, device = due.device.as_u32(), "a device's turn panicked when its time had come");
                }
                due.entries = before..entries.len();
            }
        }
        due.retain(|due| !due.entries.is_empty());
        if due.is_empty() {
            return Ok(());
        }
        debug!(shard = self.index, devices = due.len(), "devices have gone silent or idle");
        match self.store.append(Batch { entries, checkpoints: Vec::new() }).await {
            Ok(stored) => {
                self.went_well();
                for due in due {
                    self.take_over_due(&due, &stored.entries[due.entries.clone()], now);
                }
                Ok(())
            }
            Err(refusal) => {
                for due in &due {
                    let cell = self.cells.cell(due.device);
                    self.timers.arm_at(due.device, cell, now.saturating_add(AGAIN_AFTER));
                }
                match refusal {
                    // Nothing waits for this: a delivery that comes meanwhile has its own patience.
                    AppendError::Unavailable(why) => {
                        debug!(shard = self.index, why, "silence and passivation wait for the store");
                        Ok(())
                    }
                    refusal => {
                        let devices = due.iter().map(|due| due.device).collect();
                        self.refused(refusal, devices, &[], &mut Backoff::default()).await.map(drop)
                    }
                }
            }
        }
    }

    fn take_over_due(&mut self, due: &Due, stored: &[Entry], now: u32) {
        self.unsaved[due.device.shelf()] = true;
        let cell = self.cells.cell(due.device);
        if due.passivate {
            cell.passivate();
            self.visible.set_active(due.device, false);
        } else {
            let state = cell.state_mut();
            for entry in stored {
                state.apply(entry);
            }
        }
        self.timers.arm_again(due.device, cell, now, due.may_go_silent);
    }
}

impl Due {
    /// Lets the device decide about its silence, and keeps its whole state with its history when it leaves memory.
    fn decide(&mut self, state: &DeviceState, recorded_at: Timestamp, entries: &mut Vec<Entry>) {
        let silence = if self.silent { state.device.go_silent(&state.tracking) } else { None };
        let event = silence.map(|event| Entry::Event(recorded_without_reading(state, self.device, event, recorded_at)));
        let mut after = state.clone();
        if let Some(event) = &event {
            after.apply(event);
        }
        entries.extend(event);
        self.may_go_silent = may_go_silent(&after);
        if self.passivate {
            entries.push(Entry::Passivated(Box::new((self.device, after.device, after.tracking))));
        }
    }
}
