//! Which events and devices a stream wants.

use crate::{StreamRequest, encoded::Piece};
use fieldwatch_directory::{Bbox, Directory};
use fieldwatch_domain::{DeviceNumber, DeviceNumbers, EventType, Location};
use std::{collections::HashSet, sync::Arc};

/// What a stream wants; every part that is given has to hold.
pub(crate) struct Filter {
    types: HashSet<EventType>,
    devices: Option<Wanted>,
    bbox: Option<Bbox>,
    directory: Arc<Directory>,
    numbers: Arc<DeviceNumbers>,
}

/// Devices by id, some of which may be heard of only later.
struct Wanted {
    known: HashSet<DeviceNumber>,
    unknown: HashSet<String>,
}

impl Filter {
    pub(crate) fn new(request: &StreamRequest, directory: &Arc<Directory>, numbers: &Arc<DeviceNumbers>) -> Self {
        let mut wanted = Wanted { known: HashSet::new(), unknown: HashSet::new() };
        for id in &request.devices {
            match numbers.find(id) {
                Some(device) => drop(wanted.known.insert(device)),
                None => drop(wanted.unknown.insert(id.clone())),
            }
        }
        Self {
            types: request.types.clone(),
            devices: (!request.devices.is_empty()).then_some(wanted),
            bbox: request.bbox,
            directory: Arc::clone(directory),
            numbers: Arc::clone(numbers),
        }
    }

    /// Whether all devices are wanted, wherever they are.
    pub(crate) fn wants_all_devices(&self) -> bool {
        self.devices.is_none() && self.bbox.is_none()
    }

    /// The wanted devices that are known, when they are named.
    pub(crate) fn named_devices(&mut self) -> Option<Vec<DeviceNumber>> {
        let wanted = self.devices.as_mut()?;
        let found: Vec<_> = wanted.unknown.iter().filter_map(|id| Some((id.clone(), self.numbers.find(id)?))).collect();
        for (id, device) in found {
            wanted.unknown.remove(&id);
            wanted.known.insert(device);
        }
        Some(wanted.known.iter().copied().collect())
    }

    /// Whether an event is wanted. One without a location counts where its device is now; a forgotten device is nowhere.
    pub(crate) fn wants_event(&mut self, piece: &Piece) -> bool {
        (self.types.is_empty() || self.types.contains(&piece.event_type))
            && self.wants_device(piece.device)
            && self.bbox.is_none_or(|bbox| {
                let location = piece.location.or_else(|| Some(self.directory.row(piece.device)?.location));
                location.is_some_and(|location| bbox.contains(location))
            })
    }

    /// Whether a device is wanted, wherever it is.
    pub(crate) fn wants_device(&mut self, device: DeviceNumber) -> bool {
        let Some(wanted) = &mut self.devices else { return true };
        if wanted.known.contains(&device) {
            return true;
        }
        // It may be one that had no number yet when the stream was opened.
        if !wanted.unknown.is_empty() && self.numbers.with_id(device, |id| wanted.unknown.remove(id)) {
            wanted.known.insert(device);
            return true;
        }
        false
    }

    /// Whether a place is wanted.
    pub(crate) fn wants_place(&self, place: Location) -> bool {
        self.bbox.is_none_or(|bbox| bbox.contains(place))
    }
}
