//! `GET /api/v1/devices/{id}/track`: where a device was, and how warm, over time.

use crate::accept::preferred;
use crate::answer::text;
use crate::app::App;
use crate::device_path::DevicePath;
use crate::downsample::largest_triangles;
use crate::history::{Walk, is_before, known_device};
use crate::problem::Problem;
use crate::query::{Query, TimeRange, whole_number};
use crate::track_formats::{write_csv, write_geo_json, write_gpx, write_json};
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, Uri};
use axum::response::Response;
use fieldwatch_domain::{Celsius, Location, ReadingId, Timestamp};
use fieldwatch_event_store::HistoryEntry;
use std::sync::Arc;
use std::time::Duration;

/// So many entries of a history are looked at for one track, the newest ones; more are left out, and the answer says so.
/// Bounds what a track costs: two megabytes while it is made.
const MAX_WALKED: usize = 100_000;

/// So many points a track has unless fewer are asked for, and at most.
const MAX_POINTS: usize = 10_000;

/// What a track can be had as.
const FORMS: [(&str, &str); 4] =
    [("json", "application/json"), ("geojson", "application/geo+json"), ("gpx", "application/gpx+xml"), ("csv", "text/csv")];

/// A track.
#[derive(Debug)]
pub(crate) struct Track<'a> {
    pub(crate) device_id: &'a str,
    /// By time.
    pub(crate) points: Vec<Point>,
    /// Whether points were left out.
    pub(crate) downsampled: bool,
    /// Whether the history goes back further than was looked at.
    pub(crate) truncated: bool,
}

/// One reading of a track.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Point {
    pub(crate) at: Timestamp,
    pub(crate) temperature: Celsius,
    pub(crate) location: Location,
    /// It came when newer readings were there already.
    pub(crate) late: bool,
}

/// `GET /api/v1/devices/{id}/track`
pub(crate) async fn track(
    State(app): State<Arc<App>>,
    DevicePath(id): DevicePath,
    uri: Uri,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let mut query = Query::of(&uri)?;
    let range = query.range();
    let most = query.read("maxPoints", |text| whole_number(text, 1, MAX_POINTS)).unwrap_or(MAX_POINTS);
    // A link cannot say Accept, and somebody wants to send one.
    let form = query.read("format", |text| {
        let place = FORMS.iter().position(|(name, _)| *name == text);
        place.ok_or_else(|| "must be json, geojson, gpx or csv".to_owned())
    });
    query.finish()?;
    let form = form.unwrap_or_else(|| preferred(&headers, &FORMS.map(|(_, content_type)| content_type)));
    let device = known_device(&app, &id)?;
    let _turn = app.intake.work.walk().await?;
    let mut walk = Walk::new(&**app.parts.history()?, device, None, usize::MAX);
    let (points, truncated) = points(&mut walk, range, app.parts.limits.max_ahead).await?;
    // Sorting and writing tens of thousands of points takes milliseconds; a runtime thread has others to serve.
    let writing = tokio::task::spawn_blocking(move || {
        let (points, downsampled) = thinned(points, most);
        let track = Track { device_id: &id, points, downsampled, truncated };
        match form {
            0 => write_json(&track),
            1 => write_geo_json(&track),
            2 => write_gpx(&track),
            _ => write_csv(&track),
        }
    });
    let body = writing.await.map_err(|error| {
        tracing::error!(%error, "writing a track panicked");
        Problem::internal()
    })?;
    let content_type = if form == 3 { "text/csv; charset=utf-8" } else { FORMS[form].1 };
    Ok(text(StatusCode::OK, content_type, body))
}

/// The points of a history, newest first, and whether there are older ones that were not looked at.
async fn points(walk: &mut Walk<'_>, range: TimeRange, max_ahead: Duration) -> Result<(Vec<Point>, bool), Problem> {
    let mut points = Points::default();
    while let Some(entry) = walk.next().await? {
        if is_before(&entry, range, max_ahead) {
            return Ok((points.list, false));
        }
        points.take(&entry, range);
        if walk.walked >= MAX_WALKED {
            return Ok((points.list, true));
        }
    }
    match walk.gone(range, !points.list.is_empty()) {
        Some(problem) => Err(problem),
        None => Ok((points.list, false)),
    }
}

/// Points as they are found.
#[derive(Default)]
struct Points {
    list: Vec<Point>,
    /// Of which reading the last event was. A reading's events lie side by side, and all carry its values.
    last: Option<(Timestamp, ReadingId)>,
}

