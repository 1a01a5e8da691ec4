//! `fieldwatch events export|tail|verify`: the event log, also beside a running server.

mod log;

mod follow;

mod check;

mod database;

use std::io::Write;

use anyhow::Context as _;
use fieldwatch_wire::event_json::write_event;

use super::{load_settings, wants_progress};
use crate::cli::{Common, Events, OfDevice};
use crate::data_folder::DataFolder;
use crate::failure::Failure;
use crate::output::{self, write_out};
use crate::progress::{Progress, Wanted};
use crate::settings::{Settings, StoreKind};
use database::DatabaseLog;
use log::{EventLog, Found, StoredLog};

pub(crate) fn run(common: &Common, events: &Events) -> Result<(), Failure> {
    let settings = load_settings(common)?.settings;
    if settings.store.kind == StoreKind::PostgreSql {
        return in_database(common, &settings, events);
    }
    let folder = DataFolder::at(&settings.data_dir);
    match events {
        Events::Export { device, after } => {
            let log = StoredLog::open(&folder, device_id(device)?)?;
            // On one terminal, progress would be written into the events.
            let wanted = if output::is_terminal() { Wanted::No } else { wants_progress(common) };
            let progress = Progress::on_stderr(wanted);
            Ok(write_out(|out| export(log, after.unwrap_or(0), out, progress))?)
        }
        Events::Tail(device) => follow::run(StoredLog::open(&folder, device_id(device)?)?),
        Events::Verify(device) => check::run(&folder, device_id(device)?, Progress::on_stderr(wants_progress(common))),
    }
}

fn in_database(common: &Common, settings: &Settings, events: &Events) -> Result<(), Failure> {
    let open = |device| anyhow::Ok(DatabaseLog::open(settings, device)?);
    match events {
        Events::Export { device, after } => {
            let wanted = if output::is_terminal() { Wanted::No } else { wants_progress(common) };
            let log = open(device_id(device)?)?;
            Ok(write_out(|out| export(log, after.unwrap_or(0), out, Progress::on_stderr(wanted)))?)
        }
        Events::Tail(device) => follow::run(open(device_id(device)?)?),
        Events::Verify(device) => open(device_id(device)?)?.verify(Progress::on_stderr(wants_progress(common))),
    }
}

/// An id that no device can have is a mistake of whoever typed it; a device that was never heard of just has no events.
fn device_id(of: &OfDevice) -> Result<Option<&str>, Failure> {
    let Some(id) = of.device.as_deref() else { return Ok(None) };
    fieldwatch_domain::check_device_id(id).map_err(|error| Failure::Usage(format!("--device: the id {error}")))?;
    Ok(Some(id))
}

/// Writes all events after a position, oldest first.
fn export(mut log: impl EventLog, after: u64, out: &mut impl Write, mut progress: Progress) -> anyhow::Result<()> {
    let mut lines = Lines::default();
    let mut written = 0_u64;
    log.read(after, &mut |found| {
        written += 1;
        progress.show(|| format!("{written} events written"));
        lines.write(out, found)
    })?;
    progress.finish();
    Ok(())
}

/// Writes events as NDJSON; keeps its buffer.
#[derive(Default)]
struct Lines {
    line: String,
}

impl Lines {
    fn write(&mut self, out: &mut impl Write, found: Found<'_>) -> anyhow::Result<()> {
        self.line.clear();
        write_event(&mut self.line, found.device_id, found.event);
        self.line.push('\n');
        out.write_all(self.line.as_bytes()).context("cannot write the events")
    }
}

#[cfg(test)]
mod tests {
    use super::log::fake::{FakeLog, created};
    use super::*;

    #[test]
    fn an_export_is_the_event_objects_one_a_line() {
        let log = FakeLog { events: vec![created("a", 1, 64), created("b", 1, 128)] };
        let mut out = Vec::new();
        export(log, 64, &mut out, Progress::on_stderr(Wanted::No)).expect("written");
        assert_eq!(
            String::from_utf8(out).expect("text"),
            "{\"type\":\"DeviceHasBeenCreated\",\"deviceId\":\"b\",\"version\":1,\"position\":128,\"at\":\"1970-01-01T00:00:00.000Z\",\
             \"recordedAt\":\"1970-01-01T00:00:00.000Z\",\"readingId\":null,\"temperature\":0,\"location\":{\"lat\":0,\"lon\":0}}\n"
        );
    }

    #[test]
    fn an_id_that_no_device_can_have_is_wrong_usage() {
        let id = |text: &str| OfDevice { device: Some(text.to_owned()) };
        assert!(matches!(device_id(&id("AL-0012")), Ok(Some("AL-0012"))));
        assert!(matches!(device_id(&id("..")), Err(Failure::Usage(_))));
    }
}
