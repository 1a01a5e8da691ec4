//! Reading devices: the list, and one of them.

use crate::accept::preferred;
use crate::answer::{json, text};
use crate::app::App;
use crate::device_json::{write_device, write_feature, write_single_device};
use crate::device_path::DevicePath;
use crate::problem::Problem;
use crate::query::{Query, decimal};
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, Uri};
use axum::response::Response;
use fieldwatch_directory::{Cursor, ListPage, ListQuery, Sort, SortKey, Status};
use fieldwatch_domain::{Celsius, MAX_LABEL_CHARS, MAX_NAME_CHARS};
use fieldwatch_wire::ingest::Steps;
use fieldwatch_wire::text::{write_integer, write_json_string};
use std::sync::Arc;

/// What a list can be had as.
const FORMS: [&str; 2] = ["application/json", "application/geo+json"];

/// `GET /api/v1/devices`
pub(crate) async fn list(State(app): State<Arc<App>>, uri: Uri, headers: HeaderMap) -> Result<Response, Problem> {
    let query = list_query(Query::of(&uri)?)?;
    let form = preferred(&headers, &FORMS);
    let _turn = app.intake.work.walk().await?;
    let directory = Arc::clone(app.parts.directory()?);
    // Looks at every device, and may find a thousand to be written: too long for a runtime thread.
    let listing = tokio::task::spawn_blocking(move || {
        let page = directory.list(&query);
        if form == 0 { page_json(&page) } else { page_geo_json(&page) }
    });
    match listing.await {
        Ok(body) => Ok(text(StatusCode::OK, FORMS[form], body)),
        Err(error) => {
            tracing::error!(%error, "listing devices panicked");
            Err(Problem::internal())
        }
    }
}

/// `GET /api/v1/devices/{id}`
pub(crate) async fn one(State(app): State<Arc<App>>, DevicePath(id): DevicePath, uri: Uri) -> Result<Response, Problem> {
    Query::of(&uri)?.finish()?;
    let device = app.parts.directory()?.find(&id).ok_or_else(Problem::unknown_device)?;
    let mut body = String::with_capacity(512);
    write_single_device(&mut body, &device);
    Ok(json(StatusCode::OK, body))
}

fn list_query(mut query: Query) -> Result<ListQuery, Problem> {
    let text_up_to = |most: usize| {
        move |text: &str| match text.chars().count() {
            0 => Err("must not be empty".to_owned()),
            length if length > most => Err(format!("may have {most} characters at most")),
            _ => Ok(text.to_owned()),
        }
    };
    let sort = query.read("sort", sort).unwrap_or_default();
    let list = ListQuery {
        bbox: query.bbox(),
        labels: query.read_many("label", text_up_to(MAX_LABEL_CHARS)),
        statuses: query.read_many("status", status),
        min_temperature: query.read("minTemperature", |text| temperature(text, |steps| steps.ceiling)),
        max_temperature: query.read("maxTemperature", |text| temperature(text, |steps| steps.floor)),
        // An empty text is in every name; a search field that was cleared says so.
        text: query.read("q", |text| if text.is_empty() { Ok(String::new()) } else { text_up_to(MAX_NAME_CHARS)(text) }),
        sort,
        limit: query.limit(),
        after: query.read("cursor", |text| Cursor::from_text(text, sort).map_err(|error| error.to_string())),
    };
    query.zone();
    query.finish()?;
    Ok(ListQuery { text: list.text.filter(|text| !text.is_empty()), ..list })
}

/// A bound of temperature that includes exactly what the number as written includes.
fn temperature(text: &str, bound: impl FnOnce(Steps) -> i64) -> Result<Celsius, String> {
    let steps = bound(decimal(text, 4)?);
    Celsius::new(steps).map_err(|_| "must be a temperature from -273.15 to 10000 °C".to_owned())
}

