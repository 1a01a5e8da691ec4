//! What memory holds of the letters: about 150 bytes for each that is kept.

use super::record::Record;
use fieldwatch_domain::fnv1a_64;
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// The letters that are kept, and what of the log is none any more.
#[derive(Default)]
pub(super) struct Known {
    letters: BTreeMap<u64, Letter>,
    /// Ids by place and body: after the queue was begun anew, another entry may lie at the same place.
    by_place: HashMap<(u64, u64), u64>,
    waiting: usize,
    last_id: u64,
    /// Letters that are not shown any more, but not yet noted as dropped.
    hidden: BTreeSet<u64>,
    /// Whether the log holds letters that are not kept, or one of them twice.
    has_dead: bool,
}

struct Letter {
    place: (u64, u64),
    device_id: Option<Box<str>>,
    position: u64,
    requeued_at: Option<i64>,
}

impl Known {
    /// Takes a record that is in the log. A letter that is there twice, because a crash came between writing it anew and
    /// removing it, is taken once.
    pub(super) fn apply(&mut self, record: &Record) {
        match record {
            Record::Parked(parked) => {
                self.last_id = self.last_id.max(parked.id);
                if self.letters.contains_key(&parked.id) {
                    self.has_dead = true;
                    return;
                }
                let place = key(parked.place, &parked.body);
                let (device_id, position) = (parked.device_id.as_deref().map(Into::into), parked.position);
                self.letters.insert(parked.id, Letter { place, device_id, position, requeued_at: None });
                self.by_place.insert(place, parked.id);
                self.waiting += 1;
            }
            Record::Requeued(requeued) => {
                if let Some(letter) = self.letters.get_mut(&requeued.id)
                    && letter.requeued_at.is_none()
                {
                    letter.requeued_at = Some(requeued.at);
                    self.waiting -= 1;
                }
            }
            Record::Dropped(dropped) => {
                for id in &dropped.ids {
                    self.remove(*id);
                    self.hidden.remove(id);
                }
                self.has_dead = true;
            }
            Record::Compacted(compacted) => self.last_id = self.last_id.max(compacted.last_id),
        }
    }

    /// Hides the letters of these devices that were parked before the device was forgotten at a position.
    pub(super) fn hide(&mut self, forgotten: &HashMap<Box<str>, u64>) {
        let is_before = |letter: &Letter| {
            let forgotten = letter.device_id.as_ref().and_then(|id| forgotten.get(id));
            forgotten.is_some_and(|forgotten| letter.position < *forgotten)
        };
        let ids: Vec<u64> = self.letters.iter().filter(|(_, letter)| is_before(letter)).map(|(id, _)| *id).collect();
        for id in ids {
            self.remove(id);
            self.hidden.insert(id);
        }
    }

    /// Hides the letters that were requeued at or before a time and came from a place before this one.
    pub(super) fn hide_requeued(&mut self, at_or_before: i64, from_before: u64) {
        let is_old = |letter: &Letter| letter.requeued_at.is_some_and(|at| at <= at_or_before) && letter.place.0 < from_before;
        let ids: Vec<u64> = self.letters.iter().filter(|(_, letter)| is_old(letter)).map(|(id, _)| *id).collect();
        for id in ids {
            self.remove(id);
            self.hidden.insert(id);
        }
    }

    fn remove(&mut self, id: u64) {
        if let Some(letter) = self.letters.remove(&id) {
            self.by_place.remove(&letter.place);
            self.waiting -= usize::from(letter.requeued_at.is_none());
        }
    }

    /// The letter from this place.
    pub(super) fn at(&self, place: u64, body: &[u8]) -> Option<u64> {
        self.by_place.get(&key(place, body)).copied()
    }

    pub(super) fn keeps(&self, id: u64) -> bool {
        self.letters.contains_key(&id)
    }

    pub(super) fn waits(&self, id: u64) -> bool {
        self.letters.get(&id).is_some_and(|letter| letter.requeued_at.is_none())
    }

    pub(super) fn requeued_at(&self, id: u64) -> Option<i64> {
        self.letters.get(&id).and_then(|letter| letter.requeued_at)
    }

    pub(super) fn waiting(&self) -> usize {
        self.waiting
    }

    pub(super) fn last_id(&self) -> u64 {
        self.last_id
    }

    pub(super) fn hidden(&self) -> &BTreeSet<u64> {
        &self.hidden
    }

    pub(super) fn has_dead(&self) -> bool {
        self.has_dead
    }

    /// The log was written anew, with what is kept and nothing else.
    pub(super) fn compacted(&mut self) {
        self.has_dead = false;
    }

    /// The devices that have letters, each once.
    pub(super) fn device_ids(&self) -> BTreeSet<Box<str>> {
        self.letters.values().filter_map(|letter| letter.device_id.clone()).collect()
    }
}

fn key(place: u64, body: &[u8]) -> (u64, u64) {
    (place, fnv1a_64(body))
}
