//! A process with everything that descends from it.
//!
//! The children of the server are in process groups of their own, so they are found by their parents.

use rustix::process::{Pid, Signal, kill_process};
use std::{
    collections::HashMap,
    fs, io,
    process::{Child, Command},
    sync::mpsc::{Sender, channel},
    thread,
};

/// A process that is ended with its descendants when this is dropped.
#[derive(Debug)]
pub(super) struct Tree {
    root: Child,
    /// Keeps the thread that started the process: the kernel tells a process of its parent's death when that thread ends.
    _parent: Sender<()>,
}

impl Tree {
    /// Starts it from a thread that lives as long as the tree, so that a command with `--pdeathsig` ends with this process.
    pub(super) fn spawn(mut command: Command) -> io::Result<Self> {
        let (started, root) = channel();
        let (parent, lives) = channel();
        thread::Builder::new().name("server-parent".into()).spawn(move || {
            let _ = started.send(command.spawn());
            let _ = lives.recv();
        })?;
        let root = root.recv().map_err(io::Error::other)??;
        Ok(Self { root, _parent: parent })
    }

    /// Whether the process itself is over.
    pub(super) fn has_ended(&mut self) -> bool {
        self.root.try_wait().is_ok_and(|status| status.is_some())
    }

    /// Sends a signal to all, parents first, so that none can start another one unseen.
    pub(super) fn signal(&self, signal: Signal) {
        let mut reached = Vec::new();
        loop {
            let new: Vec<u32> = self.members().into_iter().filter(|process| !reached.contains(process)).collect();
            if new.is_empty() {
                return;
            }
            for process in new {
                if let Some(pid) = Pid::from_raw(process as i32) {
                    // One that has ended meanwhile needs no signal.
                    let _ = kill_process(pid, signal);
                }
                reached.push(process);
            }
        }
    }

    fn members(&self) -> Vec<u32> {
        let mut children: HashMap<u32, Vec<u32>> = HashMap::new();
        for entry in fs::read_dir("/proc").into_iter().flatten().flatten() {
            let Some(process) = entry.file_name().to_str().and_then(|name| name.parse().ok()) else { continue };
            let stat = fs::read_to_string(entry.path().join("stat")).unwrap_or_default();
            // The name, in brackets, may hold anything; state and parent follow it.
            let after_name = stat.rsplit(") ").next().unwrap_or_default();
            if let Some(parent) = after_name.split(' ').nth(1).and_then(|parent| parent.parse().ok()) {
                children.entry(parent).or_default().push(process);
            }
        }
        let (mut members, mut at) = (vec![self.root.id()], 0);
        while at < members.len() {
            members.extend(children.get(&members[at]).into_iter().flatten());
            at += 1;
        }
        members
    }
}

impl Drop for Tree {
    fn drop(&mut self) {
        self.signal(Signal::KILL);
        let _ = self.root.wait();
    }
}
