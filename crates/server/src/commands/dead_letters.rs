//! `fieldwatch dead-letters list|show|requeue`: readings that could not be processed.
//!
//! Listing reads the files beside a server. Requeuing writes: the server that holds the data folder is asked to do it, and where there is
//! none, this process takes the folder for a moment. Of a queue at a broker the letters are there, too.

mod requeue;

mod at_broker;

use std::fmt::Write as _;

use anyhow::{Context as _, anyhow};
use fieldwatch_broker::{DeadLetter, DeadLetters};
use fieldwatch_domain::{Reading, Timestamp};
use fieldwatch_wire::queued::{EntryForm, Request, read_entry};
use fieldwatch_wire::text::{write_celsius, write_json_string, write_location, write_timestamp};

use super::{load_settings, wants_progress};
use crate::cli::{self, Common};
use crate::data_folder::DataFolder;
use crate::failure::Failure;
use crate::output::write_text;
use crate::progress::Progress;
use crate::settings::QueueKind;

pub(crate) fn run(common: &Common, letters: &cli::DeadLetters) -> Result<(), Failure> {
    let settings = load_settings(common)?.settings;
    if settings.queue.kind == QueueKind::RabbitMq {
        return at_broker::run(&settings, letters, Progress::on_stderr(wants_progress(common)));
    }
    let folder = DataFolder::at(&settings.data_dir);
    folder.must_exist()?;
    match letters {
        cli::DeadLetters::List => write_text(&list(&read(&folder)?))?,
        cli::DeadLetters::Show { id } => write_text(&show(find(&read(&folder)?, *id)?))?,
        cli::DeadLetters::Requeue(which) => requeue::run(&folder, settings.queue.max_bytes.bytes(), which.id)?,
    }
    Ok(())
}

fn read(folder: &DataFolder) -> anyhow::Result<Vec<DeadLetter>> {
    let dir = folder.dead_letters();
    DeadLetters::read_only(&dir).with_context(|| format!("cannot read {}", dir.display()))
}

fn find(letters: &[DeadLetter], id: u64) -> anyhow::Result<&DeadLetter> {
    letters.iter().find(|letter| letter.id == id).ok_or_else(|| anyhow!("there is no dead letter {id}"))
}

/// Those that wait: one line each, id, time, device, reason, with tabs between them.
fn list(letters: &[DeadLetter]) -> String {
    let mut text = String::new();
    for letter in letters.iter().filter(|letter| letter.requeued_at.is_none()) {
        let device = letter.device_id.as_deref().unwrap_or("-");
        let _ = writeln!(text, "{}\t{}\t{device}\t{}", letter.id, time(letter.parked_at), on_one_line(&letter.reason));
    }
    text
}

fn show(letter: &DeadLetter) -> String {
    let requeued = letter.requeued_at.map_or_else(|| "no".to_owned(), time);
    let mut text = format!(
        "id        {}\nparked    {}\ndevice    {}\nreason    {}\nrequeued  {requeued}\n",
        letter.id,
        time(letter.parked_at),
        letter.device_id.as_deref().unwrap_or("unknown"),
        on_one_line(&letter.reason),
    );
    let _ = writeln!(text, "asked     {}", asked(letter));
    match printable(letter) {
        Some(line) => {
            let _ = writeln!(text, "text      {}", line.trim_end());
        }
        None => {
            text.push_str("bytes     ");
            for byte in &letter.body {
                let _ = write!(text, "{byte:02x}");
            }
            text.push('\n');
        }
    }
    text
}

/// The bytes as they came, where they are text that does nothing to a terminal.
fn printable(letter: &DeadLetter) -> Option<&str> {
    let text = str::from_utf8(&letter.body).ok().filter(|_| letter.form == EntryForm::Line)?;
    let harmless = |character: char| !character.is_control() || matches!(character, '\n' | '\t');
    text.chars().all(harmless).then_some(text)
}

/// What the device was asked, as JSON: a reading as the API takes it.
fn asked(letter: &DeadLetter) -> String {
    match read_entry(letter.form, &letter.body) {
        Ok((device_id, Request::Record(reading))) => reading_json(&device_id, &reading),
        Ok((device_id, Request::Describe(_, description))) => {
            format!("to be described: {device_id} as {:?} with labels {:?}", description.name(), description.labels())
        }
        Ok((device_id, Request::Edit(_, edit))) => {
            let (name, labels) = (edit.name().becomes(), edit.labels().becomes());
            format!("to be edited: {device_id}, name {}, labels {}", change(name), change(labels))
        }
        Ok((device_id, Request::Forget(_))) => format!("to be forgotten: {device_id}"),
        Err(error) => error.to_string(),
    }
}

