//! The sources together, seen from outside.

use std::ffi::OsString;
use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use proptest::prelude::*;
use tempfile::TempDir;

use super::byte_size::ByteSize;
use super::load::ConfigFile;
use super::written::Origin;
use super::*;

/// A folder with a `fieldwatch.toml`, and what else settings come from.
struct Setup {
    folder: TempDir,
    environment: Vec<(OsString, OsString)>,
    flags: Vec<Flag>,
}

impl Setup {
    fn file(text: &str) -> Self {
        let setup = Self::nothing();
        fs::write(setup.path(), text).expect("the folder was just made");
        setup
    }

    fn nothing() -> Self {
        Self { folder: TempDir::new().expect("a temporary folder"), environment: Vec::new(), flags: Vec::new() }
    }

    fn variable(mut self, name: &str, value: &str) -> Self {
        self.environment.push((name.into(), value.into()));
        self
    }

    fn flag(mut self, name: &'static str, key: &'static str, value: &str) -> Self {
        self.flags.push(Flag { name, key, value: value.to_owned() });
        self
    }

    /// A file beside the configuration, and its path.
    fn beside(&self, name: &str, text: &str) -> String {
        let path = self.folder.path().join(name);
        fs::write(&path, text).expect("the folder was just made");
        path.to_str().expect("temporary folders have plain names").to_owned()
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("fieldwatch.toml")
    }

    fn load(&self) -> Result<Loaded, Problems> {
        load(&Sources {
            file: ConfigFile::IfPresent(self.path()),
            environment: self.environment.clone(),
            flags: self.flags.clone(),
        })
    }

    fn settings(&self) -> Settings {
        self.load().unwrap_or_else(|problems| panic!("{problems}")).settings
    }

    /// The problems, with the folder cut off their places.
    fn problems(&self) -> Vec<String> {
        let folder = format!("{}/", self.folder.path().display());
        match self.load() {
            Ok(loaded) => panic!("was taken: {:?}", loaded.settings),
            Err(problems) => problems.lines().iter().map(|line| line.replace(&folder, "")).collect(),
        }
    }
}

#[test]
fn without_any_source_the_defaults_of_the_contract_hold() {
    let settings = Setup::nothing().settings();
    assert_eq!(settings, Settings::default());
    assert_eq!(settings.server.listen.to_string(), "127.0.0.1:8080");
    assert_eq!(settings.server.roles, [Role::Ingest, Role::State, Role::Api]);
    assert_eq!(settings.devices.temperature_threshold_celsius.steps(), 20_000);
    assert_eq!(settings.devices.temperature_min_celsius.steps(), -1_000_000);
    assert_eq!(settings.devices.temperature_max_celsius.steps(), 1_000_000);
    assert_eq!(settings.devices.idle_after, Some(Duration::from_mins(30)));
    assert_eq!(settings.devices.silent_after, Some(Duration::from_mins(5)));
    assert_eq!(settings.queue.max_bytes.bytes(), 8 << 30);
    assert_eq!(settings.store.retention, None);
    assert_eq!(settings.metrics.mailbox_interval, Some(Duration::from_secs(5)));
    assert_eq!(settings.metrics.max_mailbox_series, 25_000);
}

#[test]
fn a_later_source_wins() {
    let setup = Setup::file("data_dir = \"from-file\"\n[server]\nlisten = \"127.0.0.1:1\"\n[devices]\nrestore = false\n");
    assert_eq!(setup.settings().data_dir, PathBuf::from("from-file"));
    let setup = setup.variable("FIELDWATCH_DATA_DIR", "from-variable").variable("FIELDWATCH_SERVER__LISTEN", "127.0.0.1:2");
    assert_eq!(setup.settings().data_dir, PathBuf::from("from-variable"));
    let setup = setup.flag("--data-dir", "data_dir", "from-flag");
    let loaded = setup.load().expect("all of it is right");
    assert_eq!(loaded.settings.data_dir, PathBuf::from("from-flag"));
    assert_eq!(loaded.settings.server.listen.port(), 2);
    assert!(!loaded.settings.devices.restore);
    assert_eq!(loaded.origin("data_dir"), Origin::Flag("--data-dir"));
    assert_eq!(loaded.origin("server.listen"), Origin::Variable("FIELDWATCH_SERVER__LISTEN".to_owned()));
    assert_eq!(loaded.origin("devices.restore"), Origin::File { path: setup.path(), line: Some(5) });
    assert_eq!(loaded.origin("queue.kind"), Origin::Default);
}

