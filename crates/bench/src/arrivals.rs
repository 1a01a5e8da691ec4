//! When the events of a load arrived at a client of the live stream.
//!
//! Nothing is sent along to tell the readings apart: each reading of the load raises one event, the events of a device come in
//! order, and the load is sent on schedule. So the n-th event of a device belongs to its n-th reading, whose time is known.

use std::io::BufRead as _;
use std::net::{Shutdown, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::{JoinHandle, sleep};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};

use crate::http::Answer;
use crate::server::Server;

/// Before the number of a device in its id, as the load of the simulator names them.
const BEFORE_NUMBER: &[u8] = b"\"deviceId\":\"load-";
/// How often it is looked whether all have arrived.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// A client of the stream that is listening.
pub(crate) struct Listening {
    arrived: Arc<AtomicU64>,
    connection: TcpStream,
    reader: JoinHandle<Heard>,
}

/// What a client of the stream got.
#[derive(Debug, Default)]
pub(crate) struct Heard {
    /// The device and the time of each event, in the order they came.
    events: Vec<(u32, Instant)>,
    /// Names of other messages than events of the load, such as `gap`.
    pub(crate) interruptions: Vec<String>,
}

/// The schedule of a load, as `load::paced_posts` keeps it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Schedule {
    pub(crate) started: Instant,
    pub(crate) devices: u32,
    pub(crate) interval: Duration,
}

impl Schedule {
    fn due(&self, device: u32, step: u32) -> Instant {
        self.started + self.interval * step + self.interval * device / self.devices
    }
}

impl Listening {
    /// Opens the stream. When this returns, the server has said hello, so that no later event is missed.
    pub(crate) fn start(server: &Server, expected: usize) -> anyhow::Result<Listening> {
        let mut answer = server.get("/api/v1/stream").context("open the stream")?;
        if answer.status != 200 {
            bail!("the stream was answered with {}", answer.status);
        }
        let mut line = String::new();
        while line != "event: hello\n" {
            line.clear();
            if answer.body.read_line(&mut line).context("wait for hello")? == 0 {
                bail!("the stream ended before it said hello");
            }
        }
        let connection = answer.connection.try_clone().context("keep hold of the stream")?;
        let arrived = Arc::new(AtomicU64::new(0));
        let counter = Arc::clone(&arrived);
        let reader = std::thread::spawn(move || listen(answer, expected, &counter));
        Ok(Listening { arrived, connection, reader })
    }

    /// Waits until so many events came, `at_most` for so long, and ends the stream.
    pub(crate) fn finish(self, expected: u64, at_most: Duration) -> anyhow::Result<Heard> {
        let end = Instant::now() + at_most;
        while self.arrived.load(Ordering::Relaxed) < expected && Instant::now() < end && !self.reader.is_finished() {
            sleep(LOOK_EVERY);
        }
        // Refused where the server has closed it already.
        let _ = self.connection.shutdown(Shutdown::Both);
        self.reader.join().map_err(|_| anyhow::anyhow!("the reader of the stream panicked"))
    }
}

/// Reads until the stream ends, whoever ends it.
fn listen(mut answer: Answer, expected: usize, counter: &AtomicU64) -> Heard {
    let mut heard = Heard { events: Vec::with_capacity(expected), interruptions: Vec::new() };
    let mut line = Vec::new();
    loop {
        line.clear();
        match answer.body.read_until(b'\n', &mut line) {
            Ok(0) | Err(_) => return heard,
            Ok(_) => {}
        }
        if line.starts_with(b"data:") {
            if let Some(device) = device_of(&line) {
                heard.events.push((device, Instant::now()));
                counter.store(heard.events.len() as u64, Ordering::Relaxed);
            }
        } else if line.starts_with(b"event: gap") || line.starts_with(b"event: overrun") {
            heard.interruptions.push(String::from_utf8_lossy(&line[b"event: ".len()..]).trim().to_owned());
        }
    }
}

fn device_of(line: &[u8]) -> Option<u32> {
    let at = line.windows(BEFORE_NUMBER.len()).position(|window| window == BEFORE_NUMBER)? + BEFORE_NUMBER.len();
    let digits = line[at..].iter().take_while(|byte| byte.is_ascii_digit()).count();
    str::from_utf8(&line[at..at + digits]).ok()?.parse().ok()
}

impl Heard {
    pub(crate) fn count(&self) -> u64 {
        self.events.len() as u64
    }

    /// From when each reading was due to when its event came, shortest first.
    pub(crate) fn delays(&self, schedule: Schedule) -> Vec<Duration> {
        let mut delays: Vec<Duration> = self.arrivals(schedule).map(|arrival| arrival.delay()).collect();
        delays.sort_unstable();
        delays
    }

    /// Each event with when its reading was due, in the order they came.
    pub(crate) fn arrivals(&self, schedule: Schedule) -> impl Iterator<Item = Arrival> {
        let mut steps = vec![0_u32; schedule.devices as usize];
        self.events.iter().filter_map(move |&(device, arrived)| {
            let step = steps.get_mut(device as usize)?;
            let due = schedule.due(device, *step);
            *step += 1;
            Some(Arrival { device, due, arrived })
        })
    }
}

/// An event that came.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Arrival {
    pub(crate) device: u32,
    /// When its reading was due.
    pub(crate) due: Instant,
    pub(crate) arrived: Instant,
}

impl Arrival {
    pub(crate) fn delay(&self) -> Duration {
        self.arrived.saturating_duration_since(self.due)
    }
}

/// What so large a part of all stayed within, from 0 to 1. Zero of none.
pub(crate) fn quantile(sorted: &[Duration], part: f64) -> Duration {
    let place = ((sorted.len() as f64 * part).ceil() as usize).max(1) - 1;
    sorted.get(place.min(sorted.len().saturating_sub(1))).copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nth_event_of_a_device_belongs_to_its_nth_reading() {
        let schedule = Schedule { started: Instant::now(), devices: 4, interval: Duration::from_millis(100) };
        let after = |millis| schedule.started + Duration::from_millis(millis);
        // Device 1 is due at 25 and 125 ms, device 3 at 75 ms.
        let heard = Heard { events: vec![(1, after(26)), (3, after(85)), (1, after(130))], interruptions: Vec::new() };
        assert_eq!(heard.delays(schedule), [1, 5, 10].map(Duration::from_millis));
    }

    #[test]
    fn a_device_is_read_out_of_its_event() {
        let line = br#"data: {"type":"DeviceHasBeenCreated","deviceId":"load-000123","version":1}"#;
        assert_eq!(device_of(line), Some(123));
        assert_eq!(device_of(br#"data: {"deviceId":"truck-1"}"#), None);
    }

    #[test]
    fn quantiles_are_the_smallest_value_that_enough_stay_within() {
        let sorted: Vec<Duration> = (1..=200).map(Duration::from_millis).collect();
        for (part, millis) in [(0.5, 100), (0.99, 198), (1.0, 200), (0.0, 1)] {
            assert_eq!(quantile(&sorted, part), Duration::from_millis(millis), "{part}");
        }
        assert_eq!(quantile(&[], 0.99), Duration::ZERO);
    }
}
