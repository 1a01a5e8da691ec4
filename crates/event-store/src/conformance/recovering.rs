//! Promises about a new start.

use super::{Fleet, Opened, Place, appending::begin, save_all};
use crate::{Batch, Checkpoint};

async fn start_again(place: &dyn Place, opened: Opened, fleet: &mut Fleet) -> Opened {
    drop(opened);
    let opened = place.open().await;
    fleet.move_to(&opened.numbers);
    opened
}

/// After any history, recovery gives every device as it was, and `newest` as it was.
pub async fn recovery_gives_the_fold_of_everything(place: &dyn Place) {
    let (mut opened, mut fleet) = begin(place).await;
    for _ in 0..4 {
        for _ in 0..25 {
            opened.store.append(fleet.batch_of_anything(20, 8)).await.expect("append");
        }
        let (newest, events) = (opened.store.newest(), opened.all_events(0, 100).await.len());
        opened = start_again(place, opened, &mut fleet).await;
        assert_eq!(&opened.recover().await.0, fleet.states());
        assert_eq!(opened.store.newest(), newest);
        assert_eq!(opened.all_events(0, 1_000).await.len(), events);
    }
}

/// With snapshots of all shelves or some, at any time, recovery gives the same, and appends go on.
pub async fn snapshots_change_nothing_but_the_time_a_recovery_takes(place: &dyn Place) {
    let (mut opened, mut fleet) = begin(place).await;
    for _ in 0..5 {
        for _ in 0..10 {
            opened.store.append(fleet.batch_of_anything(30, 8)).await.expect("append");
        }
        save_all(&opened, &fleet).await;
        for _ in 0..fleet.draw(4) {
            opened.store.append(fleet.batch_of_anything(30, 8)).await.expect("append");
        }
        let newest = opened.store.newest();
        opened = start_again(place, opened, &mut fleet).await;
        let (devices, _) = opened.recover().await;
        assert_eq!(&devices, fleet.states());
        assert_eq!(opened.store.newest(), newest);
    }
}

/// However many batches and snapshots lie between.
pub async fn the_newest_checkpoint_of_each_partition_is_restored(place: &dyn Place) {
    let (mut opened, mut fleet) = begin(place).await;
    let checkpoint = |partition: u16, progress: &[u8]| Checkpoint { partition, progress: progress.into() };
    let store = |checkpoints| Batch { entries: Vec::new(), checkpoints };
    opened.store.append(store(vec![checkpoint(1, &[1]), checkpoint(2, &[2; 8])])).await.expect("append");
    opened.store.append(store(vec![checkpoint(1, &[3; 8])])).await.expect("append");
    save_all(&opened, &fleet).await;
    opened = start_again(place, opened, &mut fleet).await;
    assert_eq!(opened.recover().await.1.checkpoints, [checkpoint(1, &[3; 8]), checkpoint(2, &[2; 8])]);
    let entries = fleet.reading("a", 1, 0);
    opened.store.append(Batch { entries, checkpoints: vec![checkpoint(2, &[4; 8]), checkpoint(9, &[])] }).await.expect("append");
    opened = start_again(place, opened, &mut fleet).await;
    let expected = [checkpoint(1, &[3; 8]), checkpoint(2, &[4; 8]), checkpoint(9, &[])];
    assert_eq!(opened.recover().await.1.checkpoints, expected);
}

/// For every device, at any time, whatever is saved or passivated.
pub async fn loading_a_device_gives_what_recovery_gives(place: &dyn Place) {
    let (mut opened, mut fleet) = begin(place).await;
    for round in 0..8 {
        for _ in 0..10 {
            opened.store.append(fleet.batch_of_anything(25, 6)).await.expect("append");
        }
        if round % 3 == 1 {
            save_all(&opened, &fleet).await;
        }
        if round % 2 == 1 {
            opened = start_again(place, opened, &mut fleet).await;
            opened.recover().await;
        }
        for (id, state) in fleet.states() {
            let loaded = opened.store.load(opened.numbers.number(id)).await.expect("load");
            assert_eq!(&loaded, state, "{id} in round {round}");
        }
    }
}

/// Also after a start, and with readings that raised no event before and after.
pub async fn a_passivated_device_is_loaded_as_it_was(place: &dyn Place) {
    let (mut opened, mut fleet) = begin(place).await;
    for round in 0..4 {
        let mut entries = fleet.reading("a", round * 5, 0);
        entries.extend(fleet.reading("a", round * 5, 0));
        entries.extend(fleet.passivate("a"));
        opened.store.append(entries.into()).await.expect("append");
        let device = opened.numbers.number("a");
        assert_eq!(opened.store.load(device).await.expect("load"), fleet.state("a"));
        opened.store.append(fleet.reading("a", round * 5, 0).into()).await.expect("append");
        assert_eq!(opened.store.load(device).await.expect("load"), fleet.state("a"));
        opened.store.append(fleet.passivate("a").into()).await.expect("append");
        opened = start_again(place, opened, &mut fleet).await;
        assert_eq!(&opened.recover().await.0, fleet.states());
        assert_eq!(opened.store.load(opened.numbers.number("a")).await.expect("load"), fleet.state("a"));
    }
}

/// The log's id is the same in every process; kinds of stores tell themselves apart.
pub async fn the_log_keeps_its_name(place: &dyn Place) {
    let (mut opened, mut fleet) = begin(place).await;
    let (kind, log_id) = (opened.store.kind(), opened.store.log_id().to_owned());
    assert!(!kind.is_empty() && !log_id.is_empty());
    opened = start_again(place, opened, &mut fleet).await;
    assert_eq!((opened.store.kind(), opened.store.log_id()), (kind, log_id.as_str()));
}
