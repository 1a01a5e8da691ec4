//! What lies in the data folder, and who holds it.

use std::fmt;
use std::path::{Path, PathBuf};
use std::process;

use anyhow::{Context as _, anyhow};
use fieldwatch_segment_log::{DirectoryLock, LockError};

/// A data folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct DataFolder(PathBuf);

impl DataFolder {
    pub(crate) fn at(path: &Path) -> Self {
        Self(path.to_owned())
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    /// The events, and the state of devices.
    pub(crate) fn store(&self) -> PathBuf {
        self.0.join("store")
    }

    /// What was accepted and is not decided yet.
    pub(crate) fn queue(&self) -> PathBuf {
        self.0.join("queue")
    }

    /// What could not be processed.
    pub(crate) fn dead_letters(&self) -> PathBuf {
        self.0.join("dead-letters")
    }

    /// Takes the folder for this process, or says who has it. Made if absent.
    pub(crate) fn lock(&self, holder: &Holder) -> anyhow::Result<DirectoryLock> {
        DirectoryLock::acquire(&self.0, &holder.to_string()).map_err(|error| match error {
            LockError::Locked { .. } => anyhow!("the data folder {error}; one process at a time may use it"),
            LockError::Failed { .. } => anyhow::Error::new(error).context("cannot take the data folder"),
        })
    }

    /// Refuses a folder that is not there, for commands that look into one: a slip of the pen must not look like all is well.
    pub(crate) fn must_exist(&self) -> anyhow::Result<()> {
        anyhow::ensure!(self.0.is_dir(), "there is no data folder {}", self.0.display());
        Ok(())
    }

    /// Who holds the folder now, if anybody does.
    pub(crate) fn holder(&self) -> anyhow::Result<Option<Holder>> {
        let note = DirectoryLock::holder(&self.0).with_context(|| format!("cannot look who uses {}", self.0.display()))?;
        Ok(note.map(|note| Holder { note }))
    }
}

/// Who holds a data folder, as its lock tells: `process 123, http://127.0.0.1:8080`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Holder {
    note: String,
}

impl Holder {
    /// This process, serving at `url`.
    pub(crate) fn server(url: &str) -> Self {
        Self { note: format!("process {}, {url}", process::id()) }
    }

    /// This process, doing something that takes a moment.
    pub(crate) fn command(name: &str) -> Self {
        Self { note: format!("process {}, fieldwatch {name}", process::id()) }
    }

    /// Where it serves; `None` when it is no server.
    pub(crate) fn url(&self) -> Option<&str> {
        let at = self.note.find("http://")?;
        self.note[at..].split_whitespace().next()
    }
}

impl fmt::Display for Holder {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.note)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_has_one_holder_that_can_be_found() {
        let dir = tempfile::tempdir().expect("a folder");
        let folder = DataFolder::at(&dir.path().join("data"));
        assert_eq!(folder.holder().expect("readable"), None);

        let lock = folder.lock(&Holder::server("http://127.0.0.1:8080")).expect("free");
        let holder = folder.holder().expect("readable").expect("held");
        assert_eq!(holder.url(), Some("http://127.0.0.1:8080"));
        let refused = folder.lock(&Holder::command("dead-letters requeue")).expect_err("held").to_string();
        assert!(refused.contains(&format!("in use by process {}, http://127.0.0.1:8080", process::id())), "{refused}");

        drop(lock);
        folder.lock(&Holder::command("dead-letters requeue")).expect("free again");
        assert_eq!(Holder::command("dead-letters requeue").url(), None);
    }
}
