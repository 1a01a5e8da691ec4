//! The last ids of a device's readings, by which a repeat is recognised.

/// How many reading ids a device remembers.
pub const RECENT_IDS: usize = 16;

/// Fingerprints of a device's last [`RECENT_IDS`] reading ids, oldest forgotten first.
#[derive(Clone, Copy, Debug, Default)]
pub struct RecentIds {
    fingerprints: [u64; RECENT_IDS],
    next: u8,
    len: u8,
}

impl RecentIds {
    /// Whether a reading with this fingerprint has been seen.
    pub fn contains(&self, fingerprint: u64) -> bool {
        self.fingerprints[..usize::from(self.len)].contains(&fingerprint)
    }

    /// Remembers a fingerprint; one that is the newest already is not kept twice.
    pub fn remember(&mut self, fingerprint: u64) {
        if self.newest() == Some(fingerprint) {
            return;
        }
        self.fingerprints[usize::from(self.next)] = fingerprint;
        self.next = (self.next + 1) % RECENT_IDS as u8;
        self.len = (self.len + 1).min(RECENT_IDS as u8);
    }

    /// The fingerprints, oldest first.
    pub fn oldest_first(&self) -> impl Iterator<Item = u64> + '_ {
        let len = usize::from(self.len);
        let start = (usize::from(self.next) + RECENT_IDS - len) % RECENT_IDS;
        (0..len).map(move |at| self.fingerprints[(start + at) % RECENT_IDS])
    }

    fn newest(&self) -> Option<u64> {
        (self.len > 0).then(|| self.fingerprints[(usize::from(self.next) + RECENT_IDS - 1) % RECENT_IDS])
    }
}

/// Two are the same when they remember the same ids in the same order, wherever the ring stands.
impl PartialEq for RecentIds {
    fn eq(&self, other: &Self) -> bool {
        self.oldest_first().eq(other.oldest_first())
    }
}

impl Eq for RecentIds {}

impl FromIterator<u64> for RecentIds {
    fn from_iter<I: IntoIterator<Item = u64>>(fingerprints: I) -> Self {
        let mut ids = Self::default();
        for fingerprint in fingerprints {
            ids.remember(fingerprint);
        }
        ids
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_seventeenth_id_pushes_out_the_first() {
        let ids: RecentIds = (1..=17).collect();
        assert!(!ids.contains(1));
        assert!((2..=17).all(|id| ids.contains(id)));
        assert_eq!(ids.oldest_first().collect::<Vec<_>>(), (2..=17).collect::<Vec<_>>());
    }

    #[test]
    fn an_empty_memory_contains_nothing_not_even_zero() {
        assert!(!RecentIds::default().contains(0));
    }
}
