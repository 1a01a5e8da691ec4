//! A value as somebody wrote it, and where.

use std::fmt;
use std::path::PathBuf;

use toml::de::DeValue;

/// A value before it has a meaning. Numbers stay text, so that decimals are exact.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Written {
    /// A string in the file.
    Text(String),
    /// A number in the file, without underscores.
    Number(String),
    Switch(bool),
    List(Vec<Written>),
    /// From a variable, a flag or a secret's file, where there are no types: whatever the key wants.
    Untyped(String),
    /// A form that no setting has, by its name in TOML.
    Unusable(&'static str),
}

impl Written {
    /// The text of a string, typed or not.
    pub(super) fn text(&self) -> Option<&str> {
        match self {
            Self::Text(text) | Self::Untyped(text) => Some(text),
            Self::Number(_) | Self::Switch(_) | Self::List(_) | Self::Unusable(_) => None,
        }
    }

    /// The digits of a number, typed or not.
    pub(super) fn number(&self) -> Option<&str> {
        match self {
            Self::Number(text) | Self::Untyped(text) => Some(text),
            Self::Text(_) | Self::Switch(_) | Self::List(_) | Self::Unusable(_) => None,
        }
    }
}

impl From<&DeValue<'_>> for Written {
    fn from(value: &DeValue<'_>) -> Self {
        match value {
            DeValue::String(text) => Self::Text(text.to_string()),
            DeValue::Integer(number) if number.radix() == 10 => Self::Number(number.as_str().to_owned()),
            DeValue::Integer(number) => match i64::from_str_radix(number.as_str(), number.radix()) {
                Ok(number) => Self::Number(number.to_string()),
                Err(_) => Self::Unusable("integer"),
            },
            DeValue::Float(number) => Self::Number(number.as_str().to_owned()),
            DeValue::Boolean(on) => Self::Switch(*on),
            DeValue::Array(items) => Self::List(items.iter().map(|item| Self::from(item.get_ref())).collect()),
            DeValue::Datetime(_) | DeValue::Table(_) => Self::Unusable(value.type_str()),
        }
    }
}

impl fmt::Display for Written {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(text) | Self::Untyped(text) => write!(formatter, "{text:?}"),
            Self::Number(text) => formatter.write_str(text),
            Self::Switch(on) => write!(formatter, "{on}"),
            Self::List(items) => {
                let items: Vec<String> = items.iter().map(ToString::to_string).collect();
                write!(formatter, "[{}]", items.join(", "))
            }
            Self::Unusable(kind) => write!(formatter, "({kind})"),
        }
    }
}

/// Where a value came from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Origin {
    /// Nobody wrote it.
    Default,
    File {
        path: PathBuf,
        /// From 1; `None` when the file as a whole is meant.
        line: Option<usize>,
    },
    /// An environment variable, by its name.
    Variable(String),
    /// A flag, with its dashes.
    Flag(&'static str),
}

impl fmt::Display for Origin {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => formatter.write_str("default"),
            Self::File { path, line: Some(line) } => write!(formatter, "{}:{line}", path.display()),
            Self::File { path, line: None } => write!(formatter, "{}", path.display()),
            Self::Variable(name) => formatter.write_str(name),
            Self::Flag(flag) => formatter.write_str(flag),
        }
    }
}

/// One value of one source.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    /// The whole name of a known key, or of a secret's `_file` key: `queue.rabbitmq.url_file`.
    pub(super) name: String,
    pub(super) written: Written,
    pub(super) origin: Origin,
}