impl Points {
    fn take(&mut self, entry: &HistoryEntry, range: TimeRange) {
        let point = match entry {
            HistoryEntry::Late(late) => Point { at: late.at, temperature: late.temperature, location: late.location, late: true },
            HistoryEntry::Event(event) => {
                let (Some((temperature, location)), Some(id)) = (event.event.measured(), &event.reading_id) else { return };
                if self.last.as_ref().is_some_and(|(at, last)| *at == event.at && last == id) {
                    return;
                }
                self.last = Some((event.at, id.clone()));
                Point { at: event.at, temperature, location, late: false }
            }
        };
        if range.contains(point.at) {
            self.list.push(point);
        }
    }
}

/// By time, at most so many, and whether some were left out.
fn thinned(mut points: Vec<Point>, most: usize) -> (Vec<Point>, bool) {
    // They come newest first; of two with the same time the one that was stored first comes first.
    points.reverse();
    points.sort_by_key(|point| point.at);
    if points.len() <= most {
        return (points, false);
    }
    let coordinates: Vec<[f64; 4]> = points
        .iter()
        .map(|point| {
            [
                point.at.unix_ms() as f64,
                f64::from(point.temperature.steps()),
                f64::from(point.location.latitude()),
                f64::from(point.location.longitude()),
            ]
        })
        .collect();
    (largest_triangles(&coordinates, most).into_iter().map(|place| points[place]).collect(), true)
}

#[cfg(test)]
mod tests {
    use super::*;
    use fieldwatch_domain::{DeviceEvent, DeviceNumber, LocationChange, RecordedEvent, TemperatureChange};
    use fieldwatch_event_store::LateReading;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_unix_ms(1_767_225_600_000 + second * 1000)
    }

    fn event(second: i64, id: u64, event: DeviceEvent) -> HistoryEntry {
        HistoryEntry::Event(RecordedEvent {
            device: DeviceNumber::from_u32(0),
            version: 1,
            position: 1,
            at: at(second),
            recorded_at: at(second),
            received_at: at(second),
            reading_id: Some(ReadingId::given(id)),
            event,
        })
    }

    fn warmer(second: i64, id: u64, degrees: i32) -> HistoryEntry {
        let temperature = Celsius::from_stored(degrees * 10_000);
        let location = Location::from_stored(1, 1);
        event(
            second,
            id,
            DeviceEvent::TemperatureIncreased(TemperatureChange {
                temperature,
                previous: temperature,
                notified: temperature,
                location,
            }),
        )
    }

    fn moved(second: i64, id: u64, degrees: i32) -> HistoryEntry {
        let temperature = Celsius::from_stored(degrees * 10_000);
        let location = Location::from_stored(1, 1);
        event(
            second,
            id,
            DeviceEvent::LocationChanged(LocationChange { location, previous: location, notified: location, temperature }),
        )
    }

    fn late(second: i64) -> HistoryEntry {
        HistoryEntry::Late(LateReading {
            device: DeviceNumber::from_u32(0),
            position: 1,
            at: at(second),
            received_at: at(second),
            temperature: Celsius::from_stored(0),
            location: Location::from_stored(0, 0),
            reading_id: ReadingId::given(99),
        })
    }

    #[test]
    fn the_events_of_one_reading_are_one_point_and_late_ones_stand_where_their_time_is() {
        let mut points = Points::default();
        let silent = event(2, 3, DeviceEvent::IsBack { silent_since: at(1) });
        for entry in [moved(3, 2, 30), warmer(3, 2, 30), silent, late(1), warmer(2, 1, 20), warmer(0, 0, 10)] {
            points.take(&entry, TimeRange::default());
        }
        let (points, downsampled) = thinned(points.list, 100);
        assert!(!downsampled);
        let shown: Vec<(i64, bool)> =
            points.iter().map(|point| ((point.at.unix_ms() - at(0).unix_ms()) / 1000, point.late)).collect();
        assert_eq!(shown, [(0, false), (1, true), (2, false), (3, false)]);
    }

    #[test]
    fn two_readings_with_the_same_time_are_two_points() {
        let mut points = Points::default();
        for entry in [warmer(1, 2, 30), warmer(1, 1, 20)] {
            points.take(&entry, TimeRange::default());
        }
        let temperatures: Vec<i32> = thinned(points.list, 100).0.iter().map(|point| point.temperature.steps()).collect();
        assert_eq!(temperatures, [200_000, 300_000]);
    }

    #[test]
    fn what_is_outside_of_the_range_is_left_out_and_the_rest_is_thinned() {
        let range = TimeRange { from: Some(at(10)), to: Some(at(60)) };
        let mut points = Points::default();
        for second in (0..100).rev() {
            points.take(&warmer(second, second as u64, second as i32), range);
        }
        assert_eq!(points.list.len(), 50);
        let (thin, downsampled) = thinned(points.list, 10);
        assert!(downsampled);
        assert_eq!((thin.len(), thin[0].at, thin[9].at), (10, at(10), at(59)));
    }
}
