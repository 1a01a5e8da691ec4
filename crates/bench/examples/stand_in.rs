//! A stand-in for the program, for the tests of the bench: `stand_in serve --data-dir FOLDER --listen ADDRESS`.
//!
//! It knows as much of the HTTP interface as is measured: it takes readings, counts one event for each that differs from its
//! device's last, tells of it on the stream, and keeps what it took in a file that it reads at its start. It is not durable, and
//! its figures say nothing.

use std::collections::HashMap;
use std::fs::{self, File};
use std::io::Write as _;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use anyhow::Context as _;
use axum::Router;
use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Json, Response};
use axum::routing::{get, post};
use clap::Parser;
use hyper::body::{Bytes, Frame};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::mpsc;

#[derive(Parser)]
struct Cli {
    command: String,
    #[arg(long)]
    data_dir: PathBuf,
    #[arg(long)]
    listen: SocketAddr,
    #[arg(long)]
    quiet: bool,
}

#[derive(Default)]
struct World {
    devices: HashMap<String, Value>,
    events: u64,
    streams: Vec<mpsc::UnboundedSender<Bytes>>,
    file: Option<File>,
}

impl World {
    /// Takes NDJSON or one reading, and says how many there were.
    fn take(&mut self, body: &[u8]) -> usize {
        let lines = body.split(|byte| *byte == b'\n').filter_map(|line| serde_json::from_slice::<Value>(line).ok());
        lines.map(|reading| self.take_one(&reading)).count()
    }

    fn take_one(&mut self, reading: &Value) {
        let id = reading["deviceId"].as_str().unwrap_or_default().to_owned();
        let location = json!({"lat": reading["lat"], "lon": reading["lon"]});
        let device = self.devices.entry(id.clone()).or_insert_with(|| json!({"deviceId": id, "version": 0, "lastSeen": null}));
        if device["temperature"] != reading["temperature"] {
            device["version"] = json!(device["version"].as_u64().unwrap_or_default() + 1);
            self.events += 1;
            let event = format!("event: E\ndata: {}\n\n", json!({"deviceId": id, "temperature": reading["temperature"]}));
            self.streams.retain(|stream| stream.send(Bytes::from(event.clone())).is_ok());
        }
        device["temperature"] = reading["temperature"].clone();
        device["location"] = location;
    }
}

type Shared = Arc<Mutex<World>>;

fn lock(world: &Shared) -> MutexGuard<'_, World> {
    world.lock().unwrap_or_else(PoisonError::into_inner)
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let cli = Cli::parse();
    anyhow::ensure!(cli.command == "serve" && cli.quiet, "it can only serve, quietly");
    fs::create_dir_all(&cli.data_dir).context("create the data folder")?;
    let path = cli.data_dir.join("readings.ndjson");
    let mut world = World::default();
    if path.exists() {
        world.take(&fs::read(&path).context("read what was taken before")?);
    }
    world.events = 0;
    world.file = Some(File::options().create(true).append(true).open(&path).context("open the file of readings")?);
    let router = Router::new()
        .route("/health/ready", get(|| async {}))
        .route("/api/v1/readings", post(readings))
        .route("/api/v1/status", get(status))
        .route("/api/v1/devices/{id}", get(device))
        .route("/api/v1/stream", get(stream))
        .route("/metrics", get(metrics))
        .with_state(Arc::new(Mutex::new(world)));
    let listener = TcpListener::bind(cli.listen).await.context("listen")?;
    axum::serve(listener, router).await.context("serve")
}

async fn readings(State(world): State<Shared>, body: Bytes) -> Response {
    let mut world = lock(&world);
    let accepted = world.take(&body);
    let written = world.file.as_mut().is_some_and(|file| file.write_all(&body).and_then(|()| file.write_all(b"\n")).is_ok());
    if !written {
        return StatusCode::SERVICE_UNAVAILABLE.into_response();
    }
    (StatusCode::ACCEPTED, Json(json!({"accepted": accepted, "rejected": []}))).into_response()
}

async fn status(State(world): State<Shared>) -> Json<Value> {
    let active = lock(&world).devices.len();
    Json(json!({"devices": {"active": active, "idle": 0, "silent": 0}, "queue": {"depth": 0}}))
}

async fn metrics(State(world): State<Shared>) -> String {
    let events = lock(&world).events;
    format!("# TYPE fieldwatch_events counter\nfieldwatch_events_total{{type=\"E\"}} {events}\n")
}

async fn device(State(world): State<Shared>, Path(id): Path<String>) -> Response {
    match lock(&world).devices.get(&id) {
        Some(device) => Json(device.clone()).into_response(),
        None => StatusCode::NOT_FOUND.into_response(),
    }
}

async fn stream(State(world): State<Shared>) -> Response {
    let (sender, receiver) = mpsc::unbounded_channel();
    // The receiver is not dropped yet.
    let _ = sender.send(Bytes::from_static(b"event: hello\ndata: {}\n\n"));
    lock(&world).streams.push(sender);
    ([("content-type", "text/event-stream")], Body::new(Events(receiver))).into_response()
}

/// What is sent to a stream, as a body that never ends.
struct Events(mpsc::UnboundedReceiver<Bytes>);

impl hyper::body::Body for Events {
    type Data = Bytes;
    type Error = std::convert::Infallible;

    fn poll_frame(
        mut self: std::pin::Pin<&mut Self>,
        context: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        self.0.poll_recv(context).map(|bytes| bytes.map(|bytes| Ok(Frame::data(bytes))))
    }
}
