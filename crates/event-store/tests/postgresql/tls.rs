//! Encrypted connections, with certificates made for the test.

use crate::support::{Database, or_skip};
use fieldwatch_domain::DeviceNumbers;
use fieldwatch_event_store::{PostgresOpenError, PostgresStore};
use fieldwatch_real_servers::{
    certificates::Certificates,
    postgresql::{PostgreSql, Settings},
};
use std::sync::Arc;

#[tokio::test]
async fn a_certificate_is_believed_from_the_right_authority_and_no_other() {
    let dir = tempfile::tempdir().expect("temporary folder");
    let certificates = or_skip!(Certificates::make(dir.path()));
    let certificate = Some((certificates.certificate(), certificates.key()));
    let server = or_skip!(PostgreSql::start_with(Settings { durable: false, certificate }));
    let database = Database::on_own(&server);
    let connect = |query: String| {
        let mut options = database.options();
        options.url = format!("{}?{query}", options.url);
        PostgresStore::connect(options, Arc::new(DeviceNumbers::default()))
    };
    let believed = connect(format!("sslmode=verify-full&sslrootcert={}", certificates.authority().display())).await;
    assert!(believed.is_ok(), "{:?}", believed.err());
    let encrypted = server.ask(
        "postgres",
        "SELECT count(*) FROM pg_stat_ssl JOIN pg_stat_activity USING (pid) WHERE ssl AND application_name LIKE 'fieldwatch%'",
    );
    assert_ne!(encrypted.expect("asked"), "0");
    let refused = connect(format!("sslmode=verify-full&sslrootcert={}", certificates.wrong_authority().display())).await;
    assert!(matches!(refused, Err(PostgresOpenError::Unreachable(_) | PostgresOpenError::Refused(_))));
    assert!(connect("sslmode=require".into()).await.is_ok(), "believes any");
    assert!(connect("sslmode=prefer".into()).await.is_ok());
    assert!(connect("sslmode=disable".into()).await.is_ok());
}
