//! A small file system of its own, so that a disk can really be full. Used by unit tests too.

use std::{io::Write, path::Path};

use rustix::mount::{MountFlags, UnmountFlags, mount, unmount};

/// A file system in memory, unmounted at the end.
pub(crate) struct SmallDisk(tempfile::TempDir);

impl SmallDisk {
    pub(crate) fn of(size: &str) -> Option<Self> {
        let disk = Self(tempfile::tempdir().expect("temporary folder"));
        let data = std::ffi::CString::new(format!("size={size}")).expect("no zero byte");
        match mount("tmpfs", disk.path(), "tmpfs", MountFlags::empty(), data.as_c_str()) {
            Ok(()) => Some(disk),
            Err(error) => {
                // The thread has the test's name. Written directly and in one piece, because what a test that passes prints is not
                // shown, and scripts/test.sh counts these lines.
                let (thread, why) = (std::thread::current(), "run as root to test a full disk");
                let test = thread.name().unwrap_or("a_test");
                let line = format!("SKIPPED {test}: cannot mount a small file system ({error}); {why}\n");
                let _ = std::io::stderr().write_all(line.as_bytes());
                None
            }
        }
    }

    pub(crate) fn path(&self) -> &Path {
        self.0.path()
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = unmount(self.path(), UnmountFlags::DETACH);
    }
}
