//! `GET /api/v1/stream`: what happens, as it happens.

use crate::app::App;
use crate::problem::Problem;
use crate::query::Query;
use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Uri, header};
use axum::response::Response;
use bytes::Bytes;
use fieldwatch_domain::check_device_id;
use fieldwatch_push::{Chunks, Form, StreamRequest};
use hyper::body::Frame;
use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

/// `GET /api/v1/stream`
pub(crate) async fn stream(State(app): State<Arc<App>>, uri: Uri, headers: HeaderMap) -> Result<Response, Problem> {
    let request = stream_request(Query::of(&uri)?, &headers)?;
    open(&app, request)
}

/// Opens a stream and answers with it.
pub(crate) fn open(app: &App, request: StreamRequest) -> Result<Response, Problem> {
    let Some(chunks) = app.parts.hub()?.open(request) else {
        return Err(Problem::unavailable("too_many_streams", "there are as many streams as this server takes", 5));
    };
    let mut response = Response::new(Body::new(StreamBody(chunks)));
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    // nginx would collect messages otherwise.
    headers.insert(HeaderName::from_static("x-accel-buffering"), HeaderValue::from_static("no"));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    Ok(response)
}

fn stream_request(mut query: Query, headers: &HeaderMap) -> Result<StreamRequest, Problem> {
    let form = query.read("form", |text| match text {
        "events" => Ok(Form::Events),
        "frames" => Ok(Form::Frames),
        _ => Err("must be events or frames".to_owned()),
    });
    let types = query.types();
    let devices = query.read_many("devices", |id| match check_device_id(id) {
        Ok(()) => Ok(id.to_owned()),
        Err(error) => Err(error.to_string()),
    });
    let bbox = query.bbox();
    query.zone();
    query.read("alarms", |text| match text {
        "false" => Ok(()),
        // Taken, it would promise a program that it is told of alarms, and of nothing else.
        "true" => Err("cannot be true: this version has no alarms yet".to_owned()),
        _ => Err("must be true or false".to_owned()),
    });
    let since = query.single("since");
    query.finish()?;
    // What is no position is answered in the stream, as a gap; also when it is no text.
    let last_event_id = headers.get("last-event-id").map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned());
    Ok(StreamRequest {
        form: form.unwrap_or_default(),
        types,
        devices: devices.into_iter().collect(),
        bbox,
        resume_after: last_event_id.or(since).filter(|position| !position.is_empty()),
    })
}

/// The chunks of a stream as the body of an answer; ends when they do.
struct StreamBody(Chunks);

impl hyper::body::Body for StreamBody {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        self.0.poll_recv(cx).map(|chunk| chunk.map(|chunk| Ok(Frame::data(chunk))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use fieldwatch_domain::EventType;

    fn asked(text: &str, last_event_id: Option<&'static str>) -> Result<StreamRequest, Problem> {
        let query = Query::of(&format!("/x?{text}").parse().expect("a URI")).expect("percent-encoded UTF-8");
        let mut headers = HeaderMap::new();
        if let Some(id) = last_event_id {
            headers.insert("last-event-id", HeaderValue::from_static(id));
        }
        stream_request(query, &headers)
    }

    #[test]
    fn a_stream_is_of_all_events_from_now_on_unless_it_is_asked_for_otherwise() {
        assert_eq!(asked("", None).expect("nothing is wrong"), StreamRequest::default());
        let request = asked("form=frames&types=DeviceIsBack&devices=a&devices=b&alarms=false&bbox=1,2,3,4&since=7", None);
        let request = request.expect("nothing is wrong");
        assert_eq!((request.form, request.devices.len(), request.resume_after.as_deref()), (Form::Frames, 2, Some("7")));
        assert!(request.types.contains(&EventType::IsBack) && request.bbox.is_some());
    }

    #[test]
    fn the_last_event_id_wins_over_since_and_is_passed_on_as_it_came() {
        let resumed = |since, id| asked(since, id).expect("nothing is wrong").resume_after;
        assert_eq!(resumed("since=0", Some("41")).as_deref(), Some("41"));
        assert_eq!(resumed("since=0", Some("-5")).as_deref(), Some("-5"));
        assert_eq!(resumed("since=nonsense", None).as_deref(), Some("nonsense"));
    }

    #[test]
    fn wrong_parameters_are_refused_by_name() {
        let many = (0..1001).map(|at| format!("devices=d{at}")).collect::<Vec<_>>().join("&");
        for (text, field) in [
            ("form=nonsense", "form"),
            ("types=Nonsense", "types"),
            ("bbox=1,2", "bbox"),
            ("nonsense=1", "nonsense"),
            ("zone=x", "zone"),
            ("alarms=maybe", "alarms"),
            ("alarms=true", "alarms"),
            ("devices=", "devices"),
            (many.as_str(), "devices"),
        ] {
            assert_eq!(asked(text, None).expect_err("it is refused").fields(), [field], "{field}");
        }
    }
}
