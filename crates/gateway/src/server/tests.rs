//! Connections, from outside: bytes in, bytes out.

use super::*;
use crate::fakes::{FakeQueue, intake};
use crate::ingest;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

const GOOD: &str = r#"{"deviceId":"AL-0012","temperature":48.5,"lat":38.5698,"lon":45.6974}"#;

struct Served {
    queue: Arc<FakeQueue>,
    port: u16,
    stop: CancellationToken,
}

/// A server of readings alone, with the connections of the real one.
async fn served() -> Served {
    let queue = Arc::new(FakeQueue::default());
    let intake = intake(&queue);
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let port = listener.local_addr().expect("it is bound").port();
    let stop = CancellationToken::new();
    let stopped = stop.clone();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let intake = Arc::clone(&intake);
            let answer = move |request| {
                let intake = Arc::clone(&intake);
                async move { ingest::take(&intake, request).await }
            };
            tokio::spawn(connection(stream, answer, stopped.clone(), CancellationToken::new()));
        }
    });
    Served { queue, port, stop }
}

impl Served {
    async fn connect(&self) -> TcpStream {
        TcpStream::connect(("127.0.0.1", self.port)).await.expect("it listens")
    }
}

fn head(lines: &[&str]) -> String {
    format!("POST /api/v1/readings HTTP/1.1\r\nHost: x\r\n{}\r\n\r\n", lines.join("\r\n"))
}

/// Reads until the text ends with this.
async fn until(stream: &mut TcpStream, end: &str) -> String {
    let mut text = String::new();
    let mut byte = [0];
    while !text.ends_with(end) {
        let count = stream.read(&mut byte).await.expect("it stays open");
        assert_eq!(count, 1, "it ended after {text}");
        text.push(char::from(byte[0]));
    }
    text
}

