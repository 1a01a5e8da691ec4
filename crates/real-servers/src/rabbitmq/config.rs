//! The files and the environment that keep a broker private, small and quiet.

use super::{Certificates, Ports, VHOSTS, epmd};
use std::{io, os::unix::fs::PermissionsExt, path::Path};

pub(super) const USER: &str = "fieldwatch";
pub(super) const PASSWORD: &str = "for-tests";

/// Writes what the broker reads when it starts.
pub(super) fn write(dir: &Path, ports: &Ports, certificates: Option<&Certificates>) -> io::Result<()> {
    for folder in ["data", "log", "config", "schema"] {
        std::fs::create_dir_all(dir.join(folder))?;
    }
    let cookie = dir.join(".erlang.cookie");
    std::fs::write(&cookie, format!("COOKIE{}", std::process::id()))?;
    std::fs::set_permissions(&cookie, std::fs::Permissions::from_mode(0o600))?;
    std::fs::write(dir.join("enabled_plugins"), "[].\n")?;
    std::fs::write(dir.join("definitions.json"), definitions())?;
    let amqp = ports.amqp;
    let definitions = dir.join("definitions.json");
    let settings = format!(
        "listeners.tcp.1 = 127.0.0.1:{amqp}\n\
         log.console = false\n\
         log.file = rabbit.log\n\
         log.file.level = info\n\
         disk_free_limit.absolute = 1MB\n\
         vm_memory_high_watermark.absolute = 2GB\n\
         raft.wal_max_size_bytes = 67108864\n\
         load_definitions = {}\n",
        definitions.display()
    );
    let encrypted = certificates.map(|certificates| encrypted(ports.amqps, certificates)).unwrap_or_default();
    std::fs::write(dir.join("rabbitmq.conf"), settings + &encrypted)
}

/// Asks nobody who connects for a certificate.
fn encrypted(port: u16, certificates: &Certificates) -> String {
    format!(
        "listeners.ssl.1 = 127.0.0.1:{port}\n\
         ssl_options.cacertfile = {}\n\
         ssl_options.certfile = {}\n\
         ssl_options.keyfile = {}\n\
         ssl_options.verify = verify_none\n\
         ssl_options.fail_if_no_peer_cert = false\n",
        certificates.authority().display(),
        certificates.certificate().display(),
        certificates.key().display(),
    )
}

/// One user, and virtual hosts for tests to use up.
fn definitions() -> String {
    let vhosts: Vec<String> = (0..VHOSTS).map(|number| format!("{{\"name\":\"t{number}\"}}")).collect();
    let permissions: Vec<String> = (0..VHOSTS)
        .map(|number| {
            format!("{{\"user\":\"{USER}\",\"vhost\":\"t{number}\",\"configure\":\".*\",\"write\":\".*\",\"read\":\".*\"}}")
        })
        .collect();
    format!(
        "{{\"users\":[{{\"name\":\"{USER}\",\"password\":\"{PASSWORD}\",\"tags\":[\"administrator\"]}}],\
         \"vhosts\":[{}],\"permissions\":[{}]}}",
        vhosts.join(","),
        permissions.join(",")
    )
}

/// What every program of the broker's has to know.
pub(super) fn environment(dir: &Path, ports: &Ports) -> Vec<(&'static str, String)> {
    let path = |name: &str| dir.join(name).display().to_string();
    let calm = "-kernel inet_dist_use_interface {127,0,0,1} +sbwt none +sbwtdcpu none +sbwtdio none +S 2:2";
    vec![
        ("HOME", dir.display().to_string()),
        ("LANG", "C.UTF-8".into()),
        // Named by the port, so that no other broker of this machine has the same name.
        ("RABBITMQ_NODENAME", format!("t{}@localhost", ports.amqp)),
        ("ERL_EPMD_PORT", ports.epmd.to_string()),
        ("ERL_EPMD_ADDRESS", "127.0.0.1".into()),
        ("RABBITMQ_NODE_PORT", ports.amqp.to_string()),
        ("RABBITMQ_NODE_IP_ADDRESS", "127.0.0.1".into()),
        ("RABBITMQ_DIST_PORT", ports.distribution.to_string()),
        ("RABBITMQ_MNESIA_BASE", path("data")),
        ("RABBITMQ_LOG_BASE", path("log")),
        ("RABBITMQ_GENERATED_CONFIG_DIR", path("config")),
        ("RABBITMQ_SCHEMA_DIR", path("schema")),
        ("RABBITMQ_FEATURE_FLAGS_FILE", path("feature_flags")),
        ("RABBITMQ_PID_FILE", path("pid")),
        ("RABBITMQ_ENABLED_PLUGINS_FILE", path("enabled_plugins")),
        ("RABBITMQ_CONFIG_FILE", path("rabbitmq.conf")),
        ("RABBITMQ_ADVANCED_CONFIG_FILE", path("advanced.config")),
        ("RABBITMQ_CONF_ENV_FILE", path("none.conf")),
        ("RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS", calm.into()),
        (epmd::START_NONE.0, epmd::START_NONE.1.into()),
        ("RABBITMQ_CTL_ERL_ARGS", "-kernel inet_dist_use_interface {127,0,0,1} +sbwt none".into()),
    ]
}
