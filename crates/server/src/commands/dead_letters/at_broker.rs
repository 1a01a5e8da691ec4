//! The dead letters at a broker, which are those of all processes that share it. No data folder and no server is asked.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, anyhow};
use fieldwatch_broker::{DeadLetter, Entries, LetterBox as _, RabbitOptions, RabbitQueue, ReadingQueue as _};
use fieldwatch_domain::DeviceNumbers;
use fieldwatch_event_store::PostgresStore;
use fieldwatch_wire::queued::read_entry;
use tokio::time::timeout;

use super::requeue::{choose, now};
use super::{find, list, show};
use crate::cli::DeadLetters;
use crate::commands::broker::options;
use crate::failure::Failure;
use crate::output::write_text;
use crate::progress::Progress;
use crate::runtime;
use crate::service::broker_letters::{devices_of, forgotten_among};
use crate::service::{node, store::postgres_options};
use crate::settings::{Settings, StoreKind};

/// For so long the broker, and the database, may not answer.
const PATIENCE: Duration = Duration::from_secs(10);
/// So many letters are published together, and then removed together: each removal walks over all letters.
const REQUEUED_TOGETHER: usize = 1_000;

pub(super) fn run(settings: &Settings, asked: &DeadLetters, progress: Progress) -> Result<(), Failure> {
    // It looks, and gives back what was there. Whose the broker is, those decide who use it for good.
    let options = RabbitOptions { consumes: false, founds: false, ..options(settings)? };
    runtime::run(|stop| async move {
        tokio::select! {
            done = work(settings, options, asked, progress) => Ok(done?),
            () = stop.requested() => Err(anyhow!("ended before it was done; nothing is lost").into()),
        }
    })
}

async fn work(settings: &Settings, options: RabbitOptions, asked: &DeadLetters, progress: Progress) -> anyhow::Result<()> {
    let queue = RabbitQueue::open(options);
    queue.ready(PATIENCE).await.map_err(|why| anyhow!("the broker cannot be used: {why}"))?;
    let letters = told(settings, &queue).await?;
    let text = match asked {
        DeadLetters::List => list(&letters),
        DeadLetters::Show { id } => show(find(&letters, *id)?),
        DeadLetters::Requeue(which) => requeue(&queue, &letters, which.id, progress).await?,
    };
    queue.close();
    write_text(&text)
}

/// The letters, without those of devices that were forgotten since, as far as the configured store can be asked for that.
async fn told(settings: &Settings, queue: &RabbitQueue) -> anyhow::Result<Vec<DeadLetter>> {
    let mut letters = queue.list().await?;
    if letters.is_empty() || settings.store.kind != StoreKind::PostgreSql {
        return Ok(letters);
    }
    let numbers = Arc::new(DeviceNumbers::default());
    let asking = async {
        let store = PostgresStore::connect(postgres_options(settings, node::name())?, Arc::clone(&numbers)).await?;
        anyhow::Ok(forgotten_among(&store, &numbers, devices_of(&letters)).await?)
    };
    let forgotten = timeout(PATIENCE, asking).await.context("it does not answer").flatten();
    let forgotten = forgotten.context("cannot ask the database which devices were forgotten, whose letters may not be shown")?;
    letters.retain(|letter| !forgotten.hide(letter.device_id.as_deref(), letter.parked_at));
    Ok(letters)
}

/// Publishes one letter, or all, then removes them. A crash in between repeats them, which their reading ids make harmless.
async fn requeue(queue: &RabbitQueue, letters: &[DeadLetter], id: Option<u64>, mut progress: Progress) -> anyhow::Result<String> {
    let chosen = choose(letters, id)?;
    if chosen.is_empty() {
        return Ok("no dead letter waits\n".to_owned());
    }
    let mut requeued = 0;
    for together in chosen.chunks(REQUEUED_TOGETHER) {
        let (entries, ids) = entries(together, queue.partitions());
        if ids.is_empty() {
            continue;
        }
        let count = ids.len();
        queue.publish(entries).await.context("cannot requeue")?;
        queue.requeued(ids, now()).await.context("requeued, but they stay among the dead letters, too")?;
        requeued += count;
        progress.show(|| format!("{requeued} of {} requeued", chosen.len()));
    }
    progress.finish();
    let skipped = chosen.len() - requeued;
    Ok(match (id, skipped) {
        (Some(id), 0) => format!("requeued {id}\n"),
        (Some(id), _) => anyhow::bail!("the dead letter {id} cannot be requeued, because it cannot be read"),
        (None, 0) => format!("requeued {requeued}\n"),
        (None, skipped) => format!("requeued {requeued}; {skipped} cannot be, because they cannot be read\n"),
    })
}

/// What is published, and the letters that it is from: those that can be read.
fn entries(letters: &[&DeadLetter], partitions: u16) -> (Entries, Vec<u64>) {
    let (mut entries, mut ids) = (Entries::new(partitions), Vec::with_capacity(letters.len()));
    for letter in letters {
        if let Ok((device_id, request)) = read_entry(letter.form, &letter.body) {
            entries.request(&device_id, &request);
            ids.push(letter.id);
        }
    }
    (entries, ids)
}

#[cfg(test)]
mod tests {
    use super::super::tests::letter;
    use super::*;

    #[test]
    fn what_cannot_be_read_is_passed_over() {
        let (good, bad) = (letter(1, "a"), DeadLetter { body: b"{".to_vec(), ..letter(2, "b") });
        let (entries, ids) = entries(&[&bad, &good], 16);
        assert_eq!((entries.len(), ids), (1, vec![1]));
    }
}
