//! Encrypted connections, with certificates made for the test.

use crate::support::{Database, or_skip, skipped};
use fieldwatch_domain::DeviceNumbers;
use fieldwatch_event_store::{PostgresOpenError, PostgresStore};
use fieldwatch_real_servers::{
    Missing,
    postgresql::{PostgreSql, Settings},
};
use std::{path::Path, process::Command, sync::Arc};

fn openssl(dir: &Path, arguments: &[&str]) -> bool {
    let output = Command::new("openssl").args(arguments).current_dir(dir).output();
    output.is_ok_and(|output| output.status.success())
}

/// An authority, and a certificate of it for this machine; another authority, that has to do with nothing.
fn make_certificates(dir: &Path) -> bool {
    std::fs::write(dir.join("names"), "subjectAltName=DNS:localhost,IP:127.0.0.1\n").is_ok()
        && ["right", "wrong"].iter().all(|name| {
            let (key, certificate, subject) = (format!("{name}.key"), format!("{name}.pem"), format!("/CN={name} authority"));
            openssl(
                dir,
                &[
                    "req",
                    "-x509",
                    "-newkey",
                    "ec",
                    "-pkeyopt",
                    "ec_paramgen_curve:prime256v1",
                    "-nodes",
                    "-days",
                    "2",
                    "-subj",
                    &subject,
                    "-keyout",
                    &key,
                    "-out",
                    &certificate,
                ],
            )
        })
        && openssl(
            dir,
            &[
                "req",
                "-newkey",
                "ec",
                "-pkeyopt",
                "ec_paramgen_curve:prime256v1",
                "-nodes",
                "-subj",
                "/CN=localhost",
                "-keyout",
                "server.key",
                "-out",
                "server.csr",
            ],
        )
        && openssl(
            dir,
            &[
                "x509",
                "-req",
                "-in",
                "server.csr",
                "-CA",
                "right.pem",
                "-CAkey",
                "right.key",
                "-CAcreateserial",
                "-days",
                "2",
                "-extfile",
                "names",
                "-out",
                "server.pem",
            ],
        )
}

#[tokio::test]
async fn a_certificate_is_believed_from_the_right_authority_and_no_other() {
    let dir = tempfile::tempdir().expect("temporary folder");
    if !make_certificates(dir.path()) {
        skipped(&Missing("openssl cannot make certificates here (Debian: apt-get install openssl)".into()));
        return;
    }
    let certificate = Some((dir.path().join("server.pem"), dir.path().join("server.key")));
    let server = or_skip!(PostgreSql::start_with(Settings { durable: false, certificate }));
    let database = Database::on_own(&server);
    let connect = |query: String| {
        let mut options = database.options();
        options.url = format!("{}?{query}", options.url);
        PostgresStore::connect(options, Arc::new(DeviceNumbers::default()))
    };
    let file = |name: &str| dir.path().join(name).display().to_string();
    let believed = connect(format!("sslmode=verify-full&sslrootcert={}", file("right.pem"))).await;
    assert!(believed.is_ok(), "{:?}", believed.err());
    let encrypted = server.ask(
        "postgres",
        "SELECT count(*) FROM pg_stat_ssl JOIN pg_stat_activity USING (pid) WHERE ssl AND application_name LIKE 'fieldwatch%'",
    );
    assert_ne!(encrypted.expect("asked"), "0");
    let refused = connect(format!("sslmode=verify-full&sslrootcert={}", file("wrong.pem"))).await;
    assert!(matches!(refused, Err(PostgresOpenError::Unreachable(_) | PostgresOpenError::Refused(_))));
    assert!(connect("sslmode=require".into()).await.is_ok(), "believes any");
    assert!(connect("sslmode=prefer".into()).await.is_ok());
    assert!(connect("sslmode=disable".into()).await.is_ok());
}
