//! Partitions that go from process to process.

use crate::fakes::{self, FakeQueue};
use crate::shared::{Common, PARTITIONS, Process};
use crate::world::{BEGINNING, options};
use fieldwatch_broker::Entries;
use fieldwatch_device_state::{CommandOutcome, StateOptions};
use fieldwatch_domain::{Celsius, DeviceNumbers, EventType, Location, Reading, ReadingId, Timestamp};
use fieldwatch_event_store::{AppendError, Entry};
use proptest::prelude::*;
use std::{sync::Arc, time::Duration};
use tokio::time::Instant;

const PROCESSES: usize = 3;
const DEVICES: usize = 6;

/// Three processes on one queue and one store.
struct Nodes {
    common: Arc<Common>,
    numbers: Arc<DeviceNumbers>,
    processes: Vec<Process>,
    sent: [u64; DEVICES],
}

fn id(device: usize) -> String {
    format!("device-{device}")
}

impl Nodes {
    fn start(options: &StateOptions) -> Self {
        let (common, numbers): (Arc<Common>, Arc<DeviceNumbers>) = Default::default();
        let processes = (0..PROCESSES).map(|number| Process::start(number, &common, &numbers, options.clone())).collect();
        Self { common, numbers, processes, sent: [0; DEVICES] }
    }

    /// Sends a device's next reading to the queue that all share.
    fn send(&mut self, device: usize) {
        let entries = self.next_reading(device);
        self.common.broker.put(&entries);
    }

    /// A reading of a device, warmer than the one before, so that each raises an event.
    fn next_reading(&mut self, device: usize) -> Entries {
        let number = self.sent[device];
        self.sent[device] += 1;
        let reading = Reading {
            temperature: Celsius::from_stored(number as i32 * 50_000),
            location: Location::default(),
            at: None,
            received_at: Timestamp::from_unix_ms(BEGINNING),
            id: ReadingId::given(number),
        };
        let mut entries = Entries::new(PARTITIONS);
        entries.record(&id(device), &reading);
        entries
    }

    /// Versions and types of a device's stored events.
    fn events(&self, device: usize) -> Vec<(u64, EventType)> {
        let device = self.numbers.number(&id(device));
        let event = |entry: &Entry| match entry {
            Entry::Event(event) if event.device == device => Some((event.version, event.event.event_type())),
            Entry::Event(_) | Entry::Late(_) | Entry::Observation(_) | Entry::Passivated(_) => None,
        };
        self.common.store.inner.lock().log.iter().filter_map(event).collect()
    }

    fn all_is_stored(&self) -> bool {
        (0..DEVICES).all(|device| self.events(device).len() as u64 >= self.sent[device])
    }

    async fn until(&self, what: &str, condition: impl Fn(&Self) -> bool) {
        let deadline = Instant::now() + Duration::from_mins(10);
        while !condition(self) {
            assert!(Instant::now() < deadline, "waited in vain until {what}");
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }

    fn assert_each_reading_took_effect_once(&self) {
        for device in 0..DEVICES {
            let versions: Vec<u64> = self.events(device).iter().map(|(version, _)| *version).collect();
            assert_eq!(versions, (1..=self.sent[device]).collect::<Vec<_>>(), "device {device}");
        }
    }
}

#[derive(Clone, Debug)]
enum Step {
    Send(usize),
    Give { partition: u16, process: usize, former_is_told: bool },
    StoreDoes(u8),
    Pass(u64),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (0..DEVICES).prop_map(Step::Send),
        2 => (0..PARTITIONS, 0..PROCESSES, any::<bool>())
            .prop_map(|(partition, process, former_is_told)| Step::Give { partition, process, former_is_told }),
        1 => (0_u8..4).prop_map(Step::StoreDoes),
        2 => (0_u64..30).prop_map(Step::Pass),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, ..ProptestConfig::default() })]
    #[test]
    fn whoever_owns_what_each_reading_takes_effect_once_and_in_order(steps in proptest::collection::vec(step(), 1..80)) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().expect("a runtime");
        runtime.block_on(async move {
            let mut nodes = Nodes::start(&options());
            for step in steps {
                match step {
                    Step::Send(device) => nodes.send(device),
                    Step::Give { partition, process, former_is_told } => nodes.common.broker.give(partition, process, former_is_told),
                    Step::StoreDoes(what) => {
                        let next = match what {
                            0 => fakes::Next::Refuse(AppendError::Unavailable("the fake was told to".into())),
                            // Not stored, and nobody knows.
                            1 => fakes::Next::Refuse(AppendError::Unknown("the fake was told to".into())),
                            2 => fakes::Next::Delay(Duration::from_millis(20)),
                            // Stored, and nobody knows.
                            _ => fakes::Next::StoreButSay(AppendError::Unknown("the fake was told to".into())),
                        };
                        nodes.common.store.inner.lock().next.push_back(next);
                    }
                    Step::Pass(ms) => tokio::time::sleep(Duration::from_millis(ms)).await,
                }
            }
            for partition in 0..PARTITIONS {
                nodes.common.broker.give(partition, usize::from(partition) % PROCESSES, true);
            }
            nodes.until("all is stored", Nodes::all_is_stored).await;
            nodes.assert_each_reading_took_effect_once();
        });
    }
}

