//! The numbers that devices have on one connection of frames.

use fieldwatch_domain::DeviceNumber;

/// Numbers on a page; most streams know all devices or very few.
const PAGE: usize = 1_024;
const NONE: u32 = u32::MAX;

/// Which device has which number on one connection: 0, 1, 2 … in the order in which their ids were told.
///
/// Takes 4 bytes a device when it knows all, and a few kilobytes for each when it knows few.
#[derive(Default)]
pub(crate) struct Numbering {
    pages: Vec<Option<Box<[u32]>>>,
    next: u32,
}

impl Numbering {
    /// The number of a device that has one.
    pub(crate) fn get(&self, device: DeviceNumber) -> Option<u32> {
        let (page, place) = split(device);
        let number = self.pages.get(page)?.as_ref()?[place];
        (number != NONE).then_some(number)
    }

    /// Gives a device its number.
    pub(crate) fn give(&mut self, device: DeviceNumber) -> u32 {
        let (page, place) = split(device);
        if page >= self.pages.len() {
            self.pages.resize_with(page + 1, || None);
        }
        let number = self.next;
        self.next += 1;
        self.pages[page].get_or_insert_with(|| vec![NONE; PAGE].into())[place] = number;
        number
    }

    /// Takes its number from a device, which is given another one when it comes again.
    pub(crate) fn remove(&mut self, device: DeviceNumber) -> Option<u32> {
        let number = self.get(device)?;
        let (page, place) = split(device);
        if let Some(page) = &mut self.pages[page] {
            page[place] = NONE;
        }
        Some(number)
    }
}

const fn split(device: DeviceNumber) -> (usize, usize) {
    let number = device.as_u32() as usize;
    (number / PAGE, number % PAGE)
}
