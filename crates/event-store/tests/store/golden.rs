//! A store that an earlier version wrote is read by every later one.

use crate::support::{Folder, options};
use fieldwatch_domain::DeviceNumbers;
use fieldwatch_event_store::{
    DeviceState, EmbeddedStore, ShelfSnapshot,
    conformance::{Fleet, Opened},
    verify,
};
use std::{fs, path::Path, sync::Arc};

fn golden() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("golden/store_v1")
}

fn line(id: &str, DeviceState { device, tracking }: &DeviceState) -> String {
    let ids: Vec<u64> = tracking.recent_ids.oldest_first().collect();
    format!(
        "{id} version {} {:?} {} {} {:?} {:?} {:?} newest {} received {} late {} ids {ids:?}\n",
        device.version(),
        device.presence(),
        device.temperature().steps(),
        device.notified_temperature().steps(),
        (device.location().latitude(), device.location().longitude()),
        (device.notified_location().latitude(), device.notified_location().longitude()),
        device.description().name(),
        tracking.newest_at.unix_ms(),
        tracking.received_at.unix_ms(),
        tracking.late_readings,
    )
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("create");
    for entry in fs::read_dir(from).expect("list") {
        let path = entry.expect("list").path();
        let target = to.join(path.file_name().expect("a name"));
        if path.is_dir() { copy(&path, &target) } else { fs::copy(&path, &target).map(|_| ()).expect("copy") }
    }
}

/// Writes the golden store, when asked to by the environment.
async fn write_anew() {
    let folder = Folder::with_segments(4 << 10);
    let opened = folder.open_now();
    let mut fleet = Fleet::new(&opened.numbers, 2026);
    for round in 0..25 {
        opened.store.append(fleet.batch_of_anything(8, 8)).await.expect("append");
        if round == 15 {
            for id in ["device-1", "device-2"] {
                let device = opened.numbers.number(id);
                let snapshot = ShelfSnapshot { shelf: device.shelf(), devices: vec![(device, fleet.state(id))] };
                opened.store.save_snapshot(snapshot).await.expect("save");
            }
        }
    }
    drop(opened);
    let _ = fs::remove_dir_all(golden());
    copy(&folder.path().join("events"), &golden().join("events"));
    copy(&folder.path().join("snapshots"), &golden().join("snapshots"));
    let lines: String = fleet.states().iter().map(|(id, state)| line(id, state)).collect();
    fs::write(golden().join("devices.txt"), lines).expect("write");
}

#[tokio::test]
async fn the_golden_store_is_restored_as_it_was() {
    if std::env::var_os("FIELDWATCH_WRITE_GOLDEN").is_some() {
        write_anew().await;
    }
    let expected = fs::read_to_string(golden().join("devices.txt")).expect("read");
    let dir = tempfile::tempdir().expect("temporary folder");
    copy(&golden(), dir.path());
    let report = verify(dir.path(), None).expect("verify");
    assert_eq!(report.problems, Vec::<String>::new());
    assert_eq!(report.snapshot_files, 2);
    let numbers = Arc::new(DeviceNumbers::default());
    let store = EmbeddedStore::open(options(dir.path()), Arc::clone(&numbers)).expect("open");
    let opened = Opened { store, numbers };
    let (devices, recovery) = opened.recover().await;
    let lines: String = devices.iter().map(|(id, state)| line(id, state)).collect();
    assert_eq!(lines, expected);
    assert_eq!((recovery.devices, recovery.checkpoints.len()), (2, 4));
}
