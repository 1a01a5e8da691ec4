//! Where the broker is, and who asks: `amqp://user:password@host:5672/vhost`, several hosts separated by commas.

use lapin::uri::{AMQPScheme, AMQPUri};
use std::fmt;

/// How often a connection says that it lives, unless the address says otherwise.
const HEARTBEAT_S: u16 = 5;

/// The hosts of a broker. Never shows the password.
#[derive(Clone, PartialEq, Eq)]
pub struct RabbitAddress {
    hosts: Vec<AMQPUri>,
}

/// Why a text is no address of a broker. Does not repeat the text, which may hold a password.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("is not an address such as amqp://user:password@host:5672/vhost: {0}")]
pub struct InvalidRabbitAddress(String);

impl RabbitAddress {
    /// Reads `amqp://` or `amqps://`, with percent-encoded user, password and virtual host (`/` where there is none), and
    /// one host or several: `amqp://user:password@a:5672,b:5672/vhost?heartbeat=5`.
    ///
    /// # Errors
    /// When it is not such an address.
    pub fn parse(text: &str) -> Result<Self, InvalidRabbitAddress> {
        let invalid = |why: &str| InvalidRabbitAddress(why.into());
        let (scheme, rest) = text.split_once("://").ok_or_else(|| invalid("it has no scheme"))?;
        let (authority, path) = match rest.find(['/', '?']) {
            Some(at) => rest.split_at(at),
            None => (rest, ""),
        };
        let (user, hosts) = match authority.rsplit_once('@') {
            Some((user, hosts)) => (format!("{user}@"), hosts),
            None => (String::new(), authority),
        };
        let hosts: Result<Vec<_>, _> =
            hosts.split(',').map(|host| parse_host(&format!("{scheme}://{user}{}{path}", host.trim()), host.trim())).collect();
        Ok(Self { hosts: hosts? })
    }

    pub(super) fn hosts(&self) -> &[AMQPUri] {
        &self.hosts
    }
}

fn parse_host(text: &str, host: &str) -> Result<AMQPUri, InvalidRabbitAddress> {
    if host.is_empty() {
        return Err(InvalidRabbitAddress("a host is missing".into()));
    }
    // What the parser says may repeat the text.
    let mut uri: AMQPUri =
        text.parse().map_err(|_| InvalidRabbitAddress("scheme, host, port or a parameter cannot be read".into()))?;
    if let Some(address) = host.strip_prefix('[').and_then(|host| host.split_once(']')) {
        uri.authority.host = address.0.into();
    }
    if uri.vhost.is_empty() {
        uri.vhost = "/".into();
    }
    uri.query.heartbeat.get_or_insert(HEARTBEAT_S);
    Ok(uri)
}

impl fmt::Debug for RabbitAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

/// Without user and password.
impl fmt::Display for RabbitAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, host) in self.hosts.iter().enumerate() {
            if at > 0 {
                f.write_str(",")?;
            }
            write_host(f, host)?;
        }
        Ok(())
    }
}

pub(super) fn shown(host: &AMQPUri) -> String {
    let mut text = String::new();
    // Writing to a text does not fail.
    let _ = write_host(&mut text, host);
    text
}

fn write_host(out: &mut impl fmt::Write, host: &AMQPUri) -> fmt::Result {
    let scheme = match host.scheme {
        AMQPScheme::AMQP => "amqp",
        AMQPScheme::AMQPS => "amqps",
    };
    write!(out, "{scheme}://{}:{} ({})", host.authority.host, host.authority.port, host.vhost)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn several_hosts_share_user_vhost_and_parameters() {
        let address = RabbitAddress::parse("amqps://me:p%40ss@a,b:99,[::1]:7/%2Ffield?heartbeat=9").expect("an address");
        let hosts: Vec<(&str, u16)> =
            address.hosts.iter().map(|host| (host.authority.host.as_str(), host.authority.port)).collect();
        assert_eq!(hosts, [("a", 5671), ("b", 99), ("::1", 7)]);
        for host in &address.hosts {
            assert_eq!(host.authority.userinfo.password, "p@ss");
            assert_eq!((host.vhost.as_str(), host.query.heartbeat), ("/field", Some(9)));
        }
    }

    #[test]
    fn what_is_left_out_has_the_usual_value() {
        for text in ["amqp://localhost", "amqp://localhost/"] {
            let address = RabbitAddress::parse(text).expect("an address");
            let host = &address.hosts[0];
            assert_eq!((host.authority.port, host.vhost.as_str(), host.query.heartbeat), (5672, "/", Some(5)));
        }
    }

    #[test]
    fn a_password_is_never_shown() {
        let address = RabbitAddress::parse("amqp://me:secret@host/v").expect("an address");
        assert!(!format!("{address} {address:?}").contains("secret"));
        for wrong in ["http://me:secret@host", "amqp://me:secret@host:port/v", "amqp://me:secret@", "secret"] {
            let error = RabbitAddress::parse(wrong).expect_err(wrong);
            assert!(!error.to_string().contains("secret"), "{error}");
        }
    }
}
