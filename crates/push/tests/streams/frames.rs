//! Streams of frames.

use crate::{
    client::{Client, Page},
    fleet::{Fleet, options},
};
use fieldwatch_directory::Bbox;
use fieldwatch_domain::SHELVES;
use fieldwatch_push::{Form, HubOptions, StreamRequest};
use proptest::{prelude::*, test_runner::TestRunner};
use std::{collections::BTreeMap, time::Duration};
use tokio::time::{Instant, sleep};

fn frames() -> StreamRequest {
    StreamRequest { form: Form::Frames, ..Default::default() }
}

fn open(fleet: &Fleet, request: StreamRequest) -> Client {
    Client::new(fleet.hub.open(request).expect("there is room for a stream"))
}

/// What the directory says of the devices that are wanted.
fn expected(fleet: &Fleet, bbox: Option<Bbox>) -> BTreeMap<String, [i64; 5]> {
    let rows = (0..SHELVES).flat_map(|shelf| fleet.directory.shelf(shelf));
    rows.filter(|(_, row)| bbox.is_none_or(|bbox| bbox.contains(row.location)))
        .map(|(device, row)| {
            let place = row.location;
            let values = [row.temperature.steps(), place.latitude(), place.longitude()].map(i64::from);
            let [t, lat, lon] = values;
            (fleet.numbers.id(device).to_string(), [t, lat, lon, row.last_seen.unix_ms(), i64::from(row.status.number())])
        })
        .collect()
}

async fn snapshot(client: &mut Client) -> Page {
    let mut page = Page::default();
    client.expect("hello").await;
    loop {
        let part = client.expect("snapshot").await;
        page.take(&part);
        if part.data.contains("\"last\":true") {
            return page;
        }
    }
}

/// Takes frames for so long.
async fn follow(client: &mut Client, page: &mut Page, time: Duration) -> usize {
    let end = Instant::now() + time;
    let mut taken = 0;
    while Instant::now() < end {
        sleep(Duration::from_millis(10)).await;
        client.take_what_is_there();
        for message in client.taken() {
            assert_eq!(message.event, "frame");
            page.take(&message);
            taken += 1;
        }
    }
    taken
}

#[tokio::test(start_paused = true)]
async fn an_empty_fleet_is_an_empty_snapshot() {
    let fleet = Fleet::new(options());
    let mut client = open(&fleet, frames());
    assert_eq!(client.expect("hello").await.id, "0");
    let only = client.expect("snapshot").await;
    let empty = r#"{"position":0,"last":true,"ids":[],"i":[],"t":[],"lat":[],"lon":[],"at":[],"s":[]}"#;
    assert_eq!(only.data, empty);
}

#[tokio::test(start_paused = true)]
async fn a_snapshot_comes_in_parts_and_frames_tell_only_what_has_changed() {
    let fleet = Fleet::new(options());
    let ids: Vec<String> = (0..12_000).map(|n| format!("frame-{n}")).collect();
    fleet.report(&ids.iter().map(|id| (id.as_str(), -3, 1, 1)).collect::<Vec<_>>());
    let mut client = open(&fleet, frames());
    client.expect("hello").await;
    let mut page = Page::default();
    for (devices, last) in [(5_000, false), (5_000, false), (2_000, true)] {
        let part = client.expect("snapshot").await;
        assert_eq!(part.numbers("i").len(), devices);
        assert!(part.data.contains(&format!("\"last\":{last}")));
        page.take(&part);
    }
    assert_eq!(page.shown, expected(&fleet, None));

    fleet.report(&[("frame-7", 40, 1, 1), ("newcomer", 1, 2, 3)]);
    fleet.forget("frame-8");
    let frame = client.expect("frame").await;
    assert_eq!(frame.texts("ids"), ["newcomer"]);
    assert_eq!((frame.numbers("i").len(), frame.numbers("gone").len()), (2, 1));
    page.take(&frame);
    assert_eq!(page.shown, expected(&fleet, None));
    assert_eq!(page.position, fleet.directory.position());

    // Who was forgotten and comes again gets a new number.
    fleet.report(&[("frame-8", 1, 1, 1)]);
    let frame = client.expect("frame").await;
    assert_eq!((frame.texts("ids"), frame.numbers("i")), (vec!["frame-8".to_owned()], vec![12_001]));
    page.take(&frame);
    assert_eq!(page.shown, expected(&fleet, None));
}

#[tokio::test(start_paused = true)]
async fn frames_come_at_most_ten_a_second_with_the_last_value() {
    let fleet = Fleet::new(options());
    let mut client = open(&fleet, frames());
    let mut page = snapshot(&mut client).await;
    let mut taken = 0;
    for round in 0..1_000 {
        fleet.report(&[("busy", if round % 2 == 0 { 10 } else { 50 }, 1, 1)]);
        taken += follow(&mut client, &mut page, Duration::from_millis(10)).await;
    }
    assert!((95..=102).contains(&taken), "{taken} frames in ten seconds");
    follow(&mut client, &mut page, Duration::from_millis(200)).await;
    assert_eq!(page.shown, expected(&fleet, None));
}

