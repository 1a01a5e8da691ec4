//! Reads answers of a server: whole ones, and streams line by line. The load has a client of its own in the simulator.

use std::io::{self, BufRead, BufReader, Read, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

/// What is longer is no line of ours.
const LONGEST_LINE_BYTES: u64 = 64 << 10;
/// Room for what a stream brings in one system call.
const RECEIVE_BUFFER_BYTES: usize = 256 << 10;

/// An answer, its body not yet read.
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) body: BufReader<Body>,
    /// Shut down, it ends the body for whoever reads it on another thread.
    pub(crate) connection: TcpStream,
}

/// Asks for a path on a connection of its own. `silence` is how long nothing may come before it counts as broken.
pub(crate) fn get(address: SocketAddr, path: &str, silence: Duration) -> io::Result<Answer> {
    let mut connection = connect(address, silence)?;
    write!(connection, "GET {path} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\r\n")?;
    answer(connection)
}

/// Posts lines of JSON on a connection of its own.
pub(crate) fn post_lines(address: SocketAddr, path: &str, lines: &[u8], silence: Duration) -> io::Result<Answer> {
    let mut connection = connect(address, silence)?;
    let length = lines.len();
    write!(
        connection,
        "POST {path} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\ncontent-type: application/x-ndjson\r\n\
         content-length: {length}\r\n\r\n"
    )?;
    connection.write_all(lines)?;
    answer(connection)
}

fn connect(address: SocketAddr, silence: Duration) -> io::Result<TcpStream> {
    let connection = TcpStream::connect_timeout(&address, silence)?;
    connection.set_read_timeout(Some(silence))?;
    connection.set_nodelay(true)?;
    Ok(connection)
}

fn answer(connection: TcpStream) -> io::Result<Answer> {
    let mut received = BufReader::with_capacity(RECEIVE_BUFFER_BYTES, connection.try_clone()?);
    let status_line = line(&mut received)?;
    let status = status_line.split(' ').nth(1).and_then(|status| status.parse().ok()).ok_or_else(|| malformed("status line"))?;
    let mut length = Length::UntilClose;
    loop {
        let header = line(&mut received)?;
        if header.is_empty() {
            break;
        }
        let (name, value) = header.split_once(':').ok_or_else(|| malformed("header"))?;
        if name.eq_ignore_ascii_case("content-length") {
            length = Length::Left(value.trim().parse().map_err(|_| malformed("content length"))?);
        } else if name.eq_ignore_ascii_case("transfer-encoding") {
            length = Length::Chunks { left: 0, first: true };
        }
    }
    Ok(Answer { status, body: BufReader::with_capacity(RECEIVE_BUFFER_BYTES, Body { received, length }), connection })
}

/// The body of an answer as bytes.
pub(crate) struct Body {
    received: BufReader<TcpStream>,
    length: Length,
}

enum Length {
    Left(u64),
    Chunks {
        /// Of the chunk under way.
        left: u64,
        first: bool,
    },
    UntilClose,
}

impl Read for Body {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if let Length::Chunks { left, first } = &mut self.length
            && *left == 0
        {
            if !*first {
                line(&mut self.received)?;
            }
            *first = false;
            let size = line(&mut self.received)?;
            let size = size.split(';').next().unwrap_or_default().trim();
            *left = u64::from_str_radix(size, 16).map_err(|_| malformed("size of a chunk"))?;
            if *left == 0 {
                self.length = Length::Left(0);
            }
        }
        match &mut self.length {
            Length::UntilClose => self.received.read(buffer),
            Length::Left(left) | Length::Chunks { left, .. } => {
                let room = buffer.len().min(usize::try_from(*left).unwrap_or(usize::MAX));
                let read = self.received.read(&mut buffer[..room])?;
                if read == 0 && room > 0 {
                    return Err(io::ErrorKind::UnexpectedEof.into());
                }
                *left -= read as u64;
                Ok(read)
            }
        }
    }
}

fn line(received: &mut impl BufRead) -> io::Result<String> {
    let mut line = String::new();
    received.take(LONGEST_LINE_BYTES).read_line(&mut line)?;
    if !line.ends_with('\n') {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    line.truncate(line.trim_end().len());
    Ok(line)
}

fn malformed(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("the answer has no {what} that HTTP/1.1 knows"))
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;
    use std::thread;

    use super::*;

    /// Status and body of an answer that comes in pieces of `piece` bytes.
    fn answered(bytes: &'static str, piece: usize) -> io::Result<(u16, String)> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let address = listener.local_addr()?;
        let server = thread::spawn(move || -> io::Result<()> {
            let (mut stream, _) = listener.accept()?;
            let mut head = BufReader::new(stream.try_clone()?);
            while !line(&mut head)?.is_empty() {}
            stream.set_nodelay(true)?;
            bytes.as_bytes().chunks(piece).try_for_each(|piece| stream.write_all(piece))
        });
        let mut answer = get(address, "/", Duration::from_secs(10))?;
        let mut body = String::new();
        answer.body.read_to_string(&mut body)?;
        server.join().expect("no panic")?;
        Ok((answer.status, body))
    }

    #[test]
    fn a_body_ends_where_it_says_in_each_of_its_three_forms() {
        for bytes in [
            "HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\nreading",
            "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n4;x=1\r\nread\r\n3\r\ning\r\n0\r\n\r\n",
            "HTTP/1.1 200 OK\r\n\r\nreading",
        ] {
            for piece in [1, 3, 1_000] {
                assert_eq!(answered(bytes, piece).expect(bytes), (200, "reading".to_owned()), "{bytes} by {piece}");
            }
        }
    }

    #[test]
    fn an_answer_that_is_cut_is_an_error() {
        for bytes in [
            "HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\nreading",
            "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n4\r\nread\r\n",
            "HTTP/1.1 200 OK\r\nContent-",
            "SSH",
        ] {
            assert!(answered(bytes, 1_000).is_err(), "{bytes}");
        }
    }
}
