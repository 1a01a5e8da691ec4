//! What is served before and while the state is restored.

use crate::Parts;
use crate::answer::{Answer, from_axum, json};
use crate::app::App;
use crate::problem::Problem;
use crate::routes;
use crate::status::not_ready;
use axum::Router;
use axum::http::StatusCode;
use axum::response::IntoResponse;
use fieldwatch_wire::text::write_json_string;
use prometheus_client::metrics::gauge::Gauge;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::SetOnce;

/// What is served before and while the state is restored: `/health/live` is 200, everything else 503 with what is going
/// on, until the parts are there. Cheap to clone.
#[derive(Clone, Default)]
pub struct Readiness {
    inner: Arc<Inner>,
}

#[derive(Default)]
struct Inner {
    serving: SetOnce<Serving>,
    doing: Mutex<String>,
    connections: Gauge,
}

/// What serves once it is ready.
#[derive(Debug)]
pub(crate) struct Serving {
    pub(crate) app: Arc<App>,
    pub(crate) router: Router,
}

impl Readiness {
    /// From now on requests are served. Only the first call counts.
    pub fn ready(&self, parts: Arc<Parts>) {
        let app = Arc::new(App::new(parts, self.inner.connections.clone()));
        let router = routes::router(Arc::clone(&app));
        if self.inner.serving.set(Serving { app, router }).is_err() {
            tracing::warn!("the gateway was given its parts twice; the first ones stay");
        }
    }

    /// What to tell those who ask meanwhile, such as `restoring devices`.
    pub fn say(&self, what: &str) {
        what.clone_into(&mut self.inner.doing.lock().unwrap_or_else(PoisonError::into_inner));
    }

    pub(crate) fn serving(&self) -> Option<&Serving> {
        self.inner.serving.get()
    }

    /// Waits until the parts are there. Cancel-safe.
    pub(crate) async fn wait(&self) -> Arc<App> {
        Arc::clone(&self.inner.serving.wait().await.app)
    }

    /// `fieldwatch_http_connections`, counted also while nothing is ready.
    pub(crate) fn connections(&self) -> &Gauge {
        &self.inner.connections
    }

    /// The answer to a request that came too early.
    pub(crate) fn answer_meanwhile(&self, path: &str) -> Answer {
        if path == "/health/live" {
            return from_axum(json(StatusCode::OK, r#"{"status":"live"}"#.into()));
        }
        let doing = self.inner.doing.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let doing = if doing.is_empty() { "starting".to_owned() } else { doing };
        if path == "/health/ready" {
            let mut body = String::from(r#"{"status":"starting","trouble":["#);
            write_json_string(&mut body, &doing);
            body.push_str("]}");
            return from_axum(not_ready(body));
        }
        from_axum(Problem::unavailable("starting", format!("the server is not ready yet: {doing}"), 1).into_response())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn before_it_is_ready_it_is_alive_and_says_what_it_does() {
        let readiness = Readiness::default();
        assert_eq!(readiness.answer_meanwhile("/health/live").status(), StatusCode::OK);
        readiness.say("restoring devices");
        for path in ["/health/ready", "/api/v1/devices", "/event"] {
            let answer = readiness.answer_meanwhile(path);
            assert_eq!(answer.status(), StatusCode::SERVICE_UNAVAILABLE, "{path}");
            assert!(answer.headers().contains_key("retry-after"), "{path}");
        }
    }
}
