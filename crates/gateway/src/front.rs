//! Where every request comes in: the few that have to be fast are told apart here, all others go through the router.

use crate::answer::{Answer, from_axum};
use crate::parts::not_our_role;
use crate::problem::Problem;
use crate::readiness::Serving;
use crate::{Readiness, ingest, original};
use axum::http::{Method, Request};
use axum::response::IntoResponse;
use futures_util::FutureExt;
use hyper::body::Incoming;
use std::panic::AssertUnwindSafe;
use tower::ServiceExt;

/// Answers one request. A panic of a handler, which is a bug, costs that request and nothing else.
pub(crate) async fn answer(readiness: &Readiness, request: Request<Incoming>) -> Answer {
    let Some(serving) = readiness.serving() else {
        return readiness.answer_meanwhile(request.uri().path());
    };
    AssertUnwindSafe(route(serving, request)).catch_unwind().await.unwrap_or_else(|_| {
        tracing::error!("a handler panicked; its request is answered 500");
        from_axum(Problem::internal().into_response())
    })
}

async fn route(serving: &Serving, request: Request<Incoming>) -> Answer {
    let app = &serving.app;
    let path = request.uri().path();
    if path == ingest::PATH && request.method() == Method::POST {
        if !app.parts.roles.ingest {
            return from_axum(not_our_role("ingest").into_response());
        }
        return ingest::take(&app.intake, request).await;
    }
    // What is rare or large is boxed, so that a connection at rest costs little.
    if let Some(operation) = original::operation(path) {
        return Box::pin(original::answer(app, operation, request)).await;
    }
    Box::pin(through_router(serving, request)).await
}

async fn through_router(serving: &Serving, request: Request<Incoming>) -> Answer {
    let Ok(response) = serving.router.clone().oneshot(request.map(axum::body::Body::new)).await;
    from_axum(response)
}
