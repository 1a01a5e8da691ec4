//! Tracks as JSON, `GeoJSON`, GPX and CSV.

use crate::track::{Point, Track};
use fieldwatch_wire::text::{write_celsius, write_degrees, write_json_string, write_timestamp};

/// `{"deviceId","points":[{"at","temperature","lat","lon"}],"downsampled"}`, `"late":true` at late points, `"truncated":true`
/// where the history goes back further than was looked at.
pub(crate) fn write_json(track: &Track<'_>) -> String {
    let mut out = String::with_capacity(128 + track.points.len() * 96);
    out.push_str("{\"deviceId\":");
    write_json_string(&mut out, track.device_id);
    out.push_str(",\"points\":[");
    separated(&mut out, &track.points, |out, point| {
        out.push_str("{\"at\":\"");
        write_timestamp(out, point.at);
        out.push_str("\",\"temperature\":");
        write_celsius(out, point.temperature);
        out.push_str(",\"lat\":");
        write_degrees(out, point.location.latitude());
        out.push_str(",\"lon\":");
        write_degrees(out, point.location.longitude());
        out.push_str(if point.late { ",\"late\":true}" } else { "}" });
    });
    out.push_str("],");
    write_completeness(&mut out, track);
    out.push('}');
    out
}

/// One feature: a line, a point when there is only one, nothing when there is none. Times, temperatures and lateness of its
/// points are columns in `coordinateProperties`, as tools that make `GeoJSON` of GPX write them.
pub(crate) fn write_geo_json(track: &Track<'_>) -> String {
    let mut out = String::with_capacity(256 + track.points.len() * 96);
    let coordinates = |out: &mut String, point: &Point| {
        out.push('[');
        write_degrees(out, point.location.longitude());
        out.push(',');
        write_degrees(out, point.location.latitude());
        out.push(']');
    };
    out.push_str("{\"type\":\"Feature\",\"geometry\":");
    match track.points.as_slice() {
        [] => out.push_str("null"),
        [only] => {
            out.push_str("{\"type\":\"Point\",\"coordinates\":");
            coordinates(&mut out, only);
            out.push('}');
        }
        points => {
            out.push_str("{\"type\":\"LineString\",\"coordinates\":[");
            separated(&mut out, points, coordinates);
            out.push_str("]}");
        }
    }
    out.push_str(",\"properties\":{\"deviceId\":");
    write_json_string(&mut out, track.device_id);
    out.push(',');
    write_completeness(&mut out, track);
    out.push_str(",\"coordinateProperties\":{\"times\":[");
    separated(&mut out, &track.points, |out, point| {
        out.push('"');
        write_timestamp(out, point.at);
        out.push('"');
    });
    out.push_str("],\"temperatures\":[");
    separated(&mut out, &track.points, |out, point| write_celsius(out, point.temperature));
    out.push_str("],\"late\":[");
    separated(&mut out, &track.points, |out, point| out.push_str(if point.late { "true" } else { "false" }));
    out.push_str("]}}}");
    out
}

/// GPX 1.1 with the temperature in Garmin's track point extension, which is what other programs read.
pub(crate) fn write_gpx(track: &Track<'_>) -> String {
    let mut out = String::with_capacity(512 + track.points.len() * 256);
    out.push_str("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<gpx version=\"1.1\" creator=\"Fieldwatch\" ");
    out.push_str("xmlns=\"http://www.topografix.com/GPX/1/1\" ");
    out.push_str("xmlns:gpxtpx=\"http://www.garmin.com/xmlschemas/TrackPointExtension/v1\">\n<trk><name>");
    write_xml_text(&mut out, track.device_id);
    out.push_str("</name><trkseg>\n");
    for point in &track.points {
        out.push_str("<trkpt lat=\"");
        write_degrees(&mut out, point.location.latitude());
        out.push_str("\" lon=\"");
        write_degrees(&mut out, point.location.longitude());
        out.push_str("\"><time>");
        write_timestamp(&mut out, point.at);
        out.push_str("</time><extensions><gpxtpx:TrackPointExtension><gpxtpx:atemp>");
        write_celsius(&mut out, point.temperature);
        out.push_str("</gpxtpx:atemp></gpxtpx:TrackPointExtension></extensions></trkpt>\n");
    }
    out.push_str("</trkseg></trk>\n</gpx>\n");
    out
}