#[test]
fn variables_carry_every_kind_of_value() {
    let settings = Setup::nothing()
        .variable("FIELDWATCH_SERVER__ROLES", "ingest, api, state")
        .variable("FIELDWATCH_DEVICES__TEMPERATURE_THRESHOLD_CELSIUS", "0.05")
        .variable("FIELDWATCH_DEVICES__RESTORE", "false")
        .variable("FIELDWATCH_DEVICES__IDLE_AFTER", "never")
        .variable("FIELDWATCH_QUEUE__MAX_BYTES", "512MB")
        .variable("FIELDWATCH_QUEUE__RABBITMQ__URL", "amqp://u:p@host")
        .variable("FIELDWATCH_METRICS__MAX_MAILBOX_SERIES", "7")
        .settings();
    assert_eq!(settings.server.roles, [Role::Ingest, Role::Api, Role::State]);
    assert_eq!(settings.devices.temperature_threshold_celsius.steps(), 500);
    assert!(!settings.devices.restore);
    assert_eq!(settings.devices.idle_after, None);
    assert_eq!(settings.queue.max_bytes.bytes(), 512_000_000);
    assert_eq!(settings.queue.rabbitmq.url.expect("it was set").expose(), "amqp://u:p@host");
    assert_eq!(settings.metrics.max_mailbox_series, 7);
}

#[test]
fn temperatures_in_the_file_are_taken_exactly() {
    let settings = Setup::file("[devices]\ntemperature_threshold_celsius = 0.3\ntemperature_min_celsius = -273.15\n").settings();
    assert_eq!(settings.devices.temperature_threshold_celsius.steps(), 3_000);
    assert_eq!(settings.devices.temperature_min_celsius.steps(), -2_731_500);
}

#[test]
fn all_problems_are_reported_at_once_with_place_key_value_and_what_is_allowed() {
    let setup = Setup::file(
        "[server]\nroles = [\"ingest\", \"brew\"]\ninsecure = \"yes\"\n[devices]\nsilent_after = \"30\"\ndistance_threshold_km = -1\n[queue]\nmax_bytes = \"lots\"\n",
    )
    .variable("FIELDWATCH_DEVICES__IDLE_AFTER", "soon")
    .flag("--listen", "server.listen", "8080");
    assert_eq!(
        setup.problems(),
        [
            r#"--listen: server.listen = "8080": must be an IP address and a port, such as "127.0.0.1:8080" or "[::1]:8080""#,
            r#"fieldwatch.toml:2: server.roles = ["ingest", "brew"]: must be a list of different ones of "ingest", "state", "api""#,
            r#"fieldwatch.toml:3: server.insecure = "yes": must be true or false, without quotes"#,
            "fieldwatch.toml:6: devices.distance_threshold_km = -1: must be a number of kilometres from 0 to 20016, without quotes",
            r#"FIELDWATCH_DEVICES__IDLE_AFTER: devices.idle_after = "soon": a duration is written like "500ms", "30s", "5m", "1h30m" or "7d"; or "never""#,
            r#"fieldwatch.toml:5: devices.silent_after = "30": a duration needs a unit, for example "30s" (units: ms, s, m, h, d); or "never""#,
            r#"fieldwatch.toml:8: queue.max_bytes = "lots": a size is a whole number with a unit, such as "8GiB" or "512MB" (units: kB, MB, GB, TB, KiB, MiB, GiB, TiB), or of bytes"#,
        ]
    );
}

