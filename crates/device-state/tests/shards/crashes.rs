//! Whatever comes in, in whatever batches, with crashes in between: the same as one by one.

use crate::{
    fakes::Next,
    world::{World, options},
};
use fieldwatch_broker::Entries;
use fieldwatch_device_state::StateOptions;
use fieldwatch_domain::{Celsius, Description, DeviceEvent, Location, Outcome, Reading, ReadingId, Rules, Timestamp};
use fieldwatch_event_store::{DeviceState, Entry};
use proptest::prelude::*;
use std::time::Duration;

const DEVICES: [&str; 4] = ["a", "b", "c", "d"];

#[derive(Clone, Debug)]
enum Sent {
    Reading { id: u64, degrees: i32, place: i32, at: Option<i64> },
    Describe(u8),
    Forget,
}

fn sent() -> impl Strategy<Value = (usize, Sent)> {
    let reading = (0u64..60, 0i32..4, 0i32..3, proptest::option::of(0i64..50)).prop_map(|(id, degrees, place, at)| Sent::Reading {
        id,
        degrees,
        place,
        at,
    });
    let what = prop_oneof![20 => reading, 1 => (0u8..3).prop_map(Sent::Describe), 1 => Just(Sent::Forget)];
    (0..DEVICES.len(), what)
}

fn reading(id: u64, degrees: i32, place: i32, at: Option<i64>) -> Reading {
    Reading {
        temperature: Celsius::from_stored(degrees * 15_000),
        location: Location::from_stored(place * 50_000, 0),
        at: at.map(Timestamp::from_unix_ms),
        received_at: Timestamp::from_unix_ms(40),
        id: ReadingId::given(id),
    }
}

fn description(number: u8) -> Description {
    Description::new(Some(&format!("name {number}")), &[]).expect("valid")
}

/// What is stored, without what depends on when it was stored.
type Told = (Option<(u64, Option<ReadingId>, DeviceEvent)>, Option<(Timestamp, ReadingId)>, Option<u64>);

fn told(entry: &Entry) -> Option<Told> {
    match entry {
        Entry::Event(event) => Some((Some((event.version, event.reading_id.clone(), event.event.clone())), None, None)),
        Entry::Late(late) => Some((None, Some((late.at, late.reading_id.clone())), None)),
        Entry::Observation(seen) => Some((None, None, Some(seen.fingerprint))),
        Entry::Passivated(_) => None,
    }
}

/// The rules by themselves, one request after the other.
fn one_by_one(state: &mut DeviceState, told: &mut Vec<Told>, sent: &Sent) {
    let now = Timestamp::from_unix_ms(40);
    let (events, reading) = match sent {
        Sent::Reading { id, degrees, place, at } => {
            let reading = reading(*id, *degrees, *place, *at);
            let mut events = Vec::new();
            let outcome = state.device.record(&state.tracking, &reading, &Rules::default(), &mut events);
            match outcome {
                Outcome::Repeated => return,
                Outcome::Late { at } => {
                    state.tracking.observe_late(now, reading.id.fingerprint());
                    told.push((None, Some((at, reading.id)), None));
                    return;
                }
                Outcome::Taken { at } => {
                    state.tracking.observe(at, now, &reading.id);
                    if events.is_empty() {
                        told.push((None, None, Some(reading.id.fingerprint())));
                    }
                    (events, Some(reading))
                }
            }
        }
        Sent::Describe(number) => (state.device.describe(&description(*number)).flatten().into_iter().collect(), None),
        Sent::Forget => {
            let events: Vec<_> = state.device.forget().into_iter().collect();
            if !events.is_empty() {
                state.tracking = DeviceState::default().tracking;
            }
            (events, None)
        }
    };
    for event in events {
        state.device.apply(&event, now);
        told.push((Some((state.device.version(), reading.as_ref().map(|reading| reading.id.clone()), event)), None, None));
    }
}

async fn check(given: &[(usize, Sent)], most: &[usize], rounds: &[(usize, bool)], shards: usize) {
    let idle_after = Some(Duration::from_secs(20));
    let mut world = World::start(StateOptions { shards, idle_after, ..options() }).await;
    world.queue.deliver_at_most(most);
    let mut rest = given;
    for (count, stored_before_the_crash) in rounds {
        let (now, later) = rest.split_at((*count).min(rest.len()));
        rest = later;
        put(&world, now);
        let stored = world.store.inner.lock().batches.len();
        world.store_does_next(if *stored_before_the_crash { Next::HangAfter } else { Next::HangBefore });
        // It hangs at the first append; with two shards the other may or may not get through. Then it dies.
        world
            .until("the store hangs or has nothing to do", || world.store.inner.lock().hanging > 0 || world.queue.in_front() == 0)
            .await;
        assert!(world.store.inner.lock().batches.len() >= stored);
        world = world.crash_and_restart().await;
        if count % 2 == 0 {
            // Some are passivated in between.
            world.settled().await;
            world.pass(Duration::from_secs(30)).await;
        }
    }
    put(&world, rest);
    world.settled().await;
    for (number, id) in DEVICES.iter().enumerate() {
        let (mut state, mut expected) = (DeviceState::default(), Vec::new());
        for (_, sent) in given.iter().filter(|sent| sent.0 == number) {
            one_by_one(&mut state, &mut expected, sent);
        }
        let stored: Vec<Told> = world.entries(id).iter().filter_map(told).collect();
        assert_eq!(stored, expected, "device {id}");
        assert_eq!(world.stored(id), state, "device {id}");
    }
    // The fake store holds what each shard has in memory against what is stored.
    world.running.stop(Duration::from_secs(10)).await;
}

fn put(world: &World, sent: &[(usize, Sent)]) {
    let mut entries = Entries::new(64);
    for (device, sent) in sent {
        let device = DEVICES[*device];
        match sent {
            Sent::Reading { id, degrees, place, at } => entries.record(device, &reading(*id, *degrees, *place, *at)),
            Sent::Describe(number) => entries.describe(device, 1, &description(*number)),
            Sent::Forget => entries.forget(device, 1),
        }
    }
    world.queue.put(&entries);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 150, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_readings_in_any_batches_with_crashes_between_are_decided_as_if_one_by_one(
        given in proptest::collection::vec(sent(), 1..120),
        most in proptest::collection::vec(1usize..30, 0..10),
        rounds in proptest::collection::vec((1usize..30, any::<bool>()), 0..6),
        shards in 1usize..3,
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().expect("a runtime");
        runtime.block_on(check(&given, &most, &rounds, shards));
    }
}
