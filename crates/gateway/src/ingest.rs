//! `POST /api/v1/readings`: bytes in, durable readings, 202.
//!
//! The way of most requests, so it is short: no router, no layer, no box but the queue's own future.

use crate::answer::{Answer, AnswerBody, from_axum};
use crate::body::{self, MAX_BODY_BYTES, ReadBody, SMALL_BODY_BYTES};
use crate::intake::Intake;
use crate::problem::{FieldError, Problem, write_errors};
use axum::http::{HeaderMap, HeaderValue, Request, Response, StatusCode, header};
use axum::response::IntoResponse;
use bytes::Bytes;
use fieldwatch_broker::Entries;
use fieldwatch_domain::{ReadingId, Timestamp};
use fieldwatch_wire::ingest::{
    ACCEPTED_ENCODINGS, BodyFormat, DecodeError, IdempotencyKey, Limits, Parsed, ProblemCode, Refused, decode, parse_json,
    parse_ndjson,
};
use fieldwatch_wire::text::write_integer;
use hyper::body::Body;
use std::sync::Arc;
use std::time::Instant;

/// The path.
pub(crate) const PATH: &str = "/api/v1/readings";

/// The answer to most requests.
const ONE_ACCEPTED: &[u8] = br#"{"accepted":1,"rejected":[]}"#;

/// Takes the readings of a request.
pub(crate) async fn take<B>(intake: &Arc<Intake>, request: Request<B>) -> Answer
where
    B: Body<Data = Bytes> + Unpin,
{
    let begun = Instant::now();
    let answer = match readings(intake, request).await {
        Ok(parsed) => accepted(parsed),
        Err(problem) => from_axum(problem.into_response()),
    };
    intake.seconds.observe(begun.elapsed().as_secs_f64());
    answer
}

async fn readings<B>(intake: &Arc<Intake>, request: Request<B>) -> Result<Parsed, Problem>
where
    B: Body<Data = Bytes> + Unpin,
{
    let (head, body) = request.into_parts();
    let format = format_of(&head.headers)?;
    let encoding = encoding_of(&head.headers)?;
    let key = key_of(&head.headers)?;
    let ReadBody { bytes, held } = body::read(&intake.work, body, MAX_BODY_BYTES).await?;
    let job = Job { format, encoding, key, now: (intake.clock)() };
    let (entries, parsed) = if bytes.len() <= SMALL_BODY_BYTES && job.encoding.is_none() {
        job.parse(intake, &bytes)?
    } else {
        Box::pin(parse_elsewhere(intake, job, bytes)).await?
    };
    drop(held);
    if parsed.total > parsed.accepted {
        intake.rejected.inc_by((parsed.total - parsed.accepted) as u64);
    }
    if parsed.is_refusal() {
        return Err(Problem::invalid(ProblemCode::InvalidReading.as_str(), told(parsed)));
    }
    intake.publish(entries).await?;
    intake.accepted.inc_by(parsed.accepted as u64);
    Ok(parsed)
}

/// Inflating and parsing megabytes takes tens of milliseconds, in which a runtime thread would answer nobody else.
async fn parse_elsewhere(intake: &Arc<Intake>, job: Job, bytes: Bytes) -> Result<(Entries, Parsed), Problem> {
    let _turn = intake.work.parser().await?;
    let there = Arc::clone(intake);
    let parsing = tokio::task::spawn_blocking(move || job.parse(&there, &bytes));
    parsing.await.unwrap_or_else(|error| {
        tracing::error!(%error, "parsing a body panicked");
        Err(Problem::internal())
    })
}

/// How a body is to be read.
struct Job {
    format: BodyFormat,
    encoding: Option<String>,
    key: Option<IdempotencyKey>,
    now: Timestamp,
}

impl Job {
    fn parse(&self, intake: &Intake, body: &[u8]) -> Result<(Entries, Parsed), Problem> {
        let body = decode(self.encoding.as_deref(), body, MAX_BODY_BYTES).map_err(|error| not_decoded(&error))?;
        let limits = &intake.limits;
        // Ids of one request follow one another; how many it needs is not known before it is parsed.
        let first_id = intake.ids.reserve(if body.len() <= SMALL_ID_BYTES { SMALL_IDS } else { limits.max_readings as u64 });
        let new_id = |index: usize| match self.key {
            Some(key) => key.reading_id(index),
            None => intake.ids.id(first_id + index as u64),
        };
        let mut entries = Entries::new(intake.queue.partitions());
        let parsed = parse(self.format, &body, limits, self.now, new_id, &mut entries).map_err(|refused| refused_body(&refused))?;
        Ok((entries, parsed))
    }
}

/// A body of so many bytes has fewer than [`SMALL_IDS`] readings: each takes two bytes at least, `{}` or a digit and a comma.
const SMALL_ID_BYTES: usize = 2 * SMALL_IDS as usize - 2;
const SMALL_IDS: u64 = 512;

