//! A small file system of its own, so that a disk can really be full.

use std::path::Path;

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
                let thread = std::thread::current();
                let why = format!("cannot mount a small file system ({error}); run as root to test a full disk");
                fieldwatch_real_servers::skipped(thread.name().unwrap_or("a_test"), &why);
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
