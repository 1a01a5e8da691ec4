//! `fieldwatch send`: replays recorded readings with their own times, and can go on where it was cut.
//!
//! One request is under way at a time, so the order of the file is kept. A batch holds at most sixteen readings of one device, because a
//! server knows that many reading ids of a device again: a batch whose answer was lost can then be sent again, and changes nothing.

mod backoff;
mod batch;
mod progress_file;

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use thiserror::Error;
use tokio::sync::mpsc;
use tokio::task::spawn_blocking;
use tokio::time::{Instant, sleep, sleep_until, timeout};

use crate::client::{Connection, RequestHead};
use crate::recorded::{Format, LineFault, RecordedFile, RecordedLine};
use crate::target::{Target, TargetError};
use crate::verdict::{BadField, Endpoint, Verdict, judge, rejected_readings};
use backoff::Backoff;
use batch::Batch;
use progress_file::{FileMark, ProgressFile, Stored};

/// How many refusals are kept in words; all are counted.
const REFUSALS_KEPT: usize = 1_000;
const REQUEST_DEADLINE: Duration = Duration::from_secs(30);
/// How many chunks of lines may wait between the thread that reads the file and the one that sends.
const CHUNKS_AHEAD: usize = 4;
const LINES_PER_CHUNK: usize = 512;
/// A wait that no clock can tell is as good as one of a year.
const LONGEST_WAIT: Duration = Duration::from_hours(366 * 24);

/// What to send, and where.
#[derive(Debug, Clone, PartialEq)]
pub struct SendOptions {
    /// A `.csv` or `.ndjson` file, perhaps with `.gz` behind it. CSV has a header with the columns `at`, `deviceId`, `temperature`,
    /// `lat`, `lon` in any order, perhaps `readingId`, and others, which are left out.
    pub file: PathBuf,
    /// The server, as `http://host:port`.
    pub target: String,
    /// How many times faster than it was recorded; `None`: as fast as the server takes it. The file is then best in the order of time:
    /// a reading earlier than the one before it is sent at once.
    pub speed: Option<f64>,
    /// How many readings go in one request, at most; at least 1.
    pub batch: usize,
    /// Where it is kept how far the sending came; `None`: beside the file, with `.fieldwatch-progress` behind its name.
    pub progress_file: Option<PathBuf>,
    /// For how long a request is tried again while the server is busy or away.
    pub retry_for: Duration,
}

impl SendOptions {
    /// As fast as the server takes it, 500 readings a request, tried again for a minute.
    pub fn new(file: impl Into<PathBuf>, target: impl Into<String>) -> SendOptions {
        SendOptions {
            file: file.into(),
            target: target.into(),
            speed: None,
            batch: 500,
            progress_file: None,
            retry_for: Duration::from_mins(1),
        }
    }
}

/// How far the sending has come, after each answered request.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SendProgress {
    /// Since this sending began.
    pub elapsed: Duration,
    /// The last line that is done.
    pub line: u64,
    /// Readings accepted so far, those before a resume included.
    pub accepted: u64,
    /// Readings refused so far, those before a resume included.
    pub refused: u64,
    /// How much of the file was read, from 0 to 1. Reading is a little ahead of sending.
    pub part: f64,
}

/// One reason why one line was not taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// From 1, as editors count.
    pub line: u64,
    /// Which field is bad; empty where it is the whole line.
    pub field: String,
    /// Why.
    pub reason: String,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.field.as_str() {
            "" => write!(f, "line {}: {}", self.line, self.reason),
            field => write!(f, "line {}: {field}: {}", self.line, self.reason),
        }
    }
}

/// What became of a file.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct SendSummary {
    /// Readings accepted, those before a resume included.
    pub accepted: u64,
    /// Readings refused, by the server or because their line is none, those before a resume included.
    pub refused: u64,
    /// After which line this sending went on, if an earlier one was cut.
    pub resumed_after_line: Option<u64>,
    /// Requests that had to be sent again.
    pub retries: u64,
    /// Readings whose time is before that of the line before: with a speed, they were sent at once.
    pub out_of_order: u64,
    /// The first 1 000 reasons of this sending, by line.
    pub refusals: Vec<Refusal>,
    /// How long this sending took.
    pub elapsed: Duration,
}

