//! Switches that make the server fail on purpose, for the tests that have to notice. Environment only, and no settings:
//! nobody should find them in a manual and try.

use std::env;
use std::ffi::OsString;

use fieldwatch_segment_log::SyncMode;
use tracing::warn;

/// What is broken on purpose.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Switches {
    /// `FIELDWATCH_UNSAFE_SKIP_FSYNC`: no commit waits for the disk, of whatever log.
    skip_fsync: bool,
    /// `FIELDWATCH_UNSAFE_FORGET_REPEATS`: a reading that comes again under its id counts as a new one.
    forget_repeats: bool,
    /// `FIELDWATCH_TEST_PANIC_DEVICE`: each turn of the device with this id panics.
    panics_on: Option<String>,
}

impl Switches {
    /// Those of this process.
    pub(crate) fn of_this_process() -> Self {
        Self::from(|name| env::var_os(name))
    }

    fn from(value: impl Fn(&str) -> Option<OsString>) -> Self {
        let is_on = |name| value(name).is_some_and(|value| !value.is_empty() && value != "0");
        Self {
            skip_fsync: is_on("FIELDWATCH_UNSAFE_SKIP_FSYNC"),
            forget_repeats: is_on("FIELDWATCH_UNSAFE_FORGET_REPEATS"),
            panics_on: value("FIELDWATCH_TEST_PANIC_DEVICE").and_then(|id| id.into_string().ok()).filter(|id| !id.is_empty()),
        }
    }

    pub(crate) fn sync(&self) -> SyncMode {
        if self.skip_fsync { SyncMode::Never } else { SyncMode::Durable }
    }

    /// A crash repeats nothing by itself, since what was decided and how far the queue was read are one write. So the repeats
    /// to be forgotten are those that clients send, which the id of the reading tells.
    pub(crate) fn recognises_repeats(&self) -> bool {
        !self.forget_repeats
    }

    pub(crate) fn panics_on(&self) -> Option<String> {
        self.panics_on.clone()
    }

    /// Says loudly what is broken.
    pub(crate) fn shout(&self) {
        if self.skip_fsync {
            warn!("UNSAFE: FIELDWATCH_UNSAFE_SKIP_FSYNC is set, so a power cut loses readings that were answered with 202");
        }
        if self.forget_repeats {
            warn!("UNSAFE: FIELDWATCH_UNSAFE_FORGET_REPEATS is set, so repeated readings take effect twice");
        }
        if let Some(device) = &self.panics_on {
            warn!(%device, "FIELDWATCH_TEST_PANIC_DEVICE is set, so this device fails");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn switches(set: &[(&str, &str)]) -> Switches {
        Switches::from(|name| set.iter().find(|(known, _)| *known == name).map(|(_, value)| value.into()))
    }

    #[test]
    fn nothing_is_broken_unless_asked_for() {
        for set in [&[][..], &[("FIELDWATCH_UNSAFE_SKIP_FSYNC", "0"), ("FIELDWATCH_UNSAFE_FORGET_REPEATS", "")]] {
            assert_eq!(switches(set), Switches::default());
        }
        let switches = Switches::default();
        assert_eq!((switches.sync(), switches.recognises_repeats(), switches.panics_on()), (SyncMode::Durable, true, None));
    }

    #[test]
    fn each_switch_breaks_its_own_thing() {
        assert_eq!(switches(&[("FIELDWATCH_UNSAFE_SKIP_FSYNC", "1")]).sync(), SyncMode::Never);
        assert!(!switches(&[("FIELDWATCH_UNSAFE_FORGET_REPEATS", "1")]).recognises_repeats());
        assert_eq!(switches(&[("FIELDWATCH_TEST_PANIC_DEVICE", "a")]).panics_on().as_deref(), Some("a"));
    }
}
