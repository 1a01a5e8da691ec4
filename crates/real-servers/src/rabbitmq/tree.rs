//! A server with everything it has started, as one group of processes that ends together.

use rustix::process::{Pid, Signal, kill_process_group};
use std::{
    io,
    os::unix::process::CommandExt,
    path::Path,
    process::{Child, Command, Stdio},
};

pub(super) struct Tree {
    leader: Child,
    /// Ends the group when the pipe to it closes, however this process ends.
    watcher: Child,
}

impl Tree {
    /// Starts a program as the first of a group; `companion` and the folder go with it if this process ends unawares.
    pub(super) fn grow(mut command: Command, companion: u32, dir: &Path) -> io::Result<Self> {
        let leader = command.process_group(0).spawn()?;
        let group = leader.id();
        let last_will = format!("read _; kill -s KILL -- -{group}; kill -s KILL {companion}; sleep 1; rm -rf -- \"$1\"");
        let watcher = Command::new("sh")
            .args(["-c", &last_will, "watcher"])
            .arg(dir)
            .process_group(0)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()?;
        Ok(Self { leader, watcher })
    }

    pub(super) fn signal(&self, signal: Signal) {
        let group = Pid::from_raw(self.leader.id() as i32).expect("a process has a number");
        // An error says that all of them have ended.
        let _ = kill_process_group(group, signal);
    }
}

impl Drop for Tree {
    fn drop(&mut self) {
        // The watcher first, which would also take the folder away.
        let _ = self.watcher.kill();
        let _ = self.watcher.wait();
        self.signal(Signal::KILL);
        let _ = self.leader.wait();
    }
}
