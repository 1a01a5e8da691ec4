//! `RabbitMQ`: a broker in a folder of its own, on private ports, with an `epmd` of its own.
//!
//! It comes with many empty virtual hosts, one for each test ([`RabbitMq::create_vhost`]). Whoever ends, however it ends, takes
//! the broker with it: a watcher waits on a pipe that only this process holds open, and kills the whole tree when it closes.

mod config;

mod epmd;

mod tree;

use crate::{Missing, certificates::Certificates};
use epmd::Epmd;
use rustix::process::Signal;
use std::{
    io::{Read, Write},
    net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};
use tree::Tree;

/// Where Debian puts the programs. Those in the path change the user and the folder.
const PROGRAMS: &str = "/usr/lib/rabbitmq/bin";
/// How many virtual hosts there are.
pub(crate) const VHOSTS: usize = 48;
/// A start takes 8 s on a quiet machine of two cores.
const PATIENCE: Duration = Duration::from_mins(2);

/// A running broker; it ends when this is dropped, or this process ends.
pub struct RabbitMq {
    kind: Kind,
    taken: AtomicUsize,
}

enum Kind {
    Own(Own),
    Configured { before_vhost: String, behind_vhost: String },
}

struct Own {
    /// Removed when this is dropped; by the watcher when nobody drops it.
    dir: tempfile::TempDir,
    ports: Ports,
    /// Those of its encrypted port.
    certificates: Result<Certificates, Missing>,
    epmd: Epmd,
    server: Mutex<Option<Tree>>,
}

struct Ports {
    amqp: u16,
    amqps: u16,
    distribution: u16,
    epmd: u16,
}

impl RabbitMq {
    /// Starts one, and waits until it answers.
    ///
    /// # Errors
    /// When it is not installed, or does not start.
    pub fn start() -> Result<Self, Missing> {
        if let Ok(url) = std::env::var("FIELDWATCH_TEST_RABBITMQ_URL") {
            return configured(&url);
        }
        if !Path::new(PROGRAMS).join("rabbitmq-server").exists() {
            return Err(Missing("RabbitMQ is not installed (Debian: apt-get install rabbitmq-server)".into()));
        }
        let own = Own::start().map_err(|error| Missing(format!("RabbitMQ cannot be started: {error}")))?;
        Ok(Self { kind: Kind::Own(own), taken: AtomicUsize::new(0) })
    }

    /// A virtual host that nobody else was given.
    ///
    /// # Panics
    /// When there are no more.
    pub fn create_vhost(&self) -> String {
        let number = self.taken.fetch_add(1, Relaxed);
        assert!(number < VHOSTS, "a broker has {VHOSTS} virtual hosts for tests");
        format!("t{number}")
    }

    /// The address of a virtual host, with user and password.
    pub fn url(&self, vhost: &str) -> String {
        match &self.kind {
            Kind::Own(own) => format!("amqp://{}:{}@127.0.0.1:{}/{vhost}", config::USER, config::PASSWORD, own.ports.amqp),
            Kind::Configured { before_vhost, behind_vhost } => format!("{before_vhost}/{vhost}{behind_vhost}"),
        }
    }

    /// The address of a virtual host by which connections are encrypted, and the certificates that go with it.
    ///
    /// # Errors
    /// When there are no certificates, or it is a configured broker: whether that one's connections are encrypted is in its address.
    pub fn encrypted(&self, vhost: &str) -> Result<(String, &Certificates), Missing> {
        let Kind::Own(own) = &self.kind else {
            return Err(Missing("whether a configured broker encrypts is in its address".into()));
        };
        let certificates = own.certificates.as_ref().map_err(Clone::clone)?;
        let url = format!("amqps://{}:{}@localhost:{}/{vhost}", config::USER, config::PASSWORD, own.ports.amqps);
        Ok((url, certificates))
    }

    /// Where it listens; `None` of a configured one.
    pub fn address(&self) -> Option<SocketAddr> {
        let Kind::Own(own) = &self.kind else { return None };
        Some((Ipv4Addr::LOCALHOST, own.ports.amqp).into())
    }

    /// Whether it was started here, so that it can be killed and stopped.
    pub fn is_ours(&self) -> bool {
        matches!(self.kind, Kind::Own(_))
    }

    /// Kills it and everything it has started, at once.
    ///
    /// # Panics
    /// As all that follows: of a configured one, which is left alone ([`Self::is_ours`]).
    pub fn kill9(&self) {
        self.own().tree().take();
    }

    /// Starts it again after [`Self::kill9`], on the same ports and folder, and waits until it answers.
    ///
    /// # Panics
    /// When it does not start.
    pub fn restart(&self) {
        self.own().launch().expect("the broker starts again");
    }

    /// Stops it in its tracks: it neither answers nor closes anything until [`Self::go_on`].
    pub fn freeze(&self) {
        self.signal(Signal::STOP);
    }

    /// Lets it go on after [`Self::freeze`].
    pub fn go_on(&self) {
        self.signal(Signal::CONT);
    }

