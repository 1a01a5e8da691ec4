//! Fills a broker's partitions by way of a node with role `ingest`, so that the messages are as they really are.
//!
//! A request has as many readings of each partition as a message is to have, so it becomes one message of each.

use std::fmt::Write as _;

use crate::server::Server;
use crate::shares::{PARTITIONS, partition_of};

/// The most readings in a message.
pub(crate) const LINES: u32 = 1_000;

/// A fleet of devices, spread evenly over the partitions.
pub(crate) struct Fleet {
    /// For each group of devices its request, in two variants that differ in the temperatures of those that change.
    requests: Vec<[String; 2]>,
    /// The variant that comes next.
    next: usize,
    /// Readings in a message.
    lines: u32,
    /// Devices that change from report to report.
    changes_a_round: u64,
}

impl Fleet {
    /// So many thousand devices in each partition, which travel in messages of so many readings; of them one in `change_one_in`
    /// changes from report to report.
    pub(crate) fn new(thousands: u32, lines: u32, change_one_in: u32) -> Fleet {
        let mut ids: Vec<Vec<String>> = vec![Vec::new(); usize::from(PARTITIONS)];
        let wanted = (thousands * 1_000) as usize;
        let groups = wanted / lines as usize;
        for id in (0_u32..).map(|number| format!("load-{number:06}")) {
            let of_partition = &mut ids[usize::from(partition_of(&id))];
            if of_partition.len() < wanted {
                of_partition.push(id);
            } else if ids.iter().all(|ids| ids.len() == wanted) {
                break;
            }
        }
        let requests = (0..groups).map(|group| {
            let group = group * lines as usize..(group + 1) * lines as usize;
            let first = group.start as u32 % 1_000;
            [0, 1].map(|variant| request(ids.iter().map(|ids| &ids[group.clone()]), first, variant, change_one_in))
        });
        let changes_a_round = u64::from(1_000_u32.div_ceil(change_one_in) * thousands) * u64::from(PARTITIONS);
        Fleet { requests: requests.collect(), next: 0, lines, changes_a_round }
    }

    /// Messages of each partition when every device reports once.
    pub(crate) fn messages_a_round(&self) -> u64 {
        self.requests.len() as u64
    }

    /// Events that so many more reports of every device raise.
    pub(crate) fn events(&self, rounds: u32) -> u64 {
        self.changes_a_round * u64::from(rounds)
    }

    /// Every device has reported the first variant already.
    pub(crate) fn was_reported(&mut self) {
        self.next = 1;
    }

    /// Lets every device report so often.
    pub(crate) fn report(&mut self, node: &Server, rounds: u32) -> anyhow::Result<()> {
        for _ in 0..rounds {
            for request in &self.requests {
                node.post_readings(request[self.next].as_bytes(), u64::from(self.lines) * u64::from(PARTITIONS))?;
            }
            self.next = 1 - self.next;
        }
        Ok(())
    }
}

/// Devices are alike in each thousand, of which the ids begin with the one at the place `first`.
fn request<'a>(partitions: impl Iterator<Item = &'a [String]>, first: u32, variant: u32, change_one_in: u32) -> String {
    let mut lines = String::new();
    for ids in partitions {
        for (place, id) in (first..).zip(ids) {
            let temperature = 10 + place % 20 + if place.is_multiple_of(change_one_in) { 5 * variant } else { 0 };
            let (lat, lon) = (f64::from(place % 1_200) / 10.0 - 60.0, f64::from(place % 3_400) / 10.0 - 170.0);
            writeln!(lines, r#"{{"deviceId":"{id}","temperature":{temperature}.5,"lat":{lat:.4},"lon":{lon:.4}}}"#)
                .expect("writing to memory does not fail");
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_has_as_many_readings_of_each_partition_as_a_message_and_one_in_fifty_changes() {
        assert_eq!(Fleet::new(2, 50, 50).messages_a_round(), 40);
        let fleet = Fleet::new(2, LINES, 50);
        assert_eq!(fleet.messages_a_round(), 2);
        for [one, other] in &fleet.requests {
            let mut counts = [0; PARTITIONS as usize];
            for line in one.lines() {
                let line: serde_json::Value = serde_json::from_str(line).expect("JSON");
                counts[usize::from(partition_of(line["deviceId"].as_str().expect("an id")))] += 1;
            }
            assert_eq!(counts, [LINES; PARTITIONS as usize]);
            let changed = one.lines().zip(other.lines()).filter(|(one, other)| one != other).count();
            assert_eq!(changed, 16_000 / 50);
            assert_eq!(fleet.events(1), 2 * changed as u64);
        }
    }
}
