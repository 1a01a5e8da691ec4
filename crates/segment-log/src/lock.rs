//! One writer per folder, across processes.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Write},
    path::{Path, PathBuf},
    thread,
    time::Duration,
};

use rustix::{
    fs::{FlockOperation, flock},
    io::Errno,
};

/// Held for as long as this value lives. It ends with the process, however that ends.
#[derive(Debug)]
pub struct DirectoryLock {
    _file: File,
}

/// Why a folder could not be locked.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    /// Another process, or another part of this one, holds it.
    #[error("{} is in use by {note}", dir.display())]
    Locked {
        /// The folder.
        dir: PathBuf,
        /// What the holder says about itself.
        note: String,
    },
    /// The system refused.
    #[error("cannot lock {}", path.display())]
    Failed {
        /// The lock file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

impl DirectoryLock {
    /// Locks `dir`, which is created if absent. `note` tells others who holds it, for example process id and address.
    pub fn acquire(dir: impl AsRef<Path>, note: &str) -> Result<Self, LockError> {
        /// [`holder`](Self::holder) tries the lock too, for a few microseconds; that must not look like a holder.
        const TRIES: usize = 5;
        const BETWEEN_TRIES: Duration = Duration::from_millis(10);

        let dir = dir.as_ref();
        let path = lock_path(dir);
        let failed = |source| LockError::Failed { path: path.clone(), source };
        fs::create_dir_all(dir).map_err(failed)?;
        let mut file = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(&path).map_err(failed)?;
        for attempt in 1.. {
            match flock(&file, FlockOperation::NonBlockingLockExclusive) {
                Ok(()) => break,
                Err(Errno::WOULDBLOCK) if attempt < TRIES => thread::sleep(BETWEEN_TRIES),
                Err(Errno::WOULDBLOCK) => {
                    let note = read_note(&path).map_err(failed)?;
                    return Err(LockError::Locked { dir: dir.to_path_buf(), note });
                }
                Err(errno) => return Err(failed(errno.into())),
            }
        }
        file.set_len(0).and_then(|()| file.write_all(note.as_bytes())).map_err(failed)?;
        Ok(Self { _file: file })
    }

    /// The note of whoever holds `dir` now. Writes nothing.
    pub fn holder(dir: impl AsRef<Path>) -> io::Result<Option<String>> {
        let path = lock_path(dir.as_ref());
        let file = match File::open(&path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        match flock(&file, FlockOperation::NonBlockingLockShared) {
            Ok(()) => Ok(None),
            Err(Errno::WOULDBLOCK) => read_note(&path).map(Some),
            Err(errno) => Err(errno.into()),
        }
    }
}

fn lock_path(dir: &Path) -> PathBuf {
    dir.join("lock")
}

fn read_note(path: &Path) -> io::Result<String> {
    let note = fs::read(path)?;
    Ok(String::from_utf8_lossy(&note).trim().to_owned())
}
