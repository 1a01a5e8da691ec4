//! Keeps a shelf's state in its file.

use super::{
    records::told,
    shared::Shared,
    snapshot_file::{Header, Item, ShelfWriter},
};
use crate::{AppendError, ShelfSnapshot};
use fieldwatch_wire::stored::{DeviceSnapshot, Link};
use std::{io, sync::atomic::Ordering};

/// See [`EventStore::save_snapshot`](crate::EventStore::save_snapshot).
pub(super) fn save(shared: &Shared, snapshot: ShelfSnapshot) -> Result<(), AppendError> {
    let shelf = snapshot.shelf;
    write(shared, snapshot).map_err(|error| AppendError::Unavailable(format!("cannot keep a snapshot: {}", told(&error))))?;
    tracing::debug!(shelf, as_of = shared.as_of(shelf), "kept a snapshot");
    Ok(())
}

fn write(shared: &Shared, snapshot: ShelfSnapshot) -> io::Result<()> {
    let shelf = snapshot.shelf;
    // The owner has nothing in flight for this shelf: of its records all lie before the end of the log now, whoever else
    // appends meanwhile. Checkpoints are those of the same end.
    let (header, checkpoints) = {
        let committed = shared.committed.lock();
        let header = Header { shelf, log_id: shared.log.log_id(), as_of: committed.end, newest: committed.newest };
        (header, committed.checkpoints.clone())
    };
    let mut file = ShelfWriter::create(&shared.snapshots_dir(), &header, shared.options.sync)?;
    for (partition, progress) in &checkpoints {
        file.write(&Item::Checkpoint { partition: *partition, progress })?;
    }
    let forgotten: Vec<_> = {
        let all = shared.forgotten.read();
        all.iter().filter(|(device, _)| device.shelf() == shelf).map(|(device, forgetting)| (*device, *forgetting)).collect()
    };
    for (device, forgetting) in forgotten {
        let id = shared.numbers.id(device);
        let (device_id, position, erased) = (id.as_str(), forgetting.position, forgetting.erased);
        file.write(&Item::Forgotten { device_id, position, erased })?;
    }
    for (device, state) in snapshot.devices {
        let head = shared.heads.get(device);
        let prev = if head.address == 0 { Link::None } else { Link::At(head.address) };
        // A copy of the id, so that the numbers are not locked while the disk is waited for.
        let id = shared.numbers.id(device);
        let snapshot = DeviceSnapshot { prev, device_id: id.as_str(), device: state.device, tracking: state.tracking };
        file.write(&Item::Device { snapshot, observed: head.observed() })?;
    }
    file.finish()?;
    shared.shelves[shelf].as_of.store(header.as_of, Ordering::Release);
    Ok(())
}
