//! The daemon by which Erlang's nodes find one another: one of our own, on a private port.
//!
//! Erlang starts one by itself where it finds none, in a session of its own, and nobody would ever end that. So ours listens
//! before anything of Erlang's begins, and Erlang is told to start none.

use std::{
    io,
    net::{Ipv4Addr, TcpStream},
    process::{Child, Command, Stdio},
    sync::{Mutex, MutexGuard, PoisonError},
    thread,
    time::{Duration, Instant},
};

/// What tells every program of Erlang's, whatever starts it, not to start one.
pub(super) const START_NONE: (&str, &str) = ("ERL_ZFLAGS", "-start_epmd false");
/// It starts within a moment, also on a busy machine.
const PATIENCE: Duration = Duration::from_secs(20);
const POLL: Duration = Duration::from_millis(5);

/// The daemon; it ends when this is dropped.
pub(super) struct Epmd {
    port: u16,
    child: Mutex<Child>,
}

impl Epmd {
    /// Starts one, and waits until it listens.
    pub(super) fn start(port: u16) -> io::Result<Self> {
        let child = Command::new("epmd")
            .args(["-port", &port.to_string(), "-address", "127.0.0.1"])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()?;
        let epmd = Self { port, child: Mutex::new(child) };
        let give_up = Instant::now() + PATIENCE;
        while let Err(error) = TcpStream::connect((Ipv4Addr::LOCALHOST, port)) {
            epmd.must_live()?;
            if Instant::now() >= give_up {
                return Err(io::Error::other(format!("epmd does not listen: {error}")));
            }
            thread::sleep(POLL);
        }
        // Another one could have answered, because of which ours ends.
        epmd.must_live()?;
        Ok(epmd)
    }

    /// The number of its process.
    pub(super) fn id(&self) -> u32 {
        self.child().id()
    }

    /// An error when it has ended.
    pub(super) fn must_live(&self) -> io::Result<()> {
        match self.child().try_wait()? {
            None => Ok(()),
            Some(status) => Err(io::Error::other(format!("epmd on port {} has ended: {status}", self.port))),
        }
    }

    fn child(&self) -> MutexGuard<'_, Child> {
        self.child.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Epmd {
    fn drop(&mut self) {
        let mut child = self.child();
        // An error says that it has ended already.
        let _ = child.kill();
        let _ = child.wait();
    }
}