    /// Has it believe that its disk is full, or not any more. Takes a second or two.
    ///
    /// # Panics
    /// When it cannot be told.
    pub fn set_disk_alarm(&self, full: bool) {
        let limit = if full { "1000000000000000" } else { "1000000" };
        self.control(&["set_disk_free_limit", limit]);
    }

    /// Runs `rabbitmqctl`, which costs more than a second, and gives what it says.
    ///
    /// # Panics
    /// When it fails.
    pub fn control(&self, arguments: &[&str]) -> String {
        let done = self.own().program("rabbitmqctl").arg("-q").args(arguments).output().expect("rabbitmqctl can be run");
        assert!(done.status.success(), "rabbitmqctl {arguments:?}: {}", String::from_utf8_lossy(&done.stderr));
        String::from_utf8_lossy(&done.stdout).into_owned()
    }

    fn signal(&self, signal: Signal) {
        if let Some(tree) = self.own().tree().as_ref() {
            tree.signal(signal);
        }
    }

    fn own(&self) -> &Own {
        match &self.kind {
            Kind::Own(own) => own,
            // A test that would kill somebody's broker is wrong, and must not pass.
            Kind::Configured { .. } => panic!("a configured broker is left alone; ask is_ours first"),
        }
    }
}

impl Own {
    fn start() -> std::io::Result<Self> {
        let dir = tempfile::Builder::new().prefix("fieldwatch-rabbitmq-").tempdir()?;
        let ports = Ports { amqp: free_port()?, amqps: free_port()?, distribution: free_port()?, epmd: free_port()? };
        let certificates = Certificates::make(dir.path());
        config::write(dir.path(), &ports, certificates.as_ref().ok())?;
        let epmd = Epmd::start(ports.epmd)?;
        let own = Self { dir, ports, certificates, epmd, server: Mutex::default() };
        own.launch()?;
        Ok(own)
    }

    fn launch(&self) -> std::io::Result<()> {
        let mut server = self.tree();
        // The old one first: it has the same ports and files.
        drop(server.take());
        self.epmd.must_live()?;
        let log = std::fs::File::create(self.dir.path().join("server.out"))?;
        let mut command = self.program("rabbitmq-server");
        command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log);
        *server = Some(Tree::grow(command, self.epmd.id(), self.dir.path())?);
        drop(server);
        self.wait_until_it_answers()
    }

    fn wait_until_it_answers(&self) -> std::io::Result<()> {
        let give_up = Instant::now() + PATIENCE;
        loop {
            match greeted(self.ports.amqp) {
                Ok(()) => return Ok(()),
                Err(_) if Instant::now() < give_up => std::thread::sleep(Duration::from_millis(50)),
                Err(error) => {
                    let said = std::fs::read_to_string(self.dir.path().join("server.out")).unwrap_or_default();
                    return Err(std::io::Error::other(format!("it does not answer: {error}; it said: {said}")));
                }
            }
        }
    }

    /// A program of the broker's, with the environment that makes it private.
    fn program(&self, name: &str) -> Command {
        let mut command = Command::new(PathBuf::from(PROGRAMS).join(name));
        command.current_dir(self.dir.path()).envs(config::environment(self.dir.path(), &self.ports));
        command
    }

    fn tree(&self) -> MutexGuard<'_, Option<Tree>> {
        self.server.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Own {
    fn drop(&mut self) {
        // It ends before epmd, which is a field and ends after this.
        self.tree().take();
    }
}

fn configured(url: &str) -> Result<RabbitMq, Missing> {
    let (address, query) = url.split_once('?').map_or((url, String::new()), |(address, query)| (address, format!("?{query}")));
    let scheme = address.find("://").ok_or_else(|| Missing("FIELDWATCH_TEST_RABBITMQ_URL is not an address".into()))? + 3;
    let end = address[scheme..].find('/').map_or(address.len(), |slash| scheme + slash);
    let kind = Kind::Configured { before_vhost: address[..end].into(), behind_vhost: query };
    Ok(RabbitMq { kind, taken: AtomicUsize::new(0) })
}

/// Whether a broker answers at this port as one does.
fn greeted(port: u16) -> std::io::Result<()> {
    let address = (Ipv4Addr::LOCALHOST, port).into();
    let mut stream = TcpStream::connect_timeout(&address, Duration::from_secs(2))?;
    stream.set_read_timeout(Some(Duration::from_secs(5)))?;
    stream.write_all(b"AMQP\0\0\x09\x01")?;
    let mut answer = [0; 1];
    stream.read_exact(&mut answer)?;
    if answer == [1] { Ok(()) } else { Err(std::io::Error::other("it speaks another protocol")) }
}

/// A port that nobody listens on, below those which the kernel gives to outgoing connections: a client that reconnects to a
/// broker that is down could otherwise take its port.
fn free_port() -> std::io::Result<u16> {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    for _ in 0..2_000 {
        let step = NEXT.fetch_add(1, Relaxed) + std::process::id() as usize * 7;
        let port = 12_000 + (step % 19_000) as u16;
        if TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok() {
            return Ok(port);
        }
    }
    Err(std::io::Error::other("no port is free"))
}
