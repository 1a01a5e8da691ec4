//! Real servers for tests and benchmarks: `RabbitMQ` and `PostgreSQL` as Debian packages them, each in a folder of its own, on
//! private ports, and gone with their whole tree when they are dropped.
//!
//! Where a server is not installed, starting it says so by name ([`Missing`]), and the test that wanted it is skipped. Where an
//! address is configured (`FIELDWATCH_TEST_POSTGRESQL_URL`, `FIELDWATCH_TEST_RABBITMQ_URL`), the server there is used instead.

pub mod certificates;
pub mod postgresql;
pub mod rabbitmq;

/// Why a server cannot be had here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Missing(
    /// In words for people, with what to install.
    pub String,
);
