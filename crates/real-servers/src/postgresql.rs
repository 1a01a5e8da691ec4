//! `PostgreSQL`, as Debian packages it.

mod tree;

use crate::Missing;
use rustix::process::{Signal, geteuid};
use std::{
    fs,
    io::{self, Read},
    net::{TcpListener, TcpStream},
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::atomic::{AtomicU32, Ordering},
    thread,
    time::{Duration, Instant},
};
use tree::Tree;

/// Names a server that is to be used instead of one of our own: an address without a database, of a user who may create some.
pub const CONFIGURED: &str = "FIELDWATCH_TEST_POSTGRESQL_URL";

/// Private ports are taken from here up, and below those that the kernel gives to outgoing connections: a client that
/// reconnects to a server that is down would otherwise take, or even reach, its port.
const PORTS: std::ops::Range<u16> = 21_000..31_000;
const USER: &str = "fieldwatch";
const PASSWORD: &str = "only on this machine";
const START_DEADLINE: Duration = Duration::from_mins(1);
const POLL: Duration = Duration::from_millis(20);

/// How a server is started.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    /// Whether a commit waits for the disk. What does not concern durability is faster without.
    pub durable: bool,
    /// A certificate and its key, to offer TLS.
    pub certificate: Option<(PathBuf, PathBuf)>,
}

/// A server of one's own, or one that is configured.
#[derive(Debug)]
pub struct PostgreSql {
    own: Option<Own>,
    /// Up to the database's name.
    address: String,
}

#[derive(Debug)]
struct Own {
    /// Before the folder, so that the server is gone when its folder is removed.
    tree: Option<Tree>,
    dir: tempfile::TempDir,
    programs: PathBuf,
    port: u16,
    settings: Settings,
}

impl PostgreSql {
    /// Starts a server whose commits wait for the disk.
    pub fn start() -> Result<Self, Missing> {
        Self::start_with(Settings { durable: true, certificate: None })
    }

    /// Starts a server, and waits until it takes connections.
    pub fn start_with(settings: Settings) -> Result<Self, Missing> {
        if let Ok(address) = std::env::var(CONFIGURED)
            && settings.certificate.is_none()
        {
            return Ok(Self { own: None, address: address.trim_end_matches('/').to_owned() });
        }
        let programs = installed()?;
        let failed = |what: &str, error: &dyn std::fmt::Display| Missing(format!("PostgreSQL: {what}: {error}"));
        let dir =
            tempfile::Builder::new().prefix("fieldwatch-postgresql-").tempdir().map_err(|error| failed("no folder", &error))?;
        // Whom the server runs as has to get through to its own folder.
        fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o777)).map_err(|error| failed("its folder", &error))?;
        let mut own = Own { programs, dir, port: 0, settings, tree: None };
        own.create().map_err(|error| failed("initdb", &error))?;
        own.run().map_err(|error| failed("does not start", &error))?;
        let address = format!("postgresql://{USER}:{}@127.0.0.1:{}", PASSWORD.replace(' ', "%20"), own.port);
        Ok(Self { own: Some(own), address })
    }

    /// The address of a database, whether it exists or not.
    pub fn url(&self, database: &str) -> String {
        format!("{}/{database}", self.address)
    }

    /// Whether it can be killed and paused; one that is configured cannot.
    pub fn is_own(&self) -> bool {
        self.own.is_some()
    }

    /// Creates a database with a name that no other has, and gives its name.
    pub fn create_database(&self) -> io::Result<String> {
        static NEXT: AtomicU32 = AtomicU32::new(1);
        let name = format!("fieldwatch_test_{}_{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        self.ask("postgres", &format!("CREATE DATABASE {name} TEMPLATE template0 ENCODING 'UTF8'"))?;
        Ok(name)
    }

    /// What `psql` answers to a statement, without headings; an error with its text when it fails.
    pub fn ask(&self, database: &str, sql: &str) -> io::Result<String> {
        let psql = self.own.as_ref().map_or_else(|| PathBuf::from("psql"), |own| own.programs.join("psql"));
        let output = Command::new(psql).args(["-XAtq", "-v", "ON_ERROR_STOP=1", "-c", sql, &self.url(database)]).output()?;
        if !output.status.success() {
            return Err(io::Error::other(String::from_utf8_lossy(&output.stderr).into_owned()));
        }
        Ok(String::from_utf8_lossy(&output.stdout).trim_end().to_owned())
    }

    /// The folder with the server's data, if it is our own.
    pub fn data_dir(&self) -> Option<PathBuf> {
        self.own.as_ref().map(Own::data)
    }

    /// Ends it and its children at once, as a crash would.
    pub fn kill9(&mut self) {
        if let Some(own) = &mut self.own {
            own.tree = None;
        }
    }

    /// Starts it again on the same port with the same data.
    pub fn restart(&mut self) -> io::Result<()> {
        self.own.as_mut().map_or(Ok(()), Own::run)
    }

    /// Freezes it with its children until what is given is dropped.
    pub fn stop_cont(&self) -> Option<Frozen<'_>> {
        let tree = self.own.as_ref()?.tree.as_ref()?;
        tree.signal(Signal::STOP);
        Some(Frozen(tree))
    }
}

/// A server that does nothing until this is dropped.
#[must_use]
pub struct Frozen<'a>(&'a Tree);

impl Drop for Frozen<'_> {
    fn drop(&mut self) {
        self.0.signal(Signal::CONT);
    }
}

impl Own {
    fn data(&self) -> PathBuf {
        self.dir.path().join("data")
    }

