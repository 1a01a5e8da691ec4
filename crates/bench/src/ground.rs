//! What several nodes stand on: a real `RabbitMQ` and a real `PostgreSQL`, private to this run and gone with it.

use anyhow::{Context as _, anyhow};
use fieldwatch_real_servers::Missing;
use fieldwatch_real_servers::postgresql::PostgreSql;
use fieldwatch_real_servers::rabbitmq::RabbitMq;

use crate::bench::{Bench, Folder};
use crate::server::Server;

/// Settings of a node, as environment variables.
#[derive(Clone, Debug, Default)]
pub(crate) struct Settings(Vec<(&'static str, String)>);

impl Settings {
    pub(crate) fn variables(&self) -> impl Iterator<Item = (&'static str, &str)> {
        self.0.iter().map(|(name, value)| (*name, value.as_str()))
    }

    /// The same with one more.
    pub(crate) fn with(&self, name: &'static str, value: impl Into<String>) -> Settings {
        let mut more = self.clone();
        more.0.push((name, value.into()));
        more
    }
}

/// A broker. Its files lie in the system's folder for temporary ones.
pub(crate) struct Broker(RabbitMq);

impl Broker {
    pub(crate) fn start() -> anyhow::Result<Broker> {
        println!("  RabbitMQ starts");
        RabbitMq::start().map(Broker).map_err(missing)
    }

    /// The address of a virtual host that nobody has used.
    pub(crate) fn fresh(&self) -> String {
        self.0.url(&self.0.create_vhost())
    }
}

/// A database server whose commits wait for the disk. Its files lie in the system's folder for temporary ones.
pub(crate) struct Database(PostgreSql);

impl Database {
    pub(crate) fn start() -> anyhow::Result<Database> {
        println!("  PostgreSQL starts");
        PostgreSql::start().map(Database).map_err(missing)
    }

    /// The address of a new database.
    pub(crate) fn fresh(&self) -> anyhow::Result<String> {
        Ok(self.0.url(&self.0.create_database().context("create a database")?))
    }
}

fn missing(Missing(why): Missing) -> anyhow::Error {
    anyhow!(why)
}

/// With the readings at that address of a broker.
pub(crate) fn queue_at(broker: &str) -> Settings {
    // Nobody publishes to the original's queue here, so nobody needs to look for it.
    Settings::default()
        .with("FIELDWATCH_QUEUE__KIND", "rabbitmq")
        .with("FIELDWATCH_QUEUE__RABBITMQ__URL", broker)
        .with("FIELDWATCH_QUEUE__RABBITMQ__ORIGINAL", "off")
}

impl Settings {
    /// The same with the events in that database.
    pub(crate) fn store_at(&self, database: &str) -> Settings {
        self.with("FIELDWATCH_STORE__KIND", "postgresql").with("FIELDWATCH_STORE__POSTGRESQL__URL", database)
    }
}

/// So many nodes with all roles, ready, on an address of the broker and a database of their own; and their settings.
pub(crate) fn start_nodes<const N: usize>(
    bench: &Bench,
    folder: &Folder,
    (broker, database): (&Broker, &Database),
) -> anyhow::Result<([Server; N], Settings)> {
    let settings = queue_at(&broker.fresh()).store_at(&database.fresh()?);
    let mut nodes = Vec::new();
    for number in 1..=N {
        nodes.push(bench.spawn_node(folder, &node_name(number), &settings)?);
    }
    for node in &mut nodes {
        node.wait_until_ready()?;
    }
    let nodes = nodes.try_into().map_err(|_| anyhow!("there are as many as were started"))?;
    Ok((nodes, settings))
}

/// What a node's files are called.
pub(crate) fn node_name(number: usize) -> String {
    format!("node-{number}")
}
