//! Problem documents (RFC 9457): one form for everything that is not answered as asked.

use axum::body::Body;
use axum::http::{HeaderValue, Response, StatusCode, header};
use axum::response::IntoResponse;
use fieldwatch_wire::ingest::Rejection;
use fieldwatch_wire::text::{write_integer, write_json_string};
use std::borrow::Cow;

/// Why a request is not answered as asked. Small to pass on: refusals are rare, what they hold lies in a box.
#[derive(Debug)]
pub(crate) struct Problem(Box<Inner>);

#[derive(Debug)]
struct Inner {
    status: StatusCode,
    code: &'static str,
    title: Cow<'static, str>,
    detail: String,
    errors: Vec<FieldError>,
    /// More members, as JSON that begins with a comma.
    members: String,
    headers: Vec<(header::HeaderName, HeaderValue)>,
}

/// One bad field of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct FieldError {
    /// Which element of the request's body, from 0; 0 where there is only one, and for parameters.
    pub(crate) index: usize,
    /// The member or parameter.
    pub(crate) field: Cow<'static, str>,
    /// What is wrong with it.
    pub(crate) reason: String,
}

impl From<Rejection> for FieldError {
    fn from(rejection: Rejection) -> Self {
        Self { index: rejection.index, field: rejection.field, reason: rejection.reason.to_string() }
    }
}

impl Problem {
    /// `code` is stable and in snake case; `detail` is for people.
    pub(crate) fn new(status: StatusCode, code: &'static str, detail: impl Into<String>) -> Self {
        let title = title_of(status);
        Self(Box::new(Inner {
            status,
            code,
            title,
            detail: detail.into(),
            errors: Vec::new(),
            members: String::new(),
            headers: Vec::new(),
        }))
    }

    /// Bad fields, told one by one: 422.
    pub(crate) fn invalid(code: &'static str, errors: Vec<FieldError>) -> Self {
        let detail = match errors.as_slice() {
            [only] if only.field.is_empty() => only.reason.clone(),
            [only] => format!("{} {}", only.field, only.reason),
            several => format!("{} fields are wrong; errors tells which", several.len()),
        };
        let mut problem = Self::new(StatusCode::UNPROCESSABLE_ENTITY, code, detail);
        problem.0.errors = errors;
        problem
    }

    /// Nothing can be done now: 503, to be tried again after so many seconds.
    pub(crate) fn unavailable(code: &'static str, detail: impl Into<String>, retry_after_s: u32) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, code, detail).with_header(header::RETRY_AFTER, HeaderValue::from(retry_after_s))
    }

    pub(crate) fn not_found(code: &'static str, detail: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, code, detail)
    }

    /// The device is not known, or was forgotten.
    pub(crate) fn unknown_device() -> Self {
        Self::not_found("device_not_found", "no device of this id is known")
    }

    /// The cursor is none, or of another list.
    pub(crate) fn invalid_cursor(reason: impl Into<String>) -> Self {
        Self::invalid("invalid_parameter", vec![FieldError { index: 0, field: "cursor".into(), reason: reason.into() }])
    }

    /// What was asked for is not kept any more.
    pub(crate) fn gone() -> Self {
        Self::new(StatusCode::GONE, "range_gone", "the range lies before what is kept; earliest tells what is")
    }

    /// A bug here; what went wrong is in the log, not in the answer.
    pub(crate) fn internal() -> Self {
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "internal_error", "something went wrong here; the log says what")
    }

    pub(crate) fn with_header(mut self, name: header::HeaderName, value: HeaderValue) -> Self {
        self.0.headers.push((name, value));
        self
    }

    /// The connection ends with this answer, because the rest of the body is not read.
    pub(crate) fn closing(self) -> Self {
        self.with_header(header::CONNECTION, HeaderValue::from_static("close"))
    }

    /// Adds a member; `value` is JSON.
    pub(crate) fn with_member(mut self, name: &str, value: &str) -> Self {
        let members = &mut self.0.members;
        members.push(',');
        write_json_string(members, name);
        members.push(':');
        members.push_str(value);
        self
    }

    #[cfg(test)]
    pub(crate) fn status(&self) -> StatusCode {
        self.0.status
    }

    #[cfg(test)]
    pub(crate) fn fields(&self) -> Vec<&str> {
        self.0.errors.iter().map(|error| error.field.as_ref()).collect()
    }

    /// The document.
    pub(crate) fn to_json(&self) -> String {
        let Inner { status, code, title, detail, errors, members, .. } = &*self.0;
        let mut out = String::with_capacity(192 + errors.len() * 64);
        out.push_str("{\"type\":\"urn:fieldwatch:problem:");
        out.push_str(code);
        out.push_str("\",\"title\":");
        write_json_string(&mut out, title);
        out.push_str(",\"status\":");
        write_integer(&mut out, u64::from(status.as_u16()));
        out.push_str(",\"detail\":");
        write_json_string(&mut out, detail);
        out.push_str(",\"code\":\"");
        out.push_str(code);
        out.push('"');
        if !errors.is_empty() {
            out.push_str(",\"errors\":");
            write_errors(&mut out, errors);
        }
        out.push_str(members);
        out.push('}');
        out
    }
}

/// Writes the bad fields as an array of `{"index","field","reason"}`.
pub(crate) fn write_errors(out: &mut String, errors: &[FieldError]) {
    out.push('[');
    for (at, error) in errors.iter().enumerate() {
        out.push_str(if at == 0 { "{\"index\":" } else { ",{\"index\":" });
        write_integer(out, error.index as u64);
        out.push_str(",\"field\":");
        write_json_string(out, &error.field);
        out.push_str(",\"reason\":");
        write_json_string(out, &error.reason);
        out.push('}');
    }
    out.push(']');
}

/// The title of all problems of a status: its own words, which is all that is common to them.
fn title_of(status: StatusCode) -> Cow<'static, str> {
    Cow::Borrowed(status.canonical_reason().unwrap_or("Problem"))
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response<Body> {
        let mut response = Response::new(Body::from(self.to_json()));
        *response.status_mut() = self.0.status;
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
        for (name, value) in self.0.headers {
            headers.insert(name, value);
        }
        response
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_problem_is_json_with_the_members_of_the_rfc_and_our_own() {
        let errors = vec![FieldError { index: 3, field: "lat".into(), reason: "is \"missing\"".into() }];
        let problem = Problem::invalid("invalid_reading", errors).with_member("earliest", "7");
        let json: serde_json::Value = serde_json::from_str(&problem.to_json()).expect("JSON");
        assert_eq!(json["status"], 422);
        assert_eq!(json["code"], "invalid_reading");
        assert_eq!(json["type"], "urn:fieldwatch:problem:invalid_reading");
        assert_eq!(json["detail"], "lat is \"missing\"");
        assert_eq!(json["errors"][0]["index"], 3);
        assert_eq!(json["earliest"], 7);
        assert!(json["title"].as_str().is_some_and(|title| !title.is_empty()));
    }

    #[test]
    fn what_is_to_be_tried_again_says_when() {
        let response = Problem::unavailable("queue_busy", "too many requests wait", 2).into_response();
        assert_eq!(response.headers()["retry-after"], "2");
        assert_eq!(response.headers()["content-type"], "application/problem+json");
    }
}