#[tokio::test(start_paused = true)]
async fn a_command_is_answered_whose_batch_turns_out_to_be_stored() {
    for is_stored in [true, false] {
        let mut lone = Lone::start(&options());
        lone.send(1);
        lone.nodes.until("it is stored", Nodes::all_is_stored).await;
        let doubt = AppendError::Unknown("the fake was told to".into());
        let next = if is_stored { fakes::Next::StoreButSay(doubt) } else { fakes::Next::Refuse(doubt) };
        lone.nodes.common.store.inner.lock().next.push_back(next);
        let (command, told) = lone.nodes.processes[0].running.commands().expect();
        let mut entries = Entries::new(PARTITIONS);
        entries.forget(&id(1), command);
        lone.queue.put(&entries);
        assert_eq!(told.await, Ok(CommandOutcome::Done { version: 2 }), "stored: {is_stored}");
        assert_eq!(lone.nodes.events(1), [(1, EventType::Created), (2, EventType::Forgotten)]);
    }
}

/// A process with a queue of its own, and a store that others could write too.
struct Lone {
    nodes: Nodes,
    queue: Arc<FakeQueue>,
}

impl Lone {
    fn start(options: &StateOptions) -> Self {
        let (common, numbers): (Arc<Common>, Arc<DeviceNumbers>) = Default::default();
        let queue = Arc::new(FakeQueue::new(PARTITIONS));
        let as_queue: Arc<dyn fieldwatch_broker::ReadingQueue> = queue.clone();
        let process = Process::start_on(&as_queue, 0, &common, &numbers, options.clone());
        Self { nodes: Nodes { common, numbers, processes: vec![process], sent: [0; DEVICES] }, queue }
    }

    fn send(&mut self, device: usize) {
        let entries = self.nodes.next_reading(device);
        self.queue.put(&entries);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]
    #[test]
    fn a_queue_of_ones_own_goes_on_when_nobody_knows_what_the_common_store_has_taken(
        steps in proptest::collection::vec((0..DEVICES, 0_u8..6, 0_u64..30), 1..60),
        failing_take_overs in 0_usize..3,
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().expect("a runtime");
        runtime.block_on(async move {
            // Nothing but what the store says keeps a reading from taking effect twice.
            let options = StateOptions { idle_after: Some(Duration::from_millis(200)), recognise_repeats: false, ..options() };
            let mut lone = Lone::start(&options);
            *lone.nodes.common.failing_take_overs.lock() = failing_take_overs;
            for (device, what, ms) in steps {
                lone.send(device);
                let doubt = || AppendError::Unknown("the fake was told to".into());
                let next = match what {
                    0 => Some(fakes::Next::Refuse(doubt())),
                    1 => Some(fakes::Next::StoreButSay(doubt())),
                    2 => Some(fakes::Next::Refuse(AppendError::Unavailable("the fake was told to".into()))),
                    _ => None,
                };
                lone.nodes.common.store.inner.lock().next.extend(next);
                tokio::time::sleep(Duration::from_millis(ms * ms)).await;
            }
            lone.nodes.until("all is stored", Nodes::all_is_stored).await;
            lone.nodes.until("the queue knows it", |_| lone.queue.in_front() == 0).await;
            lone.nodes.assert_each_reading_took_effect_once();
            lone.nodes.until("nothing is wrong", |nodes| nodes.processes[0].running.trouble().is_none()).await;
        });
    }
}

