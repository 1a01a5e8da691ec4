//! The side file that tells how far a sending came, so that it can go on after a cut.
//!
//! `{"version":1,"target":"http://…","fileBytes":204246,"fileModifiedMs":1767225600000,"linesDone":1500,"accepted":1498,"refused":1}`,
//! replaced whole after each answered request, removed at the end. It is not synced: after a power cut an older one leads to
//! readings being sent again, as late or known ones.

use std::io;
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use serde::{Deserialize, Serialize};
use tokio::fs;

use super::{SendError, SendOptions};

const VERSION: u32 = 1;

/// What tells one state of a file from another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct FileMark {
    pub(super) length: u64,
    modified_ms: u64,
}

impl FileMark {
    pub(super) async fn of(file: &Path) -> io::Result<FileMark> {
        let metadata = fs::metadata(file).await?;
        let modified = metadata.modified()?.duration_since(UNIX_EPOCH).unwrap_or_default();
        Ok(FileMark { length: metadata.len(), modified_ms: modified.as_millis() as u64 })
    }
}

/// How far a sending came.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Stored {
    pub(super) lines_done: u64,
    pub(super) accepted: u64,
    pub(super) refused: u64,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Content {
    version: u32,
    target: String,
    file_bytes: u64,
    file_modified_ms: u64,
    lines_done: u64,
    accepted: u64,
    refused: u64,
}

#[derive(Debug)]
pub(super) struct ProgressFile {
    path: PathBuf,
    target: String,
}

impl ProgressFile {
    pub(super) fn of(options: &SendOptions) -> ProgressFile {
        let beside = || {
            let mut name = options.file.clone().into_os_string();
            name.push(".fieldwatch-progress");
            PathBuf::from(name)
        };
        ProgressFile { path: options.progress_file.clone().unwrap_or_else(beside), target: options.target.clone() }
    }

    /// How far an earlier sending of the same file to the same target came; nothing, if there was none.
    pub(super) async fn load(&self, target: &str, mark: FileMark) -> Result<Stored, SendError> {
        let content = match fs::read(&self.path).await {
            Ok(content) => content,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Stored::default()),
            Err(source) => return Err(self.failed(source)),
        };
        let other = |differs: String| SendError::OtherSending { path: self.path.clone(), differs };
        let content: Content =
            serde_json::from_slice(&content).map_err(|error| other(format!("the record is not understood ({error})")))?;
        if content.version != VERSION {
            return Err(other(format!("the record has version {}, not {VERSION}", content.version)));
        }
        let same_target = content.target.parse().is_ok_and(|found: crate::target::Target| found.to_string() == target);
        if !same_target {
            return Err(other(format!("the target is {}, not {target}", content.target)));
        }
        if (content.file_bytes, content.file_modified_ms) != (mark.length, mark.modified_ms) {
            return Err(other("the file has been changed since".to_owned()));
        }
        Ok(Stored { lines_done: content.lines_done, accepted: content.accepted, refused: content.refused })
    }

    pub(super) async fn store(&self, mark: FileMark, stored: Stored) -> Result<(), SendError> {
        let content = Content {
            version: VERSION,
            target: self.target.clone(),
            file_bytes: mark.length,
            file_modified_ms: mark.modified_ms,
            lines_done: stored.lines_done,
            accepted: stored.accepted,
            refused: stored.refused,
        };
        let json = serde_json::to_vec(&content).expect("numbers and text become JSON without an error");
        let mut new = self.path.clone().into_os_string();
        new.push(".new");
        // Renamed over the old one, so that a cut leaves one of the two and not a part.
        fs::write(&new, json).await.map_err(|source| self.failed(source))?;
        fs::rename(&new, &self.path).await.map_err(|source| self.failed(source))
    }

    pub(super) async fn remove(&self) -> Result<(), SendError> {
        match fs::remove_file(&self.path).await {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(self.failed(error)),
            Ok(()) | Err(_) => Ok(()),
        }
    }

    fn failed(&self, source: io::Error) -> SendError {
        SendError::ProgressFile { path: self.path.clone(), source }
    }
}
