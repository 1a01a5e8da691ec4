//! What all measurements share: the program, the folders, and the runtime of the load.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use tokio::runtime::Runtime;
use tokio::signal::unix::{SignalKind, signal};

use crate::cli::Place;
use crate::ground::Settings;
use crate::process;
use crate::server::Server;

/// What the folders of runs are called, before the id of the process.
const RUN: &str = "run-";

/// The place where everything is measured.
pub(crate) struct Bench {
    program: PathBuf,
    own: PathBuf,
    work: PathBuf,
    repository: PathBuf,
    quick: bool,
    runtime: Runtime,
}

impl Bench {
    pub(crate) fn prepare(place: &Place) -> anyhow::Result<Bench> {
        let own = std::env::current_exe().context("find this program")?;
        let beside = own.parent().context("find the folder of this program")?;
        let program = place.program.clone().unwrap_or_else(|| beside.join("fieldwatch"));
        let program = std::path::absolute(program)?;
        let work = place.work.clone().unwrap_or_else(|| beside.with_file_name("bench"));
        fs::create_dir_all(&work).with_context(|| format!("create {}", work.display()))?;
        let runtime = Runtime::new().context("start the runtime of the load")?;
        end_with_all_that_run(&runtime).context("listen to signals")?;
        remove_leftovers(&work);
        let repository = place.repository.canonicalize().with_context(|| format!("find {}", place.repository.display()))?;
        Ok(Bench { program, work: work.canonicalize()?, repository, quick: place.quick, runtime, own })
    }

    pub(crate) fn quick(&self) -> bool {
        self.quick
    }

    /// The first where figures are wanted, the second where it is only to be seen that they can be measured.
    pub(crate) fn pick<T>(&self, thorough: T, quick: T) -> T {
        if self.quick { quick } else { thorough }
    }

    pub(crate) fn repository(&self) -> &Path {
        &self.repository
    }

    pub(crate) fn work(&self) -> &Path {
        &self.work
    }

    pub(crate) fn program(&self) -> &Path {
        &self.program
    }

    /// Where figures are kept; what was measured quickly is not mixed with the others.
    pub(crate) fn results(&self) -> anyhow::Result<PathBuf> {
        let folder = self.work.join(if self.quick { "quick" } else { "results" });
        fs::create_dir_all(&folder).with_context(|| format!("create {}", folder.display()))?;
        Ok(folder)
    }

    /// An empty folder on the measured disk, gone when it is dropped.
    pub(crate) fn folder(&self, name: &str) -> anyhow::Result<Folder> {
        let path = self.work.join(format!("{RUN}{}-{name}", std::process::id()));
        fs::create_dir_all(&path).with_context(|| format!("create {}", path.display()))?;
        Ok(Folder { path })
    }

    /// The program on a data folder; it may still be restoring.
    pub(crate) fn spawn_program(&self, folder: &Folder) -> anyhow::Result<Server> {
        self.spawn_node(folder, "data", &Settings::default())
    }

    /// One of several, with settings of its own; its data and log are kept in the folder under its name.
    pub(crate) fn spawn_node(&self, folder: &Folder, name: &str, settings: &Settings) -> anyhow::Result<Server> {
        if !self.program.is_file() {
            bail!("there is no program at {}: cargo build --release -p fieldwatch, or say --program FILE", self.program.display());
        }
        let address = Server::free_address()?;
        let mut command = std::process::Command::new(&self.program);
        // Started in the folder, so that no fieldwatch.toml of the caller's is read; nor are settings in its environment.
        command.args(["serve", "--quiet", "--data-dir"]).arg(folder.path().join(name));
        command.args(["--listen", &address.to_string()]).current_dir(folder.path());
        for (name, _) in std::env::vars_os().filter(|(name, _)| name.as_encoded_bytes().starts_with(b"FIELDWATCH_")) {
            command.env_remove(name);
        }
        command.envs(settings.variables());
        Server::spawn("the program", command, address, &folder.path().join(format!("{name}-log.txt")))
    }

    /// The program on a data folder, ready.
    pub(crate) fn start_program(&self, folder: &Folder) -> anyhow::Result<Server> {
        let mut server = self.spawn_program(folder)?;
        server.wait_until_ready()?;
        Ok(server)
    }

    /// The bare server, ready. Its answers say that so many readings were accepted.
    pub(crate) fn start_floor(&self, folder: &Folder, accepted: u32) -> anyhow::Result<Server> {
        let address = Server::free_address()?;
        let mut command = std::process::Command::new(&self.own);
        command.args(["floor", "--listen", &address.to_string(), "--accepted", &accepted.to_string()]);
        let mut server = Server::spawn("the floor", command, address, &folder.path().join("floor-log.txt"))?;
        server.wait_until_ready()?;
        Ok(server)
    }

    /// Runs a load on threads of this process, as many as there are cores.
    pub(crate) fn load<T, E: Into<anyhow::Error>>(&self, load: impl Future<Output = Result<T, E>>) -> anyhow::Result<T> {
        self.runtime.block_on(load).map_err(Into::into)
    }
}

/// Interrupted, this process takes with it what it started.
fn end_with_all_that_run(runtime: &Runtime) -> std::io::Result<()> {
    const INTERRUPTED: i32 = 130;
    let _inside = runtime.enter();
    let [mut interrupt, mut terminate] = [signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?];
    runtime.spawn(async move {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
        process::stop_all();
        std::process::exit(INTERRUPTED);
    });
    Ok(())
}

/// Folders of runs that ended without removing them. They are large.
fn remove_leftovers(work: &Path) {
    for entry in fs::read_dir(work).into_iter().flatten().filter_map(Result::ok) {
        let name = entry.file_name();
        let of_process = name.to_str().and_then(|name| name.strip_prefix(RUN)).and_then(|rest| rest.split('-').next());
        if of_process.is_some_and(|pid| !Path::new("/proc").join(pid).exists()) {
            // What cannot be removed is in nobody's way but the disk's.
            let _ = fs::remove_dir_all(entry.path());
        }
    }
}

/// A folder of this run.
pub(crate) struct Folder {
    path: PathBuf,
}

impl Folder {
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Of all files in it, as they would be read.
    pub(crate) fn bytes(&self) -> u64 {
        fn of(path: &Path) -> u64 {
            let Ok(entries) = fs::read_dir(path) else { return 0 };
            entries
                .filter_map(Result::ok)
                .map(|entry| match entry.metadata() {
                    Ok(data) if data.is_dir() => of(&entry.path()),
                    Ok(data) => data.len(),
                    Err(_) => 0,
                })
                .sum()
        }
        of(&self.path)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // What cannot be removed lies under target/, where cargo clean finds it.
        let _ = fs::remove_dir_all(&self.path);
    }
}
