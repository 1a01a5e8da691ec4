use super::*;
use crate::DeviceState;
use fieldwatch_domain::{Celsius, Description, Device, Location, Presence, Timestamp, Tracking};
use fieldwatch_wire::stored::Link;

const GOLDEN: &[u8] = include_bytes!("../../../golden/shelf_snapshot_v1");
const HEADER: Header = Header { shelf: 7, log_id: LogId::from_bytes(*b"sixteen bytes id"), as_of: 1 << 40, newest: (1 << 40) - 99 };

fn state(ids: u64) -> DeviceState {
    let description = Description::new(Some("Truck"), &["cold".into()]).expect("valid");
    let mut tracking = Tracking::default();
    (1..=ids).for_each(|id| tracking.observe_fingerprint(Timestamp::from_unix_ms(5), Timestamp::from_unix_ms(6), id << 50));
    let since = Timestamp::from_unix_ms(1_767_225_600_000);
    let (here, there) = (Location::from_stored(-900_000_000, 1), Location::from_stored(900_000_000, -1));
    let temperatures = (Celsius::from_stored(485_000), Celsius::from_stored(-5));
    let presence = Presence::Silent { since };
    let device = Device::from_stored(300, presence, temperatures.0, temperatures.1, here, there, Some(Box::new(description)));
    DeviceState { device, tracking }
}

fn with_items(use_them: impl FnOnce(&[Item<'_>])) {
    let snapshot = |device_id, prev, DeviceState { device, tracking }| DeviceSnapshot { prev, device_id, device, tracking };
    use_them(&[
        Item::Checkpoint { partition: 63, progress: &[1, 2, 3, 4, 5, 6, 7, 8] },
        Item::Forgotten { device_id: "Ørsted", position: 77, erased: false },
        Item::Forgotten { device_id: "AL-0012", position: 78, erased: true },
        Item::Device { snapshot: snapshot("AL-0012", Link::At(88), DeviceState::default()), observed: false },
        Item::Device { snapshot: snapshot("AL-0013", Link::At(1 << 39), state(20)), observed: true },
        Item::Device { snapshot: snapshot("nothing", Link::None, state(0)), observed: false },
    ]);
}

fn write(dir: &Path, items: &[Item<'_>]) {
    let mut writer = ShelfWriter::create(dir, &HEADER, SyncMode::Durable).expect("create");
    for item in items {
        writer.write(item).expect("write");
    }
    writer.finish().expect("finish");
}

#[test]
fn the_golden_file_is_read_and_written_as_it_is() {
    let dir = tempfile::tempdir().expect("temporary folder");
    with_items(|items| {
        write(dir.path(), items);
        let written = fs::read(path_of(dir.path(), 7)).expect("read");
        if std::env::var_os("FIELDWATCH_WRITE_GOLDEN").is_some() {
            let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("golden/shelf_snapshot_v1");
            fs::write(golden, &written).expect("write the golden file");
        }
        assert!(written == GOLDEN, "the format has changed: give it a new version");
        fs::write(path_of(dir.path(), 7), GOLDEN).expect("write");
        let file = ShelfFile::read(dir.path(), 7, HEADER.log_id).expect("usable").expect("there");
        assert_eq!(file.header, HEADER);
        let mut left = items.iter();
        file.for_each(|item| assert_eq!(Some(&item), left.next())).expect("readable");
        assert_eq!(left.next(), None);
    });
}

#[test]
fn a_file_that_is_cut_or_changed_anywhere_is_not_used() {
    let dir = tempfile::tempdir().expect("temporary folder");
    let path = path_of(dir.path(), 7);
    let read = |bytes: &[u8]| {
        fs::write(&path, bytes).expect("write");
        ShelfFile::read(dir.path(), 7, HEADER.log_id)
    };
    for at in 0..GOLDEN.len() {
        let mut changed = GOLDEN.to_vec();
        changed[at] ^= 0x10;
        // The checksum of the mark of the end is not looked at.
        let is_mark = at >= GOLDEN.len() - 4;
        assert!(is_mark || read(&changed).is_err(), "changed at {at}");
        let is_whole = at >= GOLDEN.len() - 4;
        assert!(is_whole || read(&GOLDEN[..at]).is_err(), "cut at {at}");
    }
}

#[test]
fn a_file_of_another_shelf_log_or_version_is_not_used() {
    let dir = tempfile::tempdir().expect("temporary folder");
    fs::write(path_of(dir.path(), 7), GOLDEN).expect("write");
    fs::write(path_of(dir.path(), 8), GOLDEN).expect("write");
    assert!(matches!(ShelfFile::read(dir.path(), 6, HEADER.log_id), Ok(None)));
    assert!(matches!(ShelfFile::read(dir.path(), 8, HEADER.log_id), Err(Unusable::Other)));
    assert!(matches!(ShelfFile::read(dir.path(), 7, LogId::from_bytes([0; 16])), Err(Unusable::Other)));
    let mut newer = GOLDEN.to_vec();
    newer[8] = 2;
    let crc = crc32fast::hash(&newer[..60]);
    newer[60..64].copy_from_slice(&crc.to_le_bytes());
    fs::write(path_of(dir.path(), 7), newer).expect("write");
    assert!(matches!(ShelfFile::read(dir.path(), 7, HEADER.log_id), Err(Unusable::NewerFormat(2))));
}

#[test]
fn many_devices_take_many_blocks_and_come_back_in_order() {
    let dir = tempfile::tempdir().expect("temporary folder");
    let ids: Vec<String> = (0..5_000).map(|at| format!("device-{at}")).collect();
    let DeviceState { device, tracking } = state(16);
    let items: Vec<Item<'_>> = ids
        .iter()
        .map(|id| {
            let (device, tracking) = (device.clone(), tracking.clone());
            Item::Device { snapshot: DeviceSnapshot { prev: Link::At(88), device_id: id, device, tracking }, observed: false }
        })
        .collect();
    write(dir.path(), &items);
    let file = ShelfFile::read(dir.path(), 7, HEADER.log_id).expect("usable").expect("there");
    assert!(file.bytes.len() > 2 * BLOCK_BYTES);
    let mut left = items.iter();
    file.for_each(|item| assert_eq!(Some(&item), left.next())).expect("readable");
    assert_eq!(left.next(), None);
}
