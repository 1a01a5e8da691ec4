//! Streams that go on where another was cut.

use crate::{
    client::{Client, Message},
    events::data_of,
    fleet::{Fleet, options},
};
use fieldwatch_push::{HubOptions, StreamRequest};
use proptest::{prelude::*, test_runner::TestRunner};
use std::sync::Arc;

fn open(fleet: &Fleet, resume_after: &str) -> Client {
    let request = StreamRequest { resume_after: Some(resume_after.into()), ..Default::default() };
    Client::new(fleet.hub.open(request).expect("there is room for a stream"))
}

fn told(messages: &[Message]) -> Vec<String> {
    messages.iter().filter(|message| message.event.starts_with("Device")).map(|message| message.data.clone()).collect()
}

fn all(fleet: &Fleet) -> Vec<String> {
    fleet.store.events().iter().map(|event| data_of(fleet, event)).collect()
}

#[tokio::test(start_paused = true)]
async fn since_0_is_all_that_is_kept_and_a_position_what_comes_after_it() {
    let fleet = Fleet::new(options());
    // More than a page of history, and more than fits into the channel at once.
    let ids: Vec<String> = (0..5_000).map(|n| format!("device-{n}")).collect();
    fleet.report(&ids.iter().map(|id| (id.as_str(), 1, 1, 1)).collect::<Vec<_>>());
    let events = fleet.store.events();
    for skipped in [0, 1, 1_000, 4_999, 5_000] {
        let after = if skipped == 0 { 0 } else { events[skipped - 1].position };
        let mut client = open(&fleet, &after.to_string());
        let hello = client.expect("hello").await;
        assert_eq!(hello.id, after.to_string(), "who is cut right after hello resumes where it wanted to");
        assert_eq!(hello.number("position"), events[4_999].position);
        for event in &events[skipped..] {
            assert_eq!(client.expect("DeviceHasBeenCreated").await.data, data_of(&fleet, event));
        }
        client.take_what_is_there();
        assert_eq!(client.taken(), []);
    }
}

/// Cuts a client again and again while events are stored, and gives what it was told.
async fn follow_with_cuts(fleet: Arc<Fleet>, steps: Vec<Step>) -> Vec<String> {
    let mut messages = Vec::new();
    let mut client = open(&fleet, "0");
    let mut temperature = 0;
    for step in steps {
        match step {
            Step::Store(devices) => {
                temperature += 10;
                let ids: Vec<String> = (0..devices).map(|n| format!("device-{n}")).collect();
                fleet.report(&ids.iter().map(|id| (id.as_str(), temperature, 1, 1)).collect::<Vec<_>>());
            }
            Step::Yield => tokio::task::yield_now().await,
            Step::Take => {
                client.take_what_is_there();
                messages.extend(client.taken());
            }
            Step::Cut => {
                // A client that is cut before hello resumes where it wanted to.
                let last_event_id = client.last_event_id.clone();
                client = open(&fleet, if last_event_id.is_empty() { "0" } else { &last_event_id });
                client.last_event_id = last_event_id;
            }
        }
    }
    let expected = all(&fleet).len();
    while told(&messages).len() < expected {
        messages.push(client.next().await.expect("the stream goes on"));
    }
    client.take_what_is_there();
    messages.extend(client.taken());
    told(&messages)
}

#[derive(Clone, Debug)]
enum Step {
    Store(usize),
    Yield,
    Take,
    Cut,
}

