//! A delivery of the queue: read, decided, stored, taken over, in this order.

use crate::cells::FETCH;
use crate::decided::Decided;
use crate::storing::End;
use crate::turn::{Judge, TurnOutcome};
use crate::{CommandOutcome, ReadingLabel, ReadingResult, Shard, backoff::Backoff, ticks};
use fieldwatch_broker::Delivery;
use fieldwatch_domain::{DeviceNumber, Presence, Timestamp};
use fieldwatch_event_store::Batch;
use fieldwatch_wire::queued::{Request, read_entry};
use std::borrow::Cow;
use std::panic::{AssertUnwindSafe, catch_unwind};
use tracing::error;

/// How often a device may fail on an entry before that is parked.
const ATTEMPTS: u32 = 3;

/// One entry that a device is to take.
#[derive(Debug)]
pub(crate) struct Turn {
    device: DeviceNumber,
    /// `None` once it is parked.
    request: Option<Request>,
    /// Which entry of the delivery it is.
    entry: u32,
}

impl Shard {
    /// Takes a delivery through all its steps. Nothing of it takes effect before it is stored, then all of it does.
    ///
    /// # Errors
    /// Why the shard's work ends; the delivery is still in the queue then.
    pub(crate) async fn deliver(&mut self, delivery: Delivery) -> Result<(), End> {
        let mut turns = std::mem::take(&mut self.turns);
        self.read(&delivery, &mut turns).await?;
        self.visible.take_in_hand(self.index, turns.iter().map(|turn| turn.device));
        self.restore_passivated(turns.iter().map(|turn| turn.device)).await?;
        self.note_receipts(&turns);
        self.decide_and_store(&delivery, &mut turns).await?;
        self.consumer.stored(delivery.delivered);
        self.visible.nothing_in_hand(self.index);
        turns.clear();
        self.turns = turns;
        Ok(())
    }

    /// Reads the entries. What cannot be read is parked at once.
    async fn read(&mut self, delivery: &Delivery, turns: &mut Vec<Turn>) -> Result<(), End> {
        let mut ids: Vec<Cow<'_, str>> = Vec::with_capacity(delivery.entries.len());
        for (at, entry) in delivery.entries.iter().enumerate() {
            let body = delivery.bytes.get(entry.body.clone()).unwrap_or_default();
            match read_entry(delivery.form, body) {
                Ok((id, request)) => {
                    ids.push(id);
                    turns.push(Turn { device: DeviceNumber::from_u32(0), request: Some(request), entry: at as u32 });
                }
                Err(damaged) => {
                    self.park(entry, (delivery.form, body), &format!("the entry cannot be read: {damaged}"), None).await?;
                    self.count(ReadingResult::parked, 1);
                }
            }
        }
        let ids: Vec<&str> = ids.iter().map(AsRef::as_ref).collect();
        let mut astray = false;
        for (turn, device) in turns.iter_mut().zip(self.numbers.numbers(&ids)) {
            turn.device = device;
            astray |= !self.belongs(device, delivery.entries[turn.entry as usize].partition);
        }
        if astray { self.park_astray(delivery, turns, &ids).await } else { Ok(()) }
    }

    /// Parks the entries of devices that are not of the entry's partition, and takes their turns out.
    async fn park_astray(&mut self, delivery: &Delivery, turns: &mut Vec<Turn>, ids: &[&str]) -> Result<(), End> {
        for (turn, id) in turns.iter().zip(ids) {
            let entry = &delivery.entries[turn.entry as usize];
            if !self.belongs(turn.device, entry.partition) {
                let body = delivery.bytes.get(entry.body.clone()).unwrap_or_default();
                self.park(entry, (delivery.form, body), "the device does not belong to this partition", Some(id)).await?;
                self.count(ReadingResult::parked, 1);
            }
        }
        turns.retain(|turn| self.belongs(turn.device, delivery.entries[turn.entry as usize].partition));
        Ok(())
    }

