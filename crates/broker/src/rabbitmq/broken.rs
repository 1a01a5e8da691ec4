//! Why a question to the broker was not answered as wished.

use lapin::ErrorKind;

/// Why a question to the broker was not answered as wished.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{text}")]
pub(crate) struct Broken {
    /// The code by which the broker refused: 404 not found, 405 locked, 406 differs; `None` when it did not answer.
    pub(crate) code: Option<u16>,
    pub(crate) text: String,
}

impl Broken {
    pub(crate) fn new(text: impl Into<String>) -> Self {
        Self { code: None, text: text.into() }
    }

    pub(crate) fn is(&self, code: u16) -> bool {
        self.code == Some(code)
    }
}

impl From<lapin::Error> for Broken {
    fn from(error: lapin::Error) -> Self {
        match error.kind() {
            ErrorKind::ProtocolError(refused) => Self { code: Some(refused.get_id()), text: refused.get_message().to_string() },
            _ => Self::new(error.to_string()),
        }
    }
}
