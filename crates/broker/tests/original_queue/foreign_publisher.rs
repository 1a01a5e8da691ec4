//! Real readings, published by a program in another language that knows only the original.

use crate::publisher::Kind;
use crate::support::{Bench, bench, said, until};
use fieldwatch_broker::Original;
use fieldwatch_domain::Timestamp;
use fieldwatch_real_servers::skipped;
use fieldwatch_wire::ingest::parse_rfc3339;
use std::collections::HashMap;
use std::io::Read;
use std::path::{Path, PathBuf};

const REPOSITORY: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../..");

/// The recorded readings, where they are there.
fn recorded() -> Option<PathBuf> {
    let usual = || Path::new(REPOSITORY).join("../shared/data/oystercatchers-2018.csv.gz");
    let file = std::env::var_os("FIELDWATCH_DATA").map_or_else(usual, PathBuf::from);
    file.exists().then_some(file)
}

fn publish(bench: &Bench, file: &Path) {
    let script = Path::new(REPOSITORY).join("tests/support/publisher/publish.mjs");
    let done = std::process::Command::new("node").arg(script).arg(&bench.url).arg(file).output().expect("node can be run");
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
}

#[tokio::test(flavor = "multi_thread")]
async fn recorded_readings_of_a_foreign_publisher_arrive_as_they_were_written() {
    let test = "recorded_readings_of_a_foreign_publisher_arrive_as_they_were_written";
    let Some(file) = recorded() else {
        return skipped(test, "the recorded readings are absent; name them in FIELDWATCH_DATA");
    };
    if !Path::new(REPOSITORY).join("tests/node_modules/amqplib").exists() {
        return skipped(test, "the publisher's library is absent (npm ci in tests/)");
    }
    let Some(bench) = bench(test).await else { return };
    bench.publisher.make(Kind::Transient).await;
    let mover = bench.mover(Original::Existing);
    said(&mover, "moves readings").await;
    tokio::task::block_in_place(|| publish(&bench, &file));

    let mut expected: HashMap<String, Vec<i64>> = HashMap::new();
    for row in unpacked(&file).lines().skip(1) {
        let mut columns = row.split(',');
        let (at, device) = (columns.next().expect("a time"), columns.next().expect("a device"));
        expected.entry(device.to_owned()).or_default().push(parse_rfc3339(at).expect("a time").unix_ms());
    }
    let all: usize = expected.values().map(Vec::len).sum();
    until("all are taken", async || bench.devices.count() >= all).await;
    bench.devices.look(|taken| {
        for (device, times) in &expected {
            let own: Vec<i64> = taken.readings[device].iter().filter_map(|reading| reading.at).map(Timestamp::unix_ms).collect();
            assert!(own == *times, "{device}: other times, or in another order");
        }
    });
    mover.stop().await;
}

fn unpacked(file: &Path) -> String {
    let output = std::process::Command::new("gzip").args(["-dc"]).arg(file).output().expect("gzip can be run");
    let mut text = String::new();
    output.stdout.as_slice().read_to_string(&mut text).expect("text");
    text
}