    /// Notes when these devices were heard of, and how far the shard has listened to what was received.
    ///
    /// Silence counts from receipt, so what a reading has waited in the queue is taken off. Only the wall clock tells how long
    /// that was, and it may have jumped: so no reading counts as received later than now, nor before the tick up to which
    /// everything is decided already, or it would have been decided by then. That tick never is before the start.
    fn note_receipts(&mut self, turns: &[Turn]) {
        let (now, clock) = (self.ticks.now(), (self.options.clock)());
        let waited_ms = |since: Timestamp| clock.unix_ms().saturating_sub(since.unix_ms()).max(0) as u64;
        let mut newest_receipt = None;
        for turn in turns {
            let Some(Request::Record(reading)) = &turn.request else { continue };
            newest_receipt = newest_receipt.max(Some(reading.received_at));
            let received = ticks::before(now, waited_ms(reading.received_at)).max(self.heard_through.min(now));
            let cell = self.cells.cell(turn.device);
            cell.received = cell.received.max(received);
            self.timers.arm(turn.device, cell);
        }
        if let Some(newest) = newest_receipt {
            self.heard_with_lag(now, waited_ms(newest));
        }
    }

    async fn decide_and_store(&mut self, delivery: &Delivery, turns: &mut Vec<Turn>) -> Result<(), End> {
        let mut backoff = Backoff::default();
        let mut checkpoints = delivery.checkpoints.clone();
        loop {
            let mut decided = self.decide(delivery, turns).await?;
            let batch = Batch { entries: std::mem::take(&mut decided.entries), checkpoints: checkpoints.clone() };
            if batch.entries.is_empty() && batch.checkpoints.is_empty() {
                self.announce(&decided.outcomes);
                return Ok(());
            }
            match self.store.append(batch).await {
                Ok(stored) => {
                    self.went_well();
                    let outcomes = std::mem::take(&mut decided.outcomes);
                    self.take_over(decided, &stored.entries);
                    self.announce(&outcomes);
                    self.decided.extend(checkpoints.into_iter().map(|decided| (decided.partition, decided)));
                    return Ok(());
                }
                // Nothing has changed yet, so the delivery is simply decided again; without what is not ours any more.
                Err(refusal) => {
                    decided.discard(&mut self.cells);
                    let mut devices: Vec<DeviceNumber> = decided.devices().collect();
                    // What left no entry has a checkpoint all the same.
                    devices.extend(turns.iter().map(|turn| turn.device));
                    let done_with = self.refused(refusal, devices, &checkpoints, &mut backoff).await?;
                    let partition_of_turn = |turn: &Turn| delivery.entries[turn.entry as usize].partition;
                    let taken = turns.iter().filter(|turn| turn.request.is_some()).zip(&decided.outcomes);
                    let stored = taken.filter(|(turn, _)| done_with.stored.contains(&partition_of_turn(turn)));
                    self.announce(&stored.map(|(_, outcome)| *outcome).collect::<Vec<_>>());
                    turns.retain(|turn| !done_with.contains(partition_of_turn(turn)));
                    checkpoints.retain(|checkpoint| !done_with.contains(checkpoint.partition));
                    // What was restored meanwhile may have passivated devices.
                    self.restore_passivated(turns.iter().map(|turn| turn.device)).await?;
                }
            }
        }
    }

