//! What a server said about the readings it was sent.

use std::time::Duration;

use serde::Deserialize;

use crate::client::Answer;

/// Which form a reading is sent in, and so which answer means that it was accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Endpoint {
    /// `POST /api/v1/readings`: the answer says how many were accepted.
    Readings,
    /// `POST /event`, the original's: 202 with an empty body.
    Original,
}

impl Endpoint {
    pub(crate) fn path(self) -> &'static str {
        match self {
            Endpoint::Readings => "/api/v1/readings",
            Endpoint::Original => "/event",
        }
    }
}

/// One bad field of one reading.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(crate) struct BadField {
    /// Which reading of the request, from 0.
    #[serde(default)]
    pub(crate) index: usize,
    #[serde(default)]
    pub(crate) field: String,
    pub(crate) reason: String,
}

/// What became of one request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Judged reading by reading: so many accepted, and what was bad about the others.
    Judged { accepted: u64, bad_fields: Vec<BadField> },
    /// Nothing was taken, and the server says that it may be asked again (429, 503).
    Busy { status: u16, retry_after: Option<Duration> },
    /// Nothing can be said about the readings: another status, or a body that is not understood.
    Unusable { status: u16, detail: String },
}

#[derive(Deserialize)]
struct AcceptedBody {
    accepted: u64,
    rejected: Vec<BadField>,
}

#[derive(Deserialize)]
struct ProblemBody {
    #[serde(default)]
    title: String,
    #[serde(default)]
    detail: String,
    #[serde(default)]
    errors: Vec<BadField>,
}

/// Reads the answer to a request that held at least one reading.
pub(crate) fn judge(endpoint: Endpoint, answer: &Answer<'_>) -> Verdict {
    match (answer.status, endpoint) {
        (202, Endpoint::Original) => Verdict::Judged { accepted: 1, bad_fields: Vec::new() },
        (202, Endpoint::Readings) => match serde_json::from_slice(answer.body) {
            Ok(AcceptedBody { accepted, rejected }) => Verdict::Judged { accepted, bad_fields: rejected },
            Err(error) => Verdict::Unusable { status: 202, detail: format!("its body is not understood: {error}") },
        },
        (429 | 503, _) => Verdict::Busy { status: answer.status, retry_after: answer.retry_after },
        (status, _) => match serde_json::from_slice::<ProblemBody>(answer.body) {
            Ok(problem) if status == 422 && !problem.errors.is_empty() => {
                Verdict::Judged { accepted: 0, bad_fields: problem.errors }
            }
            Ok(problem) if problem.detail.is_empty() => Verdict::Unusable { status, detail: problem.title },
            Ok(problem) => Verdict::Unusable { status, detail: problem.detail },
            Err(_) => Verdict::Unusable { status, detail: String::new() },
        },
    }
}

/// How many different readings `bad_fields` tell of: a reading has one entry per bad field.
pub(crate) fn rejected_readings(bad_fields: &[BadField]) -> u64 {
    let mut indexes: Vec<usize> = bad_fields.iter().map(|bad| bad.index).collect();
    indexes.sort_unstable();
    indexes.dedup();
    indexes.len() as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verdict(status: u16, body: &str) -> Verdict {
        judge(Endpoint::Readings, &Answer { status, retry_after: None, body: body.as_bytes() })
    }

    fn bad(index: usize, field: &str) -> BadField {
        BadField { index, field: field.to_owned(), reason: "out of range".to_owned() }
    }

    #[test]
    fn a_reading_is_accepted_only_by_202_and_the_number_in_its_body() {
        assert_eq!(verdict(202, r#"{"accepted":1,"rejected":[]}"#), Verdict::Judged { accepted: 1, bad_fields: vec![] });
        assert!(matches!(verdict(202, ""), Verdict::Unusable { .. }));
        assert!(matches!(verdict(200, r#"{"accepted":1,"rejected":[]}"#), Verdict::Unusable { .. }));
        assert!(matches!(verdict(500, "oops"), Verdict::Unusable { .. }));
    }

    #[test]
    fn bad_fields_come_with_202_as_rejected_and_with_422_as_errors() {
        let entries = r#"[{"index":1,"field":"lat","reason":"out of range"},{"index":1,"field":"lon","reason":"out of range"}]"#;
        let expected = vec![bad(1, "lat"), bad(1, "lon")];
        assert_eq!(rejected_readings(&expected), 1);
        assert_eq!(
            verdict(202, &format!(r#"{{"accepted":4,"rejected":{entries}}}"#)),
            Verdict::Judged { accepted: 4, bad_fields: expected.clone() }
        );
        assert_eq!(
            verdict(422, &format!(r#"{{"title":"x","status":422,"errors":{entries}}}"#)),
            Verdict::Judged { accepted: 0, bad_fields: expected }
        );
    }

    #[test]
    fn the_original_endpoint_accepts_with_an_empty_body() {
        let answer = Answer { status: 202, retry_after: None, body: b"" };
        assert_eq!(judge(Endpoint::Original, &answer), Verdict::Judged { accepted: 1, bad_fields: vec![] });
    }

    #[test]
    fn a_busy_server_may_be_asked_again() {
        let retry_after = Some(Duration::from_secs(2));
        for status in [429, 503] {
            let answer = Answer { status, retry_after, body: b"{}" };
            assert_eq!(judge(Endpoint::Readings, &answer), Verdict::Busy { status, retry_after });
        }
    }
}