#[tokio::test(start_paused = true)]
async fn a_partition_that_cannot_be_restored_is_given_back_and_tried_again() {
    let mut nodes = Nodes::start(&options());
    *nodes.common.failing_take_overs.lock() = 2;
    for partition in 0..PARTITIONS {
        nodes.common.broker.give(partition, 0, true);
    }
    nodes.send(1);
    nodes.until("it is stored", Nodes::all_is_stored).await;
    assert_eq!(nodes.common.broker.given_up.lock().len(), 2);
    nodes.until("the trouble is over", |nodes| nodes.processes[0].running.trouble().is_none()).await;
}

#[tokio::test(start_paused = true)]
async fn an_owner_that_was_frozen_stands_down_when_the_store_refuses_it() {
    let mut nodes = Nodes::start(&options());
    for partition in 0..PARTITIONS {
        nodes.common.broker.give(partition, 0, true);
    }
    nodes.send(1);
    nodes.until("it is stored", Nodes::all_is_stored).await;
    for partition in 0..PARTITIONS {
        nodes.common.broker.give(partition, 1, false);
    }
    let all_taken = |nodes: &Nodes| {
        let owners = nodes.common.taken_over_by.lock();
        owners.len() == usize::from(PARTITIONS) && owners.values().all(|process| *process == 1)
    };
    nodes.until("the other has taken over", all_taken).await;
    nodes.send(1);
    nodes
        .until("the frozen one was refused", |nodes| nodes.common.broker.given_up.lock().iter().any(|(process, _)| *process == 0))
        .await;
    nodes.until("all is stored", Nodes::all_is_stored).await;
    nodes.assert_each_reading_took_effect_once();
    assert_eq!(nodes.processes[0].running.active(), 0, "what it knew is forgotten");
    assert_eq!(nodes.processes[1].running.active(), 1);
}

#[tokio::test(start_paused = true)]
async fn silence_is_noticed_by_the_owner_of_the_moment_and_counted_from_when_it_took_over() {
    let silent_after = Duration::from_mins(5);
    let mut nodes = Nodes::start(&StateOptions { silent_after: Some(silent_after), ..options() });
    for partition in 0..PARTITIONS {
        nodes.common.broker.give(partition, 0, true);
    }
    nodes.send(1);
    nodes.until("it is stored", Nodes::all_is_stored).await;
    tokio::time::sleep(Duration::from_mins(4)).await;
    for partition in 0..PARTITIONS {
        nodes.common.broker.give(partition, 1, true);
    }
    tokio::time::sleep(Duration::from_mins(4)).await;
    assert_eq!(nodes.events(1).len(), 1, "a whole silent_after runs first");
    tokio::time::sleep(Duration::from_mins(2)).await;
    let types: Vec<EventType> = nodes.events(1).into_iter().map(|(_, event)| event).collect();
    assert_eq!(types, [EventType::Created, EventType::GoneSilent], "and it is told once");
}

#[tokio::test(start_paused = true)]
async fn the_shelves_of_a_gained_partition_are_saved_when_the_store_wants_it() {
    let mut nodes = Nodes::start(&options());
    for partition in 0..PARTITIONS {
        nodes.common.broker.give(partition, 0, true);
    }
    nodes.send(1);
    nodes.until("it is stored", Nodes::all_is_stored).await;
    nodes.common.store.inner.lock().wants_snapshots = true;
    let saved = |nodes: &Nodes| {
        let inner = nodes.common.store.inner.lock();
        inner.snapshots.iter().map(|snapshot| snapshot.shelf).collect::<std::collections::BTreeSet<_>>().len()
    };
    nodes.until("all shelves are saved", |nodes| saved(nodes) == fieldwatch_domain::SHELVES).await;
}