fn parse(
    format: BodyFormat,
    body: &[u8],
    limits: &Limits,
    now: Timestamp,
    new_id: impl FnMut(usize) -> ReadingId,
    entries: &mut Entries,
) -> Result<Parsed, Refused> {
    let accept = |accepted: fieldwatch_wire::ingest::Accepted<'_>| entries.record(&accepted.device_id, &accepted.reading);
    match format {
        BodyFormat::Json => parse_json(body, limits, now, new_id, accept),
        BodyFormat::Ndjson => parse_ndjson(body, limits, now, new_id, accept),
    }
}

fn accepted(parsed: Parsed) -> Answer {
    let body = if parsed.accepted == 1 && parsed.rejected.is_empty() {
        Bytes::from_static(ONE_ACCEPTED)
    } else {
        let mut body = String::from("{\"accepted\":");
        write_integer(&mut body, parsed.accepted as u64);
        body.push_str(",\"rejected\":");
        write_errors(&mut body, &told(parsed));
        body.push('}');
        body.into()
    };
    let mut answer = Response::new(AnswerBody::Whole(body));
    *answer.status_mut() = StatusCode::ACCEPTED;
    answer.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    answer
}

fn told(parsed: Parsed) -> Vec<FieldError> {
    parsed.rejected.into_iter().map(FieldError::from).collect()
}

fn format_of(headers: &HeaderMap) -> Result<BodyFormat, Problem> {
    match headers.get(header::CONTENT_TYPE) {
        Some(value) if value.as_bytes() == b"application/json" => Ok(BodyFormat::Json),
        Some(value) => {
            let name = value.to_str().unwrap_or("not text");
            BodyFormat::of(Some(name)).map_err(|error| media_type(error.to_string()))
        }
        None => Ok(BodyFormat::Json),
    }
}

/// The content encoding, in lower case; `None` for none. What is not taken is refused before the body is read.
pub(crate) fn encoding_of(headers: &HeaderMap) -> Result<Option<String>, Problem> {
    if !headers.contains_key(header::CONTENT_ENCODING) {
        return Ok(None);
    }
    let told: Vec<&str> = headers.get_all(header::CONTENT_ENCODING).iter().map(|value| value.to_str().unwrap_or("?")).collect();
    let encoding = told.join(",").trim().to_ascii_lowercase();
    if encoding.is_empty() || encoding == "identity" {
        return Ok(None);
    }
    match decode(Some(&encoding), &[], 0) {
        Err(error @ DecodeError::Unsupported) => Err(not_decoded(&error).closing()),
        Ok(_) | Err(DecodeError::TooLarge { .. } | DecodeError::Corrupt { .. }) => Ok(Some(encoding)),
    }
}

fn key_of(headers: &HeaderMap) -> Result<Option<IdempotencyKey>, Problem> {
    let mut values = headers.get_all("idempotency-key").iter();
    let Some(value) = values.next() else { return Ok(None) };
    if values.next().is_some() {
        let code = ProblemCode::InvalidIdempotencyKey.as_str();
        return Err(Problem::new(StatusCode::BAD_REQUEST, code, "Idempotency-Key is given more than once".to_owned()).closing());
    }
    let key = IdempotencyKey::new(value.as_bytes());
    key.map(Some).map_err(|error| {
        Problem::new(StatusCode::BAD_REQUEST, ProblemCode::InvalidIdempotencyKey.as_str(), error.to_string()).closing()
    })
}

/// The content type is not taken there.
pub(crate) fn media_type(detail: String) -> Problem {
    Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, ProblemCode::UnsupportedMediaType.as_str(), detail)
}

fn not_decoded(error: &DecodeError) -> Problem {
    let (status, code) = (
        match error {
            DecodeError::TooLarge { .. } => StatusCode::PAYLOAD_TOO_LARGE,
            DecodeError::Corrupt { .. } => StatusCode::BAD_REQUEST,
            DecodeError::Unsupported => StatusCode::UNSUPPORTED_MEDIA_TYPE,
        },
        error.code().as_str(),
    );
    let problem = Problem::new(status, code, error.to_string());
    match error {
        DecodeError::Unsupported => problem.with_header(header::ACCEPT_ENCODING, HeaderValue::from_static(ACCEPTED_ENCODINGS)),
        DecodeError::TooLarge { .. } | DecodeError::Corrupt { .. } => problem,
    }
}

/// A body that is refused as a whole.
pub(crate) fn refused_body(refused: &Refused) -> Problem {
    let status = match refused {
        Refused::NotUtf8 { .. } | Refused::NotJson(_) | Refused::TooDeep(_) => StatusCode::BAD_REQUEST,
        Refused::TooManyReadings { .. } => StatusCode::PAYLOAD_TOO_LARGE,
    };
    Problem::new(status, refused.code().as_str(), refused.to_string())
}

#[cfg(test)]
mod tests;
