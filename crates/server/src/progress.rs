//! How work that takes longer tells that it goes on: one line that changes on a terminal, plain lines now and then elsewhere.

use std::io::{self, IsTerminal as _, Stderr, Write};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

/// Work that is done within this says nothing.
const QUIET_FOR: Duration = Duration::from_secs(2);
/// Fast enough to look alive, slow enough to be read.
const ON_TERMINAL_EVERY: Duration = Duration::from_millis(200);
/// A file of lines should stay short for work of hours.
const IN_LINES_EVERY: Duration = Duration::from_secs(10);

/// Where progress is told.
pub(crate) struct Progress<W: Write = Stderr> {
    out: W,
    form: Form,
    started: Instant,
    last: Option<Duration>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    /// One line, written again and again.
    Line,
    /// A line each time.
    Lines,
    /// Nothing: somebody asked for quiet, or the output is read on the same terminal.
    Nothing,
}

/// Whether progress is wanted at all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wanted {
    Yes,
    No,
}

impl Progress {
    /// On stderr, so that the output of the command stays what it is.
    pub(crate) fn on_stderr(wanted: Wanted) -> Self {
        let form = match wanted {
            Wanted::No => Form::Nothing,
            Wanted::Yes if io::stderr().is_terminal() => Form::Line,
            Wanted::Yes => Form::Lines,
        };
        Self::new(io::stderr(), form)
    }
}

impl<W: Write> Progress<W> {
    fn new(out: W, form: Form) -> Self {
        Self { out, form, started: Instant::now(), last: None }
    }

    /// Tells how far the work has come, if it is time to.
    pub(crate) fn show(&mut self, text: impl FnOnce() -> String) {
        self.show_at(self.started.elapsed(), text);
    }

    fn show_at(&mut self, elapsed: Duration, text: impl FnOnce() -> String) {
        let every = match self.form {
            Form::Nothing => return,
            Form::Line => ON_TERMINAL_EVERY,
            Form::Lines => IN_LINES_EVERY,
        };
        if elapsed < QUIET_FOR || self.last.is_some_and(|last| elapsed < last + every) {
            return;
        }
        self.last = Some(elapsed);
        let text = text();
        // Nobody is harmed when progress cannot be told.
        let _ = match self.form {
            Form::Line => write!(self.out, "\r{text}\x1b[K").and_then(|()| self.out.flush()),
            Form::Lines | Form::Nothing => writeln!(self.out, "{text}"),
        };
    }

    /// The work is over: the changing line makes room for what comes now.
    pub(crate) fn finish(mut self) {
        if self.form == Form::Line && self.last.is_some() {
            let _ = write!(self.out, "\r\x1b[K").and_then(|()| self.out.flush());
        }
    }
}

/// Does work that cannot tell how far it is, and tells meanwhile that it goes on.
pub(crate) fn while_working<T: Send>(what: &str, mut progress: Progress, work: impl FnOnce() -> T + Send) -> T {
    thread::scope(|scope| {
        let (done, is_done) = mpsc::channel::<()>();
        scope.spawn(move || {
            let begun = Instant::now();
            while let Err(RecvTimeoutError::Timeout) = is_done.recv_timeout(ON_TERMINAL_EVERY) {
                progress.show(|| format!("{what}, {} s", begun.elapsed().as_secs()));
            }
            progress.finish();
        });
        let result = work();
        drop(done);
        result
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(form: Form, at_ms: &[u64]) -> String {
        let mut progress = Progress::new(Vec::new(), form);
        for &ms in at_ms {
            progress.show_at(Duration::from_millis(ms), || format!("at {ms}"));
        }
        String::from_utf8(progress.out).expect("text")
    }

    #[test]
    fn short_work_says_nothing() {
        assert_eq!(told(Form::Line, &[100, 1_999]), "");
        assert_eq!(told(Form::Lines, &[100, 1_999]), "");
    }

    #[test]
    fn a_terminal_shows_one_line_that_changes() {
        assert_eq!(told(Form::Line, &[2_000, 2_100, 2_200]), "\rat 2000\x1b[K\rat 2200\x1b[K");
    }

    #[test]
    fn elsewhere_come_plain_lines_now_and_then() {
        assert_eq!(told(Form::Lines, &[2_000, 5_000, 11_999, 12_000]), "at 2000\nat 12000\n");
        assert_eq!(told(Form::Nothing, &[2_000, 20_000]), "");
    }
}
