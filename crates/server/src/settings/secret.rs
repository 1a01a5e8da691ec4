//! Values that must not be shown: tokens, keys, and URLs with a password inside.

use std::fmt;

/// What stands in the place of a secret.
pub(super) const MASK: &str = "***";

/// A token or key. Its `Debug` form shows nothing of it.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Secret(String);

impl Secret {
    pub(super) fn new(text: &str) -> Self {
        Self(text.to_owned())
    }

    /// The secret itself, for the one call that sends it.
    #[cfg_attr(not(test), expect(dead_code, reason = "the first other server to be built, RabbitMQ, is the first to need it"))]
    pub(crate) fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(MASK)
    }
}

/// Where another service is reached. May carry a password; its `Debug` form masks it.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct ServiceUrl(String);

impl ServiceUrl {
    /// Takes a URL of one of `schemes` that names a host.
    pub(super) fn parse(text: &str, schemes: &[&str]) -> Option<Self> {
        let (scheme, rest) = text.split_once("://")?;
        let host_and_port = authority(rest).rsplit('@').next()?;
        let has_host = !host_and_port.is_empty() && !host_and_port.starts_with(':');
        let is_clean = !text.bytes().any(|byte| byte.is_ascii_control() || byte == b' ');
        (schemes.contains(&scheme) && has_host && is_clean).then(|| Self(text.to_owned()))
    }

    /// The URL with its password, for the one call that connects.
    pub(crate) fn expose(&self) -> &str {
        &self.0
    }

    /// The URL as it may be shown: password and secret-looking parameters masked.
    pub(crate) fn masked(&self) -> String {
        mask_url(&self.0)
    }
}

impl fmt::Debug for ServiceUrl {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.masked())
    }
}

fn authority(after_scheme: &str) -> &str {
    after_scheme.split(['/', '?', '#']).next().unwrap_or(after_scheme)
}

fn mask_url(url: &str) -> String {
    let Some((scheme, rest)) = url.split_once("://") else { return MASK.to_owned() };
    // A password with an unescaped `/`, `?` or `#` ends the authority too early for a strict reader. Then the last `@`
    // of the whole text decides: better to mask too much of a path than to show half a password.
    let userinfo = authority(rest).rsplit_once('@').or_else(|| rest.rsplit_once('@')).map(|(userinfo, _)| userinfo);
    let (userinfo, after) = match userinfo {
        Some(userinfo) => (Some(userinfo), &rest[userinfo.len() + 1..]),
        None => (None, rest),
    };
    let mut shown = format!("{scheme}://");
    if let Some(userinfo) = userinfo {
        match userinfo.split_once(':') {
            Some((user, _)) => shown.extend([user, ":", MASK, "@"]),
            None => shown.extend([userinfo, "@"]),
        }
    }
    shown.push_str(&mask_parameters(after));
    shown
}

fn mask_parameters(text: &str) -> String {
    let Some((path, query)) = text.split_once('?') else { return text.to_owned() };
    let shown = query.split('&').map(|parameter| match parameter.split_once('=') {
        Some((name, _)) if names_a_secret(name) => format!("{name}={MASK}"),
        _ => parameter.to_owned(),
    });
    format!("{path}?{}", shown.collect::<Vec<_>>().join("&"))
}

fn names_a_secret(parameter: &str) -> bool {
    let parameter = parameter.to_ascii_lowercase();
    ["password", "passwd", "passphrase", "token", "secret"].iter().any(|word| parameter.contains(word))
}

#[cfg(test)]
mod tests {
    use super::*;

    const ANY: &[&str] = &["amqp", "postgresql", "https"];

    #[test]
    fn neither_debug_nor_the_masked_form_shows_the_password() {
        for (url, shown) in [
            ("amqp://user:hunter2@host:5672/%2f", "amqp://user:***@host:5672/%2f"),
            ("amqp://user:hunter2/hunter2@host/v", "amqp://user:***@host/v"),
            ("amqp://user:hunter2@hunter2@host", "amqp://user:***@host"),
            ("amqp://:hunter2@host", "amqp://:***@host"),
            ("postgresql://host/db?user=a&password=hunter2&x=1", "postgresql://host/db?user=a&password=***&x=1"),
            ("https://user@host", "https://user@host"),
            ("https://host", "https://host"),
        ] {
            let parsed = ServiceUrl::parse(url, ANY).expect(url);
            assert_eq!(parsed.masked(), shown);
            assert!(!format!("{parsed:?}").contains("hunter2"));
            assert_eq!(parsed.expose(), url);
        }
        assert!(!format!("{:?}", Secret::new("hunter2")).contains("hunter2"));
    }

    #[test]
    fn a_url_needs_a_known_scheme_and_a_host() {
        for url in ["", "host:5672", "amqp://", "amqp://:5672", "amqp://user:pw@", "mysql://host", "amqp://a b", "AMQP//host"] {
            assert_eq!(ServiceUrl::parse(url, ANY), None, "{url}");
        }
    }
}
