//! Reading a request's body: within its limit, with patience for each piece, within the memory that all share.

use crate::problem::Problem;
use crate::work::Work;
use axum::http::StatusCode;
use bytes::{Buf, Bytes};
use futures_util::FutureExt;
use http_body_util::BodyExt;
use hyper::body::{Body, Frame};
use std::time::Duration;
use tokio::sync::SemaphorePermit;

/// The largest body, as it comes and inflated.
pub(crate) const MAX_BODY_BYTES: usize = 16 * 1024 * 1024;

/// Bodies up to this size need no turn: a connection's own read buffer is as large.
pub(crate) const SMALL_BODY_BYTES: usize = 64 * 1024;

/// A body of which so much has come is large.
const LARGE_BODY_BYTES: usize = 1024 * 1024;

/// So long the next piece of a body may take.
const PIECE_PATIENCE: Duration = Duration::from_secs(30);

/// A body that was read whole, and what it holds of the memory that all share.
pub(crate) struct ReadBody<'a> {
    pub(crate) bytes: Bytes,
    pub(crate) held: Option<SemaphorePermit<'a>>,
}

/// Reads a body. One that came in one piece is not copied.
///
/// What a body has sent counts against the memory that all share, beyond the first [`SMALL_BODY_BYTES`]; what it has only
/// announced does not, so that a slow sender holds up nobody.
pub(crate) async fn read<B>(work: &Work, mut body: B, most: usize) -> Result<ReadBody<'_>, Problem>
where
    B: Body<Data = Bytes> + Unpin,
{
    let announced = body.size_hint().exact();
    if announced.is_some_and(|length| length > most as u64) {
        return Err(too_large(most));
    }
    let Some(first) = next(&mut body).await? else {
        return Ok(ReadBody { bytes: Bytes::new(), held: None });
    };
    if body.is_end_stream() && first.len() <= most {
        return Ok(ReadBody { bytes: first, held: None });
    }
    // hyper gives no more than was announced.
    let most = announced.map_or(most, |length| length as usize);
    Box::pin(read_rest(work, body, first, most)).await
}

async fn read_rest<B>(work: &Work, mut body: B, first: Bytes, most: usize) -> Result<ReadBody<'_>, Problem>
where
    B: Body<Data = Bytes> + Unpin,
{
    let mut whole = Vec::new();
    let mut held: Option<SemaphorePermit<'_>> = None;
    let mut piece = first;
    loop {
        if whole.len() + piece.len() > most {
            return Err(too_large(most));
        }
        if whole.len() + piece.len() > SMALL_BODY_BYTES {
            // A piece is at most what hyper reads at once, far below 4 GiB.
            let more = work.body_bytes(piece.len() as u32).await?;
            match &mut held {
                Some(held) => held.merge(more),
                None => held = Some(more),
            }
        }
        make_room(&mut whole, piece.len(), most);
        whole.extend_from_slice(&piece);
        // Frees the read buffer before the next piece is waited for.
        drop(piece);
        match next(&mut body).await? {
            Some(next) => piece = next,
            None => return Ok(ReadBody { bytes: whole.into(), held }),
        }
    }
}

/// Grows to four times what is needed, and once a large body is certain, to all that may come: a part of it that is not
/// filled takes address space and no memory, while growing once more would hold the body twice. Doubling, as a vector does
/// by itself, would also go up to twice the limit; taking all at once would let senders who never send it take address space.
fn make_room(whole: &mut Vec<u8>, more: usize, most: usize) {
    let needed = whole.len() + more;
    if needed > whole.capacity() {
        let capacity = if needed > LARGE_BODY_BYTES { most } else { needed.saturating_mul(4).min(most) }.max(needed);
        whole.reserve_exact(capacity - whole.len());
    }
}