#[test]
fn a_check_across_keys_is_reported_with_the_rest_unless_one_of_its_keys_is_unreadable() {
    let setup = Setup::file("[server]\nlisten = \"0.0.0.0:80\"\n[queue]\nkind = \"tube\"\n");
    assert_eq!(setup.problems().len(), 2);
    let unreadable = Setup::file("[server]\nlisten = \"0.0.0.0:80\"\ninsecure = 1\n").problems();
    assert_eq!(unreadable, ["fieldwatch.toml:3: server.insecure = 1: must be true or false, without quotes"]);
}

#[test]
fn an_unknown_key_is_an_error_that_names_the_nearest() {
    let setup = Setup::file("listen = \"127.0.0.1:1\"\n[devices]\nsilent_afer = \"5m\"\n[sever]\nlisten = \"127.0.0.1:1\"\n")
        .variable("FIELDWATCH_SERVER_LISTEN", "127.0.0.1:1");
    let mut problems = setup.problems();
    problems.sort();
    assert_eq!(
        problems,
        [
            "FIELDWATCH_SERVER_LISTEN: no setting has this name; the nearest is FIELDWATCH_SERVER__LISTEN",
            "fieldwatch.toml:1: listen: no setting has this name; the nearest is server.listen",
            "fieldwatch.toml:3: devices.silent_afer: no setting has this name; the nearest is devices.silent_after",
            "fieldwatch.toml:4: sever: no setting has this name; the nearest is server",
        ]
    );
}

#[test]
fn switches_of_tests_and_variables_of_kubernetes_are_no_settings() {
    let setup = Setup::nothing()
        .variable("FIELDWATCH_UNSAFE_SKIP_FSYNC", "1")
        .variable("FIELDWATCH_TEST_ANYTHING", "1")
        .variable("FIELDWATCH_BIN", "1")
        .variable("FIELDWATCH_SERVICE_HOST", "10.0.0.1")
        .variable("FIELDWATCH_PORT", "tcp://10.0.0.1:80")
        .variable("OTHER", "1");
    assert_eq!(setup.settings(), Settings::default());
}

#[test]
fn a_file_that_is_no_toml_says_where() {
    let problems = Setup::file("[server]\nlisten = 127.0.0.1:8080\n").problems();
    assert!(!problems.is_empty() && problems.iter().all(|problem| problem.starts_with("fieldwatch.toml:2: ")), "{problems:?}");
}

#[test]
fn a_section_that_is_a_value_and_a_value_that_is_a_section_are_named() {
    assert_eq!(Setup::file("server = 1\n").problems(), ["fieldwatch.toml:1: server: is a section, written [server]"]);
    let problems = Setup::file("[server.listen]\nport = 1\n").problems();
    assert!(problems[0].starts_with("fieldwatch.toml:1: server.listen = (table): must be a text"), "{problems:?}");
}

#[test]
fn a_named_file_has_to_be_there_and_the_usual_one_need_not() {
    let missing = PathBuf::from("/nowhere/fieldwatch.toml");
    let load_from = |file| load(&Sources { file, environment: Vec::new(), flags: Vec::new() });
    assert!(load_from(ConfigFile::IfPresent(missing.clone())).is_ok());
    let problems = load_from(ConfigFile::Named(missing)).expect_err("it is not there");
    assert!(problems.to_string().starts_with("/nowhere/fieldwatch.toml: cannot read the configuration file: "), "{problems}");
}

#[test]
fn an_address_that_others_reach_is_refused_unless_insecure() {
    for address in ["0.0.0.0:8080", "[::]:8080", "192.168.1.5:80", "[::ffff:10.0.0.1]:80"] {
        let setup = Setup::nothing().variable("FIELDWATCH_SERVER__LISTEN", address);
        let problems = setup.problems();
        assert!(problems[0].starts_with("FIELDWATCH_SERVER__LISTEN: server.listen: "), "{problems:?}");
        assert!(problems[0].contains("server.insecure = true"), "{problems:?}");
        assert!(setup.variable("FIELDWATCH_SERVER__INSECURE", "true").settings().server.insecure);
    }
    for address in ["127.0.0.1:0", "127.8.8.8:1", "[::1]:80", "localhost:80", "[::ffff:127.0.0.1]:80"] {
        Setup::nothing().variable("FIELDWATCH_SERVER__LISTEN", address).settings();
    }
}