/// A header line, then a line for each point (RFC 4180).
pub(crate) fn write_csv(track: &Track<'_>) -> String {
    let mut out = String::with_capacity(64 + track.points.len() * 64);
    out.push_str("at,temperature,lat,lon,late\r\n");
    for point in &track.points {
        write_timestamp(&mut out, point.at);
        out.push(',');
        write_celsius(&mut out, point.temperature);
        out.push(',');
        write_degrees(&mut out, point.location.latitude());
        out.push(',');
        write_degrees(&mut out, point.location.longitude());
        out.push_str(if point.late { ",true\r\n" } else { ",false\r\n" });
    }
    out
}

fn write_completeness(out: &mut String, track: &Track<'_>) {
    out.push_str(if track.downsampled { "\"downsampled\":true" } else { "\"downsampled\":false" });
    if track.truncated {
        out.push_str(",\"truncated\":true");
    }
}

fn separated(out: &mut String, points: &[Point], write: impl Fn(&mut String, &Point)) {
    for (at, point) in points.iter().enumerate() {
        if at > 0 {
            out.push(',');
        }
        write(out, point);
    }
}

/// Text of an XML element. Ids have no control characters; two more characters that XML 1.0 cannot hold are replaced.
fn write_xml_text(out: &mut String, text: &str) {
    for character in text.chars() {
        match character {
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '&' => out.push_str("&amp;"),
            '\u{fffe}' | '\u{ffff}' => out.push('\u{fffd}'),
            other => out.push(other),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use fieldwatch_domain::{Celsius, Location, Timestamp};
    use serde_json::{Value, json};

    fn track(points: usize) -> Track<'static> {
        let points = (0..points).map(|at| Point {
            at: Timestamp::from_unix_ms(1_767_225_600_000 + at as i64 * 1000),
            temperature: Celsius::from_stored(485_000),
            location: Location::from_stored(385_698_000, -456_974_000),
            late: at == 1,
        });
        Track { device_id: "<a&b>\"", points: points.collect(), downsampled: true, truncated: false }
    }

    #[test]
    fn json_marks_late_points_and_no_others() {
        assert_eq!(
            write_json(&track(2)),
            r#"{"deviceId":"<a&b>\"","points":[{"at":"2026-01-01T00:00:00.000Z","temperature":48.5,"lat":38.5698,"lon":-45.6974},{"at":"2026-01-01T00:00:01.000Z","temperature":48.5,"lat":38.5698,"lon":-45.6974,"late":true}],"downsampled":true}"#
        );
    }

    #[test]
    fn geo_json_is_a_line_with_columns_beside_it() {
        let parsed = |count| serde_json::from_str::<Value>(&write_geo_json(&track(count))).expect("JSON");
        let line = parsed(2);
        assert_eq!(line["geometry"]["coordinates"], json!([[-45.6974, 38.5698], [-45.6974, 38.5698]]));
        assert_eq!(line["properties"]["coordinateProperties"]["late"], json!([false, true]));
        assert_eq!(parsed(1)["geometry"], json!({"type": "Point", "coordinates": [-45.6974, 38.5698]}));
        assert_eq!(parsed(0)["geometry"], Value::Null);
    }

    #[test]
    fn gpx_escapes_the_id_and_has_a_point_for_each() {
        let gpx = write_gpx(&track(3));
        assert!(gpx.contains("<name>&lt;a&amp;b&gt;\"</name>"));
        assert_eq!(gpx.matches("<trkpt lat=\"38.5698\" lon=\"-45.6974\"><time>2026-01-01T").count(), 3);
    }

    #[test]
    fn csv_has_a_header_and_a_line_for_each() {
        let csv = write_csv(&track(2));
        assert_eq!(csv.lines().nth(2), Some("2026-01-01T00:00:01.000Z,48.5,38.5698,-45.6974,true"));
        assert_eq!(csv.lines().count(), 3);
    }
}