/// The next piece that holds something; `None` at the end. A timer is only set when it is not there yet.
async fn next<B>(body: &mut B) -> Result<Option<Bytes>, Problem>
where
    B: Body<Data = Bytes> + Unpin,
{
    loop {
        let frame = match body.frame().now_or_never() {
            Some(frame) => frame,
            None => match tokio::time::timeout(PIECE_PATIENCE, body.frame()).await {
                Ok(frame) => frame,
                Err(_) => return Err(too_slow()),
            },
        };
        match frame.transpose() {
            Ok(None) => return Ok(None),
            Ok(Some(frame)) => match frame.into_data().map_err(Frame::into_trailers) {
                Ok(data) if data.has_remaining() => return Ok(Some(data)),
                Ok(_) | Err(_) => {}
            },
            Err(_) => return Err(cut_short()),
        }
    }
}

fn too_large(most: usize) -> Problem {
    let detail = format!("the body may have {most} bytes at most");
    Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "body_too_large", detail).closing()
}

fn too_slow() -> Problem {
    let detail = format!("nothing more of the body came for {} s", PIECE_PATIENCE.as_secs());
    Problem::new(StatusCode::REQUEST_TIMEOUT, "body_too_slow", detail).closing()
}

fn cut_short() -> Problem {
    Problem::new(StatusCode::BAD_REQUEST, "body_cut_short", "the body ended before it was whole; nothing of it was kept").closing()
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::stream;
    use http_body_util::{Full, StreamBody};
    use std::convert::Infallible;

    fn pieces(pieces: Vec<&'static [u8]>) -> impl Body<Data = Bytes, Error = Infallible> + Unpin {
        StreamBody::new(stream::iter(pieces.into_iter().map(|piece| Ok(Frame::data(Bytes::from_static(piece))))))
    }

    #[tokio::test]
    async fn a_body_in_one_piece_is_not_copied() {
        let bytes = Bytes::from_static(b"{}");
        let work = Work::new();
        let read = read(&work, Full::new(bytes.clone()), 10).await.expect("it is small");
        assert_eq!(read.bytes.as_ptr(), bytes.as_ptr());
    }

    #[tokio::test]
    async fn pieces_are_put_together() {
        let work = Work::new();
        let read = read(&work, pieces(vec![b"ab", b"", b"cd", b"e"]), 5).await.expect("it fits");
        assert_eq!(read.bytes.as_ref(), b"abcde");
    }

    #[tokio::test]
    async fn a_large_body_is_put_together_whole_and_takes_no_more_than_the_limit() {
        const PIECE: usize = 100_000;
        let sent: Vec<u8> = (0..PIECE * 30).map(|at| (at % 251) as u8).collect();
        let work = Work::new();
        for most in [sent.len(), sent.len() + 1, MAX_BODY_BYTES] {
            let pieces: Vec<_> =
                sent.chunks(PIECE).map(|piece| Ok::<_, Infallible>(Frame::data(Bytes::copy_from_slice(piece)))).collect();
            let read = read(&work, StreamBody::new(stream::iter(pieces)), most).await.expect("it fits");
            assert!(read.bytes == sent, "up to {most}");
        }
        let mut whole = Vec::new();
        for piece in sent.chunks(PIECE) {
            make_room(&mut whole, piece.len(), sent.len());
            whole.extend_from_slice(piece);
        }
        assert_eq!(whole.capacity(), sent.len());
    }

    #[tokio::test]
    async fn a_body_beyond_the_limit_is_413_whether_or_not_its_length_was_told() {
        let work = Work::new();
        for problem in [
            read(&work, Full::new(Bytes::from_static(b"abcdef")), 5).await.err(),
            read(&work, pieces(vec![b"abc", b"def"]), 5).await.err(),
            read(&work, pieces(vec![b"abcdef"]), 5).await.err(),
        ] {
            assert_eq!(problem.expect("too large").status(), StatusCode::PAYLOAD_TOO_LARGE);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_that_never_comes_is_given_up() {
        let silent = StreamBody::new(stream::pending::<Result<Frame<Bytes>, Infallible>>());
        let problem = read(&Work::new(), silent, 5).await.err().expect("it never came");
        assert_eq!(problem.status(), StatusCode::REQUEST_TIMEOUT);
    }
}