#[test]
fn limits_of_belief_lie_in_order_and_above_absolute_zero() {
    let limits = |min: &str, max: &str| {
        Setup::file(&format!("[devices]\ntemperature_min_celsius = {min}\ntemperature_max_celsius = {max}\n"))
    };
    limits("-273.15", "10000").settings();
    limits("4.9999", "5").settings();
    for (min, max) in [("5", "5"), ("6", "5"), ("-273.1501", "5"), ("5", "10000.0001"), ("nan", "5"), ("5", "inf"), ("1e1", "20")] {
        assert_eq!(limits(min, max).problems().len(), 1, "{min} {max}");
    }
}

#[test]
fn another_kind_needs_to_know_where_its_server_is_and_is_said_not_to_be_built() {
    for (variables, needed) in [
        (&[("FIELDWATCH_QUEUE__KIND", "rabbitmq")][..], &["queue.rabbitmq.url"][..]),
        (&[("FIELDWATCH_STORE__KIND", "postgresql")], &["store.postgresql.url"]),
        (&[("FIELDWATCH_STORE__KIND", "kurrentdb")], &["store.kurrentdb.url"]),
        (&[("FIELDWATCH_STORE__KIND", "influxdb")], &["store.influxdb.url", "store.influxdb.bucket"]),
        (&[("FIELDWATCH_PUSH__KIND", "pushpin")], &["push.pushpin.control_url"]),
    ] {
        let setup = variables.iter().fold(Setup::nothing(), |setup, (name, value)| setup.variable(name, value));
        let problems = setup.problems();
        assert_eq!(problems.len(), needed.len(), "{problems:?}");
        assert!(problems.iter().zip(needed).all(|(problem, key)| problem.starts_with(key)), "{problems:?}");
    }
    let settings = Setup::nothing()
        .variable("FIELDWATCH_QUEUE__KIND", "rabbitmq")
        .variable("FIELDWATCH_QUEUE__RABBITMQ__URL", "amqps://host")
        .variable("FIELDWATCH_STORE__KIND", "postgresql")
        .variable("FIELDWATCH_STORE__POSTGRESQL__URL", "postgres://host/db")
        .variable("FIELDWATCH_SERVER__ORIGINAL_ENDPOINTS", "token")
        .settings();
    assert_eq!(unsupported(&settings), [r#"server.original_endpoints = "token" is not built yet; use "open" or "off""#]);
    assert!(unsupported(&Settings::default()).is_empty());
    let in_other_order = Setup::nothing().variable("FIELDWATCH_SERVER__ROLES", "api,state,ingest").settings();
    assert!(unsupported(&in_other_order).is_empty());
}

#[test]
fn a_process_with_some_roles_needs_a_queue_and_a_store_that_others_reach() {
    let setup = |roles, queue, store| {
        Setup::nothing()
            .variable("FIELDWATCH_SERVER__ROLES", roles)
            .variable("FIELDWATCH_QUEUE__KIND", queue)
            .variable("FIELDWATCH_QUEUE__RABBITMQ__URL", "amqp://host")
            .variable("FIELDWATCH_STORE__KIND", store)
            .variable("FIELDWATCH_STORE__POSTGRESQL__URL", "postgres://host/db")
    };
    for roles in ["ingest", "state", "api", "ingest,state", "ingest,api"] {
        drop(setup(roles, "rabbitmq", "postgresql").settings());
        let alone = setup(roles, "embedded", "postgresql").problems();
        assert!(alone.len() == 1 && alone[0].contains("server.roles"), "{alone:?}");
    }
    for roles in ["state", "api", "ingest,state", "ingest,api"] {
        let apart = setup(roles, "rabbitmq", "embedded").problems();
        assert!(apart.len() == 1 && apart[0].contains("need state and api together"), "{apart:?}");
    }
    drop(setup("ingest", "rabbitmq", "embedded").settings());
    drop(setup("state,api", "rabbitmq", "embedded").settings());
    let unrestored = setup("state", "rabbitmq", "postgresql").variable("FIELDWATCH_DEVICES__RESTORE", "false").problems();
    assert!(unrestored.len() == 1 && unrestored[0].contains("devices.restore"), "{unrestored:?}");
    let uneven = setup("state", "rabbitmq", "postgresql").variable("FIELDWATCH_QUEUE__RABBITMQ__PARTITIONS", "24").problems();
    assert!(uneven.len() == 1 && uneven[0].contains("must be 1, 2, 4, 8, 16, 32 or 64"), "{uneven:?}");
}

#[test]
fn a_secret_comes_from_its_file_and_a_later_source_wins_over_it() {
    let setup = Setup::nothing();
    let path = setup.beside("token", "hunter2\n");
    fs::write(setup.path(), format!("[store.influxdb]\ntoken_file = {path:?}\n")).expect("the folder is there");
    let token = |setup: &Setup| setup.settings().store.influxdb.token.expect("it was set").expose().to_owned();
    assert_eq!(token(&setup), "hunter2");
    let printed = print(&setup.load().expect("right"), Explain::No);
    assert!(printed.contains(&format!("token_file = {path:?}")) && !printed.contains("hunter2"), "{printed}");
    let setup = setup.variable("FIELDWATCH_STORE__INFLUXDB__TOKEN", "other");
    assert_eq!(token(&setup), "other");
    assert!(!print(&setup.load().expect("right"), Explain::No).contains("token_file"));
}

#[test]
fn a_secret_in_two_ways_or_from_no_file_is_refused() {
    let both = Setup::file("[push.pushpin]\ngrip_key = \"hunter2\"\ngrip_key_file = \"f\"\n").problems();
    assert_eq!(both, [r#"fieldwatch.toml:3: push.pushpin.grip_key_file = "f": cannot be set together with push.pushpin.grip_key"#]);
    let missing = Setup::file("[queue.rabbitmq]\nurl_file = \"/nowhere/url\"\n").problems();
    assert!(missing[0].starts_with(r#"fieldwatch.toml:2: queue.rabbitmq.url_file = "/nowhere/url": cannot read this file: "#));
}

#[test]
fn no_secret_is_shown_whether_right_or_wrong() {
    let secrets = [
        ("FIELDWATCH_QUEUE__RABBITMQ__URL", "amqp://user:hunter2@host"),
        ("FIELDWATCH_STORE__POSTGRESQL__URL", "postgresql://user:hunter2@host/db?sslpassword=hunter2"),
        ("FIELDWATCH_STORE__KURRENTDB__URL", "esdb://user:hunter2@host"),
        ("FIELDWATCH_STORE__INFLUXDB__URL", "http://user:hunter2@host"),
        ("FIELDWATCH_STORE__INFLUXDB__TOKEN", "hunter2"),
        ("FIELDWATCH_PUSH__PUSHPIN__CONTROL_URL", "http://user:hunter2@host"),
        ("FIELDWATCH_PUSH__PUSHPIN__GRIP_KEY", "hunter2"),
    ];
    let setup = secrets.iter().fold(Setup::nothing(), |setup, (name, value)| setup.variable(name, value));
    let loaded = setup.load().expect("all of it is right");
    assert!(!format!("{:?}", loaded.settings).contains("hunter2"));
    let printed = print(&loaded, Explain::Yes);
    assert!(!printed.contains("hunter2"), "{printed}");
    assert_eq!(printed.matches("***").count(), secrets.len() + 1, "{printed}");
    Setup::file(&printed).settings();

    let wrong = Setup::nothing().variable("FIELDWATCH_QUEUE__RABBITMQ__URL", "ftp://user:hunter2@host");
    assert!(!wrong.problems()[0].contains("hunter2"));
}

#[test]
fn every_setting_is_printed_with_its_origin() {
    let loaded = Setup::nothing().flag("--listen", "server.listen", "127.0.0.1:9").load().expect("right");
    let printed = print(&loaded, Explain::No);
    assert!(printed.contains("listen = \"127.0.0.1:9\"  # --listen\n"), "{printed}");
    assert!(printed.contains("[devices]\ntemperature_threshold_celsius = 2  # default\n"), "{printed}");
    assert!(
        printed.contains("[queue.rabbitmq]\n# url is not set\n# ca_file is not set\npartitions = 16  # default\n"),
        "{printed}"
    );
    for key in keys::KEYS {
        let last = key.name.rsplit('.').next().expect("a name has a last part");
        assert!(
            printed.contains(&format!("\n{last} = "))
                || printed.starts_with(last)
                || printed.contains(&format!("# {last} is not set"))
        );
    }
}

#[test]
fn sections_are_printed_once_each() {
    let printed = print(&Setup::nothing().load().expect("right"), Explain::Yes);
    for section in keys::sections().iter().filter(|section| keys::KEYS.iter().any(|key| key.section() == *section)) {
        assert_eq!(printed.matches(&format!("\n[{section}]\n")).count(), 1, "{section}");
    }
    assert_eq!(Setup::file(&printed).settings(), Settings::default());
}

fn any_duration() -> impl Strategy<Value = Option<Duration>> {
    proptest::option::of((1_u64..3_153_600_000_000).prop_map(Duration::from_millis))
}

prop_compose! {
    /// Settings that are right, without secrets: those do not come back from print.
    fn any_settings()(
        port: u16,
        folder in "[^\0]{1,30}",
        threshold in 0_i32..100_000_000,
        distance in 0.0_f64..20_000.0,
        limits in (-2_731_500_i32..0, 0_i32..100_000_000),
        durations in (any_duration(), any_duration(), any_duration(), any_duration()),
        restore: bool,
        roles in Just(vec![Role::Ingest, Role::State, Role::Api]).prop_shuffle(),
        size in 1..=i64::MAX as u64,
        texts in ("[^\0]{1,20}", "[^\0]{1,20}"),
        bucket in proptest::option::of("[^\0]{1,20}"),
        counts in (proptest::sample::select(vec![1_u32, 2, 4, 8, 16, 32, 64]), 1_u32..=65_535),
    ) -> Settings {
        let mut settings = Settings::default();
        settings.server.listen.set_port(port);
        settings.server.roles = roles;
        settings.data_dir = PathBuf::from(folder);
        settings.devices.temperature_threshold_celsius = fieldwatch_domain::Celsius::from_stored(threshold);
        settings.devices.distance_threshold_km = distance;
        settings.devices.temperature_min_celsius = fieldwatch_domain::Celsius::from_stored(limits.0 - 1);
        settings.devices.temperature_max_celsius = fieldwatch_domain::Celsius::from_stored(limits.1);
        settings.devices.restore = restore;
        (settings.devices.idle_after, settings.devices.silent_after, settings.store.retention, settings.metrics.mailbox_interval) = durations;
        settings.queue.max_bytes = ByteSize::from_bytes(size);
        (settings.queue.rabbitmq.exchange, settings.queue.rabbitmq.routing_key) = texts;
        settings.store.influxdb.bucket = bucket;
        (settings.queue.rabbitmq.partitions, settings.queue.rabbitmq.prefetch) = counts;
        settings
    }
}

proptest! {
    #[test]
    fn a_printed_configuration_reads_back_the_same(settings in any_settings()) {
        let printed = print(&Loaded::of(settings.clone()), Explain::Yes);
        let read = Setup::file(&printed).load();
        prop_assert_eq!(read.map(|loaded| loaded.settings), Ok(settings), "{}", printed);
    }

    #[test]
    fn no_text_makes_the_reader_panic(text in "(\\[[a-z.]{1,12}\\]\n|[a-z_.]{1,20} = [ -~]{0,20}\n|\\PC{0,10}\n){0,6}") {
        let _ = Setup::file(&text).load();
    }

    #[test]
    fn no_value_of_a_variable_makes_the_reader_panic(key in 0..keys::KEYS.len(), value in "\\PC{0,20}") {
        let _ = Setup::nothing().variable(&environment::variable(keys::KEYS[key].name), &value).load();
    }
}
