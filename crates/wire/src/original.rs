//! The events of the original stream, in the original member names.

use crate::text::{write_celsius, write_degrees, write_json_string};
use fieldwatch_domain::{Celsius, DeviceEvent, Location, LocationChange, RecordedEvent, TemperatureChange};

/// Writes an event as the `data` of the original stream and gives its event name; `None` for those never sent there.
///
/// `PrevTemp` and `PrevLoc` are the values last notified before, `Coords` is the reading's location.
pub fn write_original_event(out: &mut String, device_id: &str, recorded: &RecordedEvent) -> Option<&'static str> {
    match &recorded.event {
        DeviceEvent::Created { temperature, location } => {
            out.push_str("{\"DevId\":");
            write_json_string(out, device_id);
            write_temperature(out, "Temp", *temperature);
            write_place(out, "AtLoc", *location);
        }
        DeviceEvent::TemperatureIncreased(change) | DeviceEvent::TemperatureDecreased(change) => {
            write_temperature_change(out, device_id, change);
        }
        DeviceEvent::LocationChanged(change) => write_location_change(out, device_id, change),
        DeviceEvent::SimilarTemperatureTraced(_)
        | DeviceEvent::LocationChangedToAVeryCloseOne(_)
        | DeviceEvent::GoneSilent { .. }
        | DeviceEvent::IsBack { .. }
        | DeviceEvent::Described(_)
        | DeviceEvent::Forgotten => return None,
    }
    out.push('}');
    Some(recorded.event.event_type().name())
}

fn write_temperature_change(out: &mut String, device_id: &str, change: &TemperatureChange) {
    out.push_str("{\"DevId\":");
    write_json_string(out, device_id);
    write_temperature(out, "NewTemp", change.temperature);
    write_temperature(out, "PrevTemp", change.notified);
    write_place(out, "Coords", change.location);
}

fn write_location_change(out: &mut String, device_id: &str, change: &LocationChange) {
    out.push_str("{\"DeviceId\":");
    write_json_string(out, device_id);
    write_place(out, "NewLoc", change.location);
    write_place(out, "PrevLoc", change.notified);
}

fn write_temperature(out: &mut String, name: &str, temperature: Celsius) {
    out.push_str(",\"");
    out.push_str(name);
    out.push_str("\":");
    write_celsius(out, temperature);
}

fn write_place(out: &mut String, name: &str, location: Location) {
    out.push_str(",\"");
    out.push_str(name);
    out.push_str("\":{\"Lat\":");
    write_degrees(out, location.latitude());
    out.push_str(",\"Lon\":");
    write_degrees(out, location.longitude());
    out.push('}');
}

#[cfg(test)]
mod tests {
    use super::*;
    use fieldwatch_domain::{DeviceNumber, Timestamp};

    fn original(event: DeviceEvent) -> (Option<&'static str>, String) {
        let mut out = String::new();
        let now = Timestamp::from_unix_ms(0);
        let device = DeviceNumber::from_u32(0);
        let recorded = RecordedEvent {
            device,
            version: 2,
            position: 64,
            at: now,
            recorded_at: now,
            received_at: now,
            reading_id: None,
            event,
        };
        (write_original_event(&mut out, "AL-0012", &recorded), out)
    }

    #[test]
    fn a_location_event_names_the_device_otherwise_than_the_rest() {
        let (name, data) = original(DeviceEvent::LocationChanged(LocationChange {
            location: Location::from_stored(10_000_000, 20_000_000),
            previous: Location::from_stored(9, 9),
            notified: Location::from_stored(0, 5_000_000),
            temperature: Celsius::from_stored(0),
        }));
        assert_eq!(name, Some("DeviceLocationHasChanged"));
        assert_eq!(data, r#"{"DeviceId":"AL-0012","NewLoc":{"Lat":1,"Lon":2},"PrevLoc":{"Lat":0,"Lon":0.5}}"#);
    }

    #[test]
    fn a_temperature_event_carries_the_last_notified_value_as_the_previous_one() {
        let (name, data) = original(DeviceEvent::TemperatureDecreased(TemperatureChange {
            temperature: Celsius::from_stored(-5_000),
            previous: Celsius::from_stored(30_000),
            notified: Celsius::from_stored(40_000),
            location: Location::from_stored(0, 0),
        }));
        assert_eq!(name, Some("DeviceTemperatureHasDecreased"));
        assert_eq!(data, r#"{"DevId":"AL-0012","NewTemp":-0.5,"PrevTemp":4,"Coords":{"Lat":0,"Lon":0}}"#);
    }

    #[test]
    fn similar_and_very_close_values_are_not_told() {
        assert_eq!(original(DeviceEvent::Forgotten).0, None);
    }
}
