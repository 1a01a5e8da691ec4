//! Bodies that come compressed.

use ruzstd::decoding::errors::{FrameDecoderError, ReadFrameHeaderError};
use ruzstd::decoding::{FrameDecoder, StreamingDecoder};
use std::borrow::Cow;
use std::io::{self, Read};
use thiserror::Error;

/// The content encodings that are taken, as an `Accept-Encoding` header tells them beside a 415.
pub const ACCEPTED_ENCODINGS: &str = "gzip, zstd";

/// The largest zstd window that is taken, in bytes: what RFC 9659 allows for the content coding.
const MAX_ZSTD_WINDOW: u64 = 8 * 1024 * 1024;

/// From here on all is taken that may come.
const LARGE_BYTES: usize = 1024 * 1024;

/// Why a body cannot be decoded.
#[derive(Debug, Error)]
pub enum DecodeError {
    /// The body is larger than allowed, once decompressed: 413.
    #[error("the body has more than {most} bytes once decompressed")]
    TooLarge {
        /// How many it may have.
        most: usize,
    },
    /// The body is not what its encoding says, or is cut short: 400.
    #[error("the body is not {encoding}: {source}")]
    Corrupt {
        /// The encoding that it should have.
        encoding: &'static str,
        /// What is wrong with it.
        source: io::Error,
    },
    /// The encoding is not taken, or there are several: 415.
    #[error("the content encoding must be gzip, zstd, or none")]
    Unsupported,
}

/// Gives a body as it was before its `Content-Encoding`; borrowed where there is none.
///
/// Decompresses step by step and stops at the limit, so that a small body cannot become a large one in memory. Takes
/// several gzip members or zstd frames in a row, as both formats allow, and checks their checksums. Takes one encoding, not
/// several over each other: nobody sends those, except to cost us work.
///
/// # Errors
/// When the body cannot be decoded.
pub fn decode<'a>(content_encoding: Option<&str>, body: &'a [u8], max_inflated: usize) -> Result<Cow<'a, [u8]>, DecodeError> {
    let encoding = content_encoding.unwrap_or_default().trim_matches([' ', '\t']).to_ascii_lowercase();
    match encoding.as_str() {
        "" | "identity" if body.len() > max_inflated => Err(DecodeError::TooLarge { most: max_inflated }),
        "" | "identity" => Ok(Cow::Borrowed(body)),
        "gzip" | "x-gzip" => gunzip(body, max_inflated).map(Cow::Owned),
        "zstd" => unzstd(body, max_inflated).map(Cow::Owned),
        _ => Err(DecodeError::Unsupported),
    }
}

fn gunzip(body: &[u8], most: usize) -> Result<Vec<u8>, DecodeError> {
    let mut inflated = Vec::new();
    read_some(&mut flate2::bufread::MultiGzDecoder::new(body), &mut inflated, most, "gzip")?;
    Ok(inflated)
}

fn unzstd(body: &[u8], most: usize) -> Result<Vec<u8>, DecodeError> {
    let corrupt = |source: io::Error| DecodeError::Corrupt { encoding: "zstd", source };
    let mut decoder = FrameDecoder::new();
    decoder.set_max_window_size(MAX_ZSTD_WINDOW);
    let mut inflated = Vec::new();
    let mut rest = body;
    loop {
        match StreamingDecoder::new_with_decoder(&mut rest, &mut decoder) {
            Ok(mut frame) => read_some(&mut frame, &mut inflated, most, "zstd")?,
            Err(FrameDecoderError::ReadFrameHeaderError(ReadFrameHeaderError::SkipFrame { length, .. })) => {
                rest = rest.get(length as usize..).ok_or_else(|| corrupt(io::ErrorKind::UnexpectedEof.into()))?;
            }
            Err(error) => return Err(corrupt(io::Error::other(error))),
        }
        // The decoder computes the checksum of a frame and leaves it to its caller to compare.
        let told = decoder.get_checksum_from_data();
        if told.is_some() && told != decoder.get_calculated_checksum() {
            return Err(corrupt(io::Error::new(io::ErrorKind::InvalidData, "checksum does not match")));
        }
        if rest.is_empty() {
            return Ok(inflated);
        }
    }
}

