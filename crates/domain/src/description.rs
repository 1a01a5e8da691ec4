//! What people say of a device: its name and labels.

use thiserror::Error;

/// The longest name, in characters.
pub const MAX_NAME_CHARS: usize = 200;
/// How many labels a device may have.
pub const MAX_LABELS: usize = 32;
/// The longest label, in characters.
pub const MAX_LABEL_CHARS: usize = 64;

/// A device's name and labels, as people edited them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Description {
    name: Option<Box<str>>,
    labels: Box<[Box<str>]>,
}

/// Why a name or a list of labels is refused.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum InvalidDescription {
    /// The name is empty or longer than [`MAX_NAME_CHARS`].
    #[error("must have 1 to {MAX_NAME_CHARS} characters, has {0}")]
    NameLength(usize),
    /// The name holds a control character.
    #[error("must not contain control characters")]
    NameControlCharacter,
    /// More than [`MAX_LABELS`] labels.
    #[error("has {0} labels, at most {MAX_LABELS} are allowed")]
    TooManyLabels(usize),
    /// A label, told by its place from 0, is empty, too long or holds a control character.
    #[error("label {0} must have 1 to {MAX_LABEL_CHARS} characters and no control characters")]
    Label(usize),
    /// A label, told by its place from 0, is there twice.
    #[error("label {0} is repeated")]
    RepeatedLabel(usize),
}

impl Description {
    /// Takes a name and labels, checked; labels keep their order.
    ///
    /// # Errors
    /// Says what is wrong with them.
    pub fn new(name: Option<&str>, labels: &[String]) -> Result<Self, InvalidDescription> {
        if let Some(name) = name {
            let chars = name.chars().count();
            if chars == 0 || chars > MAX_NAME_CHARS {
                return Err(InvalidDescription::NameLength(chars));
            }
            if name.chars().any(char::is_control) {
                return Err(InvalidDescription::NameControlCharacter);
            }
        }
        if labels.len() > MAX_LABELS {
            return Err(InvalidDescription::TooManyLabels(labels.len()));
        }
        for (at, label) in labels.iter().enumerate() {
            let chars = label.chars().count();
            if chars == 0 || chars > MAX_LABEL_CHARS || label.chars().any(char::is_control) {
                return Err(InvalidDescription::Label(at));
            }
            if labels[..at].contains(label) {
                return Err(InvalidDescription::RepeatedLabel(at));
            }
        }
        Ok(Self { name: name.map(Into::into), labels: labels.iter().map(|label| label.as_str().into()).collect() })
    }

    /// The name, if the device has one.
    pub fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }

    /// The labels in the order in which they were given.
    pub fn labels(&self) -> &[Box<str>] {
        &self.labels
    }

    /// Whether nothing was ever said.
    pub fn is_empty(&self) -> bool {
        self.name.is_none() && self.labels.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_labels_are_checked_against_their_limits() {
        let labels = |count: usize| (0..count).map(|at| format!("label-{at}")).collect::<Vec<_>>();
        assert!(Description::new(Some(&"ü".repeat(200)), &labels(32)).is_ok());
        assert_eq!(Description::new(Some(&"x".repeat(201)), &[]), Err(InvalidDescription::NameLength(201)));
        assert_eq!(Description::new(Some(""), &[]), Err(InvalidDescription::NameLength(0)));
        assert_eq!(Description::new(Some("a\u{7}"), &[]), Err(InvalidDescription::NameControlCharacter));
        assert_eq!(Description::new(None, &labels(33)), Err(InvalidDescription::TooManyLabels(33)));
        assert_eq!(Description::new(None, &["a".into(), "b".repeat(65)]), Err(InvalidDescription::Label(1)));
        assert_eq!(Description::new(None, &["a".into(), "a".into()]), Err(InvalidDescription::RepeatedLabel(1)));
    }
}
