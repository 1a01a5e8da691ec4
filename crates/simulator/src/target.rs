//! Where a server is: the `http://host:port` that a person types.

use std::fmt;
use std::str::FromStr;

use thiserror::Error;

/// The address of a server, checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Target {
    host: String,
    port: u16,
    /// What stands in the `Host` header.
    authority: String,
    /// What comes before every path; empty, or `/prefix` without a slash at its end.
    base: String,
}

/// Why a text is not the address of a server.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum TargetError {
    /// The text does not begin with `http://`.
    #[error("'{0}' is not a target: it begins with http://, as in http://127.0.0.1:8080")]
    Scheme(String),
    /// Encrypted connections are not made by this client.
    #[error("'{0}' is not a target: https is not spoken here, send to the server itself or through a local proxy")]
    Encrypted(String),
    /// There is no host, or the port is none.
    #[error("'{0}' is not a target: host and port are wanted, as in http://127.0.0.1:8080")]
    Authority(String),
    /// The address holds what an address of a server does not.
    #[error("'{0}' is not a target: no user, query, fragment or blank is wanted in it")]
    Excess(String),
}

impl Target {
    pub(crate) fn socket_address(&self) -> (&str, u16) {
        (&self.host, self.port)
    }

    pub(crate) fn authority(&self) -> &str {
        &self.authority
    }

    /// The whole path of `path`, which begins with a slash.
    pub(crate) fn path(&self, path: &str) -> String {
        format!("{}{path}", self.base)
    }
}

impl FromStr for Target {
    type Err = TargetError;

    fn from_str(text: &str) -> Result<Target, TargetError> {
        if scheme_is(text, "https://") {
            return Err(TargetError::Encrypted(text.to_owned()));
        }
        if !scheme_is(text, "http://") {
            return Err(TargetError::Scheme(text.to_owned()));
        }
        let rest = &text["http://".len()..];
        if rest.contains(|c: char| matches!(c, '?' | '#' | '@') || c.is_whitespace() || c.is_control()) {
            return Err(TargetError::Excess(text.to_owned()));
        }
        let (authority, base) = rest.split_once('/').map_or((rest, ""), |(authority, base)| (authority, base));
        let (host, port) = host_and_port(authority).ok_or_else(|| TargetError::Authority(text.to_owned()))?;
        let base = base.trim_end_matches('/');
        Ok(Target {
            host: host.to_owned(),
            port,
            authority: authority.to_owned(),
            base: if base.is_empty() { String::new() } else { format!("/{base}") },
        })
    }
}

fn scheme_is(text: &str, scheme: &str) -> bool {
    text.get(..scheme.len()).is_some_and(|start| start.eq_ignore_ascii_case(scheme))
}

fn host_and_port(authority: &str) -> Option<(&str, u16)> {
    const DEFAULT_PORT: u16 = 80;
    let (host, port) = if let Some(rest) = authority.strip_prefix('[') {
        let (host, port) = rest.split_once(']')?;
        (host, port.strip_prefix(':').or_else(|| port.is_empty().then_some("80"))?)
    } else {
        match authority.split_once(':') {
            Some((host, port)) => (host, port),
            None => return (!authority.is_empty()).then_some((authority, DEFAULT_PORT)),
        }
    };
    let port: u16 = port.parse().ok()?;
    (!host.is_empty() && port != 0).then_some((host, port))
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "http://{}{}", self.authority, self.base)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_target_is_a_host_a_port_and_perhaps_a_prefix() {
        for (text, address, authority, path) in [
            ("http://127.0.0.1:8080", ("127.0.0.1", 8080), "127.0.0.1:8080", "/event"),
            ("HTTP://fleet.example/", ("fleet.example", 80), "fleet.example", "/event"),
            ("http://[::1]:9000", ("::1", 9000), "[::1]:9000", "/event"),
            ("http://[::1]", ("::1", 80), "[::1]", "/event"),
            ("http://a:1/watch/", ("a", 1), "a:1", "/watch/event"),
        ] {
            let target: Target = text.parse().expect(text);
            assert_eq!(target.socket_address(), address, "{text}");
            assert_eq!(target.authority(), authority, "{text}");
            assert_eq!(target.path("/event"), path, "{text}");
        }
    }

    #[test]
    fn what_is_not_a_target_says_what_is_wanted() {
        for (text, part) in [
            ("127.0.0.1:8080", "begins with http://"),
            ("https://a", "https is not spoken"),
            ("http://", "host and port"),
            ("http://:80", "host and port"),
            ("http://a:port", "host and port"),
            ("http://a:0", "host and port"),
            ("http://[::1]x", "host and port"),
            ("http://a:1?x", "no user, query"),
            ("http://user@a:1", "no user, query"),
            ("http://a b", "no user, query"),
            ("é", "begins with http://"),
        ] {
            let error = text.parse::<Target>().expect_err(text).to_string();
            assert!(error.contains(part), "{error}");
        }
    }
}
