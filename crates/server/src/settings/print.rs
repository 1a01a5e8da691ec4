//! The effective configuration as a file: each value with its origin, secrets masked, ready to be read in again.

use std::fmt::Write as _;

use super::keys::{KEYS, Key};
use super::load::Loaded;

/// Whether each setting is preceded by what it means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Explain {
    Yes,
    No,
}

/// `fieldwatch.toml` as it would have to be to give these settings, but for masked secrets.
pub(crate) fn print(loaded: &Loaded, explain: Explain) -> String {
    let mut text = String::new();
    let mut section = "";
    for key in KEYS {
        if key.section() != section {
            section = key.section();
            let _ = writeln!(text, "\n[{section}]");
        }
        if explain == Explain::Yes {
            let _ = writeln!(text, "# {}", key.meaning);
        }
        let _ = writeln!(text, "{}", line(key, loaded));
    }
    text
}

fn line(key: &Key, loaded: &Loaded) -> String {
    let name = key.name.rsplit('.').next().unwrap_or(key.name);
    // A control character in a file's name would end the comment that it stands in.
    let origin = loaded.origin(key.name).to_string().replace(char::is_control, " ");
    let secret_file = loaded.provenance(key.name).and_then(|provenance| provenance.secret_file.as_deref());
    match (secret_file, (key.show)(&loaded.settings)) {
        (Some(path), _) => format!("{name}_file = {}  # {origin}", toml::Value::from(path)),
        (None, Some(value)) => format!("{name} = {value}  # {origin}"),
        (None, None) => format!("# {name} is not set"),
    }
}
