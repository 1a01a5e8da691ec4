//! The head of an HTTP/1.1 response, as far as a load tool looks at it (RFC 9112).

use std::time::Duration;

const MAX_HEAD_BYTES: usize = 64 << 10;

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ResponseHead {
    pub(super) status: u16,
    pub(super) retry_after: Option<Duration>,
    pub(super) body: BodyLength,
    pub(super) keep_alive: bool,
    /// How long the head is, its empty line included.
    pub(super) bytes: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum BodyLength {
    Known(usize),
    Chunked,
    UntilClose,
}

impl ResponseHead {
    /// The head at the start of `received`, or `None` while it is not whole.
    pub(super) fn parse(received: &[u8]) -> Result<Option<ResponseHead>, &'static str> {
        let Some(end) = received.windows(4).position(|four| four == b"\r\n\r\n") else {
            return if received.len() > MAX_HEAD_BYTES { Err("its head has no end") } else { Ok(None) };
        };
        let head = str::from_utf8(&received[..end]).map_err(|_| "its head is not text")?;
        let (status_line, headers) = head.split_once("\r\n").unwrap_or((head, ""));
        let (version, status) = status_line.split_once(' ').ok_or("its status line is none")?;
        if !matches!(version, "HTTP/1.1" | "HTTP/1.0") {
            return Err("its version is another");
        }
        let status = status.get(..3).and_then(|status| status.parse().ok()).ok_or("its status is no number")?;
        let mut parsed = ResponseHead {
            status,
            retry_after: None,
            body: BodyLength::UntilClose,
            keep_alive: version == "HTTP/1.1",
            bytes: end + 4,
        };
        for header in headers.split("\r\n").filter(|header| !header.is_empty()) {
            let (name, value) = header.split_once(':').ok_or("one of its headers has no colon")?;
            parsed.take_header(name, value.trim())?;
        }
        if status == 204 || status == 304 || status < 200 {
            parsed.body = BodyLength::Known(0);
        }
        if parsed.body == BodyLength::UntilClose {
            parsed.keep_alive = false;
        }
        Ok(Some(parsed))
    }

    fn take_header(&mut self, name: &str, value: &str) -> Result<(), &'static str> {
        if name.eq_ignore_ascii_case("content-length") {
            let length = value.parse().map_err(|_| "its content length is no number")?;
            if self.body != BodyLength::Chunked {
                self.body = BodyLength::Known(length);
            }
        } else if name.eq_ignore_ascii_case("transfer-encoding") {
            if !value.eq_ignore_ascii_case("chunked") {
                return Err("its transfer encoding is not known here");
            }
            self.body = BodyLength::Chunked;
        } else if name.eq_ignore_ascii_case("connection") {
            self.keep_alive &= !value.eq_ignore_ascii_case("close");
        } else if name.eq_ignore_ascii_case("retry-after") {
            // The form with a date is not used by any server here.
            self.retry_after = value.parse().ok().map(Duration::from_secs);
        }
        Ok(())
    }
}

/// The content of a chunked body, or `None` while it is not whole.
pub(super) fn dechunk(mut received: &[u8]) -> Result<Option<Vec<u8>>, &'static str> {
    let mut body = Vec::new();
    loop {
        let Some(end) = received.windows(2).position(|two| two == b"\r\n") else { return Ok(None) };
        let size = str::from_utf8(&received[..end]).map_err(|_| "the size of a chunk is not text")?;
        let size = size.split(';').next().unwrap_or_default().trim();
        let size = u32::from_str_radix(size, 16).map_err(|_| "the size of a chunk is no number")? as usize;
        received = &received[end + 2..];
        if size == 0 {
            // Trailers, if any, end with an empty line.
            let whole = received.starts_with(b"\r\n") || received.windows(4).any(|four| four == b"\r\n\r\n");
            return Ok(whole.then_some(body));
        }
        if received.len() < size + 2 {
            return Ok(None);
        }
        body.extend_from_slice(&received[..size]);
        received = &received[size + 2..];
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_is_read_once_it_is_whole() {
        let bytes = b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 2\r\nretry-after: 3\r\n\r\n{}";
        for end in 0..bytes.len() - 2 {
            assert_eq!(ResponseHead::parse(&bytes[..end]), Ok(None), "cut at {end}");
        }
        assert_eq!(
            ResponseHead::parse(bytes),
            Ok(Some(ResponseHead {
                status: 503,
                retry_after: Some(Duration::from_secs(3)),
                body: BodyLength::Known(2),
                keep_alive: true,
                bytes: bytes.len() - 2,
            }))
        );
    }

    #[test]
    fn a_connection_that_the_server_ends_is_not_kept() {
        for head in [
            "HTTP/1.1 202 Accepted\r\ncontent-length: 0\r\nconnection: close\r\n\r\n",
            "HTTP/1.0 202 Accepted\r\ncontent-length: 0\r\n\r\n",
            "HTTP/1.1 202 Accepted\r\n\r\n",
        ] {
            let head = ResponseHead::parse(head.as_bytes()).expect(head).expect("whole");
            assert!(!head.keep_alive, "{head:?}");
        }
    }

    #[test]
    fn what_is_not_http_is_refused() {
        for head in ["SSH-2.0-x\r\n\r\n", "HTTP/2 202\r\n\r\n", "HTTP/1.1 abc\r\n\r\n", "HTTP/1.1 202\r\nx\r\n\r\n"] {
            assert!(ResponseHead::parse(head.as_bytes()).is_err(), "{head:?}");
        }
    }

    #[test]
    fn a_chunked_body_is_put_together_once_it_is_whole() {
        let bytes = b"4;x=1\r\nread\r\n3\r\ning\r\n0\r\n\r\n";
        for end in 0..bytes.len() {
            assert_eq!(dechunk(&bytes[..end]), Ok(None), "cut at {end}");
        }
        assert_eq!(dechunk(bytes), Ok(Some(b"reading".to_vec())));
        assert!(dechunk(b"zz\r\n").is_err());
    }
}