    fn create(&self) -> io::Result<()> {
        let password = self.dir.path().join("password");
        fs::write(&password, PASSWORD)?;
        fs::set_permissions(&password, fs::Permissions::from_mode(0o644))?;
        let mut command = unprivileged(&self.programs.join("initdb"));
        command.arg("-D").arg(self.data()).args(["-U", USER, "--auth-local=trust", "--auth-host=scram-sha-256", "-E", "UTF8"]);
        command.args(["--locale=C.UTF-8", "--no-sync", "--pwfile"]).arg(password);
        let output = command.current_dir(self.dir.path()).output()?;
        if output.status.success() { Ok(()) } else { Err(io::Error::other(String::from_utf8_lossy(&output.stderr).into_owned())) }
    }

    /// Starts it; after a crash its shared memory, and on a busy machine its port, may not be free at once.
    fn run(&mut self) -> io::Result<()> {
        let deadline = Instant::now() + START_DEADLINE;
        loop {
            let port = if self.port == 0 { free_port()? } else { self.port };
            match self.try_run(port, deadline) {
                Ok(()) => {
                    self.port = port;
                    return Ok(());
                }
                Err(error) if Instant::now() > deadline => return Err(error),
                Err(_) => thread::sleep(POLL * 5),
            }
        }
    }

    fn try_run(&mut self, port: u16, deadline: Instant) -> io::Result<()> {
        let (data, log_path) = (self.data(), self.dir.path().join("log"));
        let log = fs::OpenOptions::new().create(true).append(true).open(&log_path)?;
        let mut command = unprivileged(&self.programs.join("postgres"));
        command.arg("-D").arg(&data).arg("-k").arg(self.dir.path()).arg("-p").arg(port.to_string());
        command.args(["-c", "listen_addresses=127.0.0.1", "-c", "max_connections=200"]);
        if !self.settings.durable {
            command.args(["-c", "fsync=off", "-c", "full_page_writes=off"]);
        }
        if let Some((certificate, key)) = &self.settings.certificate {
            for (name, file) in [("ssl_cert_file", certificate), ("ssl_key_file", key)] {
                let own = self.dir.path().join(name);
                fs::copy(file, &own)?;
                hand_over(&own)?;
                command.arg("-c").arg(format!("{name}={}", own.display()));
            }
            command.args(["-c", "ssl=on"]);
        }
        command.current_dir(self.dir.path()).stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log);
        let mut tree = Tree::spawn(command)?;
        while TcpStream::connect(("127.0.0.1", port)).is_err() || !self.answers(port) {
            if tree.has_ended() || Instant::now() > deadline {
                let mut said = String::new();
                fs::File::open(&log_path)?.read_to_string(&mut said)?;
                let tail: Vec<&str> = said.lines().rev().take(5).collect();
                return Err(io::Error::other(tail.into_iter().rev().collect::<Vec<_>>().join("; ")));
            }
            thread::sleep(POLL);
        }
        self.tree = Some(tree);
        Ok(())
    }

    fn answers(&self, port: u16) -> bool {
        let mut command = Command::new(self.programs.join("pg_isready"));
        command.args(["-q", "-h", "127.0.0.1", "-p", &port.to_string()]);
        command.status().is_ok_and(|status| status.success())
    }
}

/// Where Debian puts the programs: the newest version there is.
fn installed() -> Result<PathBuf, Missing> {
    let versions = fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let mut found: Vec<(u32, PathBuf)> = versions
        .filter_map(|entry| Some((entry.file_name().to_str()?.parse().ok()?, entry.path().join("bin"))))
        .filter(|(_, programs)| programs.join("postgres").is_file() && programs.join("initdb").is_file())
        .collect();
    found.sort();
    let missing = || Missing("PostgreSQL is not installed (Debian: apt-get install postgresql)".to_owned());
    found.pop().map(|(_, programs)| programs).ok_or_else(missing)
}

/// A command that does not run as root, because the server refuses that, and that ends (orderly) when this process does.
fn unprivileged(program: &Path) -> Command {
    let mut command = Command::new("setpriv");
    if geteuid().is_root() {
        command.args(["--reuid", user(), "--regid", user_group(), "--clear-groups"]);
    }
    command.args(["--pdeathsig", "INT", "--"]).arg(program);
    command
}

fn user() -> &'static str {
    let users = fs::read_to_string("/etc/passwd").unwrap_or_default();
    if users.lines().any(|line| line.starts_with("postgres:")) { "postgres" } else { "nobody" }
}

fn user_group() -> &'static str {
    if user() == "postgres" { "postgres" } else { "nogroup" }
}

/// Gives a file to whom the server runs as, for its eyes only.
fn hand_over(file: &Path) -> io::Result<()> {
    fs::set_permissions(file, fs::Permissions::from_mode(0o600))?;
    if !geteuid().is_root() {
        return Ok(());
    }
    let owner = format!("{}:{}", user(), user_group());
    let status = Command::new("chown").arg(owner).arg(file).status()?;
    if status.success() { Ok(()) } else { Err(io::Error::other("chown has failed")) }
}

/// A port that nobody listens on now. Where to begin differs from process to process, so that they seldom meet.
fn free_port() -> io::Result<u16> {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let count = u32::from(PORTS.end - PORTS.start);
    for _ in 0..count {
        let at = (std::process::id() * 37 + NEXT.fetch_add(1, Ordering::Relaxed)) % count;
        let port = PORTS.start + at as u16;
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return Ok(port);
        }
    }
    Err(io::Error::other("no port is free"))
}
