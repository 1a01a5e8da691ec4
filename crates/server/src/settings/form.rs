//! How each kind of value is written: what is read, what is refused in which words, and how it is printed.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use fieldwatch_domain::Celsius;
use fieldwatch_wire::text::write_celsius;

use super::byte_size::ByteSize;
use super::decimal::parse_steps;
use super::duration::{EXAMPLES, parse_duration, show_duration};
use super::secret::{MASK, Secret, ServiceUrl};
use super::written::Written;

/// The way between a value as written and its type. What [`Form::show`] gives is TOML that [`Form::read`] takes back,
/// except that secrets are masked.
pub(super) trait Form<T> {
    /// The value, or what is allowed in its place.
    fn read(&self, written: &Written) -> Result<T, String>;
    /// The value in TOML; `None` when it is not set.
    fn show(&self, value: &T) -> Option<String>;
}

fn quoted(text: &str) -> String {
    toml::Value::from(text).to_string()
}

fn text_of(written: &Written) -> Result<&str, String> {
    match written.text() {
        Some("") => Err("must not be empty".to_owned()),
        Some(text) => Ok(text),
        None => Err("must be a text in quotes".to_owned()),
    }
}

/// `true` or `false`.
pub(super) struct Switch;

impl Form<bool> for Switch {
    fn read(&self, written: &Written) -> Result<bool, String> {
        match written {
            Written::Switch(on) => Ok(*on),
            Written::Untyped(text) if text == "true" => Ok(true),
            Written::Untyped(text) if text == "false" => Ok(false),
            _ => Err("must be true or false, without quotes".to_owned()),
        }
    }

    fn show(&self, value: &bool) -> Option<String> {
        Some(value.to_string())
    }
}

/// A socket address; `localhost` is taken for 127.0.0.1, other names would need a resolver.
pub(super) struct Address;

impl Form<SocketAddr> for Address {
    fn read(&self, written: &Written) -> Result<SocketAddr, String> {
        let text = text_of(written)?;
        let localhost = text.strip_prefix("localhost:").and_then(|port| port.parse::<u16>().ok());
        match (localhost, text.parse()) {
            (Some(port), _) => Ok(SocketAddr::from((Ipv4Addr::LOCALHOST, port))),
            (None, Ok(address)) => Ok(address),
            (None, Err(_)) => Err(r#"must be an IP address and a port, such as "127.0.0.1:8080" or "[::1]:8080""#.to_owned()),
        }
    }

    fn show(&self, value: &SocketAddr) -> Option<String> {
        Some(quoted(&value.to_string()))
    }
}

pub(super) struct Folder;

impl Form<PathBuf> for Folder {
    fn read(&self, written: &Written) -> Result<PathBuf, String> {
        text_of(written).map(PathBuf::from)
    }

