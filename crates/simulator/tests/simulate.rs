//! `simulate` and the loads of the bench, against a stand-in for the server.

mod stand_in;

use std::collections::{HashMap, HashSet};
use std::future::pending;
use std::num::NonZeroU32;
use std::time::Duration;

use fieldwatch_simulator::load::{self, ChangeMix};
use fieldwatch_simulator::{Profile, SimulateError, SimulateOptions, Summary, simulate};
use stand_in::{Behavior, StandIn};
use tokio::sync::oneshot;

const SHORT: Duration = Duration::from_millis(50);

/// Twenty devices, five reports each.
fn options(server: &StandIn) -> SimulateOptions {
    SimulateOptions { interval: SHORT, duration: Some(SHORT * 5), ..SimulateOptions::new(server.url(), 20) }
}

async fn run(options: SimulateOptions) -> Summary {
    simulate(options, |_| {}, pending()).await.expect("starts")
}

#[tokio::test]
async fn every_device_reports_once_an_interval_and_all_of_it_is_counted() {
    let server = StandIn::start([]).await;
    let summary = run(options(&server)).await;
    assert!(summary.is_clean(), "{summary}");
    assert_eq!((summary.sent, summary.accepted, summary.failed), (100, 100, 0));
    let mut reports: HashMap<String, u32> = HashMap::new();
    for request in server.requests() {
        assert_eq!((request.path.as_str(), request.content_type.as_str()), ("/api/v1/readings", "application/json"));
        assert_eq!(request.readings.len(), 1);
        *reports.entry(request.readings[0]["deviceId"].to_string()).or_default() += 1;
    }
    assert_eq!(reports.len(), 20);
    assert!(reports.values().all(|count| *count == 5), "{reports:?}");
}

#[tokio::test]
async fn a_run_with_the_same_seed_sends_the_same_readings_per_device() {
    let mut runs = Vec::new();
    for _ in 0..2 {
        let server = StandIn::start([]).await;
        run(options(&server)).await;
        let mut by_device: HashMap<String, Vec<String>> = HashMap::new();
        for reading in server.taken() {
            by_device.entry(reading["deviceId"].to_string()).or_default().push(reading.to_string());
        }
        runs.push(by_device);
    }
    assert_eq!(runs[0], runs[1]);
}

#[tokio::test]
async fn batches_are_ndjson_of_neighboring_devices() {
    let server = StandIn::start([]).await;
    let summary = run(SimulateOptions { batch: Some(8), ..options(&server) }).await;
    assert_eq!((summary.sent, summary.accepted), (100, 100));
    let requests = server.requests();
    assert_eq!(requests.len(), 15);
    assert!(requests.iter().all(|request| request.content_type == "application/x-ndjson"));
    let mut sizes: Vec<usize> = requests.iter().map(|request| request.readings.len()).collect();
    sizes.sort_unstable();
    assert_eq!(sizes, [[4; 5].as_slice(), [8; 10].as_slice()].concat());
}

#[tokio::test]
async fn the_original_profile_posts_the_original_form() {
    let server = StandIn::start([]).await;
    let summary = run(SimulateOptions { profile: Profile::Original, device_prefix: "x-".into(), ..options(&server) }).await;
    assert!(summary.is_clean(), "{summary}");
    let requests = server.requests();
    assert_eq!(requests.len(), 100);
    for request in requests {
        assert_eq!(request.path, "/event");
        let reading = request.readings[0].as_object().expect("an object");
        let names: HashSet<&str> = reading.keys().map(String::as_str).collect();
        assert_eq!(names, HashSet::from(["DevId", "Temp", "Lat", "Lon"]));
        assert!(reading["DevId"].as_str().expect("text").starts_with("x-AL-"));
    }
}

#[tokio::test]
async fn latency_counts_the_wait_behind_a_slow_answer_and_the_time_from_sending_does_not() {
    const STALL: Duration = Duration::from_millis(400);
    let server = StandIn::start([Behavior::TakeAfter(STALL)]).await;
    // Forty readings in 400 ms over one connection, whose first answer takes all of that time.
    let slow =
        SimulateOptions { interval: STALL / 2, duration: Some(STALL), connections: 1, ..SimulateOptions::new(server.url(), 20) };
    let summary = run(slow).await;
    assert_eq!((summary.sent, summary.accepted), (40, 40));
    // The reading in the middle was due half way through the stall.
    assert!(summary.latency.p50 > STALL / 3, "{summary}");
    assert!(summary.late_schedule > STALL / 2, "{summary}");
    assert!(summary.latency_from_sending.p50 < summary.latency.p50 / 2, "{summary}");
    assert!(summary.latency_from_sending.max >= STALL, "{summary}");
}

