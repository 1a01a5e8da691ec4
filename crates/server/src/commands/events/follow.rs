//! `fieldwatch events tail`: each new event as it is stored.

use std::io::Write;
use std::ops::ControlFlow;
use std::thread;
use std::time::Duration;

use anyhow::Context as _;
use tokio::task::spawn_blocking;

use super::Lines;
use super::log::EventLog;
use crate::failure::Failure;
use crate::output::write_out;
use crate::runtime;

/// How often the log is looked at: soon enough for a person, and rare enough to cost the server nothing.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// Follows until somebody wants it to end, or nobody reads any more.
pub(super) fn run(log: impl EventLog + Send + 'static) -> Result<(), Failure> {
    runtime::run(|stop| async move {
        let following = spawn_blocking(move || {
            write_out(|out| {
                follow(log, out, || {
                    thread::sleep(LOOK_EVERY);
                    if stop.is_requested() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
                })
            })
        });
        Ok(following.await.context("following the log failed")??)
    })
}

/// Writes what comes from now on; `wait` waits between two looks, and ends it.
fn follow(mut log: impl EventLog, out: &mut impl Write, mut wait: impl FnMut() -> ControlFlow<()>) -> anyhow::Result<()> {
    let mut lines = Lines::default();
    let mut after = log.newest()?;
    while wait().is_continue() {
        after = log.read(after, &mut |found| lines.write(out, found))?;
        // Whoever follows wants to see it now, not when a buffer is full.
        out.flush().context("cannot write the events")?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use super::super::log::Found;
    use super::super::log::fake::{FakeLog, created};
    use super::*;

    /// A log that somebody else writes to.
    struct Shared<'a>(&'a RefCell<FakeLog>);

    impl EventLog for Shared<'_> {
        fn newest(&mut self) -> anyhow::Result<u64> {
            self.0.borrow_mut().newest()
        }

        fn read(&mut self, after: u64, show: &mut dyn FnMut(Found<'_>) -> anyhow::Result<()>) -> anyhow::Result<u64> {
            self.0.borrow_mut().read(after, show)
        }
    }

    #[test]
    fn what_comes_is_written_once_and_what_was_there_is_not() {
        let log = RefCell::new(FakeLog { events: vec![created("old", 1, 64)] });
        let mut out = Vec::new();
        let mut looks = 0;
        follow(Shared(&log), &mut out, || {
            looks += 1;
            match looks {
                1 => log.borrow_mut().events.push(created("first", 1, 128)),
                3 => log.borrow_mut().events.extend([created("second", 1, 192), created("third", 1, 256)]),
                _ => {}
            }
            if looks <= 4 { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
        })
        .expect("written");
        let text = String::from_utf8(out).expect("text");
        let ids: Vec<&str> = text.lines().filter_map(|line| line.split('"').nth(7)).collect();
        assert_eq!(ids, ["first", "second", "third"]);
    }
}
