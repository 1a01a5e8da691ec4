//! One device takes its turn: what it decides about a request, as entries to be stored.

use crate::CommandOutcome;
use fieldwatch_domain::{Description, DeviceEvent, DeviceNumber, Outcome, Reading, RecordedEvent, Rules, Timestamp, Tracking};
use fieldwatch_event_store::{DeviceState, Entry, LateReading, Observation};
use fieldwatch_wire::queued::Request;

/// By what a turn is judged.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Judge {
    pub(crate) rules: Rules,
    /// Anything but `true` is for proving the tests.
    pub(crate) recognise_repeats: bool,
    /// When the turn is taken.
    pub(crate) recorded_at: Timestamp,
}

/// What became of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TurnOutcome {
    /// A reading that was seen before: nothing is stored.
    Repeated,
    /// A reading that came late.
    Late,
    /// A reading that was taken in its order.
    Taken,
    /// A command, by its number, and the answer to it once it is stored.
    Commanded(u64, CommandOutcome),
}

/// Lets a device in this state decide about a request; what is to be stored of it is appended to `entries`. `scratch` is
/// empty before and after. Changes no state: the caller folds the entries once they are stored.
pub(crate) fn take_turn(
    state: &DeviceState,
    device: DeviceNumber,
    request: &Request,
    judge: &Judge,
    scratch: &mut Vec<DeviceEvent>,
    entries: &mut Vec<Entry>,
) -> TurnOutcome {
    match request {
        Request::Record(reading) => record(state, device, reading, judge, scratch, entries),
        Request::Describe(command, description) => {
            TurnOutcome::Commanded(*command, describe(state, device, description, judge, entries))
        }
        Request::Edit(command, edit) => {
            let description = state.device.description().edited(edit);
            TurnOutcome::Commanded(*command, describe(state, device, &description, judge, entries))
        }
        Request::Forget(command) => {
            let answer = match state.device.forget() {
                None => CommandOutcome::UnknownDevice,
                Some(event) => commanded(state, device, event, judge, entries),
            };
            TurnOutcome::Commanded(*command, answer)
        }
    }
}

fn record(
    state: &DeviceState,
    device: DeviceNumber,
    reading: &Reading,
    judge: &Judge,
    scratch: &mut Vec<DeviceEvent>,
    entries: &mut Vec<Entry>,
) -> TurnOutcome {
    let outcome = if judge.recognise_repeats {
        state.device.record(&state.tracking, reading, &judge.rules, scratch)
    } else {
        let Tracking { newest_at, received_at, late_readings, recent_ids: _ } = state.tracking;
        let forgetful = Tracking { newest_at, received_at, late_readings, ..Tracking::default() };
        state.device.record(&forgetful, reading, &judge.rules, scratch)
    };
    let at = match outcome {
        Outcome::Repeated => return TurnOutcome::Repeated,
        Outcome::Late { at } | Outcome::Taken { at } => at,
    };
    let raised_nothing = scratch.is_empty();
    let recorded = scratch.drain(..).zip(state.device.version() + 1..).map(|(event, version)| RecordedEvent {
        device,
        version,
        position: 0,
        at,
        recorded_at: judge.recorded_at,
        received_at: reading.received_at,
        reading_id: Some(reading.id.clone()),
        event,
    });
    entries.extend(recorded.map(Entry::Event));
    match outcome {
        Outcome::Late { .. } => {
            entries.push(Entry::Late(LateReading {
                device,
                position: 0,
                at,
                received_at: reading.received_at,
                temperature: reading.temperature,
                location: reading.location,
                reading_id: reading.id.clone(),
            }));
            TurnOutcome::Late
        }
        Outcome::Taken { .. } | Outcome::Repeated => {
            if raised_nothing {
                let fingerprint = reading.id.fingerprint();
                entries.push(Entry::Observation(Observation { device, at, received_at: reading.received_at, fingerprint }));
            }
            TurnOutcome::Taken
        }
    }
}

/// An event that no reading caused, as the device's next one.
pub(crate) fn recorded_without_reading(
    state: &DeviceState,
    device: DeviceNumber,
    event: DeviceEvent,
    recorded_at: Timestamp,
) -> RecordedEvent {
    RecordedEvent {
        device,
        version: state.device.version() + 1,
        position: 0,
        at: recorded_at,
        recorded_at,
        received_at: recorded_at,
        reading_id: None,
        event,
    }
}

fn describe(
    state: &DeviceState,
    device: DeviceNumber,
    description: &Description,
    judge: &Judge,
    entries: &mut Vec<Entry>,
) -> CommandOutcome {
    match state.device.describe(description) {
        None => CommandOutcome::UnknownDevice,
        Some(None) => CommandOutcome::Done { version: state.device.version() },
        Some(Some(event)) => commanded(state, device, event, judge, entries),
    }
}

/// A command raised an event.
fn commanded(
    state: &DeviceState,
    device: DeviceNumber,
    event: DeviceEvent,
    judge: &Judge,
    entries: &mut Vec<Entry>,
) -> CommandOutcome {
    let recorded = recorded_without_reading(state, device, event, judge.recorded_at);
    let version = recorded.version;
    entries.push(Entry::Event(recorded));
    CommandOutcome::Done { version }
}
