//! What people ask of a device: to take a name and labels, to be forgotten.
//!
//! A command travels through the queue like a reading, so that it has its place among them; the asker waits for what
//! becomes of it.

use crate::answer::json;
use crate::app::App;
use crate::body;
use crate::device_json::write_single_device;
use crate::device_path::DevicePath;
use crate::ingest::media_type;
use crate::problem::{FieldError, Problem};
use axum::extract::{Request, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use fieldwatch_broker::Entries;
use fieldwatch_device_state::CommandOutcome;
use fieldwatch_domain::{Description, InvalidDescription};
use fieldwatch_wire::ingest::BodyFormat;
use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::Value;
use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// So long the asker waits for what becomes of a command; it stays in the queue however long it takes.
const OUTCOME_PATIENCE: Duration = Duration::from_secs(10);

/// The largest edit: 32 labels and a name, every character escaped, is a tenth of it.
const MAX_EDIT_BYTES: usize = 256 * 1024;

/// `PATCH /api/v1/devices/{id}`
pub(crate) async fn describe(
    State(app): State<Arc<App>>,
    DevicePath(id): DevicePath,
    request: Request,
) -> Result<Response, Problem> {
    let (head, body) = request.into_parts();
    let content_type = head.headers.get(header::CONTENT_TYPE).map(|value| value.to_str().unwrap_or("not text"));
    if BodyFormat::of(content_type) != Ok(BodyFormat::Json) {
        return Err(media_type("the content type must be application/json".into()).closing());
    }
    let read = body::read(&app.intake.work, body, MAX_EDIT_BYTES).await?;
    let edit = Edit::of(&read.bytes)?;
    let device = app.parts.directory()?.find(&id).ok_or_else(Problem::unknown_device)?;
    let description = edit.apply(&device.description)?;
    command(&app, |entries, number| entries.describe(&id, number, &description)).await?;
    let device = app.parts.directory()?.find(&id).ok_or_else(Problem::unknown_device)?;
    let mut body = String::with_capacity(512);
    write_single_device(&mut body, &device);
    Ok(json(StatusCode::OK, body))
}

/// `DELETE /api/v1/devices/{id}`
pub(crate) async fn forget(State(app): State<Arc<App>>, DevicePath(id): DevicePath) -> Result<Response, Problem> {
    if app.parts.directory()?.find(&id).is_none() {
        return Err(Problem::unknown_device());
    }
    command(&app, |entries, number| entries.forget(&id, number)).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

/// Publishes a command and waits until its device has decided it.
async fn command(app: &App, write: impl FnOnce(&mut Entries, u64)) -> Result<(), Problem> {
    let commands = &app.parts.commands;
    let (number, outcome) = commands.expect();
    let mut entries = Entries::new(app.parts.queue.partitions());
    write(&mut entries, number);
    if let Err(problem) = app.intake.publish(entries).await {
        commands.forget(number);
        return Err(problem);
    }
    match tokio::time::timeout(OUTCOME_PATIENCE, outcome).await {
        Ok(Ok(CommandOutcome::Done { .. })) => Ok(()),
        Ok(Ok(CommandOutcome::UnknownDevice)) => Err(Problem::unknown_device()),
        Ok(Ok(CommandOutcome::Parked)) => {
            let detail = "the device failed on it again and again; it is among the dead letters";
            Err(Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "command_parked", detail))
        }
        Ok(Err(_)) | Err(_) => {
            commands.forget(number);
            let detail = "it is in the queue, but was not done in time; it may still happen";
            Err(Problem::unavailable("command_pending", detail, 5))
        }
    }
}

/// An edit: what is not mentioned stays, `null` clears.
#[derive(Debug, Default, PartialEq)]
struct Edit {
    name: Change<Option<String>>,
    labels: Change<Vec<String>>,
}

/// What becomes of a member.
#[derive(Debug, Default, PartialEq)]
enum Change<T> {
    /// It was not mentioned.
    #[default]
    Stays,
    Becomes(T),
}

impl<T> Change<T> {
    fn or(self, current: impl FnOnce() -> T) -> T {
        match self {
            Self::Stays => current(),
            Self::Becomes(value) => value,
        }
    }
}

/// The members of an object in their order, repeated ones too.
struct Members(Vec<(String, Value)>);

impl<'de> Deserialize<'de> for Members {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Each;
        impl<'de> Visitor<'de> for Each {
            type Value = Members;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<Members, M::Error> {
                let mut members = Vec::new();
                while let Some(member) = map.next_entry()? {
                    members.push(member);
                }
                Ok(Members(members))
            }
        }
        deserializer.deserialize_map(Each)
    }
}

