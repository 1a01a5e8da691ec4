//! The bare server: reads a request whole, answers 202 with the bytes the program would, and does nothing else.
//!
//! It stands on hyper alone, without the router, which makes it the strictest floor for a program that has one.

use std::convert::Infallible;
use std::net::SocketAddr;

use anyhow::Context as _;
use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::header::{CONTENT_TYPE, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;

/// Serves until the process is ended.
pub(crate) fn serve(listen: SocketAddr, accepted: u32) -> anyhow::Result<()> {
    let answer = Bytes::from(format!(r#"{{"accepted":{accepted},"rejected":[]}}"#));
    tokio::runtime::Runtime::new().context("start the runtime")?.block_on(accept(listen, answer))
}

async fn accept(listen: SocketAddr, answer: Bytes) -> anyhow::Result<()> {
    let listener = TcpListener::bind(listen).await.with_context(|| format!("listen on {listen}"))?;
    loop {
        let (stream, _) = listener.accept().await.context("accept a connection")?;
        stream.set_nodelay(true).context("set up a connection")?;
        let answer = answer.clone();
        tokio::spawn(async move {
            let service = service_fn(move |request| respond(request, answer.clone()));
            // A connection that breaks is the client's business.
            let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
        });
    }
}

async fn respond(request: Request<Incoming>, answer: Bytes) -> Result<Response<Full<Bytes>>, Infallible> {
    if request.method() != Method::POST {
        return Ok(Response::new(Full::new(Bytes::new())));
    }
    let whole = request.into_body().collect().await.is_ok();
    let mut response = Response::new(Full::new(answer));
    *response.status_mut() = if whole { StatusCode::ACCEPTED } else { StatusCode::BAD_REQUEST };
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    Ok(response)
}