/// What becomes of a part of a description, for people.
fn change<T: std::fmt::Debug>(becomes: Option<&T>) -> String {
    becomes.map_or_else(|| "stays".to_owned(), |value| format!("becomes {value:?}"))
}

fn reading_json(device_id: &str, reading: &Reading) -> String {
    let mut text = "{\"deviceId\":".to_owned();
    write_json_string(&mut text, device_id);
    text.push_str(",\"temperature\":");
    write_celsius(&mut text, reading.temperature);
    text.push_str(",\"location\":");
    write_location(&mut text, reading.location);
    if let Some(at) = reading.at {
        let _ = write!(text, ",\"at\":\"{}\"", time(at));
    }
    text.push_str(",\"readingId\":");
    write_json_string(&mut text, &reading.id.to_string());
    let _ = write!(text, ",\"receivedAt\":\"{}\"}}", time(reading.received_at));
    text
}

fn time(moment: Timestamp) -> String {
    let mut text = String::new();
    write_timestamp(&mut text, moment);
    text
}

/// A reason may hold what a panic said.
fn on_one_line(text: &str) -> String {
    text.replace(char::is_control, " ")
}

#[cfg(test)]
pub(crate) mod tests {
    use fieldwatch_domain::{Celsius, Location, ReadingId};
    use fieldwatch_wire::queued::{ENTRY_HEADER, write_reading};

    use super::*;

    /// A letter with a reading of a device, parked at a second of its own.
    pub(crate) fn letter(id: u64, device_id: &str) -> DeadLetter {
        let reading = Reading {
            temperature: Celsius::from_stored(485_000),
            location: Location::from_stored(385_698_000, 456_974_000),
            at: Some(Timestamp::from_unix_ms(1_767_225_600_000)),
            received_at: Timestamp::from_unix_ms(1_767_225_600_500),
            id: ReadingId::new("x1").expect("a valid id"),
        };
        let mut entry = Vec::new();
        write_reading(&mut entry, 0, device_id, &reading);
        DeadLetter {
            id,
            place: id * 100,
            parked_at: Timestamp::from_unix_ms(1_767_225_600_000 + id as i64 * 1_000),
            reason: "the device failed\n5 times".to_owned(),
            device_id: Some(device_id.to_owned()),
            form: EntryForm::Packed,
            body: entry[ENTRY_HEADER..].to_vec(),
            requeued_at: None,
        }
    }

    #[test]
    fn those_that_wait_are_listed_a_line_each() {
        let requeued = DeadLetter { requeued_at: Some(Timestamp::EPOCH), ..letter(2, "b") };
        let unreadable = DeadLetter { device_id: None, ..letter(3, "c") };
        assert_eq!(
            list(&[letter(1, "a"), requeued, unreadable]),
            "1\t2026-01-01T00:00:01.000Z\ta\tthe device failed 5 times\n3\t2026-01-01T00:00:03.000Z\t-\tthe device failed 5 times\n"
        );
    }

    #[test]
    fn one_is_shown_whole_with_its_reading_as_the_api_takes_it() {
        let shown = show(&letter(1, "AL-0012"));
        let reading = r#"{"deviceId":"AL-0012","temperature":48.5,"location":{"lat":38.5698,"lon":45.6974},"at":"2026-01-01T00:00:00.000Z","readingId":"x1","receivedAt":"2026-01-01T00:00:00.500Z"}"#;
        assert!(shown.contains(&format!("asked     {reading}\n")), "{shown}");
        assert!(show(&DeadLetter { body: vec![0xff, 0x0a], ..letter(1, "a") }).ends_with("bytes     ff0a\n"));
    }

    #[test]
    fn text_is_shown_as_it_came_unless_it_would_do_something_to_a_terminal() {
        let line = |body: &[u8]| show(&DeadLetter { form: EntryForm::Line, body: body.to_vec(), ..letter(1, "a") });
        assert!(line(b"{\"deviceId\": \"a\"}\n").ends_with("\ntext      {\"deviceId\": \"a\"}\n"));
        assert!(line(b"a\x1b[2J").ends_with("\nbytes     611b5b324a\n"));
        assert!(line(&[0xff]).ends_with("\nbytes     ff\n"));
    }

    #[test]
    fn one_that_is_not_there_is_told() {
        assert_eq!(find(&[letter(1, "a")], 7).expect_err("not there").to_string(), "there is no dead letter 7");
    }
}
