//! Asks the server that holds a data folder for something: one request over HTTP/1.1, without a client library.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream, ToSocketAddrs as _};
use std::time::Duration;

use anyhow::{Context as _, bail};
use serde_json::Value;

const CONNECT_DEADLINE: Duration = Duration::from_secs(5);
/// A letter is answered after one sync; all of them after many.
const ANSWER_DEADLINE: Duration = Duration::from_mins(1);
/// Answers to what is asked here are a few lines.
const MOST_ANSWER_BYTES: u64 = 1 << 20;

/// What a server answered.
#[derive(Debug, PartialEq)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    /// Null when there was no body, or none that is JSON.
    pub(crate) body: Value,
}

/// Posts an empty body to `path` of the server at `url` (`http://host:port`).
pub(crate) fn post(url: &str, path: &str) -> anyhow::Result<Answer> {
    let authority = url.strip_prefix("http://").unwrap_or(url).trim_end_matches('/');
    let answer = ask(authority, path).with_context(|| format!("cannot ask the server at {url}"))?;
    parse(&answer).with_context(|| format!("cannot understand the server at {url}"))
}

fn ask(authority: &str, path: &str) -> anyhow::Result<Vec<u8>> {
    let address: SocketAddr = authority.to_socket_addrs()?.next().context("no address")?;
    let mut stream = TcpStream::connect_timeout(&address, CONNECT_DEADLINE)?;
    stream.set_read_timeout(Some(ANSWER_DEADLINE))?;
    stream.set_write_timeout(Some(CONNECT_DEADLINE))?;
    let head = format!(
        "POST {path} HTTP/1.1\r\nHost: {authority}\r\nAccept: application/json\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
    );
    stream.write_all(head.as_bytes())?;
    let mut answer = Vec::new();
    stream.take(MOST_ANSWER_BYTES).read_to_end(&mut answer)?;
    Ok(answer)
}

fn parse(answer: &[u8]) -> anyhow::Result<Answer> {
    let text = String::from_utf8_lossy(answer);
    let Some((head, body)) = text.split_once("\r\n\r\n") else { bail!("the answer is cut short") };
    let status = head.split_whitespace().nth(1).and_then(|status| status.parse().ok()).context("there is no status")?;
    Ok(Answer { status, body: serde_json::from_str(body).unwrap_or(Value::Null) })
}

impl Answer {
    /// The body, or what the server says is wrong.
    pub(crate) fn success(self) -> anyhow::Result<Value> {
        if (200..300).contains(&self.status) {
            return Ok(self.body);
        }
        let said = ["detail", "title"].iter().find_map(|key| self.body[key].as_str());
        bail!("the server answered {}: {}", self.status, said.unwrap_or("no reason given"))
    }
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;
    use std::thread;

    use super::*;

    /// A server that gives one answer, and then what it was asked.
    fn answering(answer: &'static str) -> (String, thread::JoinHandle<String>) {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let url = format!("http://{}", listener.local_addr().expect("bound"));
        let asked = thread::spawn(move || {
            let (mut stream, _) = listener.accept().expect("a client");
            let mut request = Vec::new();
            while !request.ends_with(b"\r\n\r\n") {
                let mut byte = [0];
                stream.read_exact(&mut byte).expect("a request");
                request.push(byte[0]);
            }
            stream.write_all(answer.as_bytes()).expect("a reader");
            String::from_utf8(request).expect("text")
        });
        (url, asked)
    }

    #[test]
    fn an_answer_is_its_status_and_its_json() {
        let (url, asked) = answering("HTTP/1.1 200 OK\r\ncontent-length: 14\r\n\r\n{\"requeued\":2}");
        let answer = post(&url, "/api/v1/dead-letters/requeue").expect("an answer").success().expect("it did");
        assert_eq!(answer["requeued"], 2);
        let asked = asked.join().expect("no panic");
        assert!(asked.starts_with("POST /api/v1/dead-letters/requeue HTTP/1.1\r\nHost: 127.0.0.1:"), "{asked}");
    }

    #[test]
    fn a_refusal_is_told_in_the_servers_words() {
        let (url, _) = answering("HTTP/1.1 404 Not Found\r\n\r\n{\"title\":\"Not found\",\"detail\":\"there is no letter 7\"}");
        let refused = post(&url, "/").expect("an answer").success().expect_err("refused").to_string();
        assert_eq!(refused, "the server answered 404: there is no letter 7");
    }

    #[test]
    fn what_is_no_answer_is_a_failure() {
        for text in ["", "HTTP/1.1 200 OK\r\n", "nonsense\r\n\r\n"] {
            assert!(parse(text.as_bytes()).is_err(), "{text}");
        }
    }
}