#[tokio::test]
async fn a_connection_takes_request_after_request_also_when_they_come_together() {
    let served = served().await;
    let mut stream = served.connect().await;
    let request = head(&[&format!("Content-Length: {}", GOOD.len())]) + GOOD;
    stream.write_all(request.repeat(3).as_bytes()).await.expect("it is taken");
    for _ in 0..3 {
        let text = until(&mut stream, r#""rejected":[]}"#).await;
        assert!(text.starts_with("HTTP/1.1 202 "), "{text}");
    }
    assert_eq!(served.queue.requests().len(), 3);
}

#[tokio::test]
async fn who_waits_for_100_continue_gets_it_and_who_announces_too_much_does_not() {
    let served = served().await;
    let mut stream = served.connect().await;
    let expecting = |length| head(&[&format!("Content-Length: {length}"), "Expect: 100-continue"]);
    stream.write_all(expecting(GOOD.len()).as_bytes()).await.expect("it is taken");
    assert_eq!(until(&mut stream, "\r\n\r\n").await, "HTTP/1.1 100 Continue\r\n\r\n");
    stream.write_all(GOOD.as_bytes()).await.expect("it is taken");
    assert!(until(&mut stream, "}").await.starts_with("HTTP/1.1 202 "));

    let mut stream = served.connect().await;
    stream.write_all(expecting(100 << 20).as_bytes()).await.expect("it is taken");
    assert!(until(&mut stream, "\r\n\r\n").await.starts_with("HTTP/1.1 413 "));
}

#[tokio::test]
async fn who_pours_a_body_that_was_refused_still_reads_the_answer() {
    let served = served().await;
    for length in [&format!("Content-Length: {}", 100 << 20), "Transfer-Encoding: chunked"] {
        let (mut reading, mut writing) = served.connect().await.into_split();
        let head = head(&[length]);
        let is_chunked = head.contains("chunked");
        let pouring = tokio::spawn(async move {
            let piece = vec![b' '; 0x10000];
            writing.write_all(head.as_bytes()).await?;
            for _ in 0..1_600 {
                if is_chunked {
                    writing.write_all(b"10000\r\n").await?;
                }
                writing.write_all(&piece).await?;
                if is_chunked {
                    writing.write_all(b"\r\n").await?;
                }
            }
            io::Result::Ok(())
        });
        let mut answer = [0; 12];
        reading.read_exact(&mut answer).await.expect("an answer");
        assert_eq!(std::str::from_utf8(&answer), Ok("HTTP/1.1 413"), "{length}");
        pouring.abort();
    }
}

#[tokio::test]
async fn a_body_that_is_cut_short_leaves_nothing() {
    let served = served().await;
    let chunked = format!("{:x}\r\n{GOOD}\r\n", GOOD.len());
    for (length, body) in [
        (format!("Content-Length: {}", GOOD.len() + 1), GOOD),
        (format!("Content-Length: {}", GOOD.len()), &GOOD[..20]),
        ("Transfer-Encoding: chunked".to_owned(), chunked.as_str()),
    ] {
        let mut stream = served.connect().await;
        stream.write_all((head(&[&length]) + body).as_bytes()).await.expect("it is taken");
        stream.shutdown().await.expect("our side ends");
        let mut answer = String::new();
        // A reset is an end like any other.
        drop(stream.read_to_string(&mut answer).await);
        assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 4"), "{answer}");
    }
    assert_eq!(served.queue.requests(), []);
}

#[tokio::test]
async fn heads_that_are_none_or_too_large_are_4xx() {
    let served = served().await;
    let long = format!("GET / HTTP/1.1\r\nX: {}\r\n\r\n", "y".repeat(1_000_000));
    for text in ["nonsense\r\n\r\n", "\0\0\0\0\r\n\r\n", "POST /event HTTP/9.9\r\n\r\n", &long] {
        let (mut reading, mut writing) = served.connect().await.into_split();
        let text = text.to_owned();
        let writing = tokio::spawn(async move { writing.write_all(text.as_bytes()).await.map(|()| writing) });
        let mut answer = Vec::new();
        drop(reading.read_to_end(&mut answer).await);
        assert!(answer.is_empty() || answer.starts_with(b"HTTP/1.1 4"), "{}", String::from_utf8_lossy(&answer));
        drop(writing.await);
    }
}

#[tokio::test]
async fn idle_connections_end_when_the_server_stops() {
    let served = served().await;
    let mut stream = served.connect().await;
    let request = head(&[&format!("Content-Length: {}", GOOD.len())]) + GOOD;
    stream.write_all(request.as_bytes()).await.expect("it is taken");
    until(&mut stream, r#""rejected":[]}"#).await;
    served.stop.cancel();
    assert_eq!(stream.read(&mut [0; 1]).await.expect("an end, not an error"), 0);
}

#[tokio::test]
async fn before_it_is_ready_the_server_is_alive_and_takes_nothing() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let port = listener.local_addr().expect("it is bound").port();
    let stop = CancellationToken::new();
    let serving = tokio::spawn(Gateway::serve(listener, Readiness::default(), stop.clone(), Duration::from_secs(5)));
    for (path, status) in [("/health/live", "200"), ("/health/ready", "503"), ("/api/v1/devices", "503")] {
        let mut stream = TcpStream::connect(("127.0.0.1", port)).await.expect("it listens");
        let request = format!("GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await.expect("it is taken");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.expect("an answer");
        assert!(answer.starts_with(&format!("HTTP/1.1 {status}")), "{path}: {answer}");
    }
    stop.cancel();
    serving.await.expect("it ends");
}

#[test]
fn a_connection_at_rest_costs_little() {
    let queue = Arc::new(FakeQueue::default());
    let intake = intake(&queue);
    let request = Request::new(http_body_util::Full::new(bytes::Bytes::new()));
    let taking = ingest::take(&intake, request);
    let size = size_of_val(&taking);
    // hyper keeps room for one such future for each connection, 20 000 of them and more.
    assert!(size <= 2048, "{size} bytes");
}