    fn show(&self, value: &PathBuf) -> Option<String> {
        // Came from text, so nothing is lost here.
        Some(quoted(&value.to_string_lossy()))
    }
}

/// One of a few words.
pub(super) struct OneOf<T: 'static>(pub(super) &'static [(&'static str, T)]);

impl<T: Copy + PartialEq> OneOf<T> {
    fn words(&self) -> String {
        let words: Vec<String> = self.0.iter().map(|(word, _)| quoted(word)).collect();
        words.join(", ")
    }

    fn meaning(&self, word: &str) -> Option<T> {
        self.0.iter().find(|(known, _)| *known == word).map(|(_, meaning)| *meaning)
    }

    fn word(&self, meaning: T) -> Option<String> {
        self.0.iter().find(|(_, known)| *known == meaning).map(|(word, _)| quoted(word))
    }
}

impl<T: Copy + PartialEq> Form<T> for OneOf<T> {
    fn read(&self, written: &Written) -> Result<T, String> {
        written.text().and_then(|word| self.meaning(word)).ok_or_else(|| format!("must be one of {}", self.words()))
    }

    fn show(&self, value: &T) -> Option<String> {
        self.word(*value)
    }
}

/// A list of different words, at least one; in a variable separated by commas.
pub(super) struct SomeOf<T: 'static>(pub(super) OneOf<T>);

impl<T: Copy + PartialEq> Form<Vec<T>> for SomeOf<T> {
    fn read(&self, written: &Written) -> Result<Vec<T>, String> {
        let words: Option<Vec<&str>> = match written {
            Written::List(items) => items.iter().map(Written::text).collect(),
            Written::Untyped(text) => Some(text.split(',').map(str::trim).collect()),
            Written::Text(_) | Written::Number(_) | Written::Switch(_) | Written::Unusable(_) => None,
        };
        let meanings: Option<Vec<T>> = words.and_then(|words| words.into_iter().map(|word| self.0.meaning(word)).collect());
        let allowed = || format!("must be a list of different ones of {}", self.0.words());
        let meanings = meanings.filter(|meanings| !meanings.is_empty()).ok_or_else(allowed)?;
        let repeated = meanings.iter().enumerate().any(|(index, meaning)| meanings[..index].contains(meaning));
        if repeated { Err(allowed()) } else { Ok(meanings) }
    }

    fn show(&self, value: &Vec<T>) -> Option<String> {
        let words: Option<Vec<String>> = value.iter().map(|meaning| self.0.word(*meaning)).collect();
        words.map(|words| format!("[{}]", words.join(", ")))
    }
}

/// A temperature, or a difference of two, exact to 0.0001 °C; both bounds are allowed.
pub(super) struct Temperature {
    pub(super) least: Celsius,
    pub(super) most: Celsius,
}

impl Form<Celsius> for Temperature {
    fn read(&self, written: &Written) -> Result<Celsius, String> {
        let steps = written.number().and_then(parse_steps).and_then(|steps| i32::try_from(steps).ok());
        let value = steps.map(Celsius::from_stored).filter(|value| (self.least..=self.most).contains(value));
        value.ok_or_else(|| {
            let (least, most) = (plain(self.least), plain(self.most));
            format!("must be a number of °C from {least} to {most}, without quotes, with at most four decimals")
        })
    }

    fn show(&self, value: &Celsius) -> Option<String> {
        Some(plain(*value))
    }
}

fn plain(temperature: Celsius) -> String {
    let mut text = String::new();
    write_celsius(&mut text, temperature);
    text
}

/// A distance on the globe.
pub(super) struct Kilometres;

impl Kilometres {
    /// Half the circumference: no two places are farther apart.
    const MOST: f64 = 20_016.0;
}

impl Form<f64> for Kilometres {
    fn read(&self, written: &Written) -> Result<f64, String> {
        let number = written.number().and_then(|number| number.parse::<f64>().ok());
        number
            .filter(|number| (0.0..=Self::MOST).contains(number))
            .ok_or_else(|| format!("must be a number of kilometres from 0 to {}, without quotes", Self::MOST))
    }

    fn show(&self, value: &f64) -> Option<String> {
        // `Debug` keeps the fraction of a whole number and is the shortest text that reads back.
        Some(format!("{value:?}"))
    }
}

/// A length of time, or the word for having none.
pub(super) struct DurationOr(pub(super) &'static str);

impl Form<Option<Duration>> for DurationOr {
    fn read(&self, written: &Written) -> Result<Option<Duration>, String> {
        let word = self.0;
        match written {
            Written::Text(text) | Written::Untyped(text) if text == word => Ok(None),
            Written::Text(text) | Written::Untyped(text) | Written::Number(text) => {
                parse_duration(text).map(Some).map_err(|what| format!("{what}; or \"{word}\""))
            }
            Written::Switch(_) | Written::List(_) | Written::Unusable(_) => {
                Err(format!("a duration is written like {EXAMPLES}; or \"{word}\""))
            }
        }
    }

    fn show(&self, value: &Option<Duration>) -> Option<String> {
        Some(quoted(&value.map_or_else(|| self.0.to_owned(), show_duration)))
    }
}

pub(super) struct Size;

impl Form<ByteSize> for Size {
    fn read(&self, written: &Written) -> Result<ByteSize, String> {
        let text = written.text().or_else(|| written.number());
        text.and_then(ByteSize::parse).ok_or_else(|| {
            r#"a size is a whole number with a unit, such as "8GiB" or "512MB" (units: kB, MB, GB, TB, KiB, MiB, GiB, TiB), or of bytes"#
                .to_owned()
        })
    }

    fn show(&self, value: &ByteSize) -> Option<String> {
        Some(quoted(&value.to_string()))
    }
}

/// A whole number; both bounds are allowed.
pub(super) struct Count {
    pub(super) least: u32,
    pub(super) most: u32,
}

impl Form<u32> for Count {
    fn read(&self, written: &Written) -> Result<u32, String> {
        let number = written.number().and_then(|number| number.parse::<u32>().ok());
        number
            .filter(|number| (self.least..=self.most).contains(number))
            .ok_or_else(|| format!("must be a whole number from {} to {}, without quotes", self.least, self.most))
    }

    fn show(&self, value: &u32) -> Option<String> {
        Some(value.to_string())
    }
}

pub(super) struct Text;

impl Form<String> for Text {
    fn read(&self, written: &Written) -> Result<String, String> {
        text_of(written).map(str::to_owned)
    }

    fn show(&self, value: &String) -> Option<String> {
        Some(quoted(value))
    }
}

/// A text that need not be set.
impl Form<Option<String>> for Text {
    fn read(&self, written: &Written) -> Result<Option<String>, String> {
        text_of(written).map(|text| Some(text.to_owned()))
    }

    fn show(&self, value: &Option<String>) -> Option<String> {
        value.as_deref().map(quoted)
    }
}

/// The name of a time zone; whether there is one of this name, only the time zone database knows.
pub(super) struct TimeZone;

impl Form<String> for TimeZone {
    fn read(&self, written: &Written) -> Result<String, String> {
        let is_name = |name: &&str| name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"/_+-".contains(&byte));
        text_of(written)
            .ok()
            .filter(is_name)
            .map(str::to_owned)
            .ok_or_else(|| r#"must be the IANA name of a time zone, such as "UTC" or "Europe/Warsaw""#.to_owned())
    }

    fn show(&self, value: &String) -> Option<String> {
        Some(quoted(value))
    }
}

/// A token or key that need not be set.
pub(super) struct Hidden;

impl Form<Option<Secret>> for Hidden {
    fn read(&self, written: &Written) -> Result<Option<Secret>, String> {
        text_of(written).map(|text| Some(Secret::new(text)))
    }

    fn show(&self, value: &Option<Secret>) -> Option<String> {
        value.as_ref().map(|_| quoted(MASK))
    }
}

/// A URL that need not be set, of one of these schemes.
pub(super) struct Url(pub(super) &'static [&'static str]);

impl Form<Option<ServiceUrl>> for Url {
    fn read(&self, written: &Written) -> Result<Option<ServiceUrl>, String> {
        let url = written.text().and_then(|text| ServiceUrl::parse(text, self.0));
        url.map(Some).ok_or_else(|| {
            let schemes: Vec<String> = self.0.iter().map(|scheme| format!("{scheme}://")).collect();
            format!("must be a URL with a host that starts with {}", schemes.join(" or "))
        })
    }

    fn show(&self, value: &Option<ServiceUrl>) -> Option<String> {
        value.as_ref().map(|url| quoted(&url.masked()))
    }
}
