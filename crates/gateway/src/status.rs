//! How the service is: for people, for orchestrators, and for Prometheus.

use crate::answer::{json, text};
use crate::app::App;
use crate::problem::Problem;
use axum::extract::State;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::Response;
use fieldwatch_wire::text::{write_integer, write_json_string};
use std::sync::Arc;

/// `GET /api/v1/status`
pub(crate) async fn status(State(app): State<Arc<App>>) -> Response {
    let parts = &app.parts;
    let mut out = String::with_capacity(512);
    out.push_str("{\"version\":");
    write_json_string(&mut out, parts.version);
    out.push_str(",\"roles\":[");
    for (at, role) in parts.roles.iter().enumerate() {
        if at > 0 {
            out.push(',');
        }
        write_json_string(&mut out, role);
    }
    out.push_str("],\"logId\":");
    write_json_string(&mut out, parts.store.log_id());
    let mut number = |name: &str, number: u64| {
        out.push_str(name);
        write_integer(&mut out, number);
    };
    let counts = parts.directory.counts();
    number(",\"position\":", parts.store.newest());
    number(",\"devices\":{\"active\":", counts.active);
    number(",\"idle\":", counts.idle);
    number(",\"silent\":", counts.silent);
    // The order matters to who waits for 0: what is not in the queue any more is decided, never the other way round.
    number("},\"lagMs\":", u64::try_from(parts.queue.lag().as_millis()).unwrap_or(u64::MAX));
    number(",\"deadLetters\":", parts.dead_letters.waiting());
    number(",\"activeActors\":", parts.states.active());
    number(",\"streams\":", u64::try_from(parts.hub.metrics().clients.get()).unwrap_or(0));
    number(",\"uptimeSeconds\":", app.begun.elapsed().as_secs());
    let depth = parts.queue.depths().iter().sum();
    write_part(&mut out, "queue", parts.queue.kind(), parts.queue.health().trouble.as_deref(), Some(depth));
    write_part(&mut out, "store", parts.store.kind(), parts.store.health().trouble.as_deref(), None);
    write_part(&mut out, "push", "embedded", None, None);
    out.push('}');
    json(StatusCode::OK, out)
}

fn write_part(out: &mut String, name: &str, kind: &str, trouble: Option<&str>, depth: Option<u64>) {
    out.push_str(",\"");
    out.push_str(name);
    out.push_str("\":{\"kind\":\"");
    out.push_str(kind);
    out.push_str(if trouble.is_none() { "\",\"healthy\":true" } else { "\",\"healthy\":false" });
    if let Some(depth) = depth {
        out.push_str(",\"depth\":");
        write_integer(out, depth);
    }
    if let Some(trouble) = trouble {
        out.push_str(",\"trouble\":");
        write_json_string(out, trouble);
    }
    out.push('}');
}

/// `GET /health/live`
pub(crate) async fn live() -> Response {
    json(StatusCode::OK, r#"{"status":"live"}"#.into())
}

/// `GET /health/ready`: the state is restored when this is asked at all; queue, store and devices say how they are.
pub(crate) async fn ready(State(app): State<Arc<App>>) -> Response {
    let parts = &app.parts;
    let troubles =
        [("queue", parts.queue.health().trouble), ("store", parts.store.health().trouble), ("devices", parts.states.trouble())];
    ready_answer(&troubles)
}

fn ready_answer(troubles: &[(&str, Option<String>)]) -> Response {
    let mut body = String::from("[");
    for (part, trouble) in troubles.iter().filter_map(|(part, trouble)| Some((part, trouble.as_ref()?))) {
        if body.len() > 1 {
            body.push(',');
        }
        write_json_string(&mut body, &format!("{part}: {trouble}"));
    }
    body.push_str("]}");
    if body == "[]}" {
        json(StatusCode::OK, r#"{"status":"ready","trouble":[]}"#.into())
    } else {
        not_ready(format!(r#"{{"status":"not ready","trouble":{body}"#))
    }
}

/// 503 with a body that says why, to be asked again soon.
pub(crate) fn not_ready(body: String) -> Response {
    let mut response = json(StatusCode::SERVICE_UNAVAILABLE, body);
    response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
    response
}

/// `GET /metrics`
pub(crate) async fn metrics(State(app): State<Arc<App>>) -> Result<Response, Problem> {
    let there = Arc::clone(&app);
    // Up to 25 000 lines of mailboxes: too long for a runtime thread.
    let encoding = tokio::task::spawn_blocking(move || there.metrics.encode(&there.parts));
    let Ok(Ok(body)) = encoding.await else {
        tracing::error!("metrics could not be written");
        return Err(Problem::internal());
    };
    Ok(text(StatusCode::OK, "application/openmetrics-text; version=1.0.0; charset=utf-8", body))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ready_names_what_is_not() {
        assert_eq!(ready_answer(&[("queue", None), ("store", None)]).status(), StatusCode::OK);
        let troubled = ready_answer(&[("queue", Some("the disk is \"full\"".into())), ("store", Some("x".into()))]);
        assert_eq!(troubled.status(), StatusCode::SERVICE_UNAVAILABLE);
    }
}
