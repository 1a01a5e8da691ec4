//! Answers, and their bodies.

use axum::body::Body as AnyBody;
use axum::http::{HeaderValue, Response, StatusCode, header};
use bytes::Bytes;
use hyper::body::{Body, Frame, SizeHint};
use std::pin::Pin;
use std::task::{Context, Poll};

/// What goes back to a client.
pub(crate) type Answer = Response<AnswerBody>;

/// The body of an answer. The answers of ingest are constants or small texts, and need no box.
#[derive(Debug)]
pub(crate) enum AnswerBody {
    /// Bytes that are there already; empty once they were given.
    Whole(Bytes),
    /// Anything else.
    Any(AnyBody),
}

impl Body for AnswerBody {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        match self.get_mut() {
            Self::Whole(bytes) if bytes.is_empty() => Poll::Ready(None),
            Self::Whole(bytes) => Poll::Ready(Some(Ok(Frame::data(std::mem::take(bytes))))),
            Self::Any(body) => Pin::new(body).poll_frame(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Whole(bytes) => bytes.is_empty(),
            Self::Any(body) => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Whole(bytes) => SizeHint::with_exact(bytes.len() as u64),
            Self::Any(body) => body.size_hint(),
        }
    }
}

/// An answer of the router, as one of the connection.
pub(crate) fn from_axum(response: Response<AnyBody>) -> Answer {
    response.map(AnswerBody::Any)
}

/// An answer of the connection, as one of the router.
pub(crate) fn into_axum(answer: Answer) -> Response<AnyBody> {
    answer.map(|body| match body {
        AnswerBody::Whole(bytes) => AnyBody::from(bytes),
        AnswerBody::Any(body) => body,
    })
}

/// JSON that is not to be kept by caches.
pub(crate) fn json(status: StatusCode, body: String) -> Response<AnyBody> {
    text(status, "application/json", body)
}

/// A text of some type that is not to be kept by caches.
pub(crate) fn text(status: StatusCode, content_type: &'static str, body: String) -> Response<AnyBody> {
    let mut response = Response::new(AnyBody::from(body));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}

/// A status without a body.
pub(crate) fn empty(status: StatusCode) -> Answer {
    let mut answer = Response::new(AnswerBody::Whole(Bytes::new()));
    *answer.status_mut() = status;
    answer
}
