//! Slow clients, many clients, clients that leave, and the end.

use crate::{
    client::Client,
    fleet::{Fleet, options},
};
use fieldwatch_push::{Form, HubOptions, StreamRequest};
use std::{sync::Arc, time::Duration};
use tokio::time::{sleep, timeout};

const FORMS: [Form; 3] = [Form::Events, Form::Frames, Form::Original];

fn request(form: Form) -> StreamRequest {
    StreamRequest { form, ..Default::default() }
}

async fn clients_become(fleet: &Fleet, clients: i64) {
    let wait = async {
        while fleet.hub.metrics().clients.get() != clients {
            sleep(Duration::from_millis(10)).await;
        }
    };
    timeout(Duration::from_secs(30), wait).await.expect("the number of clients is right within 30 s");
}

#[tokio::test(start_paused = true)]
async fn a_client_that_takes_nothing_is_cut_and_told_where_to_resume() {
    let fleet = Fleet::new(HubOptions { chunks: 2, ..options() });
    let mut client = Client::new(fleet.hub.open(request(Form::Events)).unwrap());
    for round in 0..20 {
        fleet.report(&[("a", if round % 2 == 0 { 10 } else { 50 }, 1, 1)]);
        sleep(Duration::from_millis(1)).await;
    }
    clients_become(&fleet, 0).await;
    assert_eq!(fleet.hub.metrics().dropped.get(), 1);
    let mut messages = Vec::new();
    while let Some(message) = client.next().await {
        messages.push(message);
    }
    let overrun = messages.pop().unwrap();
    assert_eq!(overrun.event, "overrun");
    let last = messages.last().unwrap();
    assert_eq!(overrun.data, format!("{{\"resumeFrom\":{}}}", last.id), "exactly what was told is told");

    let resumed = StreamRequest { resume_after: Some(overrun.id), ..request(Form::Events) };
    let mut client = Client::new(fleet.hub.open(resumed).unwrap());
    client.expect("hello").await;
    let told = fleet.store.events().iter().filter(|event| event.position.to_string() == last.id).count();
    let rest = fleet.store.events().into_iter().filter(|event| event.position > last.id.parse().unwrap());
    for event in rest {
        assert_eq!(client.next().await.unwrap().id, event.position.to_string());
    }
    assert!(told <= 1);
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_is_further_behind_than_the_ring_reaches_is_cut() {
    let fleet = Fleet::new(HubOptions { kept_events: 3, ..options() });
    let mut client = Client::new(fleet.hub.open(request(Form::Events)).unwrap());
    client.expect("hello").await;
    // All at once, before the stream gets its turn.
    for round in 0..20 {
        fleet.report(&[("a", if round % 2 == 0 { 10 } else { 50 }, 1, 1)]);
    }
    assert_eq!(client.expect("overrun").await.data, r#"{"resumeFrom":0}"#);
    assert_eq!(client.next().await, None);
    assert_eq!(fleet.hub.metrics().dropped.get(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_slow_client_of_frames_is_cut_after_ten_seconds_and_not_before() {
    let fleet = Fleet::new(HubOptions { chunks: 1, ..options() });
    let mut client = Client::new(fleet.hub.open(request(Form::Frames)).unwrap());
    client.expect("hello").await;
    client.expect("snapshot").await;
    for round in 0..200 {
        fleet.report(&[("a", if round % 2 == 0 { 10 } else { 50 }, 1, 1)]);
        sleep(Duration::from_millis(100)).await;
        let dropped = fleet.hub.metrics().dropped.get();
        assert!(dropped == 0 || round >= 98, "cut in round {round}");
    }
    assert_eq!(fleet.hub.metrics().dropped.get(), 1);
    client.expect("frame").await;
    client.expect("overrun").await;
    assert_eq!(client.next().await, None);
}

#[tokio::test(start_paused = true)]
async fn the_original_stream_ends_without_a_word_that_the_original_did_not_know() {
    let fleet = Fleet::new(HubOptions { kept_events: 3, ..options() });
    let mut client = Client::new(fleet.hub.open(request(Form::Original)).unwrap());
    client.chunk().await;
    for round in 0..20 {
        fleet.report(&[("a", if round % 2 == 0 { 10 } else { 50 }, 1, 1)]);
    }
    assert_eq!(client.next().await, None);
}

#[tokio::test(start_paused = true)]
async fn no_more_streams_are_opened_than_allowed_and_a_client_that_leaves_makes_room() {
    let fleet = Fleet::new(HubOptions { max_streams: 3, ..options() });
    let mut open: Vec<_> = FORMS.map(|form| fleet.hub.open(request(form)).unwrap()).into();
    assert_eq!(fleet.hub.metrics().clients.get(), 3);
    assert!(fleet.hub.open(request(Form::Events)).is_none());
    open.pop();
    clients_become(&fleet, 2).await;
    assert!(fleet.hub.open(request(Form::Events)).is_some());
    open.clear();
    clients_become(&fleet, 0).await;
    assert_eq!(fleet.hub.metrics().dropped.get(), 0, "who leaves was not cut");
}

#[tokio::test(start_paused = true)]
async fn close_ends_all_streams_and_the_clock_and_opens_no_more() {
    let fleet = Fleet::new(options());
    let clock = tokio::spawn(Arc::clone(&fleet.hub).run());
    let clients = FORMS.map(|form| Client::new(fleet.hub.open(request(form)).unwrap()));
    sleep(Duration::from_secs(1)).await;
    fleet.hub.close();
    for mut client in clients {
        while client.chunk().await {}
    }
    clock.await.unwrap();
    clients_become(&fleet, 0).await;
    assert!(fleet.hub.open(request(Form::Events)).is_none());
    fleet.report(&[("a", 1, 1, 1)]);
}

#[tokio::test(start_paused = true)]
async fn the_time_from_receipt_to_streams_is_measured() {
    let fleet = Fleet::new(options());
    fleet.report(&[("a", 1, 1, 1)]);
    fleet.describe("a", "Truck");
    let mut registry = prometheus_client::registry::Registry::default();
    registry.register("reading_to_push_seconds", "", fleet.hub.metrics().reading_to_push_seconds.clone());
    let mut text = String::new();
    prometheus_client::encoding::text::encode(&mut text, &registry).unwrap();
    assert!(text.contains("reading_to_push_seconds_count 1\n"), "{text}");
    // The fleet's first reading is received at 1 ms, and the hub's clock stands at 1 000 s.
    assert!(text.contains("reading_to_push_seconds_sum 999.999\n"), "{text}");
}
