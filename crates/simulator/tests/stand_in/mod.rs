//! A stand-in for the server: it takes readings as the contract says, remembers what it got, and fails on demand.
//!
//! It proves what the tools do with each answer. It is not Fieldwatch: the only rules it knows are that temperatures end at 100,
//! and that a reading whose id is among the device's last sixteen was seen before.

#![allow(dead_code, reason = "each test file uses another part of it")]

use std::collections::{HashMap, VecDeque};
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

/// What becomes of one request.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Behavior {
    Take,
    /// Taken, and answered this much later.
    TakeAfter(Duration),
    /// Taken, and the connection closed before the answer.
    TakeAndCut,
    /// The connection closed with nothing taken.
    Cut,
    /// Nothing taken: this status, and these seconds as `Retry-After`.
    Refuse(u16, Option<u64>),
    /// Taken, and answered in chunks on a connection that then closes.
    TakeAndAnswerChunked,
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Request {
    pub(crate) connection: usize,
    pub(crate) path: String,
    pub(crate) content_type: String,
    pub(crate) readings: Vec<Value>,
}

#[derive(Default)]
struct Seen {
    requests: Vec<Request>,
    /// What was taken, without repeats, in order.
    taken: Vec<Value>,
    last_ids: HashMap<String, VecDeque<String>>,
    script: VecDeque<Behavior>,
    connections: usize,
}

pub(crate) struct StandIn {
    pub(crate) address: SocketAddr,
    seen: Arc<Mutex<Seen>>,
    _accepting: JoinSet<()>,
}

impl StandIn {
    /// Starts one that does with its first requests what the script says, and takes all others.
    pub(crate) async fn start(script: impl IntoIterator<Item = Behavior>) -> StandIn {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("bound");
        let seen = Arc::new(Mutex::new(Seen { script: script.into_iter().collect(), ..Seen::default() }));
        let mut accepting = JoinSet::new();
        let shared = Arc::clone(&seen);
        accepting.spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                connections.spawn(serve(stream, Arc::clone(&shared)));
            }
        });
        StandIn { address, seen, _accepting: accepting }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Takes everything from now on.
    pub(crate) fn heal(&self) {
        self.seen.lock().expect("no panic").script.clear();
    }

    pub(crate) fn requests(&self) -> Vec<Request> {
        self.seen.lock().expect("no panic").requests.clone()
    }

    pub(crate) fn taken(&self) -> Vec<Value> {
        self.seen.lock().expect("no panic").taken.clone()
    }
}

async fn serve(mut stream: TcpStream, seen: Arc<Mutex<Seen>>) {
    let connection = {
        let mut seen = seen.lock().expect("no panic");
        seen.connections += 1;
        seen.connections
    };
    let mut received = Vec::new();
    while let Ok(Some((head, body))) = receive(&mut stream, &mut received).await {
        let (answer, close) = {
            let mut seen = seen.lock().expect("no panic");
            let behavior = seen.script.pop_front().unwrap_or(Behavior::Take);
            let request = request(connection, &head, &body);
            let answer = match &behavior {
                Behavior::Cut => return,
                Behavior::Refuse(status, retry_after) => {
                    let retry_after = retry_after.map_or(String::new(), |seconds| format!("retry-after: {seconds}\r\n"));
                    let body = json!({"title": "no", "status": status, "detail": "not now"}).to_string();
                    format!("HTTP/1.1 {status} No\r\n{retry_after}content-length: {}\r\n\r\n{body}", body.len())
                }
                Behavior::Take | Behavior::TakeAfter(_) | Behavior::TakeAndCut => seen.take(&request, false),
                Behavior::TakeAndAnswerChunked => seen.take(&request, true),
            };
            seen.requests.push(request);
            drop(seen);
            match behavior {
                Behavior::TakeAndCut => return,
                Behavior::TakeAfter(delay) => (Err((delay, answer)), false),
                Behavior::TakeAndAnswerChunked => (Ok(answer), true),
                Behavior::Take | Behavior::Cut | Behavior::Refuse(..) => (Ok(answer), false),
            }
        };
        let answer = match answer {
            Ok(answer) => answer,
            Err((delay, answer)) => {
                tokio::time::sleep(delay).await;
                answer
            }
        };
        if stream.write_all(answer.as_bytes()).await.is_err() || close {
            return;
        }
    }
}

impl Seen {
    fn take(&mut self, request: &Request, chunked: bool) -> String {
        let (mut accepted, mut bad) = (0, Vec::new());
        for (index, reading) in request.readings.iter().enumerate() {
            let fault = |field: &str| json!({"index": index, "field": field, "reason": "out of range"});
            let before = bad.len();
            if reading["temperature"].as_f64().or(reading["Temp"].as_f64()).is_none_or(|celsius| celsius > 100.0) {
                bad.push(fault("temperature"));
            }
            if reading["lat"].as_f64().or(reading["Lat"].as_f64()).is_none_or(|lat| lat.abs() > 90.0) {
                bad.push(fault("lat"));
            }
            if bad.len() == before {
                accepted += 1;
                self.take_once(reading);
            }
        }
        if request.path == "/event" {
            return "HTTP/1.1 202 Accepted\r\ncontent-length: 0\r\n\r\n".to_owned();
        }
        let (status, body) = if accepted == 0 {
            ("422 Unprocessable Content", json!({"title": "bad", "status": 422, "errors": bad}))
        } else {
            ("202 Accepted", json!({"accepted": accepted, "rejected": bad}))
        };
        let body = body.to_string();
        if chunked {
            let (first, second) = body.split_at(body.len() / 2);
            let chunk = |part: &str| format!("{:x}\r\n{part}\r\n", part.len());
            format!(
                "HTTP/1.1 {status}\r\ntransfer-encoding: chunked\r\nconnection: close\r\n\r\n{}{}0\r\n\r\n",
                chunk(first),
                chunk(second)
            )
        } else {
            format!("HTTP/1.1 {status}\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}", body.len())
        }
    }

    fn take_once(&mut self, reading: &Value) {
        if let (Some(device), Some(id)) = (reading["deviceId"].as_str(), reading["readingId"].as_str()) {
            let last_ids = self.last_ids.entry(device.to_owned()).or_default();
            if last_ids.iter().any(|known| known == id) {
                return;
            }
            last_ids.push_back(id.to_owned());
            if last_ids.len() > 16 {
                last_ids.pop_front();
            }
        }
        self.taken.push(reading.clone());
    }
}

fn request(connection: usize, head: &str, body: &[u8]) -> Request {
    let path = head.split(' ').nth(1).expect("a path").to_owned();
    let content_type = header(head, "content-type").expect("a content type").to_owned();
    let body = str::from_utf8(body).expect("text");
    let readings = body.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    Request { connection, path, content_type, readings }
}

fn header<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    head.lines().find_map(|line| line.split_once(": ").filter(|(found, _)| *found == name).map(|(_, value)| value))
}

async fn receive(stream: &mut TcpStream, received: &mut Vec<u8>) -> io::Result<Option<(String, Vec<u8>)>> {
    loop {
        if let Some(end) = received.windows(4).position(|four| four == b"\r\n\r\n") {
            let head = String::from_utf8(received[..end].to_vec()).expect("text");
            let length: usize = header(&head, "content-length").expect("a length").parse().expect("a number");
            if received.len() >= end + 4 + length {
                let body = received[end + 4..end + 4 + length].to_vec();
                received.drain(..end + 4 + length);
                return Ok(Some((head, body)));
            }
        }
        if stream.read_buf(received).await? == 0 {
            return Ok(None);
        }
    }
}
