//! Who asked a device for something, and waits for what became of it.

use parking_lot::Mutex;
use std::{
    collections::BTreeMap,
    hash::{BuildHasher, Hasher, RandomState},
    sync::{Arc, OnceLock},
};
use tokio::sync::oneshot;

/// How many askers can wait at a time. Beyond it those who have given up are dropped, then the one who waits longest:
/// commands come from people and scripts, so this many waiting means that nobody decides any more.
const MOST_WAITING: usize = 65_536;

/// The commands that this process has published and that are not yet decided. Cheap to clone.
#[derive(Clone, Default)]
pub struct Commands {
    waiting: Arc<Mutex<Waiting>>,
    herald: Arc<OnceLock<Herald>>,
}

/// Tells other processes what became of a command that nobody here waits for. It must be quick and not block.
pub type Herald = Box<dyn Fn(u64, CommandOutcome) + Send + Sync>;

impl std::fmt::Debug for Commands {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Commands").field("waiting", &self.waiting.lock().askers.len()).finish_non_exhaustive()
    }
}

#[derive(Debug)]
struct Waiting {
    /// Numbers grow, so the first is the oldest.
    askers: BTreeMap<u64, oneshot::Sender<CommandOutcome>>,
    next: u64,
}

impl Default for Waiting {
    fn default() -> Self {
        // Commands of a former life may still be in the queue: a random start keeps their numbers apart from ours. The top
        // bit stays free, so that numbers never wrap.
        let random = RandomState::new().build_hasher().finish();
        Self { askers: BTreeMap::new(), next: random >> 1 }
    }
}

/// What became of a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CommandOutcome {
    /// It is stored, and everybody who subscribed to the store was told; the device's version now. Also when it changed
    /// nothing.
    Done {
        /// The device's version.
        version: u64,
    },
    /// No such device is known.
    UnknownDevice,
    /// It was parked in the dead letters, because the device failed on it again and again.
    Parked,
}

impl Commands {
    /// A number for a command to be published, unique in this process's life and unlikely to meet one of a former life,
    /// and what will tell what became of it. Dropping the receiver gives up waiting, not the command.
    pub fn expect(&self) -> (u64, oneshot::Receiver<CommandOutcome>) {
        let (tell, told) = oneshot::channel();
        let mut waiting = self.waiting.lock();
        if waiting.askers.len() >= MOST_WAITING {
            waiting.askers.retain(|_, asker| !asker.is_closed());
            if waiting.askers.len() >= MOST_WAITING {
                waiting.askers.pop_first();
            }
        }
        let command = waiting.next;
        waiting.next += 1;
        waiting.askers.insert(command, tell);
        (command, told)
    }

    /// Nobody needs to wait for this command: it was not published.
    pub fn forget(&self, command: u64) {
        self.waiting.lock().askers.remove(&command);
    }

    /// From now on other processes are told what became of commands that nobody here waits for. Only the first call counts.
    pub fn tell_others(&self, herald: Herald) {
        drop(self.herald.set(herald));
    }

    /// Another process tells what became of a command; one that nobody here waits for is none of ours.
    pub fn heard(&self, command: u64, outcome: CommandOutcome) {
        let _was_ours = self.tell(command, outcome);
    }

    /// A device of this process has decided a command: tells whoever waits for it.
    pub(crate) fn answer(&self, command: u64, outcome: CommandOutcome) {
        if !self.tell(command, outcome)
            && let Some(herald) = self.herald.get()
        {
            herald(command, outcome);
        }
    }

    /// False: nobody here waits for it.
    fn tell(&self, command: u64, outcome: CommandOutcome) -> bool {
        let asker = self.waiting.lock().askers.remove(&command);
        let Some(asker) = asker else { return false };
        // An asker who has given up has dropped the receiver; the command is done all the same.
        let _ = asker.send(outcome);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn an_asker_is_told_once_and_strange_numbers_are_ignored() {
        let commands = Commands::default();
        let (first, told_first) = commands.expect();
        let (second, told_second) = commands.expect();
        assert_ne!(first, second);
        commands.answer(second, CommandOutcome::UnknownDevice);
        commands.answer(second, CommandOutcome::Parked);
        commands.answer(second.wrapping_add(17), CommandOutcome::Parked);
        commands.forget(first);
        assert_eq!(told_second.await, Ok(CommandOutcome::UnknownDevice));
        assert!(told_first.await.is_err());
    }

    #[tokio::test]
    async fn what_nobody_here_waits_for_is_told_to_others_once() {
        let (here, there) = (Commands::default(), Commands::default());
        let asker = there.clone();
        here.tell_others(Box::new(move |command, outcome| asker.heard(command, outcome)));
        let (ours, told_here) = here.expect();
        let (theirs, told_there) = there.expect();
        here.answer(ours, CommandOutcome::Parked);
        here.answer(theirs, CommandOutcome::Done { version: 7 });
        assert_eq!(told_here.await, Ok(CommandOutcome::Parked));
        assert_eq!(told_there.await, Ok(CommandOutcome::Done { version: 7 }));
    }

    #[tokio::test]
    async fn too_many_askers_push_out_those_who_gave_up_and_then_the_oldest() {
        let commands = Commands::default();
        let (_, oldest) = commands.expect();
        let mut rest: Vec<_> = (1..MOST_WAITING).map(|_| commands.expect().1).collect();
        rest.truncate(10);
        let (newest, told) = commands.expect();
        assert_eq!(commands.waiting.lock().askers.len(), 12);
        rest.extend((12..=MOST_WAITING).map(|_| commands.expect().1));
        assert!(oldest.await.is_err());
        commands.answer(newest, CommandOutcome::UnknownDevice);
        assert_eq!(told.await, Ok(CommandOutcome::UnknownDevice));
    }
}
