//! The paths of the original system, for devices, scripts and pages that were made for it.
//!
//! In any letter case, with or without a trailing slash, whatever `Accept` says.

use crate::OriginalEndpoints;
use crate::answer::{Answer, empty, from_axum, into_axum};
use crate::app::App;
use crate::body::{self, MAX_BODY_BYTES, SMALL_BODY_BYTES};
use crate::ingest::{encoding_of, media_type, refused_body};
use crate::intake::Intake;
use crate::parts::not_our_role;
use crate::problem::{FieldError, Problem};
use crate::stream;
use axum::http::{HeaderValue, Method, Request, Response, StatusCode, header};
use axum::response::IntoResponse;
use bytes::Bytes;
use fieldwatch_broker::Entries;
use fieldwatch_push::{Form, StreamRequest};
use fieldwatch_wire::ingest::{OriginalRefused, parse_original};
use hyper::body::Body;
use std::sync::Arc;
use std::time::Instant;

/// The paths as they were written, with their methods.
pub(crate) const PATHS: [(&str, &str); 3] =
    [("POST", "/event"), ("POST", "/api/devicemetric"), ("GET", "/UserSubscription/toGeneralDeviceEventStream")];

/// What the original could do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Operation {
    /// To take a reading.
    Reading,
    /// To stream events.
    Stream,
}

/// What a path asks for, if it is one of the original's.
pub(crate) fn operation(path: &str) -> Option<Operation> {
    let path = path.strip_suffix('/').unwrap_or(path);
    let (_, known) = PATHS.into_iter().find(|(_, known)| known.eq_ignore_ascii_case(path))?;
    Some(if known.starts_with("/User") { Operation::Stream } else { Operation::Reading })
}

/// Answers a request to one of the original's paths.
pub(crate) async fn answer<B>(app: &Arc<App>, operation: Operation, request: Request<B>) -> Answer
where
    B: Body<Data = Bytes> + Unpin,
{
    if app.parts.original_endpoints == OriginalEndpoints::Off {
        let detail = "the endpoints of the original system are switched off (server.original_endpoints)";
        return from_axum(Problem::not_found("not_found", detail).into_response());
    }
    if operation == Operation::Reading && !app.parts.roles.ingest {
        return from_axum(not_our_role("ingest").into_response());
    }
    let method = request.method().clone();
    match (operation, method) {
        (_, Method::OPTIONS) => preflight(operation),
        (Operation::Reading, Method::POST) => {
            let begun = Instant::now();
            let answer = match reading(&app.intake, request).await {
                Ok(()) => empty(StatusCode::ACCEPTED),
                Err(problem) => from_axum(problem.into_response()),
            };
            app.intake.seconds.observe(begun.elapsed().as_secs_f64());
            answer
        }
        (Operation::Stream, Method::GET | Method::HEAD) => from_axum(events(app)),
        (Operation::Reading | Operation::Stream, _) => {
            let problem = Problem::new(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", "this path takes another method");
            from_axum(problem.with_header(header::ALLOW, allowed(operation)).into_response())
        }
    }
}

fn allowed(operation: Operation) -> HeaderValue {
    HeaderValue::from_static(match operation {
        Operation::Reading => "POST, OPTIONS",
        Operation::Stream => "GET, HEAD, OPTIONS",
    })
}

/// What a browser asks before it calls from a page of another origin. Only the stream is open to every page: whoever may
/// post readings is a device or a script, not a page that somebody happens to look at.
fn preflight(operation: Operation) -> Answer {
    let mut answer = empty(StatusCode::NO_CONTENT);
    let headers = answer.headers_mut();
    headers.insert(header::ALLOW, allowed(operation));
    if operation == Operation::Stream {
        headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
        headers.insert(header::ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static("GET"));
        headers.insert(header::ACCESS_CONTROL_ALLOW_HEADERS, HeaderValue::from_static("Last-Event-ID, Cache-Control"));
        headers.insert(header::ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static("86400"));
    }
    answer
}

async fn reading<B>(intake: &Arc<Intake>, request: Request<B>) -> Result<(), Problem>
where
    B: Body<Data = Bytes> + Unpin,
{
    let (head, body) = request.into_parts();
    let content_type = head.headers.get(header::CONTENT_TYPE).map(|value| value.to_str().unwrap_or("not text").to_owned());
    if encoding_of(&head.headers)?.is_some() {
        return Err(media_type("this path never took compressed bodies; /api/v1/readings does".into()).closing());
    }
    let read = body::read(&intake.work, body, MAX_BODY_BYTES).await?;
    let entries = if read.bytes.len() <= SMALL_BODY_BYTES {
        parse(intake, &read.bytes, content_type.as_deref())?
    } else {
        // Nobody's reading is that large, but what is must not keep a runtime thread from others.
        let _turn = intake.work.parser().await?;
        let there = Arc::clone(intake);
        let bytes = read.bytes;
        let parsing = tokio::task::spawn_blocking(move || parse(&there, &bytes, content_type.as_deref()));
        parsing.await.unwrap_or_else(|error| {
            tracing::error!(%error, "parsing a body panicked");
            Err(Problem::internal())
        })?
    };
    drop(read.held);
    intake.publish(entries).await?;
    intake.accepted.inc();
    Ok(())
}

fn parse(intake: &Intake, body: &[u8], content_type: Option<&str>) -> Result<Entries, Problem> {
    let new_id = || intake.ids.id(intake.ids.reserve(1));
    let accepted = parse_original(body, content_type, &intake.limits, (intake.clock)(), new_id);
    let accepted = accepted.map_err(|refused| {
        let code = refused.code().as_str();
        match refused {
            OriginalRefused::MediaType(error) => media_type(error.to_string()),
            OriginalRefused::Body(refused) => refused_body(&refused),
            OriginalRefused::Reading(rejections) => {
                intake.rejected.inc();
                Problem::invalid(code, rejections.into_iter().map(FieldError::from).collect())
            }
        }
    })?;
    let mut entries = Entries::new(intake.queue.partitions());
    entries.record(&accepted.device_id, &accepted.reading);
    Ok(entries)
}

fn events(app: &App) -> Response<axum::body::Body> {
    let request = StreamRequest { form: Form::Original, ..StreamRequest::default() };
    match stream::open(app, request) {
        Ok(mut response) => {
            response.headers_mut().insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
            response
        }
        Err(problem) => into_axum(from_axum(problem.into_response())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_originals_paths_are_known_in_any_case_with_or_without_a_slash() {
        for path in ["/event", "/EVENT/", "/Api/DeviceMetric", "/api/devicemetric/"] {
            assert_eq!(operation(path), Some(Operation::Reading), "{path}");
        }
        for path in ["/UserSubscription/toGeneralDeviceEventStream", "/usersubscription/TOGENERALDEVICEEVENTSTREAM/"] {
            assert_eq!(operation(path), Some(Operation::Stream), "{path}");
        }
        for path in ["/", "/events", "/event//", "/api/devicemetric/x", "/api/v1/readings"] {
            assert_eq!(operation(path), None, "{path}");
        }
    }
}
