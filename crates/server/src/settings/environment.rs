//! Settings from environment variables: `FIELDWATCH_QUEUE__RABBITMQ__URL` is `queue.rabbitmq.url`.

use std::ffi::{OsStr, OsString};

use super::keys;
use super::nearest::nearest;
use super::problem::Problem;
use super::written::{Entry, Origin, Written};

const PREFIX: &str = "FIELDWATCH_";

/// Variables of the tests, and those that Kubernetes sets in every pod beside a service named `fieldwatch`: none of them
/// is a setting, and none is a misspelt one.
const OTHERS: [&str; 8] = [
    "FIELDWATCH_BIN",
    "FIELDWATCH_KILLS",
    "FIELDWATCH_CUTS",
    "FIELDWATCH_SEED",
    "FIELDWATCH_URL",
    "FIELDWATCH_DATA",
    "FIELDWATCH_CHROMIUM",
    "FIELDWATCH_PORT",
];
const OTHER_PREFIXES: [&str; 4] = ["FIELDWATCH_UNSAFE_", "FIELDWATCH_TEST_", "FIELDWATCH_PORT_", "FIELDWATCH_SERVICE_"];

/// The settings among `variables`, in the order of their names.
pub(super) fn entries(variables: &[(OsString, OsString)], problems: &mut Vec<Problem>) -> Vec<Entry> {
    let mut ours: Vec<(&str, &OsStr)> = variables
        .iter()
        .filter_map(|(name, value)| Some((name.to_str()?, value.as_os_str())))
        .filter(|(name, _)| is_ours(name))
        .collect();
    ours.sort_unstable();
    let names = keys::names();
    let known: Vec<(String, &str)> = names.iter().map(|name| (variable(name), name.as_str())).collect();
    let mut entries = Vec::new();
    for (name, value) in ours {
        let origin = Origin::Variable(name.to_owned());
        match (known.iter().find(|(variable, _)| variable == name), value.to_str()) {
            (Some((_, key)), Some(text)) => {
                entries.push(Entry { name: (*key).to_owned(), written: Written::Untyped(text.to_owned()), origin });
            }
            (Some((_, key)), None) => {
                problems.push(Problem { origin, key: (*key).to_owned(), value: None, what: "is not UTF-8".to_owned() });
            }
            (None, _) => {
                let meant = nearest(name, known.iter().map(|(variable, _)| variable.as_str()), "__").unwrap_or_default();
                problems.push(Problem {
                    origin,
                    key: String::new(),
                    value: None,
                    what: format!("no setting has this name; the nearest is {meant}"),
                });
            }
        }
    }
    entries
}

/// The variable that sets `key`.
pub(super) fn variable(key: &str) -> String {
    format!("{PREFIX}{}", key.replace('.', "__").to_ascii_uppercase())
}

fn is_ours(name: &str) -> bool {
    name.starts_with(PREFIX) && !OTHERS.contains(&name) && !OTHER_PREFIXES.iter().any(|prefix| name.starts_with(prefix))
}
