//! Settings from a TOML file, each with its line.

use std::fs;
use std::io;
use std::path::Path;

use toml::de::{DeTable, DeValue};

use super::keys;
use super::load::ConfigFile;
use super::nearest::nearest;
use super::problem::Problem;
use super::written::{Entry, Origin, Written};

/// The settings of `file`, in the order of its lines; none when it need not be there and is not.
pub(super) fn entries(file: &ConfigFile, problems: &mut Vec<Problem>) -> Vec<Entry> {
    let (ConfigFile::Named(path) | ConfigFile::IfPresent(path)) = file;
    match (fs::read(path), file) {
        (Ok(bytes), _) => match String::from_utf8(bytes) {
            Ok(text) => Reading { path, text: &text, entries: Vec::new(), problems }.whole(),
            Err(_) => refused(path, "is not UTF-8".to_owned(), problems),
        },
        (Err(error), ConfigFile::IfPresent(_)) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
        (Err(error), _) => refused(path, format!("cannot read the configuration file: {error}"), problems),
    }
}

fn refused(path: &Path, what: String, problems: &mut Vec<Problem>) -> Vec<Entry> {
    problems.push(Problem { origin: Origin::File { path: path.to_owned(), line: None }, key: String::new(), value: None, what });
    Vec::new()
}

struct Reading<'a> {
    path: &'a Path,
    text: &'a str,
    entries: Vec<(usize, Entry)>,
    problems: &'a mut Vec<Problem>,
}

impl Reading<'_> {
    fn whole(mut self) -> Vec<Entry> {
        let (table, errors) = DeTable::parse_recoverable(self.text);
        let is_toml = errors.is_empty();
        for error in errors {
            let origin = self.origin(error.span().unwrap_or_default().start);
            self.problems.push(Problem { origin, key: String::new(), value: None, what: error.message().replace('\n', ", ") });
        }
        // What a broken file seems to say is not worth further complaints.
        if is_toml {
            self.table("", table.get_ref());
        }
        self.entries.sort_by_key(|(offset, _)| *offset);
        self.entries.into_iter().map(|(_, entry)| entry).collect()
    }

    fn table(&mut self, section: &str, table: &DeTable<'_>) {
        for (key, value) in table {
            let name = if section.is_empty() { key.get_ref().to_string() } else { format!("{section}.{}", key.get_ref()) };
            let origin = self.origin(key.span().start);
            let problem = |what: String| Problem { origin: origin.clone(), key: name.clone(), value: None, what };
            match value.get_ref() {
                DeValue::Table(inner) if keys::is_section(&name) => self.table(&name, inner),
                _ if keys::is_section(&name) => self.problems.push(problem(format!("is a section, written [{name}]"))),
                value if keys::is_name(&name) => {
                    self.entries.push((key.span().start, Entry { name, written: Written::from(value), origin }));
                }
                _ => {
                    let names = keys::names();
                    let sections = keys::sections();
                    let known = names.iter().chain(&sections).map(String::as_str);
                    let meant = nearest(&name, known, ".").unwrap_or_default();
                    self.problems.push(problem(format!("no setting has this name; the nearest is {meant}")));
                }
            }
        }
    }

    fn origin(&self, offset: usize) -> Origin {
        let line = 1 + self.text.get(..offset).unwrap_or(self.text).matches('\n').count();
        Origin::File { path: self.path.to_owned(), line: Some(line) }
    }
}