    /// Lets each device decide. A device that fails is rebuilt and tried again; what it fails on again and again is parked.
    async fn decide(&mut self, delivery: &Delivery, turns: &mut [Turn]) -> Result<Decided, End> {
        let judge = Judge {
            rules: self.options.rules,
            recognise_repeats: self.options.recognise_repeats,
            recorded_at: (self.options.clock)(),
        };
        let mut decided = Decided::new(judge, turns.len());
        let (mut from, mut attempts) = (0, 0);
        while let Some(failed) = self.decide_from(from, turns, &mut decided) {
            attempts = if failed == from { attempts + 1 } else { 1 };
            from = failed;
            self.metrics.panics.inc();
            let turn = &mut turns[failed];
            let device = turn.device;
            error!(shard = self.index, device = device.as_u32(), attempts, "a device's turn panicked");
            if attempts == ATTEMPTS {
                let request = turn.request.take();
                let entry = &delivery.entries[turn.entry as usize];
                let id = self.numbers.id(device);
                let body = delivery.bytes.get(entry.body.clone()).unwrap_or_default();
                self.park(entry, (delivery.form, body), "the device failed on it three times", Some(id.as_str())).await?;
                match request {
                    Some(Request::Describe(command, _) | Request::Edit(command, _) | Request::Forget(command)) => {
                        self.commands.answer(command, CommandOutcome::Parked);
                    }
                    Some(Request::Record(_)) | None => self.count(ReadingResult::parked, 1),
                }
            }
            // Its state is suspect: it is whatever is stored, and what this delivery has decided so far.
            if self.cells.cell(device).is_known() {
                let state = self.load(device).await?;
                self.bring_in(device, state);
            }
            decided.rebuild(self.cells.cell(device), device);
        }
        Ok(decided)
    }

    /// Lets devices take their turns from one on; gives the turn that panicked.
    fn decide_from(&mut self, from: usize, turns: &[Turn], decided: &mut Decided) -> Option<usize> {
        for (at, turn) in turns.iter().enumerate().skip(from) {
            if at % FETCH == 0 {
                self.cells.fetch(turns[at..].iter().take(FETCH).map(|turn| turn.device));
            }
            let Some(request) = &turn.request else { continue };
            let cell = self.cells.cell(turn.device);
            let panics_on = self.options.panics_on.as_deref();
            let entries_before = decided.entries.len();
            // What a panic may leave half done is put right by the caller: the entries, and the device's state.
            let taken = catch_unwind(AssertUnwindSafe(|| {
                if let Some(panics_on) = panics_on {
                    self.numbers.with_id(turn.device, |id| assert!(id != panics_on, "the turn of {id} panics, as asked for"));
                }
                decided.turn(cell, turn.device, request);
            }));
            if taken.is_err() {
                decided.undo_turn(entries_before);
                return Some(at);
            }
        }
        None
    }

    /// Memory becomes the new state, now that it is stored.
    fn take_over(&mut self, decided: Decided, stored: &[fieldwatch_event_store::Entry]) {
        for device in decided.devices() {
            self.unsaved[device.shelf()] = true;
        }
        let Self { cells, visible, timers, .. } = self;
        let failed = decided.fold(stored, cells, |device, cell| {
            // A forgotten device must not be told of any more, not even by its mailbox.
            visible.set_active(device, cell.state().is_some_and(|state| state.device.presence() != Presence::Unknown));
            timers.arm(device, cell);
        });
        for device in failed {
            self.metrics.panics.inc();
            error!(shard = self.index, device = device.as_u32(), "folding a device's events panicked; it will be loaded again");
            self.cells.cell(device).passivate();
            self.half_folded.insert(device);
            self.visible.set_active(device, false);
        }
    }

    /// Counts what became of readings, and answers commands.
    fn announce(&self, outcomes: &[TurnOutcome]) {
        let (mut late, mut repeated) = (0, 0);
        for outcome in outcomes {
            match outcome {
                TurnOutcome::Taken => {}
                TurnOutcome::Late => late += 1,
                TurnOutcome::Repeated => repeated += 1,
                TurnOutcome::Commanded(command, outcome) => self.commands.answer(*command, *outcome),
            }
        }
        self.count(ReadingResult::late, late);
        self.count(ReadingResult::duplicate, repeated);
    }

    fn count(&self, result: ReadingResult, readings: u64) {
        if readings > 0 {
            self.metrics.readings.get_or_create(&ReadingLabel { result }).inc_by(readings);
        }
    }
}
