//! Readings that were recorded in a file: CSV with a header, or NDJSON, either of them gzipped.

mod csv;
mod ndjson;

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use flate2::read::MultiGzDecoder;

use csv::Columns;

/// A line longer than this is no reading.
const MAX_LINE_BYTES: u64 = 1 << 20;

/// How a file of readings is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Format {
    lines: LineFormat,
    gzipped: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum LineFormat {
    Csv,
    Ndjson,
}

impl Format {
    /// The format that the name of `file` tells: `.csv`, `.csv.gz`, `.ndjson` or `.ndjson.gz`.
    pub(crate) fn of(file: &Path) -> Option<Format> {
        let name = file.file_name()?.to_str()?.to_ascii_lowercase();
        let (name, gzipped) = name.strip_suffix(".gz").map_or((name.as_str(), false), |name| (name, true));
        let (_, extension) = name.rsplit_once('.')?;
        let lines = match extension {
            "csv" => LineFormat::Csv,
            "ndjson" => LineFormat::Ndjson,
            _ => return None,
        };
        Some(Format { lines, gzipped })
    }
}

/// A reading as it will be sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RecordedReading {
    /// Empty where the line does not tell it; the server will say so.
    pub(crate) device_id: String,
    /// When it was taken, in Unix milliseconds, as far as that can be read.
    pub(crate) at_millis: Option<i64>,
    /// One JSON object with a reading id, without a line break.
    pub(crate) json: String,
}

/// Why a line is not sent at all.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct LineFault {
    /// Empty where it is the whole line.
    pub(crate) field: String,
    pub(crate) reason: String,
}

impl LineFault {
    fn new(field: impl Into<String>, reason: impl Into<String>) -> LineFault {
        LineFault { field: field.into(), reason: reason.into() }
    }
}

/// A line that is not blank.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RecordedLine {
    /// From 1, as editors count; of a CSV file the header is line 1.
    pub(crate) number: u64,
    pub(crate) reading: Result<RecordedReading, LineFault>,
}

/// Reads a file of readings line by line.
pub(crate) struct RecordedFile {
    input: Box<dyn BufRead + Send>,
    columns: Option<Columns>,
    number: u64,
    bytes_read: Arc<AtomicU64>,
}

impl RecordedFile {
    /// Opens the file and reads its header, if it is one with a header; the fault is the header's.
    pub(crate) fn open(file: &Path, format: Format) -> io::Result<Result<RecordedFile, LineFault>> {
        let bytes_read = Arc::new(AtomicU64::new(0));
        let counted = Counted { file: File::open(file)?, bytes_read: Arc::clone(&bytes_read) };
        let input: Box<dyn BufRead + Send> = if format.gzipped {
            Box::new(BufReader::new(MultiGzDecoder::new(BufReader::new(counted))))
        } else {
            Box::new(BufReader::new(counted))
        };
        let mut opened = RecordedFile { input, columns: None, number: 0, bytes_read };
        if format.lines == LineFormat::Csv {
            let header = opened.next_line()?.unwrap_or_else(|| Ok(String::new()));
            match header.and_then(|header| Columns::of_header(&header)) {
                Ok(columns) => opened.columns = Some(columns),
                Err(fault) => return Ok(Err(fault)),
            }
        }
        Ok(Ok(opened))
    }

    /// Passes over all lines up to the one with this number, which is included.
    pub(crate) fn skip_to(&mut self, number: u64) -> io::Result<()> {
        while self.number < number && self.next_line()?.is_some() {}
        Ok(())
    }

    /// The next line that is not blank; `None` at the end of the file.
    pub(crate) fn next(&mut self) -> io::Result<Option<RecordedLine>> {
        loop {
            let Some(line) = self.next_line()? else { return Ok(None) };
            let reading = match line {
                Ok(line) if line.trim().is_empty() => continue,
                Ok(line) => {
                    let reading_id = reading_id(self.number, &line);
                    match &self.columns {
                        Some(columns) => columns.reading(&line, &reading_id),
                        None => ndjson::reading(&line, &reading_id),
                    }
                }
                Err(fault) => Err(fault),
            };
            return Ok(Some(RecordedLine { number: self.number, reading }));
        }
    }

    /// How many bytes of the file itself were read, compressed ones where it is gzipped.
    pub(crate) fn bytes_read(&self) -> u64 {
        self.bytes_read.load(Ordering::Relaxed)
    }

