//! The members of a line's object, each value as it was written.

use crate::damaged::Damaged;
use crate::text::write_json_string;
use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;
use std::fmt;

/// Members in the order in which they were written, repeated ones too.
pub(super) struct Members<'a>(Vec<(String, &'a str)>);

impl<'a> Members<'a> {
    pub(super) fn of(line: &'a str) -> Result<Self, Damaged> {
        serde_json::from_str(line).map_err(|_| Damaged("line that is no JSON object"))
    }

    /// Takes a member's value out; `None` when there is no such member.
    pub(super) fn take(&mut self, name: &str) -> Result<Option<&'a str>, Damaged> {
        let Some(at) = self.0.iter().position(|(known, _)| known == name) else { return Ok(None) };
        let (_, value) = self.0.remove(at);
        if self.0.iter().any(|(known, _)| known == name) {
            return Err(Damaged("line that has a member twice"));
        }
        Ok(Some(value))
    }

    /// Whether all have been taken.
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// An object of those that are left.
    pub(super) fn into_object(self) -> String {
        let mut object = String::from("{");
        for (at, (name, value)) in self.0.iter().enumerate() {
            if at > 0 {
                object.push(',');
            }
            write_json_string(&mut object, name);
            object.push(':');
            object.push_str(value);
        }
        object.push('}');
        object
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Members<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Each;

        impl<'de> Visitor<'de> for Each {
            type Value = Members<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut members = Vec::new();
                while let Some((name, value)) = map.next_entry::<String, &RawValue>()? {
                    members.push((name, value.get()));
                }
                Ok(Members(members))
            }
        }

        deserializer.deserialize_map(Each)
    }
}
