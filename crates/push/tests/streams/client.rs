//! A client of server-sent events, as the WHATWG standard tells it.

use fieldwatch_push::Chunks;
use std::{
    collections::{BTreeMap, VecDeque},
    time::Duration,
};
use tokio::time::timeout;

/// A message as an `EventSource` dispatches it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Message {
    /// The last event id, as it was when the message came.
    pub(crate) id: String,
    pub(crate) event: String,
    pub(crate) data: String,
}

pub(crate) struct Client {
    chunks: Chunks,
    messages: VecDeque<Message>,
    pub(crate) last_event_id: String,
    pub(crate) comments: usize,
}

impl Client {
    pub(crate) fn new(chunks: Chunks) -> Self {
        Self { chunks, messages: VecDeque::new(), last_event_id: String::new(), comments: 0 }
    }

    /// The next message; `None` at the end of the stream.
    pub(crate) async fn next(&mut self) -> Option<Message> {
        while self.messages.is_empty() {
            if !self.chunk().await {
                return None;
            }
        }
        self.messages.pop_front()
    }

    /// The next message, of this kind.
    pub(crate) async fn expect(&mut self, event: &str) -> Message {
        let message = self.next().await.unwrap_or_else(|| panic!("the stream ended before {event}"));
        assert_eq!(message.event, event, "{message:?}");
        message
    }

    /// Takes one chunk; `false` at the end of the stream.
    pub(crate) async fn chunk(&mut self) -> bool {
        let chunk = timeout(Duration::from_mins(10), self.chunks.recv()).await.expect("something comes within ten minutes");
        let Some(chunk) = chunk else { return false };
        self.take(std::str::from_utf8(&chunk).unwrap());
        true
    }

    /// Takes what is there already.
    pub(crate) fn take_what_is_there(&mut self) {
        while let Ok(chunk) = self.chunks.try_recv() {
            self.take(std::str::from_utf8(&chunk).unwrap());
        }
    }

    pub(crate) fn taken(&mut self) -> Vec<Message> {
        self.messages.drain(..).collect()
    }

    fn take(&mut self, text: &str) {
        assert!(text.ends_with("\n\n"), "a chunk holds whole messages: {text:?}");
        for block in text.split_terminator("\n\n") {
            let (mut event, mut data) = ("message", Vec::new());
            for line in block.lines() {
                match line.split_once(':').unwrap() {
                    ("", _) => self.comments += 1,
                    ("id", id) => id.trim_start().clone_into(&mut self.last_event_id),
                    ("event", name) => event = name.trim_start(),
                    ("data", text) => data.push(text.trim_start()),
                    ("retry", ms) => assert!((2_000..3_000).contains(&ms.trim().parse::<u32>().unwrap())),
                    other => panic!("unknown field {other:?}"),
                }
            }
            if !data.is_empty() {
                let id = self.last_event_id.clone();
                self.messages.push_back(Message { id, event: event.into(), data: data.join("\n") });
            }
        }
    }
}

impl Message {
    /// A list of whole numbers in the data.
    pub(crate) fn numbers(&self, name: &str) -> Vec<i64> {
        self.list(name).iter().map(|number| number.parse().unwrap()).collect()
    }

    /// A list of texts in the data; they must not hold anything that JSON escapes.
    pub(crate) fn texts(&self, name: &str) -> Vec<String> {
        self.list(name).iter().map(|text| text.trim_matches('"').to_owned()).collect()
    }

    /// A single number in the data.
    pub(crate) fn number(&self, name: &str) -> u64 {
        let rest = self.after(&format!("\"{name}\":"));
        rest[..rest.find(|letter: char| !letter.is_ascii_digit()).unwrap()].parse().unwrap()
    }

    fn list(&self, name: &str) -> Vec<&str> {
        let Some((_, rest)) = self.data.split_once(&format!("\"{name}\":[")) else { return Vec::new() };
        let list = rest.split_once(']').unwrap().0;
        if list.is_empty() { Vec::new() } else { list.split(',').collect() }
    }

    fn after(&self, start: &str) -> &str {
        self.data.split_once(start).unwrap_or_else(|| panic!("no {start} in {}", self.data)).1
    }
}

/// What a page shows that follows a stream of frames: per id temperature, latitude, longitude, at, status.
#[derive(Default)]
pub(crate) struct Page {
    ids: Vec<String>,
    pub(crate) shown: BTreeMap<String, [i64; 5]>,
    pub(crate) position: u64,
}

impl Page {
    pub(crate) fn take(&mut self, message: &Message) {
        self.ids.extend(message.texts("ids"));
        for number in message.numbers("gone") {
            assert!(self.shown.remove(&self.ids[number as usize]).is_some(), "what has gone was there");
        }
        let columns = ["t", "lat", "lon", "at", "s"].map(|name| message.numbers(name));
        let numbers = message.numbers("i");
        assert!(columns.iter().all(|column| column.len() == numbers.len()));
        for (at, number) in numbers.iter().enumerate() {
            self.shown.insert(self.ids[*number as usize].clone(), columns.each_ref().map(|column| column[at]));
        }
        let position = message.number("position");
        assert!(position >= self.position, "positions do not go back");
        assert_eq!(message.id, position.to_string());
        self.position = position;
    }
}
