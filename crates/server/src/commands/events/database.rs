//! The event log in a database: read as these commands read any log, and checked.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::sync::Arc;

use anyhow::Context as _;
use fieldwatch_domain::{Device, DeviceEvent, DeviceNumber, DeviceNumbers, Presence, RecordedEvent};
use fieldwatch_event_store::{EventStore, PostgresStore};
use tokio::runtime::Runtime;

use super::log::{EventLog, Found};
use crate::failure::Failure;
use crate::output::write_text;
use crate::progress::Progress;
use crate::service::{node, store::postgres_options};
use crate::settings::Settings;

/// How many events are in memory at a time.
const PAGE: usize = 4_096;
/// Of more problems than this only their number is told.
const TOLD_PROBLEMS: usize = 100;

/// The log in `PostgreSQL`; of one device, if one is named.
pub(super) struct DatabaseLog {
    store: PostgresStore,
    numbers: Arc<DeviceNumbers>,
    device: Option<DeviceNumber>,
    // After the store, whose tasks run on it.
    runtime: Runtime,
}

impl DatabaseLog {
    pub(super) fn open(settings: &Settings, device: Option<&str>) -> anyhow::Result<Self> {
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().context("cannot start threads")?;
        let numbers = Arc::new(DeviceNumbers::default());
        let options = postgres_options(settings, node::name())?;
        let store = runtime.block_on(PostgresStore::connect(options, Arc::clone(&numbers)))?;
        let device = device.map(|id| numbers.number(id));
        Ok(Self { store, numbers, device, runtime })
    }

    fn each(&self, mut after: u64, show: &mut dyn FnMut(&RecordedEvent) -> anyhow::Result<()>) -> anyhow::Result<u64> {
        loop {
            let page = self.runtime.block_on(self.store.read_all(after, PAGE)).context("cannot read the event log")?;
            for event in page.events.iter().filter(|event| self.device.is_none_or(|device| device == event.device)) {
                show(event)?;
            }
            after = page.next;
            if page.at_end {
                return Ok(after);
            }
        }
    }

    /// `fieldwatch events verify`: whether versions and positions grow as they should, and a replay gives the stored states.
    pub(super) fn verify(&self, mut progress: Progress) -> Result<(), Failure> {
        let mut check = Check::default();
        self.each(0, &mut |event| {
            check.look_at(event, &self.numbers);
            progress.show(|| format!("{} events looked at", check.events));
            Ok(())
        })?;
        let devices: Vec<DeviceNumber> = check.devices.keys().copied().collect();
        for device in devices {
            let stored = self.runtime.block_on(self.store.load(device)).context("cannot load a device")?;
            check.compare(device, &stored.device, &self.numbers);
            progress.show(|| format!("{} states compared", check.compared));
        }
        progress.finish();
        if self.device.is_some() && check.events == 0 {
            // Otherwise a slip of the pen would pass for a check.
            return Err(anyhow::anyhow!("nothing of this device is in the event log").into());
        }
        check.conclude()
    }
}

impl EventLog for DatabaseLog {
    fn newest(&mut self) -> anyhow::Result<u64> {
        Ok(self.store.newest())
    }

    fn read(&mut self, after: u64, show: &mut dyn FnMut(Found<'_>) -> anyhow::Result<()>) -> anyhow::Result<u64> {
        self.each(after, &mut |event| self.numbers.with_id(event.device, |device_id| show(Found { device_id, event })))
    }
}

/// What a check has found so far.
#[derive(Debug, Default)]
struct Check {
    events: u64,
    compared: u64,
    newest: u64,
    devices: HashMap<DeviceNumber, Replay>,
    problems: Vec<String>,
    further_problems: u64,
}

/// A device as its events say.
#[derive(Debug, Default)]
struct Replay {
    device: Device,
    version: u64,
    /// Its first event is there, or the one that it began anew with: only then its state can be compared.
    is_whole: bool,
}

impl Check {
    fn look_at(&mut self, event: &RecordedEvent, numbers: &DeviceNumbers) {
        self.events += 1;
        if event.position <= self.newest {
            self.problem(format!("position {} comes after {}", event.position, self.newest));
        }
        self.newest = self.newest.max(event.position);
        let replay = self.devices.entry(event.device).or_default();
        let before = replay.version;
        replay.version = event.version;
        replay.is_whole |= matches!(event.event, DeviceEvent::Created { .. } | DeviceEvent::Forgotten);
        replay.device.apply(&event.event, event.recorded_at);
        // What is before the first that is kept, or before a device was forgotten, is not told.
        let may_skip = before == 0 || matches!(event.event, DeviceEvent::Forgotten);
        if event.version <= before || (!may_skip && event.version != before + 1) {
            let id = numbers.id(event.device);
            self.problem(format!("device {}: version {} comes after {before}", id.as_str(), event.version));
        }
    }

