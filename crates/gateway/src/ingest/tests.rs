//! What is answered to which body, and what is in the queue then.

use super::*;
use crate::answer::into_axum;
use crate::fakes::{FakeQueue, NOW, intake};
use axum::http::request::Builder;
use fieldwatch_broker::PublishError;
use fieldwatch_wire::queued;
use http_body_util::{BodyExt, Full};
use serde_json::{Value, json};
use std::io::Write;

const GOOD: &str = r#"{"deviceId":"AL-0012","temperature":48.5,"lat":38.5698,"lon":45.6974}"#;

struct Exchange {
    queue: Arc<FakeQueue>,
    intake: Arc<Intake>,
}

impl Exchange {
    fn new() -> Self {
        Self::with(FakeQueue::default())
    }

    fn with(queue: FakeQueue) -> Self {
        let queue = Arc::new(queue);
        Self { intake: intake(&queue), queue }
    }

    async fn post(&self, body: impl Into<Bytes>, headers: &[(&str, &str)]) -> (u16, Value) {
        let request = headers.iter().fold(Builder::new().method("POST"), |request, (name, value)| request.header(*name, *value));
        let request = request.body(Full::new(body.into())).expect("a request");
        let answer = into_axum(take(&self.intake, request).await);
        let status = answer.status().as_u16();
        let body = answer.into_body().collect().await.expect("a whole body").to_bytes();
        (status, serde_json::from_slice(&body).expect("JSON"))
    }
}

const NDJSON: (&str, &str) = ("content-type", "application/x-ndjson");

#[tokio::test]
async fn a_good_reading_is_in_the_queue_when_it_is_answered() {
    let exchange = Exchange::new();
    let answer = exchange.post(GOOD, &[("content-type", "application/json")]).await;
    assert_eq!(answer, (202, json!({"accepted": 1, "rejected": []})));
    let requests = exchange.queue.requests();
    let (device, queued::Request::Record(reading)) = &requests[0] else { panic!("{requests:?}") };
    assert_eq!((device.as_str(), reading.received_at, reading.at), ("AL-0012", NOW, None));
    assert_eq!((exchange.intake.accepted.get(), exchange.intake.rejected.get()), (1, 0));
}

#[tokio::test]
async fn of_a_batch_the_good_readings_are_taken_and_each_bad_field_is_told() {
    let exchange = Exchange::new();
    let body = format!(r#"[{GOOD},{{"deviceId":"","temperature":1,"lat":91,"lon":1}},{GOOD}]"#);
    let (status, answer) = exchange.post(body, &[]).await;
    assert_eq!((status, &answer["accepted"]), (202, &json!(2)));
    assert_eq!(answer["rejected"][0]["index"], 1);
    assert_eq!((&answer["rejected"][0]["field"], &answer["rejected"][1]["field"]), (&json!("deviceId"), &json!("lat")));
    assert_eq!(exchange.queue.requests().len(), 2);
    assert_eq!((exchange.intake.accepted.get(), exchange.intake.rejected.get()), (2, 1));
}

#[tokio::test]
async fn what_is_refused_says_why_and_leaves_nothing() {
    let exchange = Exchange::new();
    let bad = GOOD.replace("38.5698", "91");
    for (body, headers, status, code) in [
        (bad.as_str(), vec![], 422, "invalid_reading"),
        (bad.as_str(), vec![NDJSON], 422, "invalid_reading"),
        ("", vec![], 400, "not_json"),
        ("{", vec![], 400, "not_json"),
        (GOOD, vec![("content-type", "text/plain")], 415, "unsupported_media_type"),
        (GOOD, vec![("content-encoding", "br")], 415, "unsupported_content_encoding"),
        (GOOD, vec![("content-encoding", "gzip"), ("content-encoding", "gzip")], 415, "unsupported_content_encoding"),
        (GOOD, vec![("content-encoding", "gzip")], 400, "corrupt_body"),
        (GOOD, vec![("idempotency-key", "")], 400, "invalid_idempotency_key"),
    ] {
        let (answered, problem) = exchange.post(body.to_owned(), &headers).await;
        assert_eq!((answered, &problem["code"]), (status, &json!(code)), "{headers:?}: {problem}");
    }
    let (status, _) = exchange.post(vec![b' '; MAX_BODY_BYTES + 1], &[]).await;
    assert_eq!(status, 413);
    let many = format!("{GOOD}\n").repeat(50_001);
    assert_eq!(exchange.post(many, &[NDJSON]).await.0, 413);
    assert_eq!(exchange.queue.requests(), []);
    assert_eq!(exchange.intake.accepted.get(), 0);
}

#[tokio::test]
async fn compressed_bodies_are_taken() {
    let exchange = Exchange::new();
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gzip.write_all(format!("{GOOD}\n{GOOD}").as_bytes()).expect("memory takes it");
    let body = gzip.finish().expect("memory takes it");
    let answer = exchange.post(body, &[NDJSON, ("content-encoding", "GZIP")]).await;
    assert_eq!(answer, (202, json!({"accepted": 2, "rejected": []})));
}

#[tokio::test]
async fn ids_derive_from_the_key_and_are_unique_without_one() {
    let exchange = Exchange::new();
    let body = format!("{GOOD}\n{GOOD}\n").repeat(1_000);
    for _ in 0..2 {
        exchange.post(body.clone(), &[NDJSON, ("idempotency-key", "k")]).await;
    }
    let ids = |requests: Vec<(String, queued::Request)>| -> Vec<u64> {
        let ids = requests.into_iter().map(|(_, request)| match request {
            queued::Request::Record(reading) => reading.id.fingerprint(),
            queued::Request::Describe(..) | queued::Request::Edit(..) | queued::Request::Forget(_) => {
                panic!("nobody asked for that")
            }
        });
        ids.collect()
    };
    let keyed = ids(exchange.queue.requests());
    assert_eq!(keyed[..2_000], keyed[2_000..]);

    let exchange = Exchange::new();
    for _ in 0..3 {
        exchange.post(body.clone(), &[NDJSON]).await;
        exchange.post(GOOD, &[]).await;
    }
    let unique: std::collections::HashSet<u64> = ids(exchange.queue.requests()).into_iter().collect();
    assert_eq!(unique.len(), 6_003);
}

#[tokio::test]
async fn a_queue_that_takes_nothing_is_503_and_says_when_to_come_again() {
    for (refusal, code) in [
        (PublishError::Busy, "queue_busy"),
        (PublishError::Full("the disk is full".into()), "queue_full"),
        (PublishError::Stopped("the disk failed".into()), "queue_stopped"),
    ] {
        let exchange = Exchange::with(FakeQueue::refusing(refusal));
        let (status, problem) = exchange.post(GOOD, &[]).await;
        assert_eq!((status, &problem["code"]), (503, &json!(code)));
        assert_eq!(exchange.intake.accepted.get(), 0);
    }
}
