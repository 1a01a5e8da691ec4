//! What a command writes for others to read: buffered, and content when its reader has seen enough.

use std::io::{self, BufWriter, IsTerminal as _, StdoutLock, Write};

use anyhow::Context as _;

/// How much is gathered before it is written: a pipe takes 64 KiB at once.
const BUFFER_BYTES: usize = 64 << 10;

/// Lets `write` fill stdout. A reader that has gone away (`| head`) is no failure: what it wanted it has.
pub(crate) fn write_out(write: impl FnOnce(&mut BufWriter<StdoutLock<'static>>) -> anyhow::Result<()>) -> anyhow::Result<()> {
    let mut out = BufWriter::with_capacity(BUFFER_BYTES, io::stdout().lock());
    let written = write(&mut out).and_then(|()| out.flush().context("cannot write the output"));
    // What is still in the buffer then has no reader, and must not be tried again when it is dropped.
    let (_, _) = out.into_parts();
    unless_reader_left(written)
}

/// Writes a whole text.
pub(crate) fn write_text(text: &str) -> anyhow::Result<()> {
    write_out(|out| out.write_all(text.as_bytes()).context("cannot write the output"))
}

/// Whether a person reads stdout as it is written.
pub(crate) fn is_terminal() -> bool {
    io::stdout().is_terminal()
}

fn unless_reader_left(written: anyhow::Result<()>) -> anyhow::Result<()> {
    match written {
        Err(error) if is_broken_pipe(&error) => Ok(()),
        other => other,
    }
}

fn is_broken_pipe(error: &anyhow::Error) -> bool {
    error.chain().filter_map(|cause| cause.downcast_ref::<io::Error>()).any(|cause| cause.kind() == io::ErrorKind::BrokenPipe)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_reader_that_left_is_no_failure() {
        let failed = |kind| Err(io::Error::from(kind)).context("cannot write the output");
        assert!(unless_reader_left(failed(io::ErrorKind::BrokenPipe)).is_ok());
        assert!(unless_reader_left(failed(io::ErrorKind::StorageFull)).is_err());
    }
}
