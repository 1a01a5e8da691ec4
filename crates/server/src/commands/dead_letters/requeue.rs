//! Gives parked readings to their devices again.

use std::time::SystemTime;

use anyhow::{Context as _, anyhow, bail};
use fieldwatch_broker::{DeadLetter, DeadLetters, EmbeddedQueue, EmbeddedQueueOptions, Entries, ReadingQueue};
use fieldwatch_domain::Timestamp;

use super::find;
use crate::data_folder::{DataFolder, Holder};
use crate::failure::Failure;
use crate::limits::Limits;
use crate::output::write_text;
use crate::switches::Switches;
use crate::{running_server, runtime};

/// Requeues one letter, or all that wait.
pub(super) fn run(folder: &DataFolder, queue_max_bytes: u64, id: Option<u64>) -> Result<(), Failure> {
    let requeued = match folder.holder()? {
        Some(holder) => ask(&holder, id)?,
        None => directly(folder, queue_max_bytes, id)?,
    };
    Ok(write_text(&format!("{requeued}\n"))?)
}

/// Lets the server that holds the folder do it.
fn ask(holder: &Holder, id: Option<u64>) -> anyhow::Result<String> {
    let url = holder.url().ok_or_else(|| anyhow!("the data folder is in use by {holder}; try again when it is done"))?;
    let path = match id {
        Some(id) => format!("/api/v1/dead-letters/{id}/requeue"),
        None => "/api/v1/dead-letters/requeue".to_owned(),
    };
    let answer = running_server::post(url, &path)?.success()?;
    Ok(match (id, answer["requeued"].as_u64()) {
        (Some(id), _) => format!("requeued {id}"),
        (None, Some(count)) => format!("requeued {count}"),
        (None, None) => "requeued".to_owned(),
    })
}

/// Does it in the data folder that nobody holds. The next server's devices take it up.
fn directly(folder: &DataFolder, queue_max_bytes: u64, id: Option<u64>) -> Result<String, Failure> {
    let _lock = folder.lock(&Holder::command("dead-letters requeue"))?;
    let sync = Switches::of_this_process().sync();
    let letters = DeadLetters::open(&folder.dead_letters(), sync).map_err(anyhow::Error::new)?;
    let all = letters.list().map_err(anyhow::Error::new)?;
    let chosen = choose(&all, id)?;
    if chosen.is_empty() {
        return Ok("no dead letter waits".to_owned());
    }
    let queue = EmbeddedQueue::open(EmbeddedQueueOptions {
        dir: folder.queue(),
        sync,
        max_bytes: queue_max_bytes,
        least_free_bytes: Limits::default().queue_least_free_bytes,
    })
    .context("cannot open the queue")?;
    let entries = entries(&chosen, queue.partitions());
    let mut skipped = 0;
    runtime::run(|_| async { Ok(queue.publish(entries).await.context("cannot requeue")?) })?;
    for letter in &chosen {
        if letter.device_id.is_none() {
            skipped += 1;
            continue;
        }
        letters.requeued(letter.id, now()).map_err(anyhow::Error::new)?;
    }
    Ok(match (id, skipped) {
        (Some(id), _) => format!("requeued {id}"),
        (None, 0) => format!("requeued {}", chosen.len()),
        (None, skipped) => {
            format!("requeued {}; {skipped} cannot be, because it is not known whose they are", chosen.len() - skipped)
        }
    })
}

/// The letter that is meant, or all that wait.
pub(super) fn choose(all: &[DeadLetter], id: Option<u64>) -> anyhow::Result<Vec<&DeadLetter>> {
    let Some(id) = id else { return Ok(all.iter().filter(|letter| letter.requeued_at.is_none()).collect()) };
    let letter = find(all, id)?;
    if letter.requeued_at.is_some() {
        bail!("the dead letter {id} was requeued before");
    }
    if letter.device_id.is_none() {
        bail!("the dead letter {id} cannot be requeued, because it is not known whose it is");
    }
    Ok(vec![letter])
}

/// What is published: the bodies as they lay in the queue.
fn entries(letters: &[&DeadLetter], partitions: u16) -> Entries {
    let mut entries = Entries::new(partitions);
    for letter in letters {
        if let Some(device_id) = &letter.device_id {
            entries.body(device_id, &letter.body);
        }
    }
    entries
}

pub(super) fn now() -> Timestamp {
    Timestamp::EPOCH.plus(SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::super::tests::letter;
    use super::*;

    #[test]
    fn all_means_those_that_wait() {
        let requeued = DeadLetter { requeued_at: Some(Timestamp::EPOCH), ..letter(2, "b") };
        let all = [letter(1, "a"), requeued, letter(3, "c")];
        let ids = |chosen: Vec<&DeadLetter>| chosen.iter().map(|letter| letter.id).collect::<Vec<_>>();
        assert_eq!(ids(choose(&all, None).expect("two wait")), [1, 3]);
        assert_eq!(ids(choose(&all, Some(3)).expect("it waits")), [3]);
        for (id, why) in [(2, "requeued before"), (9, "no dead letter 9")] {
            let refused = choose(&all, Some(id)).expect_err("it does not wait").to_string();
            assert!(refused.contains(why), "{refused}");
        }
    }

    #[test]
    fn a_letter_of_nobody_is_passed_over() {
        let nobodys = DeadLetter { device_id: None, ..letter(1, "a") };
        let others = letter(2, "b");
        assert_eq!(entries(&[&nobodys, &others], 64).len(), 1);
        assert!(choose(&[nobodys], Some(1)).is_err());
    }

    #[test]
    fn a_folder_held_by_another_command_is_told() {
        let refused = ask(&Holder::command("dead-letters requeue"), None).expect_err("no server").to_string();
        assert!(refused.contains("fieldwatch dead-letters requeue; try again"), "{refused}");
    }
}
