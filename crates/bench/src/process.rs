//! Processes of this run: none of them outlives it, however it ends.

use std::collections::BTreeSet;
use std::io::Read;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use rustix::process::{Pid, Signal, kill_process};

/// How often it is looked whether a process has ended.
const LOOK_EVERY: Duration = Duration::from_millis(5);
/// How long one may take to end after it was asked to: the contract gives an orderly end of the program 10 s.
const STOP_DEADLINE: Duration = Duration::from_secs(15);

/// The ids of all that run.
static RUNNING: Mutex<BTreeSet<u32>> = Mutex::new(BTreeSet::new());

/// A set is whole between any two steps, so one whose holder panicked still tells the truth.
fn running() -> MutexGuard<'static, BTreeSet<u32>> {
    RUNNING.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Asks all that run to end, for when this process is about to.
pub(crate) fn stop_all() {
    for pid in running().iter() {
        // One that has ended was not waited for yet, so its id is still its own.
        let _ = ask_to_end(*pid);
    }
}

fn ask_to_end(pid: u32) -> anyhow::Result<()> {
    let pid = i32::try_from(pid).ok().and_then(Pid::from_raw).context("find the id of a process")?;
    kill_process(pid, Signal::TERM).context("ask a process to end")
}

/// A child of this process. Dropped, it is killed.
pub(crate) struct Process {
    child: Child,
}

impl Process {
    pub(crate) fn start(command: &mut Command) -> anyhow::Result<Process> {
        // Held over the start, so that none is missed that is just being started.
        let mut running = running();
        let child = command.stdin(Stdio::null()).spawn().with_context(|| format!("start {}", command.get_program().display()))?;
        running.insert(child.id());
        Ok(Process { child })
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// How it ended, if it has.
    pub(crate) fn ended(&mut self) -> anyhow::Result<Option<ExitStatus>> {
        // Held, so that nobody asks this id to end once it may be another's.
        let mut running = running();
        let ended = self.child.try_wait().context("look after a process")?;
        if ended.is_some() {
            running.remove(&self.child.id());
        }
        Ok(ended)
    }

    /// Waits for its end; `None` when it took longer.
    pub(crate) fn wait(&mut self, at_most: Duration) -> anyhow::Result<Option<ExitStatus>> {
        let end = Instant::now() + at_most;
        loop {
            let ended = self.ended()?;
            if ended.is_some() || Instant::now() > end {
                return Ok(ended);
            }
            sleep(LOOK_EVERY);
        }
    }

    /// Ends it as a power cut would, as far as the process is concerned.
    pub(crate) fn kill(mut self) -> anyhow::Result<()> {
        self.child.kill().context("kill a process")?;
        // The rest is what dropping it does.
        Ok(())
    }

    /// Ends it in order.
    pub(crate) fn stop(mut self) -> anyhow::Result<()> {
        ask_to_end(self.id())?;
        if self.wait(STOP_DEADLINE)?.is_none() {
            bail!("a process did not end within {} s of SIGTERM", STOP_DEADLINE.as_secs());
        }
        Ok(())
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It has ended already, or nothing more can be done.
        let mut running = running();
        let _ = self.child.kill();
        let _ = self.child.wait();
        running.remove(&self.child.id());
    }
}

/// What a command says until it ends in success. It may say no more than a pipe holds, which is 64 KiB.
pub(crate) fn said_within(command: &mut Command, at_most: Duration) -> anyhow::Result<String> {
    let mut process = Process::start(command.stdout(Stdio::piped()).stderr(Stdio::piped()))?;
    let Some(status) = process.wait(at_most)? else {
        // In order, since it may have children of its own.
        process.stop()?;
        bail!("it did not end within {} s", at_most.as_secs());
    };
    let said = all_of(process.child.stdout.take())?;
    if !status.success() {
        bail!("it ended with {status}: {}", all_of(process.child.stderr.take())?.trim());
    }
    Ok(said)
}

fn all_of(pipe: Option<impl Read>) -> anyhow::Result<String> {
    let mut said = Vec::new();
    if let Some(mut pipe) = pipe {
        pipe.read_to_end(&mut said).context("read what a process said")?;
    }
    Ok(String::from_utf8_lossy(&said).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    const LONG: Duration = Duration::from_mins(1);

    #[test]
    fn what_a_command_says_is_had_only_of_one_that_succeeds() {
        assert_eq!(said_within(Command::new("echo").arg("yes"), LONG).expect("said"), "yes\n");
        let error = said_within(Command::new("sh").args(["-c", "echo no >&2; exit 3"]), LONG).expect_err("failed");
        assert!(error.to_string().ends_with("exit status: 3: no"), "{error}");
        let error = said_within(Command::new("sleep").arg("600"), Duration::ZERO).expect_err("too long");
        assert_eq!(error.to_string(), "it did not end within 0 s");
    }

    #[test]
    fn a_process_that_is_dropped_has_ended() {
        let process = Process::start(Command::new("sleep").arg("600")).expect("started");
        let id = process.id();
        assert!(running().contains(&id));
        drop(process);
        assert!(!running().contains(&id));
        assert!(!std::path::Path::new(&format!("/proc/{id}")).exists());
    }
}
