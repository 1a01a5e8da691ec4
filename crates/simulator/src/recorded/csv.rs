//! One line of CSV (RFC 4180, without line breaks inside quotes) as a reading.

use super::{LineFault, RecordedReading, at_millis};

const WANTED: [&str; 5] = ["at", "deviceId", "temperature", "lat", "lon"];

/// Where the columns of a reading stand. Columns of other names are left out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Columns {
    wanted: [usize; 5],
    reading_id: Option<usize>,
    count: usize,
}

impl Columns {
    pub(super) fn of_header(header: &str) -> Result<Columns, LineFault> {
        let names = cells(header).map_err(|reason| LineFault::new("", reason))?;
        let find = |name: &str| -> Result<Option<usize>, LineFault> {
            let mut places = (0..).zip(&names).filter(|(_, found)| found.trim() == name).map(|(place, _)| place);
            let place = places.next();
            if places.next().is_some() {
                return Err(LineFault::new(name, "the header has this column twice"));
            }
            Ok(place)
        };
        let mut wanted = [0; WANTED.len()];
        for (place, name) in wanted.iter_mut().zip(WANTED) {
            *place = find(name)?
                .ok_or_else(|| LineFault::new(name, format!("the header has no such column; wanted are {}", WANTED.join(","))))?;
        }
        Ok(Columns { wanted, reading_id: find("readingId")?, count: names.len() })
    }

    /// The reading of one line; `reading_id` is for a line that brings none.
    pub(super) fn reading(&self, line: &str, reading_id: &str) -> Result<RecordedReading, LineFault> {
        let cells = cells(line).map_err(|reason| LineFault::new("", reason))?;
        if cells.len() != self.count {
            let reason = format!("the line has {} columns, the header {}", cells.len(), self.count);
            return Err(LineFault::new("", reason));
        }
        let [at, device_id, temperature, lat, lon] = self.wanted.map(|place| cells[place].trim());
        for (name, cell) in WANTED.into_iter().zip([at, device_id, temperature, lat, lon]) {
            if cell.is_empty() {
                return Err(LineFault::new(name, "it is missing"));
            }
        }
        for (name, cell) in [("temperature", temperature), ("lat", lat), ("lon", lon)] {
            if !is_json_number(cell) {
                return Err(LineFault::new(name, "it is not a number"));
            }
        }
        let own_id = self.reading_id.map(|place| cells[place].trim()).filter(|id| !id.is_empty());
        // Numbers go as they are written: to the last decimal it is the server that rounds them.
        let json = format!(
            r#"{{"readingId":{},"at":{},"deviceId":{},"temperature":{temperature},"lat":{lat},"lon":{lon}}}"#,
            quoted(own_id.unwrap_or(reading_id)),
            quoted(at),
            quoted(device_id),
        );
        Ok(RecordedReading { device_id: device_id.to_owned(), at_millis: at_millis(at), json })
    }
}

fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

/// Whether a text is a number as JSON writes it (RFC 8259): `NaN`, `+1`, `.5` and `1,5` are not.
fn is_json_number(text: &str) -> bool {
    text.starts_with(|c: char| c == '-' || c.is_ascii_digit()) && serde_json::from_str::<&serde_json::value::RawValue>(text).is_ok()
}

fn cells(line: &str) -> Result<Vec<String>, &'static str> {
    let mut cells = Vec::new();
    let mut rest = line;
    loop {
        let (cell, after) = match rest.strip_prefix('"') {
            Some(quoted) => quoted_cell(quoted)?,
            None => match rest.find(',') {
                Some(comma) => (rest[..comma].to_owned(), &rest[comma..]),
                None => (rest.to_owned(), ""),
            },
        };
        cells.push(cell);
        match after.strip_prefix(',') {
            Some(next) => rest = next,
            None if after.is_empty() => return Ok(cells),
            None => return Err("text stands behind a closing quote"),
        }
    }
}

/// The cell whose opening quote was just read, and what stands behind its closing one.
fn quoted_cell(mut rest: &str) -> Result<(String, &str), &'static str> {
    let mut cell = String::new();
    loop {
        let quote = rest.find('"').ok_or("a quote is not closed")?;
        cell.push_str(&rest[..quote]);
        rest = &rest[quote + 1..];
        match rest.strip_prefix('"') {
            Some(after) => {
                cell.push('"');
                rest = after;
            }
            None => return Ok((cell, rest)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn columns(header: &str) -> Columns {
        Columns::of_header(header).expect(header)
    }

    #[test]
    fn columns_may_stand_in_any_order_among_others() {
        let columns = columns("lon,lat,battery,deviceId,\"at\",temperature,readingId");
        let reading =
            columns.reading(r#"6.5,53.00059470000001,88,"a, ""b""",2018-05-04T09:43:15.250Z,1e1,own"#, "id").expect("a reading");
        assert_eq!(reading.device_id, r#"a, "b""#);
        assert_eq!(reading.at_millis, Some(1_525_426_995_250));
        assert_eq!(
            reading.json,
            r#"{"readingId":"own","at":"2018-05-04T09:43:15.250Z","deviceId":"a, \"b\"","temperature":1e1,"lat":53.00059470000001,"lon":6.5}"#
        );
    }

    #[test]
    fn a_header_that_lacks_or_repeats_a_column_is_named() {
        for (header, field) in [("at,deviceId,temperature,lat", "lon"), ("at,at,deviceId,temperature,lat,lon", "at"), ("", "at")] {
            assert_eq!(Columns::of_header(header).expect_err(header).field, field);
        }
    }

    #[test]
    fn a_bad_line_names_its_field() {
        let columns = columns("at,deviceId,temperature,lat,lon");
        for (line, field) in [
            (",a,1,2,3", "at"),
            ("t,,1,2,3", "deviceId"),
            ("t,a,NaN,2,3", "temperature"),
            ("t,a,+1,2,3", "temperature"),
            ("t,a,1,.5,3", "lat"),
            ("t,a,1,2,\"3,5\"", "lon"),
            ("t,a,1,2,-", "lon"),
            ("t,a,1,2", ""),
            ("t,a,1,2,3,4", ""),
            ("t,\"a,1,2,3", ""),
            ("t,\"a\"b,1,2,3", ""),
        ] {
            assert_eq!(columns.reading(line, "id").expect_err(line).field, field, "{line}");
        }
        assert!(columns.reading("t,a,-1.5,2,3E-1", "id").is_ok());
    }
}
