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

/// What becomes of one part of a description.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Change<T> {
    /// It stays as it is.
    #[default]
    Stays,
    /// It becomes this, whatever it was.
    Becomes(T),
}

impl<T> Change<T> {
    /// What it becomes; `None` when it stays.
    pub const fn becomes(&self) -> Option<&T> {
        match self {
            Self::Stays => None,
            Self::Becomes(value) => Some(value),
        }
    }

    fn try_map<U, E>(self, check: impl FnOnce(T) -> Result<U, E>) -> Result<Change<U>, E> {
        match self {
            Self::Stays => Ok(Change::Stays),
            Self::Becomes(value) => check(value).map(Change::Becomes),
        }
    }
}

/// What people want changed of a description, checked. What it makes of a device's name and labels depends on what they are
/// when the device decides, so two edits of different parts never undo each other.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Edit {
    name: Change<Option<Box<str>>>,
    labels: Change<Box<[Box<str>]>>,
}

impl Edit {
    /// Takes what becomes of name (`None`: it has none any more) and labels, each checked as [`Description::new`] does. They
    /// have no limit in common, so whatever the device has then, the edit can be made.
    ///
    /// # Errors
    /// Says what is wrong with them.
    pub fn new(name: Change<Option<&str>>, labels: Change<&[String]>) -> Result<Self, InvalidDescription> {
        Ok(Self { name: name.try_map(|name| name.map(checked_name).transpose())?, labels: labels.try_map(checked_labels)? })
    }

    /// What becomes of the name; `None` in it: it is cleared.
    pub const fn name(&self) -> &Change<Option<Box<str>>> {
        &self.name
    }

    /// What becomes of the labels.
    pub const fn labels(&self) -> &Change<Box<[Box<str>]>> {
        &self.labels
    }
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
        Ok(Self { name: name.map(checked_name).transpose()?, labels: checked_labels(labels)? })
    }

    /// What an edit makes of it.
    #[must_use]
    pub fn edited(&self, edit: &Edit) -> Self {
        Self {
            name: edit.name.becomes().unwrap_or(&self.name).clone(),
            labels: edit.labels.becomes().unwrap_or(&self.labels).clone(),
        }
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

fn checked_name(name: &str) -> Result<Box<str>, InvalidDescription> {
    let chars = name.chars().count();
    if chars == 0 || chars > MAX_NAME_CHARS {
        return Err(InvalidDescription::NameLength(chars));
    }
    if name.chars().any(char::is_control) {
        return Err(InvalidDescription::NameControlCharacter);
    }
    Ok(name.into())
}

fn checked_labels(labels: &[String]) -> Result<Box<[Box<str>]>, InvalidDescription> {
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
    Ok(labels.iter().map(|label| label.as_str().into()).collect())
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

    #[test]
    fn what_an_edit_does_not_mention_stays_and_the_rest_becomes_what_it_says() {
        let before = Description::new(Some("old"), &["a".into(), "b".into()]).expect("valid");
        let edited = |name, labels: Change<&[String]>| {
            let after = before.edited(&Edit::new(name, labels).expect("valid"));
            (after.name().map(str::to_owned), after.labels().join(","))
        };
        let name = |name: &str| Some(name.to_owned());
        assert_eq!(edited(Change::Stays, Change::Stays), (name("old"), "a,b".into()));
        assert_eq!(edited(Change::Becomes(None), Change::Stays), (None, "a,b".into()));
        assert_eq!(edited(Change::Becomes(Some("new")), Change::Stays), (name("new"), "a,b".into()));
        assert_eq!(edited(Change::Stays, Change::Becomes(&[])), (name("old"), String::new()));
        assert_eq!(edited(Change::Stays, Change::Becomes(&["c".into()])), (name("old"), "c".into()));
    }

    #[test]
    fn an_edit_is_checked_like_a_description() {
        let refused = |name, labels: Change<&[String]>| Edit::new(name, labels).expect_err("refused");
        assert_eq!(refused(Change::Becomes(Some("")), Change::Stays), InvalidDescription::NameLength(0));
        let repeated = ["a".to_owned(), "a".to_owned()];
        assert_eq!(refused(Change::Stays, Change::Becomes(&repeated)), InvalidDescription::RepeatedLabel(1));
    }
}
