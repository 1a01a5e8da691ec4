//! The readings and commands that could not be processed, and giving them to their devices again.

use crate::answer::json;
use crate::app::App;
use crate::parts::not_our_role;
use crate::problem::Problem;
use crate::query::Query;
use axum::extract::{Path, State};
use axum::http::{StatusCode, Uri};
use axum::response::Response;
use fieldwatch_broker::{DeadLetter, DeadLetterError, Entries};
use fieldwatch_wire::queued::{Request, read_entry};
use fieldwatch_wire::text::{write_celsius, write_integer, write_json_string, write_location, write_timestamp};
use std::sync::Arc;

/// So many letters are given to the queue together when all are.
const REQUEUED_TOGETHER: usize = 256;

/// `GET /api/v1/dead-letters`: oldest first.
pub(crate) async fn list(State(app): State<Arc<App>>, uri: Uri) -> Result<Response, Problem> {
    let mut query = Query::of(&uri)?;
    let limit = query.limit();
    let after = query.read("cursor", |text| text.parse::<u64>().map_err(|_| "is not a cursor of this list".to_owned()));
    query.finish()?;
    has_store(&app)?;
    let _turn = app.intake.work.walk().await?;
    let listing = app.parts.dead_letters.list().await.map_err(failed)?;
    let mut letters = listing.iter().filter(|letter| after.is_none_or(|after| letter.id > after)).peekable();
    let mut body = String::from("{\"deadLetters\":[");
    let mut last = 0;
    for (at, letter) in letters.by_ref().take(limit).enumerate() {
        if at > 0 {
            body.push(',');
        }
        write_letter(&mut body, letter);
        last = letter.id;
    }
    body.push_str("],\"nextCursor\":");
    match letters.peek() {
        Some(_) => {
            body.push('"');
            write_integer(&mut body, last);
            body.push('"');
        }
        None => body.push_str("null"),
    }
    body.push_str(",\"waiting\":");
    write_integer(&mut body, app.parts.dead_letters.waiting());
    body.push('}');
    Ok(json(StatusCode::OK, body))
}

/// `POST /api/v1/dead-letters/{id}/requeue`
pub(crate) async fn requeue_one(State(app): State<Arc<App>>, Path(id): Path<String>) -> Result<Response, Problem> {
    let unknown = || Problem::not_found("dead_letter_not_found", "no dead letter has this id");
    let id: u64 = id.parse().map_err(|_| unknown())?;
    has_store(&app)?;
    let _turn = app.intake.work.walk().await?;
    let letters = app.parts.dead_letters.list().await.map_err(failed)?;
    let letter = letters.into_iter().find(|letter| letter.id == id).ok_or_else(unknown)?;
    if letter.requeued_at.is_some() {
        return Err(conflict("dead_letter_requeued", "it was given to its device again already"));
    }
    if letter.device_id.is_none() {
        return Err(conflict("dead_letter_unreadable", "its device cannot be read from it, so nobody can be given it"));
    }
    let requeued = requeue(&app, vec![letter]).await?;
    Ok(answer(requeued, 0))
}

/// `POST /api/v1/dead-letters/requeue`: all that wait.
pub(crate) async fn requeue_all(State(app): State<Arc<App>>) -> Result<Response, Problem> {
    has_store(&app)?;
    let _turn = app.intake.work.walk().await?;
    let letters = app.parts.dead_letters.list().await.map_err(failed)?;
    let waiting = letters.into_iter().filter(|letter| letter.requeued_at.is_none());
    let (mut readable, unreadable): (Vec<_>, Vec<_>) = waiting.partition(|letter| letter.device_id.is_some());
    let mut requeued = 0;
    while !readable.is_empty() {
        let rest = readable.split_off(readable.len().min(REQUEUED_TOGETHER));
        requeued += requeue(&app, readable).await?;
        readable = rest;
    }
    Ok(answer(requeued, unreadable.len()))
}

/// Which letters may be shown, the event store says: it knows what was forgotten.
fn has_store(app: &App) -> Result<(), Problem> {
    if app.parts.roles.use_store() { Ok(()) } else { Err(not_our_role("api")) }
}

/// Publishes letters, then notes that they were. A crash in between repeats them, which their reading ids make harmless.
async fn requeue(app: &Arc<App>, letters: Vec<DeadLetter>) -> Result<usize, Problem> {
    let mut entries = Entries::new(app.parts.queue.partitions());
    let mut ids = Vec::with_capacity(letters.len());
    for letter in &letters {
        if let Ok((device_id, request)) = read_entry(letter.form, &letter.body) {
            entries.request(&device_id, &request);
            ids.push(letter.id);
        }
    }
    app.intake.publish(entries).await?;
    let count = ids.len();
    app.parts.dead_letters.requeued(ids, (app.parts.clock)()).await.map_err(failed)?;
    Ok(count)
}