#[tokio::test]
async fn what_is_not_accepted_is_failed_and_said_why() {
    use Behavior::{Cut, Refuse, TakeAndAnswerChunked};
    let server = StandIn::start([Refuse(503, Some(9)), Cut, Refuse(500, None), TakeAndAnswerChunked, Refuse(429, None)]).await;
    let summary = run(SimulateOptions { connections: 1, ..options(&server) }).await;
    assert_eq!((summary.sent, summary.accepted, summary.failed), (100, 96, 4), "{summary}");
    assert_eq!((summary.refused, summary.rejected, summary.not_sent), (2, 0, 0));
    assert!(!summary.is_clean());
    let failures = summary.first_failures.join("\n");
    for part in ["refused with 503", "refused with 429", "closed before the whole answer", "answered with 500 not now"] {
        assert!(failures.contains(part), "{part} is not in\n{failures}");
    }
}

#[tokio::test]
async fn stopping_waits_for_what_is_on_its_way() {
    let server = StandIn::start([]).await;
    let (stop, stopped) = oneshot::channel::<()>();
    let mut stop = Some(stop);
    let endless = SimulateOptions { duration: None, ..options(&server) };
    let on_first_progress = move |_| drop(stop.take());
    let summary = simulate(endless, on_first_progress, async move { drop(stopped.await) }).await.expect("starts");
    assert!(summary.is_clean(), "{summary}");
    assert!(summary.sent > 0);
    assert_eq!(summary.accepted, server.requests().len() as u64);
}

#[tokio::test]
async fn a_target_where_nobody_listens_is_found_out_before_the_start() {
    let address = {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        listener.local_addr().expect("bound")
    };
    let options = SimulateOptions::new(format!("http://{address}"), 1);
    let result = simulate(options, |_| {}, pending()).await;
    assert!(matches!(result, Err(SimulateError::Unreachable(_))), "{result:?}");
}

#[tokio::test]
async fn a_closed_loop_of_batches_changes_each_reading_and_reports_each_device_once_before() {
    let server = StandIn::start([]).await;
    let report = load::batches(&server.url(), 3, 100, 10, SHORT * 4, ChangeMix::EveryReading).await.expect("a target");
    assert_eq!((report.accepted_before, report.failed), (100, 0), "{report:?}");
    assert!(report.accepted > 0);
    assert_eq!(report.events, report.accepted);
    let mut last: HashMap<String, f64> = HashMap::new();
    for reading in server.taken() {
        let now = reading["temperature"].as_f64().expect("a number");
        if let Some(before) = last.insert(reading["deviceId"].to_string(), now) {
            assert!((now - before).abs() > 2.0, "{reading}");
        }
    }
    assert_eq!(last.len(), 100);
    assert_eq!(server.taken().len() as u64, report.accepted + report.accepted_before);
}

#[tokio::test]
async fn rounds_of_batches_end_when_every_device_has_reported_so_often() {
    let server = StandIn::start([Behavior::Take, Behavior::Refuse(503, None)]).await;
    let report =
        load::batch_rounds(&server.url(), 2, 100, 10, 3, ChangeMix::EveryReading, Duration::from_mins(1)).await.expect("a target");
    assert_eq!((report.accepted, report.refused, report.events, report.accepted_before), (300, 10, 300, 0));
    let mut temperatures: HashMap<String, Vec<String>> = HashMap::new();
    for reading in server.taken() {
        temperatures.entry(reading["deviceId"].to_string()).or_default().push(reading["temperature"].to_string());
    }
    assert_eq!(temperatures.len(), 100);
    assert!(temperatures.values().all(|of| of.len() == 3 && of[0] != of[1] && of[0] == of[2]), "{temperatures:?}");
}

#[tokio::test]
async fn a_refused_batch_is_sent_again_so_that_one_in_fifty_readings_changes() {
    let server = StandIn::start([Behavior::Take, Behavior::Take, Behavior::Refuse(503, Some(1)), Behavior::Cut]).await;
    let mix = ChangeMix::OneIn(NonZeroU32::new(50).expect("above zero"));
    let report = load::batches(&server.url(), 1, 100, 50, SHORT * 4, mix).await.expect("a target");
    assert_eq!((report.refused, report.failed), (50, 100), "{report:?}");
    assert_eq!(report.events * 50, report.accepted);
    let taken = server.taken();
    let by_device =
        |id: &str| taken.iter().filter(|r| r["deviceId"] == id).map(|r| r["temperature"].to_string()).collect::<Vec<_>>();
    assert!(by_device("load-000050").windows(2).all(|two| two[0] != two[1]));
    assert!(by_device("load-000051").windows(2).all(|two| two[0] == two[1]));
    assert!(by_device("load-000050").len() > 2);
}

#[tokio::test]
async fn single_and_paced_posts_count_what_the_server_took() {
    let server = StandIn::start([]).await;
    let report = load::single_posts(&server.url(), 4, SHORT * 2, SHORT).await.expect("a target");
    assert_eq!(report.failed, 0, "{report:?}");
    assert_eq!(server.taken().len() as u64, report.accepted + report.accepted_before);
    assert!(report.accepted > 0 && report.accepted_before > 0);

    let server = StandIn::start([]).await;
    let report = load::paced_posts(&server.url(), 30, SHORT, SHORT * 3).await.expect("a target");
    assert_eq!((report.accepted, report.failed, report.not_sent), (90, 0, 0), "{report:?}");
    assert_eq!(server.taken().len(), 90);
}