    fn compare(&mut self, device: DeviceNumber, stored: &Device, numbers: &DeviceNumbers) {
        let Some(replay) = self.devices.get(&device) else { return };
        // One that has moved on since is none the worse for it.
        if !replay.is_whole || stored.version() > replay.version {
            return;
        }
        self.compared += 1;
        let whole = |device: &Device| (device.presence(), device.temperature(), device.location());
        let (replayed, kept) = (whole(&replay.device), whole(stored));
        let same = if replayed.0 == Presence::Unknown { kept.0 == Presence::Unknown } else { replayed == kept };
        if !same || stored.version() != replay.version {
            let version = (replay.version, stored.version());
            let id = numbers.id(device);
            self.problem(format!(
                "device {}: replay gives version {}, the stored state is version {} and differs",
                id.as_str(),
                version.0,
                version.1
            ));
        }
    }

    fn problem(&mut self, what: String) {
        if self.problems.len() < TOLD_PROBLEMS {
            self.problems.push(what);
        } else {
            self.further_problems += 1;
        }
    }

    fn conclude(&self) -> Result<(), Failure> {
        let mut text = String::new();
        let devices = self.devices.len();
        let _ =
            writeln!(text, "{} events of {devices} devices; {} states compared with what replay gives", self.events, self.compared);
        write_text(&text)?;
        if self.problems.is_empty() {
            write_text("nothing is wrong\n")?;
            return Ok(());
        }
        for problem in &self.problems {
            eprintln!("{problem}");
        }
        let problems = self.problems.len() as u64 + self.further_problems;
        eprintln!("{problems} {} found", if problems == 1 { "problem" } else { "problems" });
        Err(Failure::Told)
    }
}

#[cfg(test)]
mod tests {
    use fieldwatch_domain::{Celsius, Location, Timestamp};

    use super::*;

    fn event(version: u64, position: u64, event: DeviceEvent) -> RecordedEvent {
        // The first device of its shelf has the same number everywhere.
        let (device, time) = (DeviceNumbers::default().number("a"), Timestamp::EPOCH);
        RecordedEvent { device, version, position, at: time, recorded_at: time, received_at: time, reading_id: None, event }
    }

    fn created() -> DeviceEvent {
        DeviceEvent::Created { temperature: Celsius::default(), location: Location::default() }
    }

    fn problems(events: &[RecordedEvent]) -> Vec<String> {
        let numbers = DeviceNumbers::default();
        numbers.number("a");
        let mut check = Check::default();
        for event in events {
            check.look_at(event, &numbers);
        }
        check.problems
    }

    #[test]
    fn versions_and_positions_that_do_not_follow_are_told() {
        let sound = [event(1, 10, created()), event(2, 20, DeviceEvent::Forgotten), event(3, 30, created())];
        assert!(problems(&sound).is_empty());
        assert_eq!(problems(&[event(1, 10, created()), event(3, 20, created())]), ["device a: version 3 comes after 1"]);
        assert_eq!(problems(&[event(1, 10, created()), event(1, 20, created())]), ["device a: version 1 comes after 1"]);
        assert_eq!(problems(&[event(1, 10, created()), event(2, 10, created())]), ["position 10 comes after 10"]);
        assert!(problems(&[event(7, 10, created()), event(9, 20, DeviceEvent::Forgotten)]).is_empty(), "older ones may be gone");
    }

    #[test]
    fn a_stored_state_that_replay_does_not_give_is_told() {
        let numbers = DeviceNumbers::default();
        let device = numbers.number("a");
        let mut check = Check::default();
        check.look_at(&event(1, 10, created()), &numbers);
        let mut stored = Device::default();
        check.compare(device, &stored, &numbers);
        assert_eq!(check.problems.len(), 1);
        stored.apply(&created(), Timestamp::EPOCH);
        check.compare(device, &stored, &numbers);
        assert_eq!((check.problems.len(), check.compared), (1, 2));
    }
}
