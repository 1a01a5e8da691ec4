//! Real servers for tests and benchmarks: `RabbitMQ` and `PostgreSQL` as Debian packages them, each in a folder of its own, on
//! private ports, and gone with their whole tree when they are dropped.
//!
//! Where a server is not installed, starting it says so by name ([`Missing`]), and the test that wanted it is skipped. Where an
//! address is configured (`FIELDWATCH_TEST_POSTGRESQL_URL`, `FIELDWATCH_TEST_RABBITMQ_URL`), the server there is used instead. Before each of
//! them a test can put a [`proxy::Proxy`].

pub mod certificates;
pub mod postgresql;
pub mod proxy;
pub mod rabbitmq;

use std::io::Write;

/// Why a server cannot be had here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Missing(
    /// In words for people, with what to install.
    pub String,
);

/// Says that a test is skipped, and why, in a line that `scripts/test.sh` counts. The test then returns.
///
/// Written directly, because what a test that passes prints is not shown, and in one piece, so that what other tests say does not
/// come between.
pub fn skipped(test: &str, why: &str) {
    let line = format!("SKIPPED {test}: {}\n", why.trim_end().replace('\n', "; "));
    // A test that cannot tell anybody is skipped all the same.
    let _ = std::io::stderr().write_all(line.as_bytes());
}
