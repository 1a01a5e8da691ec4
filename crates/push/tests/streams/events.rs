//! Streams of one message per event.

use crate::{
    client::Client,
    fleet::{Fleet, options},
};
use fieldwatch_directory::Bbox;
use fieldwatch_domain::{EventType, RecordedEvent};
use fieldwatch_push::{Form, StreamRequest};
use fieldwatch_wire::event_json::write_event;
use std::time::Duration;
use tokio::time::Instant;

pub(crate) fn data_of(fleet: &Fleet, event: &RecordedEvent) -> String {
    let mut data = String::new();
    write_event(&mut data, fleet.numbers.id(event.device).as_str(), event);
    data
}

fn open(fleet: &Fleet, request: StreamRequest) -> Client {
    Client::new(fleet.hub.open(request).expect("there is room for a stream"))
}

#[tokio::test(start_paused = true)]
async fn a_stream_says_hello_and_then_tells_each_event_as_the_log_does() {
    let fleet = Fleet::new(options());
    fleet.report(&[("before", 1, 1, 1)]);
    let mut client = open(&fleet, StreamRequest::default());
    let hello = client.expect("hello").await;
    let newest = fleet.store.events()[0].position;
    assert_eq!(hello.data, format!("{{\"logId\":\"the \\\"log\\\"\",\"position\":{newest}}}"));
    assert_eq!(hello.id, newest.to_string());

    fleet.report(&[("a", 10, 1, 1), ("b", 10, 1, 1)]);
    fleet.report(&[("a", 50, 9, 9), ("a", 50, 9, 9)]);
    for event in &fleet.store.events()[1..] {
        let message = client.expect(event.event.event_type().name()).await;
        assert_eq!(message.data, data_of(&fleet, event));
        assert_eq!(message.id, event.position.to_string());
    }
    client.take_what_is_there();
    assert_eq!(client.taken(), []);
}

#[tokio::test(start_paused = true)]
async fn a_stream_tells_only_the_types_devices_and_places_it_was_asked_for() {
    let fleet = Fleet::new(options());
    fleet.report(&[("f1", 1, 1, 1)]);
    let by_type = StreamRequest { types: [EventType::Created, EventType::LocationChanged].into(), ..Default::default() };
    // One of them is not known yet.
    let by_device = StreamRequest { devices: ["f1".to_owned(), "f3".to_owned()].into(), ..Default::default() };
    let degrees = 10_000_000;
    let bbox = Bbox { west: 170 * degrees, south: 0, east: -170 * degrees, north: 10 * degrees };
    let by_place = StreamRequest { bbox: Some(bbox), ..Default::default() };
    let mut clients = [by_type, by_device, by_place].map(|request| open(&fleet, request));
    for client in &mut clients {
        client.expect("hello").await;
    }
    for id in ["f1", "f2", "f3"] {
        fleet.report(&[(id, 1, 1, 1), (id, 40, 1, 1), (id, 40, 5, 179)]);
    }
    fleet.describe("f2", "Truck");
    fleet.describe("f3", "Truck");
    // Told before f2 leaves the box.
    tokio::time::sleep(Duration::from_millis(1)).await;
    fleet.report(&[("f2", 40, 5, 5), ("end", 1, 5, 175), ("f1", 0, 5, 179)]);
    let mut told = Vec::new();
    for client in &mut clients {
        let mut messages = Vec::new();
        tokio::time::sleep(Duration::from_secs(1)).await;
        client.take_what_is_there();
        messages.extend(client.taken().into_iter().map(|message| message.data));
        told.push(messages);
    }
    let expected = |wanted: &dyn Fn(&str, &RecordedEvent) -> bool| {
        let events = fleet.store.events();
        let wanted = events[1..].iter().filter(|event| wanted(fleet.numbers.id(event.device).as_str(), event));
        wanted.map(|event| data_of(&fleet, event)).collect::<Vec<_>>()
    };
    let types = [EventType::Created, EventType::LocationChanged];
    assert_eq!(told[0], expected(&|_, event| types.contains(&event.event.event_type())));
    assert_eq!(told[1], expected(&|id, _| id == "f1" || id == "f3"));
    // An event without a location counts where its device is when it is told, which for both was in the box.
    let in_box = expected(&|_, event| event.event.measured().is_none_or(|(_, location)| bbox.contains(location)));
    assert_eq!(told[2], in_box);
    assert_eq!(in_box.len(), 7);
}

#[tokio::test(start_paused = true)]
async fn a_keep_alive_carries_the_newest_position_that_was_looked_at() {
    let fleet = Fleet::new(options());
    let mut all = open(&fleet, StreamRequest::default());
    let mut none = open(&fleet, StreamRequest { devices: ["nobody".to_owned()].into(), ..Default::default() });
    all.expect("hello").await;
    none.expect("hello").await;
    fleet.report(&[("a", 1, 1, 1)]);
    let begun = Instant::now();
    all.expect("DeviceHasBeenCreated").await;
    assert_eq!(none.last_event_id, "0");
    none.chunk().await;
    assert_eq!((none.comments, none.last_event_id.as_str()), (1, fleet.store.events()[0].position.to_string().as_str()));
    assert_eq!(begun.elapsed(), Duration::from_secs(15));
    all.chunk().await;
    assert_eq!((all.comments, all.last_event_id.as_str()), (1, none.last_event_id.as_str()));

    // Events that are not wanted do not put it off.
    for _ in 0..29 {
        tokio::time::sleep(Duration::from_secs(1)).await;
        fleet.report(&[("a", 1, 1, 1), ("b", 1, 1, 1), ("a", 50, 1, 1), ("a", 1, 1, 1)]);
    }
    none.take_what_is_there();
    assert_eq!(none.comments, 2);
}

#[tokio::test(start_paused = true)]
async fn the_original_stream_has_only_what_the_original_told() {
    let fleet = Fleet::new(options());
    fleet.report(&[("before", 1, 1, 1)]);
    let mut client = open(&fleet, StreamRequest { form: Form::Original, ..Default::default() });
    client.chunk().await;
    assert_eq!((client.comments, client.taken()), (1, vec![]), "it is open before anything happens");
    fleet.report(&[("o", 10, 1, 1), ("o", 11, 1, 1), ("o", 50, 1, 1)]);
    fleet.describe("o", "Truck");
    fleet.report(&[("o", 50, 9, 9)]);
    let created = client.expect("DeviceHasBeenCreated").await;
    assert_eq!(created.data, r#"{"DevId":"o","Temp":10,"AtLoc":{"Lat":1,"Lon":1}}"#);
    let increased = client.expect("DeviceTemperatureHasIncreased").await;
    assert_eq!(increased.data, r#"{"DevId":"o","NewTemp":50,"PrevTemp":10,"Coords":{"Lat":1,"Lon":1}}"#);
    let moved = client.expect("DeviceLocationHasChanged").await;
    assert_eq!(moved.data, r#"{"DeviceId":"o","NewLoc":{"Lat":9,"Lon":9},"PrevLoc":{"Lat":1,"Lon":1}}"#);
    client.chunk().await;
    assert_eq!((client.comments, client.last_event_id.as_str()), (2, ""), "it has no ids");
}
