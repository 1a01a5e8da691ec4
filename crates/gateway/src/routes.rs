//! The table of routes, and what is answered beside it.

use crate::app::App;
use crate::problem::Problem;
use crate::{answer, commands, console, dead_letters, devices, events, ingest, original, status, stream, track};
use axum::Router;
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodRouter, delete, get, patch, post};
use std::sync::Arc;

/// One operation.
struct Route {
    method: &'static str,
    path: &'static str,
    handler: MethodRouter<Arc<App>>,
}

/// Every operation of the API, as `openapi.json` describes it.
fn table() -> Vec<Route> {
    let route = |method, path, handler| Route { method, path, handler };
    vec![
        // Told apart before the router is asked; it is here for its other methods.
        route("POST", ingest::PATH, post(readings)),
        route("GET", "/api/v1/devices", get(devices::list)),
        route("GET", "/api/v1/devices/{id}", get(devices::one)),
        route("PATCH", "/api/v1/devices/{id}", patch(commands::describe)),
        route("DELETE", "/api/v1/devices/{id}", delete(commands::forget)),
        route("GET", "/api/v1/devices/{id}/events", get(events::list)),
        route("GET", "/api/v1/devices/{id}/track", get(track::track)),
        route("GET", "/api/v1/stream", get(stream::stream)),
        route("GET", "/api/v1/dead-letters", get(dead_letters::list)),
        route("POST", "/api/v1/dead-letters/requeue", post(dead_letters::requeue_all)),
        route("POST", "/api/v1/dead-letters/{id}/requeue", post(dead_letters::requeue_one)),
        route("GET", "/api/v1/status", get(status::status)),
        route("GET", "/health/live", get(status::live)),
        route("GET", "/health/ready", get(status::ready)),
        route("GET", "/metrics", get(status::metrics)),
        route("GET", "/openapi.json", get(console::openapi)),
    ]
}

/// Methods and paths of every operation, the original's included, as `openapi.json` has to describe them.
#[cfg(test)]
fn operations() -> Vec<(&'static str, &'static str)> {
    table().iter().map(|route| (route.method, route.path)).chain(original::PATHS).collect()
}

/// The router over the table; what is in no row is a file of the console or a problem.
pub(crate) fn router(app: Arc<App>) -> Router {
    let router = table().into_iter().fold(Router::new(), |router, Route { method, path, handler }| {
        debug_assert!(original::operation(path).is_none(), "{method} {path} is told apart before");
        router.route(path, handler)
    });
    router
        .route("/docs", get(console::docs))
        .fallback(console::file)
        .method_not_allowed_fallback(method_not_allowed)
        .with_state(app)
}

async fn readings(State(app): State<Arc<App>>, request: Request) -> Response {
    answer::into_axum(ingest::take(&app.intake, request).await)
}

/// axum adds `Allow` by itself.
async fn method_not_allowed() -> Response {
    Problem::new(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", "this path takes another method; Allow tells which")
        .into_response()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn every_route_is_in_the_openapi_document_and_nothing_else_is() {
        let document: serde_json::Value = serde_json::from_str(crate::openapi()).expect("the document is JSON");
        let mut described = BTreeSet::new();
        for (path, operations) in document["paths"].as_object().expect("an object of paths") {
            for method in operations.as_object().expect("an object of operations").keys().filter(|key| *key != "parameters") {
                described.insert(format!("{} {path}", method.to_uppercase()));
            }
        }
        let served: BTreeSet<String> = operations().iter().map(|(method, path)| format!("{method} {path}")).collect();
        assert_eq!(served, described);
    }

    #[test]
    fn every_reference_in_the_openapi_document_leads_somewhere() {
        fn visit(value: &serde_json::Value, document: &serde_json::Value) {
            match value {
                serde_json::Value::Object(members) => {
                    if let Some(target) = members.get("$ref").and_then(serde_json::Value::as_str) {
                        let pointer = target.strip_prefix('#').expect("references stay in the document");
                        assert!(document.pointer(pointer).is_some(), "{target} leads nowhere");
                    }
                    members.values().for_each(|member| visit(member, document));
                }
                serde_json::Value::Array(elements) => elements.iter().for_each(|element| visit(element, document)),
                _ => {}
            }
        }
        let document: serde_json::Value = serde_json::from_str(crate::openapi()).expect("the document is JSON");
        assert!(document["openapi"].as_str().is_some_and(|version| version.starts_with("3.1.")));
        assert_eq!(document["info"]["version"], env!("CARGO_PKG_VERSION"));
        visit(&document, &document);
    }
}