impl fmt::Display for SendSummary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} accepted, {} refused in {:.1} s", self.accepted, self.refused, self.elapsed.as_secs_f64())?;
        if let Some(line) = self.resumed_after_line {
            write!(f, ", resumed after line {line}")?;
        }
        if self.retries > 0 {
            write!(f, ", {} requests sent again", self.retries)?;
        }
        for refusal in &self.refusals {
            write!(f, "\n  {refusal}")?;
        }
        let lines_listed = {
            let mut lines: Vec<u64> = self.refusals.iter().map(|refusal| refusal.line).collect();
            lines.dedup();
            lines.len() as u64
        };
        match self.refused.saturating_sub(lines_listed) {
            0 => Ok(()),
            more => write!(f, "\n  and {more} more that are not listed"),
        }
    }
}

/// Why a file was not sent to its end.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum SendError {
    /// The target is not an address.
    #[error(transparent)]
    Target(#[from] TargetError),
    /// An option has a value that makes no sending.
    #[error("{0}")]
    Option(&'static str),
    /// The name does not tell a format that is known.
    #[error("cannot tell the format of {}: its name ends in .csv or .ndjson, with or without .gz", .0.display())]
    UnknownFormat(PathBuf),
    /// The file cannot be read.
    #[error("cannot read {} behind line {after_line}", path.display())]
    Read {
        /// Which file.
        path: PathBuf,
        /// The last line that could be read.
        after_line: u64,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// The first line of a CSV file does not name the columns.
    #[error("line 1 of {}: {fault}", path.display())]
    Header {
        /// Which file.
        path: PathBuf,
        /// What is wrong with it.
        fault: String,
    },
    /// It cannot be kept how far the sending came.
    #[error("cannot use the progress file {}", path.display())]
    ProgressFile {
        /// Which file.
        path: PathBuf,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// An earlier sending was cut, and this one is not its continuation.
    #[error("{} tells of a sending of which {differs}; remove it to start from the first line", path.display())]
    OtherSending {
        /// The progress file.
        path: PathBuf,
        /// What is different.
        differs: String,
    },
    /// The server stayed busy or away for too long.
    #[error("gave up after {} s: {cause}; call again to resume at line {resume_at}", waited.as_secs())]
    GaveUp {
        /// The first line that is not known to have been taken.
        resume_at: u64,
        /// For how long it was tried.
        waited: Duration,
        /// What happened the last time.
        cause: String,
    },
    /// The server refused a whole request for a reason that does not pass.
    #[error("the server answered {status} {detail}; call again to resume at line {resume_at}")]
    Answer {
        /// The first line that is not known to have been taken.
        resume_at: u64,
        /// The status of the answer.
        status: u16,
        /// What it says, or what is wrong with it.
        detail: String,
    },
}

/// Sends all readings of a file, and calls `progress` after each answered request.
///
/// Dropping the future cuts the sending; called again with the same options, it goes on behind the last answered request.
/// What the request that was under way did is then repeated under the same reading ids, and changes nothing.
pub async fn send_file(options: SendOptions, mut progress: impl FnMut(SendProgress) + Send) -> Result<SendSummary, SendError> {
    if options.batch == 0 {
        return Err(SendError::Option("a batch has at least one reading"));
    }
    if options.speed.is_some_and(|speed| !(speed.is_finite() && speed > 0.0)) {
        return Err(SendError::Option("the speed is a number above zero"));
    }
    let target = Arc::new(options.target.parse::<Target>()?);
    let format = Format::of(&options.file).ok_or_else(|| SendError::UnknownFormat(options.file.clone()))?;
    let mark = FileMark::of(&options.file).await.map_err(|source| read_failed(&options.file, 0, source))?;
    let progress_file = ProgressFile::of(&options);
    let stored = progress_file.load(&target.to_string(), mark).await?;
    let mut lines = read_lines(options.file.clone(), format, stored.lines_done);
    let started = Instant::now();
    let mut sending = Sending {
        head: RequestHead::post(&target, Endpoint::Readings.path(), "application/x-ndjson"),
        connection: Connection::new(target),
        retry_for: options.retry_for,
        summary: SendSummary {
            accepted: stored.accepted,
            refused: stored.refused,
            resumed_after_line: (stored.lines_done > 0).then_some(stored.lines_done),
            ..SendSummary::default()
        },
    };
    let mut clock = options.speed.map(ReplayClock::new);
    let mut batch = Batch::new(options.batch);
    let mut part = 0.0;
    let mut more = true;
    while more {
        let chunk = lines.recv().await.transpose()?;
        more = chunk.is_some();
        let chunk = chunk.unwrap_or_default();
        // A slow replay keeps lines for long, so the figure is that of the chunk, not of the reader ahead of it.
        part = if more { chunk.bytes_read as f64 / mark.length.max(1) as f64 } else { part };
        for line in chunk.lines {
            let due = sending.due(&line, clock.as_mut());
            if !batch.has_room_for(&line) || (due.is_some_and(|due| due > Instant::now()) && !batch.is_empty()) {
                sending
                    .finish(&mut batch, &progress_file, mark, &mut |summary, line| {
                        progress(progress_at(summary, line, started, part));
                    })
                    .await?;
            }
            if let Some(due) = due {
                sleep_until(due).await;
            }
            batch.push(line);
        }
        if !more && !batch.is_empty() {
            sending
                .finish(&mut batch, &progress_file, mark, &mut |summary, line| {
                    progress(progress_at(summary, line, started, 1.0));
                })
                .await?;
        }
    }
    progress_file.remove().await?;
    sending.summary.elapsed = started.elapsed();
    Ok(sending.summary)
}

fn progress_at(summary: &SendSummary, line: u64, started: Instant, part: f64) -> SendProgress {
    let (accepted, refused) = (summary.accepted, summary.refused);
    SendProgress { elapsed: started.elapsed(), line, accepted, refused, part: part.min(1.0) }
}

fn read_failed(path: &Path, after_line: u64, source: io::Error) -> SendError {
    SendError::Read { path: path.to_owned(), after_line, source }
}

#[derive(Default)]
struct Chunk {
    lines: Vec<RecordedLine>,
    bytes_read: u64,
}

/// Reads the file on a thread that may block, a bounded way ahead; it ends with the file, or when nobody receives.
fn read_lines(path: PathBuf, format: Format, done: u64) -> mpsc::Receiver<Result<Chunk, SendError>> {
    let (sender, receiver) = mpsc::channel(CHUNKS_AHEAD);
    spawn_blocking(move || {
        if let Err(error) = read_into(&sender, &path, format, done) {
            // Nobody receives any more when the sending was cut.
            let _ = sender.blocking_send(Err(error));
        }
    });
    receiver
}

fn read_into(sender: &mpsc::Sender<Result<Chunk, SendError>>, path: &Path, format: Format, done: u64) -> Result<(), SendError> {
    let mut file = RecordedFile::open(path, format).map_err(|source| read_failed(path, 0, source))?.map_err(
        |LineFault { field, reason }| {
            let fault = if field.is_empty() { reason } else { format!("{field}: {reason}") };
            SendError::Header { path: path.to_owned(), fault }
        },
    )?;
    file.skip_to(done).map_err(|source| read_failed(path, 0, source))?;
    let mut last_line = done;
    loop {
        let mut chunk = Chunk::default();
        let mut failure = None;
        while chunk.lines.len() < LINES_PER_CHUNK {
            match file.next() {
                Ok(Some(line)) => {
                    last_line = line.number;
                    chunk.lines.push(line);
                }
                Ok(None) => break,
                Err(source) => {
                    failure = Some(read_failed(path, last_line, source));
                    break;
                }
            }
        }
        let is_last = chunk.lines.len() < LINES_PER_CHUNK;
        chunk.bytes_read = file.bytes_read();
        // What was read before the failure is still sent.
        if !chunk.lines.is_empty() && sender.blocking_send(Ok(chunk)).is_err() {
            return Ok(());
        }
        match failure {
            Some(failure) => return Err(failure),
            None if is_last => return Ok(()),
            None => {}
        }
    }
}

/// Maps recorded times to times of now.
struct ReplayClock {
    speed: f64,
    /// The first recorded time, and when it was replayed.
    origin: Option<(i64, Instant)>,
    newest_millis: i64,
}

impl ReplayClock {
    fn new(speed: f64) -> ReplayClock {
        ReplayClock { speed, origin: None, newest_millis: i64::MIN }
    }

    fn due(&mut self, at_millis: i64) -> Instant {
        let (first_millis, started) = *self.origin.get_or_insert_with(|| (at_millis, Instant::now()));
        let seconds = at_millis.saturating_sub(first_millis).max(0) as f64 / 1e3 / self.speed;
        started + Duration::try_from_secs_f64(seconds).unwrap_or(LONGEST_WAIT).min(LONGEST_WAIT)
    }
}

/// A sending under way.
struct Sending {
    head: RequestHead,
    connection: Connection,
    retry_for: Duration,
    summary: SendSummary,
}

impl Sending {
    /// When a line is due; `None`: at once.
    fn due(&mut self, line: &RecordedLine, clock: Option<&mut ReplayClock>) -> Option<Instant> {
        let clock = clock?;
        let at_millis = line.reading.as_ref().ok()?.at_millis?;
        if at_millis < clock.newest_millis {
            self.summary.out_of_order += 1;
        }
        clock.newest_millis = clock.newest_millis.max(at_millis);
        Some(clock.due(at_millis))
    }

    /// Sends the batch until it is answered, counts, and keeps how far that is. The batch is empty afterwards.
    async fn finish(
        &mut self,
        batch: &mut Batch,
        progress_file: &ProgressFile,
        mark: FileMark,
        progress: &mut (impl FnMut(&SendSummary, u64) + Send),
    ) -> Result<(), SendError> {
        let bad_fields = if batch.readings() > 0 { self.deliver(batch).await? } else { Vec::new() };
        self.summary.refused += batch.faults().len() as u64;
        let mut refusals: Vec<Refusal> = batch.faults().to_vec();
        refusals.extend(bad_fields.into_iter().filter_map(|bad| {
            let line = batch.line_of(bad.index)?;
            Some(Refusal { line, field: bad.field, reason: bad.reason })
        }));
        refusals.sort_by_key(|refusal| refusal.line);
        let room = REFUSALS_KEPT - self.summary.refusals.len();
        self.summary.refusals.extend(refusals.into_iter().take(room));
        let lines_done = batch.last_line();
        let stored = Stored { lines_done, accepted: self.summary.accepted, refused: self.summary.refused };
        progress_file.store(mark, stored).await?;
        progress(&self.summary, lines_done);
        batch.clear();
        Ok(())
    }

    /// Sends the readings of the batch, again and again while the server is busy or away, until they are judged.
    async fn deliver(&mut self, batch: &Batch) -> Result<Vec<BadField>, SendError> {
        let request = self.head.request(batch.body());
        let started = Instant::now();
        let mut backoff = Backoff::new();
        loop {
            let (cause, retry_after) = match timeout(REQUEST_DEADLINE, self.connection.exchange(&request)).await {
                Ok(Ok(answer)) => match judge(Endpoint::Readings, &answer) {
                    Verdict::Judged { accepted, bad_fields } => return self.count(batch, accepted, bad_fields),
                    Verdict::Busy { status, retry_after } => (format!("the server answered {status}"), retry_after),
                    Verdict::Unusable { status: status @ (408 | 500 | 502 | 504), detail } => {
                        (format!("the server answered {status} {detail}"), None)
                    }
                    Verdict::Unusable { status, detail } => {
                        return Err(SendError::Answer { resume_at: batch.first_line(), status, detail });
                    }
                },
                Ok(Err(error)) => (error.to_string(), None),
                Err(_) => (format!("no answer within {} s", REQUEST_DEADLINE.as_secs()), None),
            };
            let wait = backoff.next(retry_after);
            if started.elapsed() + wait > self.retry_for {
                let waited = started.elapsed();
                return Err(SendError::GaveUp { resume_at: batch.first_line(), waited, cause });
            }
            sleep(wait).await;
            self.summary.retries += 1;
        }
    }

    fn count(&mut self, batch: &Batch, accepted: u64, bad_fields: Vec<BadField>) -> Result<Vec<BadField>, SendError> {
        let refused = rejected_readings(&bad_fields);
        if accepted + refused != batch.readings() || bad_fields.iter().any(|bad| batch.line_of(bad.index).is_none()) {
            let detail =
                format!("but its figures do not add up: {accepted} accepted and {refused} rejected of {}", batch.readings());
            return Err(SendError::Answer { resume_at: batch.first_line(), status: 202, detail });
        }
        self.summary.accepted += accepted;
        self.summary.refused += refused;
        Ok(bad_fields)
    }
}