    fn next_line(&mut self) -> io::Result<Option<Result<String, LineFault>>> {
        let mut line = Vec::new();
        if self.input.by_ref().take(MAX_LINE_BYTES).read_until(b'\n', &mut line)? == 0 {
            return Ok(None);
        }
        self.number += 1;
        if line.len() as u64 == MAX_LINE_BYTES && line.last() != Some(&b'\n') {
            self.skip_rest_of_line()?;
            return Ok(Some(Err(LineFault::new("", "the line is longer than 1 MiB"))));
        }
        while line.last().is_some_and(|byte| matches!(byte, b'\n' | b'\r')) {
            line.pop();
        }
        // Spreadsheets put a byte order mark before the first line.
        let start = if self.number == 1 && line.starts_with(b"\xef\xbb\xbf") { 3 } else { 0 };
        Ok(Some(String::from_utf8(line.split_off(start)).map_err(|_| LineFault::new("", "the line is not UTF-8"))))
    }

    fn skip_rest_of_line(&mut self) -> io::Result<()> {
        loop {
            let buffer = self.input.fill_buf()?;
            let end = buffer.iter().position(|byte| *byte == b'\n');
            let length = buffer.len();
            self.input.consume(end.map_or(length, |end| end + 1));
            if end.is_some() || length == 0 {
                return Ok(());
            }
        }
    }
}

/// The same id each time the same line is read at the same place, so that a reading sent again is known as a repeat.
fn reading_id(number: u64, line: &str) -> String {
    // FNV-1a, 64 bits: the number keeps equal lines apart, the hash tells lines of different files apart.
    let hash =
        line.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3));
    format!("line-{number}-{hash:016x}")
}

/// `at` in Unix milliseconds, where it is a time.
fn at_millis(at: &str) -> Option<i64> {
    at.parse::<jiff::Timestamp>().ok().map(jiff::Timestamp::as_millisecond)
}

/// A file that tells how much of it was read.
struct Counted {
    file: File,
    bytes_read: Arc<AtomicU64>,
}

impl Read for Counted {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let bytes = self.file.read(buffer)?;
        self.bytes_read.fetch_add(bytes as u64, Ordering::Relaxed);
        Ok(bytes)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    fn lines(name: &str, content: &[u8]) -> Vec<RecordedLine> {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join(name);
        std::fs::write(&path, content).expect("written");
        let mut file = RecordedFile::open(&path, Format::of(&path).expect("known")).expect("opens").expect("header");
        std::iter::from_fn(|| file.next().expect("reads")).collect()
    }

    #[test]
    fn the_name_tells_the_format() {
        for name in ["a.csv", "a.CSV.gz", "x/b.ndjson", "b.2018.ndjson.gz"] {
            assert!(Format::of(Path::new(name)).is_some(), "{name}");
        }
        for name in ["a", "a.json", "a.gz", "csv", "a.csv.zip"] {
            assert!(Format::of(Path::new(name)).is_none(), "{name}");
        }
    }

    #[test]
    fn a_file_reads_the_same_gzipped_with_a_byte_order_mark_and_other_line_ends() {
        let plain = b"at,deviceId,temperature,lat,lon\n2018-05-04T09:43:15Z,a,1,2,3\n\n2018-05-04T09:43:16Z,a,1,2,3";
        let dos =
            b"\xef\xbb\xbfat,deviceId,temperature,lat,lon\r\n2018-05-04T09:43:15Z,a,1,2,3\r\n\r\n2018-05-04T09:43:16Z,a,1,2,3\r\n";
        let mut gzipped = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        gzipped.write_all(plain).expect("packed");
        let read = lines("a.csv", plain);
        assert_eq!(read.iter().map(|line| line.number).collect::<Vec<_>>(), [2, 4]);
        assert_eq!(read, lines("a.csv", dos));
        assert_eq!(read, lines("a.csv.gz", &gzipped.finish().expect("packed")));
    }

    #[test]
    fn equal_lines_have_ids_of_their_own_that_are_the_same_each_time() {
        let content = b"{\"deviceId\":\"a\"}\n{\"deviceId\":\"a\"}\n";
        let read = lines("a.ndjson", content);
        assert_ne!(read[0].reading, read[1].reading);
        assert_eq!(read, lines("b.ndjson", content));
    }

    #[test]
    fn a_line_that_is_no_text_or_too_long_harms_only_itself() {
        let mut content = b"\xff\xfe\n".to_vec();
        content.extend(std::iter::repeat_n(b'x', 3 << 20));
        content.extend(b"\n{\"deviceId\":\"a\"}\n");
        let read = lines("a.ndjson", &content);
        let faults: Vec<Option<&str>> =
            read.iter().map(|line| line.reading.as_ref().err().map(|fault| fault.reason.as_str())).collect();
        assert_eq!(faults, [Some("the line is not UTF-8"), Some("the line is longer than 1 MiB"), None]);
        assert_eq!(read[2].number, 3);
    }
}