#[test]
fn a_client_that_is_cut_anywhere_misses_and_doubles_nothing() {
    let step = prop_oneof![
        3 => (0..6usize).prop_map(Step::Store),
        6 => Just(Step::Yield),
        3 => Just(Step::Take),
        2 => Just(Step::Cut),
    ];
    let mut runner = TestRunner::default();
    runner
        .run(&prop::collection::vec(step, 0..150), |steps| {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
            runtime.block_on(async {
                let fleet = Fleet::new(HubOptions { chunks: 4, ..options() });
                let told = follow_with_cuts(Arc::clone(&fleet), steps).await;
                prop_assert_eq!(told, all(&fleet));
                Ok(())
            })
        })
        .unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_missed_or_doubled_while_another_thread_stores() {
    let fleet = Fleet::new(options());
    let storing = Arc::clone(&fleet);
    let store = std::thread::spawn(move || {
        for round in 0..400 {
            let temperature = if round % 2 == 0 { 10 } else { 50 };
            storing.report(&[("a", temperature, 1, 1), ("b", temperature, round % 90, 1), ("c", 1, 1, 1)]);
        }
    });
    let mut messages: Vec<Message> = Vec::new();
    let mut last_event_id = "0".to_owned();
    let mut cut_after = 1;
    // 3 creations, 399 temperatures each of a and b, and 399 locations of b.
    let expected = 3 + 3 * 399;
    while told(&messages).len() < expected {
        let mut client = open(&fleet, &last_event_id);
        for _ in 0..cut_after {
            messages.push(client.next().await.expect("the stream goes on"));
            if told(&messages).len() == expected {
                break;
            }
        }
        last_event_id.clone_from(&messages[messages.len() - 1].id);
        cut_after = (cut_after * 3 + 1) % 97 + 2;
    }
    store.join().unwrap();
    assert_eq!(told(&messages), all(&fleet));
}

#[tokio::test(start_paused = true)]
async fn where_it_cannot_resume_it_says_why_and_goes_on_live() {
    let fleet = Fleet::new(options());
    fleet.report(&[("a", 1, 1, 1), ("a", 40, 1, 1), ("a", 1, 1, 1)]);
    let first_kept = fleet.store.events()[0].position;
    let far = 1u64 << 52;
    for (asked, reason, from) in [
        ("nonsense", "malformed", "null"),
        ("-5", "malformed", "null"),
        ("+5", "malformed", "null"),
        ("", "malformed", "null"),
        ("99999999999999999999999", "malformed", "null"),
        (&far.to_string(), "future", &far.to_string()),
    ] {
        let mut client = open(&fleet, asked);
        client.expect("hello").await;
        let gap = client.expect("gap").await;
        assert_eq!(gap.data, format!("{{\"reason\":\"{reason}\",\"from\":{from},\"earliest\":{first_kept}}}"), "{asked}");
        fleet.report(&[(&format!("after-{asked}"), 1, 1, 1)]);
        let live = client.expect("DeviceHasBeenCreated").await;
        assert!(live.data.contains(&format!("after-{asked}")));
    }
}

#[tokio::test(start_paused = true)]
async fn events_that_retention_has_removed_are_a_gap() {
    let fleet = Fleet::new(options());
    fleet.report(&[("a", 1, 1, 1), ("a", 40, 1, 1), ("a", 1, 1, 1)]);
    let positions: Vec<u64> = fleet.store.events().iter().map(|event| event.position).collect();
    fleet.store.forget_before(positions[1]);
    let mut client = open(&fleet, &positions[0].to_string());
    client.expect("hello").await;
    let gap = client.expect("gap").await;
    assert_eq!(gap.data, format!("{{\"reason\":\"retention\",\"from\":{},\"earliest\":{}}}", positions[0], positions[1]));
    assert_eq!(gap.id, positions[2].to_string(), "who resumes after the gap goes on live");
    let mut all_kept = open(&fleet, "0");
    all_kept.expect("hello").await;
    all_kept.expect("DeviceTemperatureHasIncreased").await;
}

#[tokio::test(start_paused = true)]
async fn a_store_that_cannot_be_read_is_a_gap_and_the_stream_goes_on_live() {
    let fleet = Fleet::new(options());
    fleet.report(&[("a", 1, 1, 1)]);
    fleet.store.set_broken(true);
    let mut client = open(&fleet, "0");
    client.expect("hello").await;
    assert_eq!(client.expect("gap").await.data, r#"{"reason":"unavailable","from":0,"earliest":null}"#);
    fleet.report(&[("b", 1, 1, 1)]);
    client.expect("DeviceHasBeenCreated").await;
}

#[tokio::test(start_paused = true)]
async fn a_database_that_is_away_is_waited_for_with_keep_alives() {
    let fleet = Fleet::new(options());
    fleet.store.set_shared();
    fleet.report(&[("a", 1, 1, 1), ("b", 1, 1, 1)]);
    fleet.store.set_broken(true);
    let first = fleet.store.events()[0].position.to_string();
    let mut client = open(&fleet, &first);
    client.expect("hello").await;
    while client.comments < 3 {
        assert!(client.chunk().await, "it stays open");
    }
    assert_eq!(client.last_event_id, first, "who is cut meanwhile resumes where it wanted to");
    fleet.store.set_broken(false);
    assert_eq!(client.expect("DeviceHasBeenCreated").await.data, data_of(&fleet, &fleet.store.events()[1]));
    fleet.report(&[("c", 1, 1, 1)]);
    assert_eq!(client.expect("DeviceHasBeenCreated").await.data, data_of(&fleet, &fleet.store.events()[2]));
}

#[tokio::test(start_paused = true)]
async fn what_another_node_has_told_does_not_come_again_after_a_gap() {
    let fleet = Fleet::new(options());
    fleet.report(&[("a", 1, 1, 1)]);
    fleet.store.set_broken(true);
    // This node's feed has not come so far yet.
    let seen = fleet.store.events()[0].position + 2;
    let mut client = open(&fleet, &seen.to_string());
    client.expect("hello").await;
    let gap = client.expect("gap").await;
    assert_eq!(gap.id, seen.to_string(), "it does not go back");
    fleet.report(&[("b", 1, 1, 1)]);
    fleet.report(&[("c", 1, 1, 1)]);
    let events = fleet.store.events();
    assert!(events[1].position <= seen && events[2].position > seen, "{events:?}");
    assert_eq!(client.expect("DeviceHasBeenCreated").await.data, data_of(&fleet, &events[2]));
}

#[tokio::test(start_paused = true)]
async fn an_empty_log_can_be_resumed_from_its_beginning() {
    let fleet = Fleet::new(options());
    let mut client = open(&fleet, "0");
    assert_eq!(client.expect("hello").await.id, "0");
    fleet.report(&[("b", 1, 1, 1)]);
    client.expect("DeviceHasBeenCreated").await;
}