impl Edit {
    fn of(body: &[u8]) -> Result<Self, Problem> {
        let not_json = |error| Problem::new(StatusCode::BAD_REQUEST, "not_json", format!("the body is not JSON: {error}"));
        if !serde_json::from_slice::<Value>(body).map_err(not_json)?.is_object() {
            return Err(Problem::invalid("invalid_description", vec![wrong("", "must be an object with name, labels, or both")]));
        }
        let Members(members) = serde_json::from_slice(body).map_err(not_json)?;
        let mut edit = Self::default();
        let mut errors = Vec::new();
        for (at, (member, value)) in members.iter().enumerate() {
            if members[..at].iter().any(|(before, _)| before == member) {
                errors.push(wrong(member.clone(), "is given more than once"));
                continue;
            }
            match (member.as_str(), value.clone()) {
                ("name", Value::String(name)) if !name.is_empty() && name.trim().is_empty() => {
                    errors.push(wrong("name", "must not be blanks only"));
                }
                ("name", Value::Null) => edit.name = Change::Becomes(None),
                ("name", Value::String(name)) => edit.name = Change::Becomes(Some(name)),
                ("name", _) => errors.push(wrong("name", "must be text or null")),
                ("labels", Value::Null) => edit.labels = Change::Becomes(Vec::new()),
                ("labels", value) => match serde_json::from_value(value) {
                    Ok(labels) => edit.labels = Change::Becomes(labels),
                    Err(_) => errors.push(wrong("labels", "must be an array of texts, or null")),
                },
                _ => errors.push(wrong(member.clone(), "is not known; known are name, labels")),
            }
        }
        if errors.is_empty() { Ok(edit) } else { Err(Problem::invalid("invalid_description", errors)) }
    }

    fn apply(self, current: &Description) -> Result<Description, Problem> {
        let name = self.name.or(|| current.name().map(str::to_owned));
        let labels = self.labels.or(|| current.labels().iter().map(ToString::to_string).collect());
        Description::new(name.as_deref(), &labels).map_err(|error| {
            let field = match error {
                InvalidDescription::NameLength(_) | InvalidDescription::NameControlCharacter => "name",
                InvalidDescription::TooManyLabels(_) | InvalidDescription::Label(_) | InvalidDescription::RepeatedLabel(_) => {
                    "labels"
                }
            };
            Problem::invalid("invalid_description", vec![wrong(field, error.to_string())])
        })
    }
}

fn wrong(field: impl Into<Cow<'static, str>>, reason: impl Into<String>) -> FieldError {
    FieldError { index: 0, field: field.into(), reason: reason.into() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_an_edit_does_not_mention_stays_and_null_clears() {
        let current = Description::new(Some("old"), &["a".into(), "b".into()]).expect("a description");
        let edited = |body: &str| Edit::of(body.as_bytes()).expect("an edit").apply(&current).expect("a description");
        assert_eq!(edited("{}"), current);
        assert_eq!(edited(r#"{"name":null}"#), Description::new(None, &["a".into(), "b".into()]).expect("a description"));
        assert_eq!(edited(r#"{"labels":null}"#), Description::new(Some("old"), &[]).expect("a description"));
        assert_eq!(edited(r#"{"name":"new","labels":["c"]}"#), Description::new(Some("new"), &["c".into()]).expect("valid"));
    }

    #[test]
    fn a_wrong_edit_is_refused_with_its_field() {
        let refused = |body: &str| {
            let problem = Edit::of(body.as_bytes()).and_then(|edit| edit.apply(&Description::default())).expect_err("it is wrong");
            (problem.status().as_u16(), problem.fields().join(","))
        };
        assert_eq!(refused("{"), (400, String::new()));
        assert_eq!(refused("[]").0, 422);
        for (body, field) in [
            (r#"{"name":5}"#.to_owned(), "name"),
            (format!(r#"{{"name":"{}"}}"#, "x".repeat(201)), "name"),
            (r#"{"name":""}"#.to_owned(), "name"),
            (r#"{"name":"  "}"#.to_owned(), "name"),
            (r#"{"name":"x","name":"y"}"#.to_owned(), "name"),
            (r#"{"labels":"north"}"#.to_owned(), "labels"),
            (r#"{"labels":["a","a"]}"#.to_owned(), "labels"),
            (format!(r#"{{"labels":["{}"]}}"#, "x".repeat(65)), "labels"),
            (r#"{"colour":"red"}"#.to_owned(), "colour"),
        ] {
            assert_eq!(refused(&body), (422, field.to_owned()), "{body}");
        }
    }
}
