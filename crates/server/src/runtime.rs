//! The threads that a command's asynchronous work runs on.

use std::thread;
use std::time::Duration;

use anyhow::Context as _;
use tokio::runtime::Builder;

use crate::failure::Failure;
use crate::limits::Limits;
use crate::signals::Stop;

/// On a single core one busy thread would hold up everything else.
const LEAST_WORKERS: usize = 2;
/// Whoever still blocks a thread at the end reads a file or waits for a name; nobody waits for that.
const SHUTDOWN: Duration = Duration::from_millis(200);

/// Runs `work` to its end; it is given what tells it that somebody wants the process to end.
pub(crate) fn run<F: Future<Output = Result<(), Failure>>>(work: impl FnOnce(Stop) -> F) -> Result<(), Failure> {
    let cores = thread::available_parallelism().map_or(LEAST_WORKERS, |cores| cores.get().max(LEAST_WORKERS));
    let runtime = Builder::new_multi_thread()
        .worker_threads(cores)
        .max_blocking_threads(Limits::default().blocking_threads)
        .thread_name("fieldwatch")
        .enable_all()
        .build()
        .context("cannot start threads")?;
    let result = runtime.block_on(async { work(Stop::on_signals()?).await });
    runtime.shutdown_timeout(SHUTDOWN);
    result
}
