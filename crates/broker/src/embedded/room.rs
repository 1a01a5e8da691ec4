//! Whether there is room for more: the log's size, and what is free on its disk.

use fieldwatch_segment_log::free_bytes;
use std::{
    path::PathBuf,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    },
    time::Instant,
};

/// How often free space is looked up, and how soon a commit is tried again after the disk refused one. Short enough that
/// at a gigabyte a second the disk keeps most of what is to stay free.
const LOOK_AGAIN_MS: u64 = 100;

/// What is known about room. Asked by every publisher, so it costs no lock and, nearly always, no system call.
pub(super) struct Room {
    dir: PathBuf,
    max_bytes: u64,
    least_free_bytes: u64,
    log_bytes: AtomicU64,
    opened: Instant,
    /// Milliseconds since `opened`, as all moments here.
    look_at: AtomicU64,
    disk_is_low: AtomicBool,
    refused_until: AtomicU64,
    /// The last commit was refused.
    refuses: AtomicBool,
    /// Why the last commit was refused.
    refusal: Mutex<String>,
}

impl Room {
    pub(super) fn new(dir: PathBuf, max_bytes: u64, least_free_bytes: u64, log_bytes: u64) -> Self {
        Self {
            dir,
            max_bytes,
            least_free_bytes,
            log_bytes: AtomicU64::new(log_bytes),
            opened: Instant::now(),
            look_at: AtomicU64::new(0),
            disk_is_low: AtomicBool::new(false),
            refused_until: AtomicU64::new(0),
            refuses: AtomicBool::new(false),
            refusal: Mutex::new(String::new()),
        }
    }

    /// Whether there is room as far as is known, and why not.
    pub(super) fn check(&self) -> Result<(), String> {
        let now = self.opened.elapsed().as_millis() as u64;
        let look_at = self.look_at.load(Relaxed);
        // One of those who come at the same time looks.
        if now >= look_at && self.look_at.compare_exchange(look_at, now + LOOK_AGAIN_MS, Relaxed, Relaxed).is_ok() {
            self.look();
        }
        if self.log_bytes.load(Relaxed) >= self.max_bytes {
            return Err(format!("it has grown to its limit of {} bytes", self.max_bytes));
        }
        if self.disk_is_low.load(Relaxed) {
            return Err(format!("less than {} bytes are free on its disk", self.least_free_bytes));
        }
        if now < self.refused_until.load(Relaxed) {
            return Err(self.refusal.lock().unwrap_or_else(PoisonError::into_inner).clone());
        }
        Ok(())
    }

    /// How large the log is.
    pub(super) fn log_bytes(&self) -> u64 {
        self.log_bytes.load(Relaxed)
    }

    /// The log has so many bytes now.
    pub(super) fn set_log_bytes(&self, bytes: u64) {
        self.log_bytes.store(bytes, Relaxed);
    }

    /// A commit was taken.
    pub(super) fn take(&self) {
        if self.refuses.load(Relaxed) {
            self.refuses.store(false, Relaxed);
            tracing::info!("the reading queue can be written again");
        }
    }

    /// A commit was refused and left the log as it was; nothing is tried for a while.
    pub(super) fn refuse(&self, refusal: String) {
        // Once: it is tried again and again for as long as the disk is full.
        if !self.refuses.swap(true, Relaxed) {
            tracing::warn!(error = %refusal, "the reading queue cannot be written now");
        }
        *self.refusal.lock().unwrap_or_else(PoisonError::into_inner) = refusal;
        self.refused_until.store(self.opened.elapsed().as_millis() as u64 + LOOK_AGAIN_MS, Relaxed);
    }

    fn look(&self) {
        match free_bytes(&self.dir) {
            Ok(free) => {
                let low = free < self.least_free_bytes;
                if self.disk_is_low.swap(low, Relaxed) != low {
                    tracing::warn!(low, free, least = self.least_free_bytes, "free space for the reading queue has changed");
                }
            }
            // The next commit will say what is wrong with the disk.
            Err(error) => tracing::warn!(%error, "cannot look up the free space for the reading queue"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_log_at_its_limit_has_no_room_until_it_shrinks() {
        let room = Room::new(std::env::temp_dir(), 10, 0, 9);
        assert_eq!(room.check(), Ok(()));
        room.set_log_bytes(10);
        assert_eq!(room.check(), Err("it has grown to its limit of 10 bytes".into()));
        room.set_log_bytes(9);
        assert_eq!(room.check(), Ok(()));
    }

    #[test]
    fn a_disk_with_less_than_is_to_stay_free_has_no_room() {
        let room = Room::new(std::env::temp_dir(), 10, u64::MAX, 0);
        assert_eq!(room.check(), Err(format!("less than {} bytes are free on its disk", u64::MAX)));
    }

    #[test]
    fn a_refused_commit_is_told_to_others_and_tried_again_later() {
        let room = Room::new(std::env::temp_dir(), 10, 0, 0);
        room.refuse("no space".into());
        assert_eq!(room.check(), Err("no space".into()));
        let deadline = Instant::now() + std::time::Duration::from_secs(30);
        while room.check().is_err() {
            assert!(Instant::now() < deadline, "a commit is tried again");
            std::thread::yield_now();
        }
    }
}
