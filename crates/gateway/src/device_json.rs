//! Devices as the API shows them.

use fieldwatch_directory::DeviceView;
use fieldwatch_wire::event_json::write_labels;
use fieldwatch_wire::text::{write_celsius, write_degrees, write_integer, write_json_string, write_location, write_timestamp};

/// Writes a device as in a list.
pub(crate) fn write_device(out: &mut String, device: &DeviceView) {
    out.push('{');
    write_members(out, device);
    out.push('}');
}

/// Writes a device as it is read singly: with its rules and alarms, of which there are none yet.
pub(crate) fn write_single_device(out: &mut String, device: &DeviceView) {
    out.push('{');
    write_members(out, device);
    out.push_str(",\"rules\":[],\"alarms\":[],\"lateReadings\":");
    write_integer(out, u64::from(device.row.late_readings));
    out.push('}');
}

/// Writes a device as a feature of `GeoJSON`.
pub(crate) fn write_feature(out: &mut String, device: &DeviceView) {
    out.push_str("{\"type\":\"Feature\",\"geometry\":{\"type\":\"Point\",\"coordinates\":[");
    write_degrees(out, device.row.location.longitude());
    out.push(',');
    write_degrees(out, device.row.location.latitude());
    out.push_str("]},\"properties\":{");
    write_members(out, device);
    out.push_str("}}");
}

fn write_members(out: &mut String, device: &DeviceView) {
    let row = &device.row;
    out.push_str("\"deviceId\":");
    write_json_string(out, device.id.as_str());
    out.push_str(",\"name\":");
    match device.description.name() {
        Some(name) => write_json_string(out, name),
        None => out.push_str("null"),
    }
    out.push_str(",\"labels\":");
    write_labels(out, device.description.labels());
    out.push_str(",\"temperature\":");
    write_celsius(out, row.temperature);
    out.push_str(",\"location\":");
    write_location(out, row.location);
    out.push_str(",\"lastSeen\":\"");
    write_timestamp(out, row.last_seen);
    out.push_str("\",\"receivedAt\":\"");
    write_timestamp(out, row.received_at);
    out.push_str("\",\"version\":");
    write_integer(out, row.version);
    out.push_str(",\"status\":\"");
    out.push_str(row.status.word());
    out.push_str("\",\"openAlarms\":0");
}

#[cfg(test)]
mod tests {
    use super::*;
    use fieldwatch_directory::{DeviceRow, Status};
    use fieldwatch_domain::{Celsius, Description, DeviceId, Location, Timestamp};

    #[test]
    fn a_device_has_its_members_in_the_order_of_the_contract() {
        let device = DeviceView {
            id: DeviceId::new("a\"b").expect("an id"),
            description: Description::new(Some("Kühlwagen"), &["north".into()]).expect("a description"),
            row: DeviceRow {
                temperature: Celsius::from_stored(485_000),
                location: Location::from_stored(385_698_000, 456_974_000),
                last_seen: Timestamp::from_unix_ms(1_767_225_600_000),
                received_at: Timestamp::from_unix_ms(1_767_225_600_001),
                version: 7,
                late_readings: 2,
                status: Status::Idle,
            },
        };
        let mut out = String::new();
        write_single_device(&mut out, &device);
        assert_eq!(
            out,
            r#"{"deviceId":"a\"b","name":"Kühlwagen","labels":["north"],"temperature":48.5,"location":{"lat":38.5698,"lon":45.6974},"lastSeen":"2026-01-01T00:00:00.000Z","receivedAt":"2026-01-01T00:00:00.001Z","version":7,"status":"idle","openAlarms":0,"rules":[],"alarms":[],"lateReadings":2}"#
        );
        out.clear();
        write_feature(&mut out, &device);
        let json: serde_json::Value = serde_json::from_str(&out).expect("JSON");
        assert_eq!(json["geometry"]["coordinates"], serde_json::json!([45.6974, 38.5698]));
        assert_eq!(json["properties"]["version"], 7);
    }
}
