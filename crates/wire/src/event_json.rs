//! The event object of the API, the live stream and `events export`: one JSON object everywhere, keys in one order.

use crate::text::{write_celsius, write_integer, write_json_string, write_location, write_timestamp};
use fieldwatch_domain::{DeviceEvent, LocationChange, RecordedEvent, TemperatureChange};

/// Writes an event as one JSON object without line breaks. `device_id` is the id behind the event's number.
pub fn write_event(out: &mut String, device_id: &str, recorded: &RecordedEvent) {
    out.push_str("{\"type\":\"");
    out.push_str(recorded.event.event_type().name());
    out.push_str("\",\"deviceId\":");
    write_json_string(out, device_id);
    out.push_str(",\"version\":");
    write_integer(out, recorded.version);
    out.push_str(",\"position\":");
    write_integer(out, recorded.position);
    out.push_str(",\"at\":\"");
    write_timestamp(out, recorded.at);
    out.push_str("\",\"recordedAt\":\"");
    write_timestamp(out, recorded.recorded_at);
    out.push_str("\",\"readingId\":");
    match &recorded.reading_id {
        Some(id) => write_json_string(out, &id.to_string()),
        None => out.push_str("null"),
    }
    write_values(out, &recorded.event);
    out.push('}');
}

fn write_values(out: &mut String, event: &DeviceEvent) {
    match event {
        DeviceEvent::Created { temperature, location } => {
            out.push_str(",\"temperature\":");
            write_celsius(out, *temperature);
            out.push_str(",\"location\":");
            write_location(out, *location);
        }
        DeviceEvent::TemperatureIncreased(change)
        | DeviceEvent::TemperatureDecreased(change)
        | DeviceEvent::SimilarTemperatureTraced(change) => write_temperature_change(out, change),
        DeviceEvent::LocationChanged(change) | DeviceEvent::LocationChangedToAVeryCloseOne(change) => {
            write_location_change(out, change);
        }
        DeviceEvent::GoneSilent { last_seen } => {
            out.push_str(",\"lastSeen\":\"");
            write_timestamp(out, *last_seen);
            out.push('"');
        }
        DeviceEvent::IsBack { silent_since } => {
            out.push_str(",\"silentSince\":\"");
            write_timestamp(out, *silent_since);
            out.push('"');
        }
        DeviceEvent::Described(description) => {
            out.push_str(",\"name\":");
            match description.name() {
                Some(name) => write_json_string(out, name),
                None => out.push_str("null"),
            }
            out.push_str(",\"labels\":");
            write_labels(out, description.labels());
        }
        DeviceEvent::Forgotten => {}
    }
}

fn write_temperature_change(out: &mut String, change: &TemperatureChange) {
    out.push_str(",\"temperature\":");
    write_celsius(out, change.temperature);
    out.push_str(",\"previousTemperature\":");
    write_celsius(out, change.previous);
    out.push_str(",\"notifiedTemperature\":");
    write_celsius(out, change.notified);
    out.push_str(",\"location\":");
    write_location(out, change.location);
}

fn write_location_change(out: &mut String, change: &LocationChange) {
    out.push_str(",\"location\":");
    write_location(out, change.location);
    out.push_str(",\"previousLocation\":");
    write_location(out, change.previous);
    out.push_str(",\"notifiedLocation\":");
    write_location(out, change.notified);
    out.push_str(",\"temperature\":");
    write_celsius(out, change.temperature);
}

/// Writes labels as a JSON array of strings.
pub fn write_labels(out: &mut String, labels: &[Box<str>]) {
    out.push('[');
    for (at, label) in labels.iter().enumerate() {
        if at > 0 {
            out.push(',');
        }
        write_json_string(out, label);
    }
    out.push(']');
}

#[cfg(test)]
mod tests {
    use super::*;
    use fieldwatch_domain::{Celsius, Description, DeviceNumber, Location, ReadingId, Timestamp};

    fn json(event: DeviceEvent, reading_id: Option<&str>) -> String {
        let mut out = String::new();
        let recorded = RecordedEvent {
            device: DeviceNumber::from_u32(0),
            version: 2,
            position: 64,
            at: Timestamp::from_unix_ms(1_767_225_600_000),
            recorded_at: Timestamp::from_unix_ms(1_767_225_600_250),
            received_at: Timestamp::from_unix_ms(1_767_225_600_249),
            reading_id: reading_id.map(|id| ReadingId::new(id).expect("a valid id")),
            event,
        };
        write_event(&mut out, "AL-0012", &recorded);
        out
    }

    #[test]
    fn an_event_has_its_keys_in_the_order_of_the_contract() {
        let change = TemperatureChange {
            temperature: Celsius::from_stored(485_000),
            previous: Celsius::from_stored(460_000),
            notified: Celsius::from_stored(455_000),
            location: Location::from_stored(385_698_000, 456_974_000),
        };
        assert_eq!(
            json(DeviceEvent::TemperatureIncreased(change), Some("x1")),
            r#"{"type":"DeviceTemperatureHasIncreased","deviceId":"AL-0012","version":2,"position":64,"at":"2026-01-01T00:00:00.000Z","recordedAt":"2026-01-01T00:00:00.250Z","readingId":"x1","temperature":48.5,"previousTemperature":46,"notifiedTemperature":45.5,"location":{"lat":38.5698,"lon":45.6974}}"#
        );
    }

    #[test]
    fn an_event_that_no_reading_caused_has_no_reading_id() {
        let description = Description::new(None, &["cold".into()]).expect("valid labels");
        let text = json(DeviceEvent::Described(Box::new(description)), None);
        assert!(text.ends_with(r#""readingId":null,"name":null,"labels":["cold"]}"#), "{text}");
    }
}
