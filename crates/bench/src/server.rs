//! A server under measurement: a process of its own, ended by its own id.

use std::fs::File;
use std::io::Read as _;
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use serde_json::Value;

use crate::http::{self, Answer};
use crate::process::Process;
use crate::usage::{self, Memory, Stopwatch};

/// How long a start may take before it is given up.
const START_DEADLINE: Duration = Duration::from_mins(3);
/// How long an answer may take.
const ANSWER_DEADLINE: Duration = Duration::from_secs(10);
/// How often it is asked whether something has come about, which is also how exact the answer is.
const ASK_EVERY: Duration = Duration::from_millis(5);

/// A running server. Dropped, it is killed.
pub(crate) struct Server {
    name: &'static str,
    process: Process,
    address: SocketAddr,
    url: String,
    spawned: Instant,
    log: PathBuf,
}

impl Server {
    /// An address of this machine that nobody listens on.
    pub(crate) fn free_address() -> anyhow::Result<SocketAddr> {
        let listener = TcpListener::bind("127.0.0.1:0").context("find a free port")?;
        listener.local_addr().context("find a free port")
    }

    /// Starts a server that will listen on `address`; what it says goes to the end of `log`.
    pub(crate) fn spawn(name: &'static str, mut command: Command, address: SocketAddr, log: &Path) -> anyhow::Result<Server> {
        let said = File::options().create(true).append(true).open(log).with_context(|| format!("open {}", log.display()))?;
        command.stdout(said.try_clone()?).stderr(said);
        let spawned = Instant::now();
        let process = Process::start(&mut command)?;
        Ok(Server { name, process, address, url: format!("http://{address}"), spawned, log: log.to_owned() })
    }

    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// When the process was started.
    pub(crate) fn spawned(&self) -> Instant {
        self.spawned
    }

    pub(crate) fn wait_until_ready(&mut self) -> anyhow::Result<()> {
        let end = Instant::now() + START_DEADLINE;
        loop {
            if let Some(status) = self.process.ended()? {
                bail!("{} ended with {status} at its start; it said:\n{}", self.name, self.last_words());
            }
            if self.get("/health/ready").is_ok_and(|answer| answer.status == 200) {
                return Ok(());
            }
            if Instant::now() > end {
                bail!("{} was not ready within {} s; it said:\n{}", self.name, START_DEADLINE.as_secs(), self.last_words());
            }
            sleep(ASK_EVERY);
        }
    }

    fn last_words(&self) -> String {
        const LINES: usize = 5;
        let said = std::fs::read(&self.log).unwrap_or_default();
        let said = String::from_utf8_lossy(&said);
        let lines: Vec<&str> = said.lines().collect();
        lines[lines.len().saturating_sub(LINES)..].join("\n")
    }

    /// Asks for a path.
    pub(crate) fn get(&self, path: &str) -> std::io::Result<Answer> {
        http::get(self.address, path, ANSWER_DEADLINE)
    }

    /// Posts lines of readings, all of which have to be accepted.
    pub(crate) fn post_readings(&self, lines: &[u8], count: u64) -> anyhow::Result<()> {
        let mut answer = http::post_lines(self.address, "/api/v1/readings", lines, ANSWER_DEADLINE).context("post readings")?;
        let mut text = String::new();
        answer.body.read_to_string(&mut text).context("read the answer to readings")?;
        let accepted = serde_json::from_str::<Value>(&text).ok().and_then(|answer| answer["accepted"].as_u64());
        if answer.status != 202 || accepted != Some(count) {
            bail!("{} answered {} to {count} readings: {text}", self.name, answer.status);
        }
        Ok(())
    }

    /// The text under a path that has to be answered with 200.
    pub(crate) fn text(&self, path: &str) -> anyhow::Result<String> {
        let tried = || format!("ask {} for {path}", self.name);
        let mut answer = self.get(path).with_context(tried)?;
        let mut text = String::new();
        answer.body.read_to_string(&mut text).with_context(tried)?;
        if answer.status != 200 {
            bail!("{} answered {} to {path}: {text}", self.name, answer.status);
        }
        Ok(text)
    }

    pub(crate) fn json(&self, path: &str) -> anyhow::Result<Value> {
        serde_json::from_str(&self.text(path)?).with_context(|| format!("read what {} says under {path}", self.name))
    }

    /// Waits until every reading that was accepted is decided and stored, and says when that was, to a few milliseconds.
    pub(crate) fn wait_until_decided(&self, at_most: Duration) -> anyhow::Result<Instant> {
        let end = Instant::now() + at_most;
        loop {
            let status = self.json("/api/v1/status")?;
            let depth = status["queue"]["depth"].as_u64().context("find queue.depth in the status")?;
            let now = Instant::now();
            if depth == 0 {
                return Ok(now);
            }
            if now > end {
                bail!("{} readings were still queued after {} s", depth, at_most.as_secs());
            }
            sleep(ASK_EVERY);
        }
    }

    /// How many events were stored since the start, of all types.
    pub(crate) fn events(&self) -> anyhow::Result<u64> {
        let metrics = self.text("/metrics")?;
        let series = metrics.lines().filter(|line| line.starts_with("fieldwatch_events_total"));
        Ok(series.filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok()).sum::<f64>() as u64)
    }

    /// How many devices are known.
    pub(crate) fn devices(&self) -> anyhow::Result<u64> {
        let status = self.json("/api/v1/status")?;
        let counts = status["devices"].as_object().context("find devices in the status")?;
        Ok(counts.values().filter_map(Value::as_u64).sum())
    }

    pub(crate) fn settled_memory(&self, at_most: Duration) -> anyhow::Result<Memory> {
        usage::settled_memory(self.process.id(), at_most)
    }

    /// Starts to measure its processor time.
    pub(crate) fn stopwatch(&self) -> anyhow::Result<Stopwatch> {
        Stopwatch::start(self.process.id())
    }

    /// Ends it as a power cut would, as far as the process is concerned.
    pub(crate) fn kill(self) -> anyhow::Result<()> {
        self.process.kill()
    }

    /// Ends it in order.
    pub(crate) fn stop(self) -> anyhow::Result<()> {
        self.process.stop()
    }
}