/// Reads to the end, or to the first byte that is too many.
fn read_some(from: &mut impl Read, inflated: &mut Vec<u8>, most: usize, encoding: &'static str) -> Result<(), DecodeError> {
    let mut piece = [0; 8 * 1024];
    loop {
        let read = from.read(&mut piece).map_err(|source| DecodeError::Corrupt { encoding, source })?;
        if read == 0 {
            return Ok(());
        }
        let needed = inflated.len() + read;
        if needed > most {
            return Err(DecodeError::TooLarge { most });
        }
        if needed > inflated.capacity() {
            // What is not filled takes no memory. Growing once more when it is large would hold most of it twice; doubling
            // would even go up to twice the limit.
            let capacity = if needed > LARGE_BYTES { most } else { needed.saturating_mul(4).min(most) };
            inflated.reserve_exact(capacity - inflated.len());
        }
        inflated.extend_from_slice(&piece[..read]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use flate2::{Compression, write::GzEncoder};
    use proptest::prelude::*;
    use ruzstd::encoding::{CompressionLevel, compress_to_vec};
    use std::io::Write;

    const ROOM: usize = 1 << 20;

    fn gzip(content: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
        encoder.write_all(content).expect("memory takes it");
        encoder.finish().expect("memory takes it")
    }

    fn zstd(content: &[u8]) -> Vec<u8> {
        compress_to_vec(content, CompressionLevel::Fastest)
    }

    #[test]
    fn a_body_without_encoding_is_given_as_it_is() {
        for encoding in [None, Some(""), Some("identity")] {
            assert!(matches!(decode(encoding, b"{}", 2), Ok(Cow::Borrowed(b"{}"))));
            assert!(matches!(decode(encoding, b"{} ", 2), Err(DecodeError::TooLarge { most: 2 })));
        }
    }

    #[test]
    fn what_was_compressed_comes_back_whole_and_several_parts_in_a_row() {
        let content = b"{\"deviceId\":\"a\"}\n".repeat(3000);
        for (encoding, compressed) in [("gzip", gzip(&content)), ("X-GZip", gzip(&content)), ("zstd", zstd(&content))] {
            assert_eq!(decode(Some(encoding), &compressed, content.len()).expect("decodes"), content, "{encoding}");
            let twice = [compressed.as_slice(), compressed.as_slice()].concat();
            assert_eq!(decode(Some(encoding), &twice, ROOM).expect("decodes"), [content.as_slice(), &content].concat());
        }
    }

    #[test]
    fn what_is_large_comes_back_whole_and_takes_no_more_than_the_limit() {
        let content: Vec<u8> = (0..3 * ROOM).map(|at| (at % 251) as u8).collect();
        for (encoding, compressed) in [("gzip", gzip(&content)), ("zstd", zstd(&content))] {
            for most in [content.len(), content.len() + 1, 16 * ROOM] {
                let decoded = decode(Some(encoding), &compressed, most).expect("decodes").into_owned();
                assert!(decoded == content, "{encoding} up to {most}");
                assert!(decoded.capacity() <= most, "{encoding} up to {most}");
            }
        }
    }

    #[test]
    fn a_bomb_is_cut_at_the_limit() {
        let zeros = vec![0; ROOM + 1];
        for (encoding, compressed) in [("gzip", gzip(&zeros)), ("zstd", zstd(&zeros))] {
            assert!(matches!(decode(Some(encoding), &compressed, ROOM), Err(DecodeError::TooLarge { most: ROOM })));
            assert!(decode(Some(encoding), &compressed, ROOM + 1).is_ok());
            // Each part is small enough, all of them are not.
            let parts = compressed.repeat(2);
            assert!(matches!(decode(Some(encoding), &parts, ROOM + 1), Err(DecodeError::TooLarge { .. })));
        }
    }

    #[test]
    fn a_body_cut_short_or_changed_is_corrupt() {
        let content = b"a reading, another reading, a third reading".repeat(20);
        for (encoding, compressed) in [("gzip", gzip(&content)), ("zstd", zstd(&content))] {
            for length in 0..compressed.len() {
                let cut = decode(Some(encoding), &compressed[..length], ROOM);
                assert!(matches!(cut, Err(DecodeError::Corrupt { .. })), "{encoding} cut to {length} bytes: {cut:?}");
            }
            let mut changed = compressed.clone();
            *changed.last_mut().expect("not empty") ^= 1;
            assert!(matches!(decode(Some(encoding), &changed, ROOM), Err(DecodeError::Corrupt { .. })), "{encoding}");
            let trailed = [compressed.as_slice(), b"x"].concat();
            assert!(matches!(decode(Some(encoding), &trailed, ROOM), Err(DecodeError::Corrupt { .. })), "{encoding}");
        }
    }

    #[test]
    fn a_zstd_frame_to_be_skipped_is_skipped() {
        let skipped = [&[0x50, 0x2a, 0x4d, 0x18, 3, 0, 0, 0][..], b"abc"].concat();
        let body = [skipped.as_slice(), &zstd(b"{}"), &skipped].concat();
        assert_eq!(decode(Some("zstd"), &body, ROOM).expect("decodes"), &b"{}"[..]);
        assert!(decode(Some("zstd"), &skipped[..9], ROOM).is_err());
    }

    #[test]
    fn a_zstd_window_larger_than_http_allows_is_refused_before_memory_is_taken() {
        // Magic number, no single segment, window descriptor of 2^(10 + 17) bytes, one empty last block.
        let body = [0x28, 0xb5, 0x2f, 0xfd, 0x00, 17 << 3, 0x01, 0x00, 0x00];
        assert!(matches!(decode(Some("zstd"), &body, ROOM), Err(DecodeError::Corrupt { .. })));
        let allowed = [0x28, 0xb5, 0x2f, 0xfd, 0x00, 13 << 3, 0x01, 0x00, 0x00];
        assert_eq!(decode(Some("zstd"), &allowed, ROOM).expect("decodes"), &b""[..]);
    }

    #[test]
    fn other_encodings_and_several_of_them_are_unsupported() {
        for encoding in ["br", "deflate", "gzip, gzip", "gzip,identity", "gzip;q=1"] {
            assert!(matches!(decode(Some(encoding), b"", ROOM), Err(DecodeError::Unsupported)), "{encoding}");
        }
    }

    proptest! {
        #[test]
        fn no_bytes_panic(bytes: Vec<u8>, flips in proptest::collection::vec((0usize..200, any::<u8>()), 0..4)) {
            let content = b"a reading, another reading, a third reading".repeat(5);
            for (encoding, mut compressed) in [("gzip", gzip(&content)), ("zstd", zstd(&content))] {
                let _ = decode(Some(encoding), &bytes, 1000);
                let length = compressed.len();
                for (at, change) in &flips {
                    compressed[at % length] ^= change;
                }
                if let Ok(decoded) = decode(Some(encoding), &compressed, 1000) {
                    prop_assert!(decoded.len() <= 1000);
                }
            }
        }
    }
}
