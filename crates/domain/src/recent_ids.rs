//! The last ids of a device's readings, by which a repeat is recognised.

/// How many reading ids a device remembers.
pub const RECENT_IDS: usize = 16;

/// Fingerprints of a device's last [`RECENT_IDS`] reading ids, oldest forgotten first.
///
/// Takes memory for the ids it holds (2, 4, 8 or 16 places), so that a device that reports seldom is small.
#[derive(Clone, Debug, Default)]
pub struct RecentIds {
    slots: Box<[u64]>,
    next: u8,
    len: u8,
}

impl RecentIds {
    /// Whether a reading with this fingerprint has been seen.
    pub fn contains(&self, fingerprint: u64) -> bool {
        self.slots[..usize::from(self.len)].contains(&fingerprint)
    }

    /// Remembers a fingerprint; one that is the newest already is not kept twice.
    pub fn remember(&mut self, fingerprint: u64) {
        if self.newest() == Some(fingerprint) {
            return;
        }
        let len = usize::from(self.len);
        if len == self.slots.len() && len < RECENT_IDS {
            self.grow(len);
        }
        self.slots[usize::from(self.next)] = fingerprint;
        self.next = (self.next + 1) % RECENT_IDS as u8;
        self.len = (self.len + 1).min(RECENT_IDS as u8);
    }

    /// The fingerprints, oldest first.
    pub fn oldest_first(&self) -> impl Iterator<Item = u64> + '_ {
        let len = usize::from(self.len);
        // Until the ring is full its oldest entry is the first; then it is the one to be overwritten next.
        let start = if len < RECENT_IDS { 0 } else { usize::from(self.next) };
        (0..len).map(move |at| self.slots[(start + at) % RECENT_IDS])
    }

    /// How many ids are remembered.
    pub fn len(&self) -> usize {
        usize::from(self.len)
    }

    /// Whether none is.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    fn newest(&self) -> Option<u64> {
        (self.len > 0).then(|| self.slots[(usize::from(self.next) + RECENT_IDS - 1) % RECENT_IDS])
    }

    fn grow(&mut self, len: usize) {
        let mut slots = Vec::with_capacity((len * 2).clamp(2, RECENT_IDS));
        slots.extend_from_slice(&self.slots);
        slots.resize(slots.capacity().min(RECENT_IDS), 0);
        self.slots = slots.into_boxed_slice();
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
        for newest in 1..=40u64 {
            let ids: RecentIds = (1..=newest).collect();
            let kept = newest.saturating_sub(RECENT_IDS as u64) + 1..=newest;
            assert_eq!(ids.oldest_first().collect::<Vec<_>>(), kept.clone().collect::<Vec<_>>());
            assert!(kept.clone().all(|id| ids.contains(id)));
            assert!(!ids.contains(kept.start() - 1));
        }
    }

    #[test]
    fn an_empty_memory_contains_nothing_not_even_zero() {
        assert!(!RecentIds::default().contains(0));
        let one: RecentIds = std::iter::once(7).collect();
        assert!(!one.contains(0), "an unused place is not an id");
    }
}