#[expect(clippy::needless_pass_by_value, reason = "it is what map_err gives")]
fn failed(error: DeadLetterError) -> Problem {
    tracing::error!(%error, "the dead letters failed");
    Problem::unavailable("dead_letters_unavailable", "the dead letters cannot be read or written now", 10)
}

fn conflict(code: &'static str, detail: &str) -> Problem {
    Problem::new(StatusCode::CONFLICT, code, detail)
}

fn answer(requeued: usize, unreadable: usize) -> Response {
    let mut body = String::from("{\"requeued\":");
    write_integer(&mut body, requeued as u64);
    body.push_str(",\"unreadable\":");
    write_integer(&mut body, unreadable as u64);
    body.push('}');
    json(StatusCode::ACCEPTED, body)
}

fn write_letter(out: &mut String, letter: &DeadLetter) {
    out.push_str("{\"id\":");
    write_integer(out, letter.id);
    out.push_str(",\"parkedAt\":\"");
    write_timestamp(out, letter.parked_at);
    out.push_str("\",\"reason\":");
    write_json_string(out, &letter.reason);
    out.push_str(",\"deviceId\":");
    match &letter.device_id {
        Some(id) => write_json_string(out, id),
        None => out.push_str("null"),
    }
    out.push_str(",\"requeuedAt\":");
    match letter.requeued_at {
        Some(at) => {
            out.push('"');
            write_timestamp(out, at);
            out.push('"');
        }
        None => out.push_str("null"),
    }
    write_content(out, letter);
    out.push('}');
}

/// What the letter asks for, as far as it can be read.
fn write_content(out: &mut String, letter: &DeadLetter) {
    match read_entry(letter.form, &letter.body) {
        Ok((_, Request::Record(reading))) => {
            out.push_str(",\"kind\":\"reading\",\"reading\":{\"temperature\":");
            write_celsius(out, reading.temperature);
            out.push_str(",\"location\":");
            write_location(out, reading.location);
            out.push_str(",\"at\":");
            match reading.at {
                Some(at) => {
                    out.push('"');
                    write_timestamp(out, at);
                    out.push('"');
                }
                None => out.push_str("null"),
            }
            out.push_str(",\"receivedAt\":\"");
            write_timestamp(out, reading.received_at);
            out.push_str("\",\"readingId\":");
            write_json_string(out, &reading.id.to_string());
            out.push('}');
        }
        Ok((_, Request::Describe(..) | Request::Edit(..))) => out.push_str(",\"kind\":\"describe\""),
        Ok((_, Request::Forget(_))) => out.push_str(",\"kind\":\"forget\""),
        Err(_) => out.push_str(",\"kind\":\"unreadable\""),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use fieldwatch_domain::{Celsius, Location, Reading, ReadingId, Timestamp};
    use fieldwatch_wire::queued::{ENTRY_HEADER, EntryForm};

    #[test]
    fn a_letter_is_shown_as_far_as_it_can_be_read() {
        let reading = Reading {
            temperature: Celsius::from_stored(485_000),
            location: Location::from_stored(0, 0),
            at: None,
            received_at: Timestamp::EPOCH,
            id: ReadingId::given(1),
        };
        let mut entries = Entries::new(4);
        entries.record("a", &reading);
        let mut letter = DeadLetter {
            id: 3,
            place: 9,
            parked_at: Timestamp::EPOCH,
            reason: "it \"failed\"".into(),
            device_id: Some("a".into()),
            form: EntryForm::Packed,
            body: entries.bytes()[ENTRY_HEADER..].to_vec(),
            requeued_at: None,
        };
        let shown = |letter: &DeadLetter| {
            let mut out = String::new();
            write_letter(&mut out, letter);
            serde_json::from_str::<serde_json::Value>(&out).expect("JSON")
        };
        assert_eq!(shown(&letter)["reading"]["temperature"], 48.5);
        letter.body = vec![0xff; 3];
        letter.requeued_at = Some(Timestamp::EPOCH);
        assert_eq!(shown(&letter)["kind"], "unreadable");
        assert_eq!(shown(&letter)["requeuedAt"], "1970-01-01T00:00:00.000Z");
    }
}
