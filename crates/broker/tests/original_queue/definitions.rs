//! The shipped definitions, imported and then used.

use crate::devices::Devices;
use crate::publisher::message;
use crate::support::{bench, options, own_broker, said, until};
use fieldwatch_broker::{Original, OriginalMover, RabbitOptions, ReadingQueue};
use fieldwatch_real_servers::skipped;
use std::sync::Arc;

#[tokio::test(flavor = "multi_thread")]
async fn what_the_definitions_make_is_what_is_declared_and_readings_go_all_the_way() {
    let test = "what_the_definitions_make_is_what_is_declared_and_readings_go_all_the_way";
    let Some(bench) = bench(test).await else { return };
    let Some(broker) = own_broker() else {
        return skipped(test, "a configured broker is not told what to do");
    };
    // The virtual host is the one thing that differs from test to test.
    let shipped = include_str!("../../../../deploy/rabbitmq/definitions.json");
    assert!(!shipped.contains("password"), "users are left to whoever runs the broker");
    let here = shipped.replace("\"vhost\": \"/\"", &format!("\"vhost\": \"{}\"", bench.vhost)).replace("{\"name\": \"/\"}", "");
    let dir = tempfile::tempdir().expect("a temporary folder");
    let file = dir.path().join("definitions.json");
    std::fs::write(&file, here).expect("written");
    tokio::task::block_in_place(|| broker.control(&["import_definitions", file.to_str().expect("a path")]));
    until("the import is done", async || bench.publisher.waiting("fieldwatch.dead-letters").await.is_some()).await;

    let rabbit = bench.rabbit(|usage| RabbitOptions { log_id: Some("log-1".into()), ..usage });
    let taken = Devices::behind(rabbit.as_ref());
    let mover = OriginalMover::start(options(Original::Durable), &rabbit, Arc::clone(&rabbit) as _);
    let status = said(&mover, "moves readings").await;
    assert_eq!((status.text.as_str(), status.warning), ("moves readings from the queue device-events-q", false));
    let devices = ["a", "b", "c", "d"];
    let of_each = 100;
    bench.publisher.publish((0..of_each).flat_map(|number| devices.map(|device| message(device, number)))).await;
    bench.publisher.publish(["{}"]).await;
    let count = || taken.lock().expect("nobody panicked").readings.values().map(Vec::len).sum::<usize>();
    until("all are taken", async || count() >= devices.len() * of_each).await;
    for device in devices {
        let taken = taken.lock().expect("nobody panicked");
        let numbers: Vec<i32> = taken.readings[device].iter().map(|reading| reading.location.latitude()).collect();
        assert_eq!(numbers, (0..of_each as i32).collect::<Vec<_>>(), "{device}");
    }
    until("the unusable one is kept", async || mover.metrics().unusable.get() == 1).await;
    assert_eq!(rabbit.health().trouble, None);
    mover.stop().await;
    assert_eq!(bench.publisher.letters().await.len(), 1);
}
