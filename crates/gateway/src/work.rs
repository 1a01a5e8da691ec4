//! How much may be in hand at the same time: bytes of large bodies, parsing of them, and walks over many records.

use crate::problem::Problem;
use std::time::Duration;
use tokio::sync::{Semaphore, SemaphorePermit};

/// Bytes of bodies beyond what each request has for free. Three bodies of the largest size, or hundreds of middling ones.
const BODY_BYTES: usize = 48 * 1024 * 1024;

/// So many large bodies are inflated and parsed at a time: each may take 16 MiB inflated and as much for what is in it, and
/// more of them than cores would not be faster.
const PARSERS: usize = 2;

/// So many lists, histories and tracks are walked at a time.
const WALKS: usize = 8;

/// So long a request waits for its turn, then it is told to come again.
const TURN_PATIENCE: Duration = Duration::from_secs(10);

/// The turns.
pub(crate) struct Work {
    body_bytes: Semaphore,
    parsers: Semaphore,
    walks: Semaphore,
}

impl Work {
    pub(crate) fn new() -> Self {
        Self { body_bytes: Semaphore::new(BODY_BYTES), parsers: Semaphore::new(PARSERS), walks: Semaphore::new(WALKS) }
    }

    /// Room for so many bytes of a body, until the permit is dropped.
    pub(crate) async fn body_bytes(&self, bytes: u32) -> Result<SemaphorePermit<'_>, Problem> {
        turn(&self.body_bytes, bytes, "too many large bodies are on their way").await
    }

    /// A turn to inflate and parse a large body.
    pub(crate) async fn parser(&self) -> Result<SemaphorePermit<'_>, Problem> {
        turn(&self.parsers, 1, "too many large bodies wait to be parsed").await
    }

    /// A turn to walk over many records.
    pub(crate) async fn walk(&self) -> Result<SemaphorePermit<'_>, Problem> {
        turn(&self.walks, 1, "too many lists and histories are being read").await
    }
}

async fn turn<'a>(semaphore: &'a Semaphore, count: u32, why: &'static str) -> Result<SemaphorePermit<'a>, Problem> {
    match tokio::time::timeout(TURN_PATIENCE, semaphore.acquire_many(count)).await {
        Ok(Ok(permit)) => Ok(permit),
        // They are never closed; a closed one would mean the same to the client as a full one.
        Ok(Err(_)) | Err(_) => Err(Problem::unavailable("overloaded", why, 2)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn who_waits_too_long_for_a_turn_is_told_to_come_again() {
        let work = Work::new();
        let held = (work.parser().await.expect("a turn"), work.parser().await.expect("a turn"));
        let problem = work.parser().await.expect_err("no turn is left");
        assert_eq!(problem.status().as_u16(), 503);
        drop(held);
        assert!(work.parser().await.is_ok());
    }
}
