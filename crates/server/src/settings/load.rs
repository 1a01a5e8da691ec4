//! Puts the sources together: the last one that names a key decides it.

use std::collections::BTreeMap;
use std::env;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};

use super::check::check;
use super::environment;
use super::file;
use super::keys::{KEYS, Key};
use super::problem::{Problem, Problems};
use super::secret::MASK;
use super::tree::Settings;
use super::written::{Entry, Origin, Written};

/// The file in the working folder that is read when no other is named.
const USUAL_FILE: &str = "fieldwatch.toml";

/// Which file to read.
#[derive(Clone, Debug)]
pub(crate) enum ConfigFile {
    /// Somebody asked for it: it has to be there.
    Named(PathBuf),
    /// It is read if it is there.
    IfPresent(PathBuf),
}

/// A flag that sets a key.
#[derive(Clone, Debug)]
pub(crate) struct Flag {
    /// With its dashes.
    pub(crate) name: &'static str,
    pub(crate) key: &'static str,
    pub(crate) value: String,
}

/// What settings are read from, weakest first. The built-in defaults come before all of them.
#[derive(Clone, Debug)]
pub(crate) struct Sources {
    pub(crate) file: ConfigFile,
    pub(crate) environment: Vec<(OsString, OsString)>,
    pub(crate) flags: Vec<Flag>,
}

impl Sources {
    /// The named file or `./fieldwatch.toml`, the environment of this process, and `flags`.
    pub(crate) fn of_this_process(config: Option<&Path>, flags: Vec<Flag>) -> Self {
        let file = match config {
            Some(path) => ConfigFile::Named(path.to_owned()),
            None => ConfigFile::IfPresent(PathBuf::from(USUAL_FILE)),
        };
        Self { file, environment: env::vars_os().collect(), flags }
    }
}

/// Settings, and where each came from.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Loaded {
    pub(crate) settings: Settings,
    written: BTreeMap<&'static str, Provenance>,
}

/// Where a value came from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Provenance {
    pub(super) origin: Origin,
    /// The file that a secret was read from, as its `_file` key named it.
    pub(super) secret_file: Option<String>,
}

impl Loaded {
    #[cfg(test)]
    pub(super) fn of(settings: Settings) -> Self {
        Self { settings, written: BTreeMap::new() }
    }

    pub(super) fn provenance(&self, key: &str) -> Option<&Provenance> {
        self.written.get(key)
    }

    pub(super) fn origin(&self, key: &str) -> Origin {
        self.provenance(key).map_or(Origin::Default, |provenance| provenance.origin.clone())
    }
}

/// Reads all sources and checks the whole.
///
/// # Errors
/// Everything that is wrong with them, not only the first.
pub(crate) fn load(sources: &Sources) -> Result<Loaded, Problems> {
    let mut problems = Vec::new();
    let layers = [
        file::entries(&sources.file, &mut problems),
        environment::entries(&sources.environment, &mut problems),
        sources.flags.iter().map(entry_of_flag).collect(),
    ];
    let mut loaded = Loaded { settings: Settings::default(), written: BTreeMap::new() };
    for key in KEYS {
        for layer in &layers {
            apply(key, layer, &mut loaded, &mut problems);
        }
    }
    check(&loaded, &mut problems);
    Problems::none_of(problems).map(|()| loaded)
}

fn entry_of_flag(flag: &Flag) -> Entry {
    Entry { name: flag.key.to_owned(), written: Written::Untyped(flag.value.clone()), origin: Origin::Flag(flag.name) }
}

fn apply(key: &Key, layer: &[Entry], loaded: &mut Loaded, problems: &mut Vec<Problem>) {
    let named = |name: &str| layer.iter().rfind(|entry| entry.name == name);
    let direct = named(key.name);
    let by_file = key.file_name().and_then(|name| named(&name));
    let (entry, read) = match (direct, by_file) {
        (None, None) => return,
        (Some(entry), None) => (entry, Ok((entry.written.clone(), None))),
        (None, Some(entry)) => (entry, read_secret_file(&entry.written)),
        (Some(_), Some(entry)) => (entry, Err(format!("cannot be set together with {}", key.name))),
    };
    let result = read.and_then(|(written, secret_file)| {
        (key.read)(&mut loaded.settings, &written)?;
        Ok(Provenance { origin: entry.origin.clone(), secret_file })
    });
    match result {
        Ok(provenance) => {
            loaded.written.insert(key.name, provenance);
        }
        Err(what) => {
            let holds_secret = key.is_secret && entry.name == key.name;
            let value = if holds_secret { MASK.to_owned() } else { entry.written.to_string() };
            problems.push(Problem { origin: entry.origin.clone(), key: entry.name.clone(), value: Some(value), what });
        }
    }
}

fn read_secret_file(written: &Written) -> Result<(Written, Option<String>), String> {
    let path = written.text().ok_or("must be the name of a file, in quotes")?;
    let text = fs::read_to_string(path).map_err(|error| format!("cannot read this file: {error}"))?;
    // Editors and `echo` end a file with a newline that is no part of the secret.
    Ok((Written::Untyped(text.trim_end_matches(['\r', '\n']).to_owned()), Some(path.to_owned())))
}
