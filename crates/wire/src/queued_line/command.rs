//! The lines that are no readings: what people ask of a device.

use super::Members;
use crate::damaged::Damaged;
use crate::queued::Request;
use crate::text::{write_integer, write_json_string};
use fieldwatch_domain::{Change, Description, Edit, check_device_id};
use serde::de::DeserializeOwned;
use std::borrow::Cow;

pub(super) fn write_describe(out: &mut String, device_id: &str, id: u64, description: &Description) {
    begin(out, "describe", device_id, id);
    out.push_str(",\"name\":");
    write_name(out, description.name());
    out.push_str(",\"labels\":");
    write_labels(out, description.labels());
    out.push('}');
}

pub(super) fn write_edit(out: &mut String, device_id: &str, id: u64, edit: &Edit) {
    begin(out, "edit", device_id, id);
    if let Some(name) = edit.name().becomes() {
        out.push_str(",\"name\":");
        write_name(out, name.as_deref());
    }
    if let Some(labels) = edit.labels().becomes() {
        out.push_str(",\"labels\":");
        write_labels(out, labels);
    }
    out.push('}');
}

fn write_name(out: &mut String, name: Option<&str>) {
    match name {
        Some(name) => write_json_string(out, name),
        None => out.push_str("null"),
    }
}

fn write_labels(out: &mut String, labels: &[Box<str>]) {
    out.push('[');
    for (at, label) in labels.iter().enumerate() {
        if at > 0 {
            out.push(',');
        }
        write_json_string(out, label);
    }
    out.push(']');
}

pub(super) fn write_forget(out: &mut String, device_id: &str, id: u64) {
    begin(out, "forget", device_id, id);
    out.push('}');
}

fn begin(out: &mut String, command: &str, device_id: &str, id: u64) {
    out.push_str("{\"command\":\"");
    out.push_str(command);
    out.push_str("\",\"deviceId\":");
    write_json_string(out, device_id);
    out.push_str(",\"id\":");
    write_integer(out, id);
}

/// Reads a command of that name from the other members of its line.
pub(super) fn read<'a>(command: &str, mut members: Members<'_>) -> Result<(Cow<'a, str>, Request), Damaged> {
    let command: String = value(Some(command))?;
    let device_id: String = value(members.take("deviceId")?)?;
    check_device_id(&device_id).map_err(|_| Damaged("command for what is no device"))?;
    let id: u64 = value(members.take("id")?)?;
    let request = match command.as_str() {
        "describe" => {
            let name: Option<String> = value(members.take("name")?)?;
            let labels: Vec<String> = value(members.take("labels")?)?;
            let description = Description::new(name.as_deref(), &labels).map_err(|_| Damaged("description"))?;
            Request::Describe(id, Box::new(description))
        }
        "edit" => {
            let name: Option<Option<String>> = members.take("name")?.map(|name| value(Some(name))).transpose()?;
            let labels: Option<Vec<String>> = members.take("labels")?.map(|labels| value(Some(labels))).transpose()?;
            let name = name.as_ref().map_or(Change::Stays, |name| Change::Becomes(name.as_deref()));
            let labels = labels.as_deref().map_or(Change::Stays, Change::Becomes);
            let edit = Edit::new(name, labels).map_err(|_| Damaged("edit of a description"))?;
            Request::Edit(id, Box::new(edit))
        }
        "forget" => Request::Forget(id),
        _ => return Err(Damaged("command of an unknown name")),
    };
    if !members.is_empty() {
        return Err(Damaged("command with members that are not known"));
    }
    Ok((Cow::Owned(device_id), request))
}

/// The value of a member that has to be there.
fn value<T: DeserializeOwned>(json: Option<&str>) -> Result<T, Damaged> {
    let json = json.ok_or(Damaged("command that lacks a member"))?;
    serde_json::from_str(json).map_err(|_| Damaged("command with a member of another type"))
}
