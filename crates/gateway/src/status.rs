//! How the service is: for people, for orchestrators, and for Prometheus.

use crate::answer::{json, text};
use crate::app::App;
use crate::problem::Problem;
use axum::extract::State;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::Response;
use fieldwatch_broker::PartitionReport;
use fieldwatch_wire::text::{write_integer, write_json_string};
use std::sync::Arc;

/// `GET /api/v1/status`
pub(crate) async fn status(State(app): State<Arc<App>>) -> Response {
    let parts = &app.parts;
    let (store, read_side) = (parts.late.store(), parts.late.read_side());
    let mut out = String::with_capacity(1024);
    out.push_str("{\"version\":");
    write_json_string(&mut out, parts.version);
    out.push_str(",\"roles\":[");
    for (at, role) in parts.roles.words().enumerate() {
        if at > 0 {
            out.push(',');
        }
        write_json_string(&mut out, role);
    }
    out.push_str("],\"logId\":");
    match store {
        Some(store) => write_json_string(&mut out, store.log_id()),
        None => out.push_str("null"),
    }
    let mut number = |name: &str, number: Option<u64>| {
        out.push_str(name);
        match number {
            Some(number) => write_integer(&mut out, number),
            None => out.push_str("null"),
        }
    };
    number(",\"position\":", store.filter(|_| read_side.is_some()).map(|store| store.newest()));
    if let Some(side) = read_side {
        let counts = side.directory.counts();
        number(",\"devices\":{\"active\":", Some(counts.active));
        number(",\"idle\":", Some(counts.idle));
        number(",\"silent\":", Some(counts.silent));
        number("},\"lagMs\":", Some(lag_ms(&app)));
    } else {
        // A process without the role api knows no devices.
        number(",\"devices\":", None);
        number(",\"lagMs\":", Some(lag_ms(&app)));
    }
    number(",\"deadLetters\":", Some(parts.dead_letters.waiting()));
    number(",\"activeActors\":", parts.late.states().map(|states| states.active()));
    number(",\"streams\":", read_side.map(|side| u64::try_from(side.hub.metrics().clients.get()).unwrap_or(0)));
    number(",\"uptimeSeconds\":", Some(app.begun.elapsed().as_secs()));
    let depth = parts.queue.depths().iter().sum();
    write_part(&mut out, "queue", parts.queue.kind(), parts.queue.health().trouble.as_deref(), Some(depth));
    if parts.roles.use_store() {
        let trouble = store.map_or_else(|| parts.late.waiting_for(), |store| store.health().trouble);
        write_part(&mut out, "store", store.map_or("unknown", |store| store.kind()), trouble.as_deref(), None);
    } else {
        out.push_str(",\"store\":null");
    }
    match read_side {
        Some(_) => write_part(&mut out, "push", "embedded", None, None),
        None => out.push_str(",\"push\":null"),
    }
    write_partitions(&mut out, &parts.queue.reports());
    out.push('}');
    json(StatusCode::OK, out)
}

/// The order matters to who waits for 0: what is not in the queue any more is decided, never the other way round.
fn lag_ms(app: &App) -> u64 {
    u64::try_from(app.parts.queue.lag().as_millis()).unwrap_or(u64::MAX)
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

/// Who owns which partition of a shared queue, and how it is.
fn write_partitions(out: &mut String, reports: &[PartitionReport]) {
    if reports.is_empty() {
        return;
    }
    out.push_str(",\"partitions\":[");
    for (at, report) in reports.iter().enumerate() {
        out.push_str(if at == 0 { "{\"partition\":" } else { ",{\"partition\":" });
        write_integer(out, u64::from(report.partition));
        out.push_str(",\"owner\":");
        match &report.owner {
            Some(owner) => write_json_string(out, owner),
            None => out.push_str("null"),
        }
        out.push_str(if report.is_ours { ",\"ours\":true" } else { ",\"ours\":false" });
        for (name, number) in [
            (",\"waitingMessages\":", report.waiting),
            (",\"unacknowledgedMessages\":", report.unacknowledged),
            (",\"redeliveredMessages\":", report.redelivered),
        ] {
            out.push_str(name);
            write_integer(out, number);
        }
        out.push('}');
    }
    out.push(']');
}

/// `GET /health/live`
pub(crate) async fn live() -> Response {
    json(StatusCode::OK, r#"{"status":"live"}"#.into())
}

/// `GET /health/ready`: every part that this process uses says how it is.
pub(crate) async fn ready(State(app): State<Arc<App>>) -> Response {
    let parts = &app.parts;
    let late = &parts.late;
    let troubles = [
        ("queue", parts.queue.health().trouble),
        ("start", late.waiting_for()),
        ("store", late.store().and_then(|store| store.health().trouble)),
        ("devices", late.states().and_then(|states| states.trouble())),
    ];
    let notes: Vec<String> = parts.notes.iter().filter_map(|note| note()).collect();
    ready_answer(&troubles, &notes)
}

fn ready_answer(troubles: &[(&str, Option<String>)], notes: &[String]) -> Response {
    let troubles: Vec<String> =
        troubles.iter().filter_map(|(part, trouble)| Some(format!("{part}: {}", trouble.as_ref()?))).collect();
    let mut body = String::from(if troubles.is_empty() { r#"{"status":"ready""# } else { r#"{"status":"not ready""# });
    write_texts(&mut body, "trouble", &troubles);
    if !notes.is_empty() {
        write_texts(&mut body, "notes", notes);
    }
    body.push('}');
    if troubles.is_empty() { json(StatusCode::OK, body) } else { not_ready(body) }
}

fn write_texts(out: &mut String, name: &str, texts: &[String]) {
    out.push_str(",\"");
    out.push_str(name);
    out.push_str("\":[");
    for (at, text) in texts.iter().enumerate() {
        if at > 0 {
            out.push(',');
        }
        write_json_string(out, text);
    }
    out.push(']');
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
        assert_eq!(ready_answer(&[("queue", None), ("store", None)], &["look".into()]).status(), StatusCode::OK);
        let troubled = ready_answer(&[("queue", Some("the disk is \"full\"".into())), ("store", Some("x".into()))], &[]);
        assert_eq!(troubled.status(), StatusCode::SERVICE_UNAVAILABLE);
    }
}