#[tokio::test(start_paused = true)]
async fn a_reading_without_an_event_is_told_within_five_seconds_and_idleness_soon() {
    let fleet = Fleet::new(options());
    fleet.report(&[("a", 1, 1, 1), ("b", 1, 1, 1)]);
    let mut client = open(&fleet, frames());
    let mut page = snapshot(&mut client).await;
    for _ in 0..3 {
        fleet.report(&[("a", 1, 1, 1)]);
        fleet.report_late("b");
        let frames = follow(&mut client, &mut page, Duration::from_secs(5)).await;
        assert!((1..=2).contains(&frames), "{frames} frames");
        assert_eq!(page.shown, expected(&fleet, None));
    }
    let idle = fleet.directory.mark_idle();
    assert_eq!(idle.len(), 2);
    fleet.hub.refresh(&idle);
    assert_eq!(follow(&mut client, &mut page, Duration::from_millis(300)).await, 1);
    assert_eq!(page.shown["a"][4], 1);
    fleet.go_silent("a");
    follow(&mut client, &mut page, Duration::from_millis(300)).await;
    assert_eq!(page.shown["a"][4], 2);
}

#[tokio::test(start_paused = true)]
async fn the_position_is_told_even_when_there_is_nothing_to_show() {
    let fleet = Fleet::new(options());
    let mut all = open(&fleet, frames());
    let mut one = open(&fleet, StreamRequest { devices: ["later".to_owned()].into(), ..frames() });
    let (mut all_page, mut page) = (snapshot(&mut all).await, snapshot(&mut one).await);
    fleet.report(&[("a", 1, 1, 1)]);
    fleet.forget("a");
    follow(&mut all, &mut all_page, Duration::from_secs(4)).await;
    follow(&mut one, &mut page, Duration::from_secs(1)).await;
    assert_eq!(all_page.position, fleet.directory.position());
    assert_eq!(page.position, fleet.directory.position());
    fleet.report(&[("later", 1, 1, 1), ("a", 1, 1, 1)]);
    follow(&mut one, &mut page, Duration::from_secs(1)).await;
    assert_eq!(page.shown.keys().collect::<Vec<_>>(), ["later"]);
    // Then it is quiet, but for the keep-alive.
    let begun = Instant::now();
    one.chunk().await;
    assert_eq!((one.comments, one.taken()), (1, vec![]));
    assert!(begun.elapsed() <= Duration::from_secs(15));
}

#[derive(Clone, Debug)]
enum Step {
    Report(usize, i32, i32),
    Forget(usize),
    Silent(usize),
    Wait(u64),
    Take,
}

fn any_step() -> impl Strategy<Value = Step> {
    prop_oneof![
        8 => (0..12usize, 0..4i32, 0..4i32).prop_map(|(device, temperature, lat)| Step::Report(device, temperature * 10, lat)),
        1 => (0..12usize).prop_map(Step::Forget),
        1 => (0..12usize).prop_map(Step::Silent),
        4 => (0..250u64).prop_map(Step::Wait),
        2 => Just(Step::Take),
    ]
}

#[test]
fn frames_agree_with_the_directory_whatever_happens_and_however_slow_the_client_is() {
    let degrees = 10_000_000;
    let bbox = Bbox { west: -degrees, south: degrees, east: degrees, north: 2 * degrees };
    let mut runner = TestRunner::default();
    runner
        .run(&prop::collection::vec(any_step(), 0..150), |steps| {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
            runtime.block_on(async {
                // One place in the channel, so that the stream is behind most of the time.
                let fleet = Fleet::new(HubOptions { chunks: 1, ..options() });
                fleet.report(&[("device-0", 1, 1, 1), ("device-1", 1, 1, 1)]);
                let mut all = (open(&fleet, frames()), Page::default(), None);
                let mut boxed = (open(&fleet, StreamRequest { bbox: Some(bbox), ..frames() }), Page::default(), Some(bbox));
                let take = |(client, page, _): &mut (Client, Page, Option<Bbox>)| {
                    client.take_what_is_there();
                    client.taken().iter().filter(|message| message.event != "hello").for_each(|message| page.take(message));
                };
                for step in &steps {
                    match step {
                        Step::Report(device, temperature, lat) => {
                            fleet.report(&[(&format!("device-{device}"), *temperature, *lat, 0)]);
                        }
                        Step::Forget(device) => fleet.forget(&format!("device-{device}")),
                        Step::Silent(device) => fleet.go_silent(&format!("device-{device}")),
                        Step::Wait(ms) => sleep(Duration::from_millis(*ms)).await,
                        Step::Take => {
                            take(&mut all);
                            take(&mut boxed);
                        }
                    }
                }
                for stream in [&mut all, &mut boxed] {
                    for _ in 0..60 {
                        sleep(Duration::from_millis(100)).await;
                        take(stream);
                    }
                    let (_, page, bbox) = stream;
                    prop_assert_eq!(&page.shown, &expected(&fleet, *bbox));
                    prop_assert_eq!(page.position, fleet.directory.position());
                }
                Ok(())
            })
        })
        .unwrap();
}
