//! Encrypted connections to the broker, with certificates made for the test.

use crate::support::*;
use fieldwatch_broker::{RabbitOptions, RabbitQueue, ReadingQueue};
use fieldwatch_real_servers::skipped;
use std::path::PathBuf;

#[tokio::test(flavor = "multi_thread")]
async fn a_brokers_certificate_is_believed_from_the_right_authority_and_no_other() {
    let test = "a_brokers_certificate_is_believed_from_the_right_authority_and_no_other";
    let Some((broker, _guard)) = shared_broker(test).await else { return };
    let (url, certificates) = match broker.encrypted(&broker.create_vhost()) {
        Ok(encrypted) => encrypted,
        Err(missing) => return skipped(test, &missing.0),
    };
    let with = |node: &str, ca_file: Option<PathBuf>| RabbitOptions { ca_file, ..options(&url, node) };
    let store = SharedStore::default();
    let process = Process::start(with("believes", Some(certificates.authority())), &store);
    publish(&process.queue, entries(4, (0..20).map(|device| (device, 1)))).await;
    wait_for_count(&store, 20).await;
    store.lock().expect("lock").check(20, 1);

    let nowhere = certificates.authority().with_file_name("nowhere.pem");
    for (name, ca_file, words) in [
        ("believes another", Some(certificates.wrong_authority()), "certificate"),
        ("believes whom the system believes", None, "certificate"),
        ("has no such file", Some(nowhere), "nowhere.pem"),
    ] {
        let queue = RabbitQueue::open(RabbitOptions { consumes: false, ..with(name, ca_file) });
        wait_for(&format!("what {name} says why not"), || {
            queue.health().trouble.is_some_and(|why| why.to_lowercase().contains(words))
        })
        .await;
        let why = queue.health().trouble.expect("trouble");
        assert!(!why.contains("for-tests"), "the password is not told: {why}");
        assert!(queue.publish(entries(4, [(0, 2)])).await.is_err());
    }
}
