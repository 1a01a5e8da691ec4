//! `GET /api/v1/devices/{id}/events`: what happened to one device.

use crate::answer::json;
use crate::app::App;
use crate::device_path::DevicePath;
use crate::history::{Walk, is_before, known_device, position};
use crate::problem::Problem;
use crate::query::{Query, TimeRange};
use axum::extract::State;
use axum::http::{StatusCode, Uri};
use axum::response::Response;
use fieldwatch_domain::{EventType, RecordedEvent};
use fieldwatch_event_store::HistoryEntry;
use fieldwatch_wire::event_json::write_event;
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

/// So many entries are looked at for one page of the newest-first order; then the page ends, however few it has found, with a
/// cursor to go on from. In the other order there is no such end: the oldest matches are known only after all others.
const MAX_WALKED: usize = 100_000;

/// `GET /api/v1/devices/{id}/events`
pub(crate) async fn list(State(app): State<Arc<App>>, DevicePath(id): DevicePath, uri: Uri) -> Result<Response, Problem> {
    let asked = Asked::of(Query::of(&uri)?)?;
    let device = known_device(&app, &id)?;
    let _turn = app.intake.work.walk().await?;
    let store = &**app.parts.history()?;
    let max_ahead = app.parts.limits.max_ahead;
    let (found, next) = match asked.order {
        Order::NewestFirst => {
            let mut walk = Walk::new(store, device, asked.after, asked.limit + 1);
            newest_first(&mut walk, &asked, max_ahead).await?
        }
        Order::OldestFirst => {
            let mut walk = Walk::new(store, device, None, usize::MAX);
            oldest_first(&mut walk, &asked, max_ahead).await?
        }
    };
    let mut body = String::with_capacity(64 + found.len() * 320);
    body.push_str("{\"events\":[");
    for (at, event) in found.iter().enumerate() {
        if at > 0 {
            body.push(',');
        }
        write_event(&mut body, &id, event);
    }
    body.push_str("],\"nextCursor\":");
    match next {
        Some(position) => body.push_str(&asked.order.cursor(position)),
        None => body.push_str("null"),
    }
    body.push('}');
    Ok(json(StatusCode::OK, body))
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Order {
    NewestFirst,
    OldestFirst,
}

impl Order {
    const fn letter(self) -> char {
        match self {
            Self::NewestFirst => 'd',
            Self::OldestFirst => 'a',
        }
    }

    /// The cursor just after an event, as JSON. Opaque to clients; it names the order it belongs to.
    fn cursor(self, position: u64) -> String {
        format!("\"{}{position:x}\"", self.letter())
    }

    fn position(self, cursor: &str) -> Result<u64, String> {
        let digits = cursor.strip_prefix(self.letter()).filter(|digits| (1..=16).contains(&digits.len()));
        let is_hex = |digits: &&str| digits.bytes().all(|byte| byte.is_ascii_hexdigit());
        let position = digits.filter(is_hex).and_then(|digits| u64::from_str_radix(digits, 16).ok());
        position.ok_or_else(|| "is not a cursor of this list".to_owned())
    }
}

/// What was asked for.
struct Asked {
    order: Order,
    range: TimeRange,
    /// Only these, if any is named.
    types: Vec<EventType>,
    limit: usize,
    /// Position of the last event of the page before.
    after: Option<u64>,
}

impl Asked {
    fn of(mut query: Query) -> Result<Self, Problem> {
        let order = query.read("order", |text| match text {
            "asc" => Ok(Order::OldestFirst),
            "desc" => Ok(Order::NewestFirst),
            _ => Err("must be asc or desc".to_owned()),
        });
        let order = order.unwrap_or(Order::NewestFirst);
        let asked = Self {
            order,
            range: query.range(),
            types: query.types(),
            limit: query.limit(),
            after: query.read("cursor", |text| order.position(text)),
        };
        query.finish()?;
        Ok(asked)
    }

    fn matches(&self, event: &RecordedEvent) -> bool {
        (self.types.is_empty() || self.types.contains(&event.event.event_type())) && self.range.contains(event.at)
    }
}

type Page = (Vec<RecordedEvent>, Option<u64>);

async fn newest_first(walk: &mut Walk<'_>, asked: &Asked, max_ahead: Duration) -> Result<Page, Problem> {
    let mut found: Vec<RecordedEvent> = Vec::new();
    while let Some(entry) = walk.next().await? {
        if is_before(&entry, asked.range, max_ahead) {
            return Ok((found, None));
        }
        let reached = position(&entry);
        match entry {
            HistoryEntry::Event(event) if asked.matches(&event) => {
                if found.len() == asked.limit {
                    let next = found.last().map(|event| event.position);
                    return Ok((found, next));
                }
                found.push(event);
            }
            HistoryEntry::Event(_) | HistoryEntry::Late(_) => {}
        }
        if walk.walked >= MAX_WALKED {
            return Ok((found, Some(reached)));
        }
    }
    match walk.gone(asked.range, !found.is_empty() || asked.after.is_some()) {
        Some(problem) => Err(problem),
        None => Ok((found, None)),
    }
}

/// Walks back to where the page before ended, and keeps only as many of the oldest matches as the page wants: memory is
/// bounded, however long the history is.
async fn oldest_first(walk: &mut Walk<'_>, asked: &Asked, max_ahead: Duration) -> Result<Page, Problem> {
    let mut oldest: VecDeque<RecordedEvent> = VecDeque::new();
    while let Some(entry) = walk.next().await? {
        if asked.after.is_some_and(|after| position(&entry) <= after) || is_before(&entry, asked.range, max_ahead) {
            break;
        }
        match entry {
            HistoryEntry::Event(event) if asked.matches(&event) => {
                if oldest.len() > asked.limit {
                    oldest.pop_front();
                }
                oldest.push_back(event);
            }
            HistoryEntry::Event(_) | HistoryEntry::Late(_) => {}
        }
    }
    if let Some(problem) = walk.gone(asked.range, !oldest.is_empty() || asked.after.is_some()) {
        return Err(problem);
    }
    let has_more = oldest.len() > asked.limit;
    if has_more {
        oldest.pop_front();
    }
    let found: Vec<RecordedEvent> = oldest.into_iter().rev().collect();
    let next = if has_more { found.last().map(|event| event.position) } else { None };
    Ok((found, next))
}

#[cfg(test)]
mod tests;
