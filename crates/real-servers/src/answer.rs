//! What is said to whoever started this: JSON, a line each.

use std::{fmt::Write as _, io::Write as _};

/// One line.
pub(crate) enum Answer {
    /// The server answers at this address.
    Started(String),
    /// The server, or what was asked of it, cannot be had here.
    Missing(String),
    /// Done as told.
    Done,
    /// The address of what was created.
    Url(String),
    /// The address of what was created, and the file with the certificate by which that of the server is checked.
    Encrypted(String, String),
    /// What a program said.
    Said(String),
    /// It was not done.
    Error(String),
}

/// The answer, or its error as one.
pub(crate) fn of(answer: std::io::Result<Answer>) -> Answer {
    answer.unwrap_or_else(|error| Answer::Error(error.to_string()))
}

impl Answer {
    pub(crate) fn say(&self) {
        let mut output = std::io::stdout().lock();
        // Nobody listens any more: then the input closes too, and that is what ends this process.
        let _ = writeln!(output, "{}", self.line()).and_then(|()| output.flush());
    }

    fn line(&self) -> String {
        match self {
            Self::Started(url) => format!("{{\"url\":{},\"pid\":{}}}", quoted(url), std::process::id()),
            Self::Missing(why) => format!("{{\"missing\":{}}}", quoted(why)),
            Self::Done => r#"{"ok":true}"#.into(),
            Self::Url(url) => format!("{{\"url\":{}}}", quoted(url)),
            Self::Encrypted(url, authority) => format!("{{\"url\":{},\"authority\":{}}}", quoted(url), quoted(authority)),
            Self::Said(text) => format!("{{\"said\":{}}}", quoted(text)),
            Self::Error(why) => format!("{{\"error\":{}}}", quoted(why)),
        }
    }
}

fn quoted(text: &str) -> String {
    let mut quoted = String::from("\"");
    for character in text.chars() {
        match character {
            '"' | '\\' => quoted.extend(['\\', character]),
            '\n' => quoted.push_str("\\n"),
            control if control < ' ' => {
                // Writing to a string cannot fail.
                let _ = write!(quoted, "\\u{:04x}", u32::from(control));
            }
            other => quoted.push(other),
        }
    }
    quoted.push('"');
    quoted
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_one_line_whatever_is_said() {
        let said = Answer::Said("a \"b\"\\\n\tc".into()).line();
        assert_eq!(said, r#"{"said":"a \"b\"\\\n\u0009c"}"#);
    }
}