#[tokio::test(start_paused = true)]
async fn a_snapshot_in_a_shared_store_leaves_out_what_that_has_kept_with_the_passivation() {
    let mut nodes = Nodes::start(&StateOptions { idle_after: Some(Duration::from_secs(1)), ..options() });
    for partition in 0..PARTITIONS {
        nodes.common.broker.give(partition, 0, true);
    }
    nodes.send(1);
    let is_passivated =
        |nodes: &Nodes| nodes.common.store.inner.lock().log.iter().any(|entry| matches!(entry, Entry::Passivated(_)));
    nodes.until("it is passivated", is_passivated).await;
    nodes.common.store.inner.lock().wants_snapshots = true;
    let shelf = nodes.numbers.number(&id(1)).shelf();
    let saved = |nodes: &Nodes| nodes.common.store.inner.lock().snapshots.iter().any(|snapshot| snapshot.shelf == shelf);
    nodes.until("its shelf is saved", saved).await;
    let inner = nodes.common.store.inner.lock();
    assert!(inner.snapshots.iter().all(|snapshot| snapshot.devices.is_empty()));
    assert_eq!(inner.loads, []);
}

#[tokio::test(start_paused = true)]
async fn being_fenced_off_is_no_trouble_and_what_is_wrong_stays_told_until_it_is_not() {
    let mut nodes = Nodes::start(&options());
    for partition in 0..PARTITIONS {
        nodes.common.broker.give(partition, 0, true);
    }
    nodes.send(1);
    nodes.until("it is stored", Nodes::all_is_stored).await;
    let device = nodes.numbers.number(&id(1));
    nodes.common.taken_over_by.lock().insert(device.shelf() as u16 % PARTITIONS, 1);
    nodes.common.broker.owners.lock().insert(device.shelf() as u16 % PARTITIONS, 1);
    nodes.send(1);
    nodes.until("it was fenced off", |nodes| !nodes.common.broker.given_up.lock().is_empty()).await;
    assert_eq!(nodes.processes[0].running.trouble(), None);
}

#[tokio::test(start_paused = true)]
async fn a_store_that_was_away_is_not_told_of_once_it_refuses_who_was_overtaken() {
    let mut nodes = Nodes::start(&options());
    for partition in 0..PARTITIONS {
        nodes.common.broker.give(partition, 0, true);
    }
    nodes.send(1);
    nodes.until("it is stored", Nodes::all_is_stored).await;
    let away = fakes::Next::Refuse(AppendError::Unavailable("the fake was told to".into()));
    nodes.common.store.inner.lock().next.push_back(away);
    nodes.send(1);
    nodes.until("trouble is told", |nodes| nodes.processes[0].running.trouble().is_some()).await;
    let partition = nodes.numbers.number(&id(1)).shelf() as u16 % PARTITIONS;
    nodes.common.taken_over_by.lock().insert(partition, 1);
    nodes.common.broker.owners.lock().insert(partition, 1);
    nodes.until("it was fenced off", |nodes| !nodes.common.broker.given_up.lock().is_empty()).await;
    assert_eq!(nodes.processes[0].running.trouble(), None);
}

#[tokio::test(start_paused = true)]
async fn what_was_wrong_with_a_partition_that_others_have_is_not_told_for_ever() {
    let nodes = Nodes::start(&options());
    *nodes.common.failing_take_overs.lock() = 1;
    nodes.common.broker.give(0, 0, true);
    // The other takes it as soon as it is given back.
    nodes.common.broker.owners.lock().insert(0, 1);
    nodes.until("trouble is told", |nodes| nodes.processes[0].running.trouble().is_some()).await;
    nodes.until("it is told no more", |nodes| nodes.processes[0].running.trouble().is_none()).await;
}