fn status(text: &str) -> Result<Status, String> {
    Status::ALL.into_iter().find(|status| status.word() == text).ok_or_else(|| "must be active, idle or silent".to_owned())
}

fn sort(text: &str) -> Result<Sort, String> {
    let (descending, key) = match text.strip_prefix('-') {
        Some(key) => (true, key),
        None => (false, text),
    };
    let key = match key {
        "deviceId" => SortKey::DeviceId,
        "temperature" => SortKey::Temperature,
        "lastSeen" => SortKey::LastSeen,
        "receivedAt" => SortKey::ReceivedAt,
        "version" => SortKey::Version,
        "name" => SortKey::Name,
        "status" => SortKey::Status,
        _ => {
            let keys = "deviceId, temperature, lastSeen, receivedAt, version, name or status";
            return Err(format!("must be {keys}, with - before it for the greatest first"));
        }
    };
    Ok(Sort { key, descending })
}

fn page_json(page: &ListPage) -> String {
    let mut out = String::with_capacity(64 + page.devices.len() * 320);
    out.push_str("{\"devices\":[");
    for (at, device) in page.devices.iter().enumerate() {
        if at > 0 {
            out.push(',');
        }
        write_device(&mut out, device);
    }
    out.push(']');
    write_rest(&mut out, page);
    out
}

fn page_geo_json(page: &ListPage) -> String {
    let mut out = String::with_capacity(64 + page.devices.len() * 420);
    out.push_str("{\"type\":\"FeatureCollection\",\"features\":[");
    for (at, device) in page.devices.iter().enumerate() {
        if at > 0 {
            out.push(',');
        }
        write_feature(&mut out, device);
    }
    out.push(']');
    write_rest(&mut out, page);
    out
}

fn write_rest(out: &mut String, page: &ListPage) {
    out.push_str(",\"nextCursor\":");
    match &page.next {
        Some(cursor) => write_json_string(out, &cursor.to_text()),
        None => out.push_str("null"),
    }
    out.push_str(",\"position\":");
    write_integer(out, page.position);
    out.push('}');
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(text: &str) -> Result<ListQuery, Problem> {
        list_query(Query::of(&format!("/x?{text}").parse().expect("a URI")).expect("percent-encoded UTF-8"))
    }

    #[test]
    fn a_list_is_by_id_and_of_a_hundred_unless_it_is_asked_for_otherwise() {
        let query = asked("").expect("nothing is wrong");
        assert_eq!(query, ListQuery { limit: 100, ..ListQuery::default() });
    }

    #[test]
    fn bounds_of_temperature_are_exact() {
        let query = asked("minTemperature=3.00001&maxTemperature=-1.00001").expect("nothing is wrong");
        assert_eq!(query.min_temperature.map(Celsius::steps), Some(30_001));
        assert_eq!(query.max_temperature.map(Celsius::steps), Some(-10_001));
    }

    #[test]
    fn filters_that_take_several_values_repeat() {
        let query = asked("label=a&label=b&status=idle&status=silent&sort=-lastSeen&q=").expect("nothing is wrong");
        assert_eq!((query.labels.len(), query.statuses.len(), query.text), (2, 2, None));
        assert_eq!(query.sort, Sort { key: SortKey::LastSeen, descending: true });
    }

    #[test]
    fn wrong_parameters_are_refused_by_name() {
        for (text, field) in [
            ("limit=1001", "limit"),
            ("bbox=1,2,3", "bbox"),
            ("sort=colour", "sort"),
            ("status=asleep", "status"),
            ("minTemperature=warm", "minTemperature"),
            ("maxTemperature=NaN", "maxTemperature"),
            ("maxTemperature=1e9", "maxTemperature"),
            ("label=", "label"),
            ("nonsense=1", "nonsense"),
        ] {
            let problem = asked(text).expect_err("it is refused");
            assert_eq!((problem.status().as_u16(), problem.fields()), (422, vec![field]), "{text}");
        }
    }
}
