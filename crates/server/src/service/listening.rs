//! The address that the service is reached at.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use anyhow::{Context as _, anyhow};
use tokio::net::{TcpListener, TcpSocket};

use crate::data_folder::DataFolder;

/// Binds, and listens: from here on connections wait to be accepted. Needs a tokio runtime.
pub(super) fn bind(address: SocketAddr, backlog: u32, folder: &DataFolder) -> anyhow::Result<TcpListener> {
    match listen(address, backlog) {
        Ok(listener) => Ok(listener),
        Err(error) if error.kind() == io::ErrorKind::AddrInUse => Err(in_use(address, folder)),
        Err(error) => Err(error).with_context(|| format!("cannot listen on {address}")),
    }
}

fn listen(address: SocketAddr, backlog: u32) -> io::Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    // A port whose last server has just ended still has connections that fade away; they are no reason to wait.
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(backlog)
}

/// Often it is the same service, started twice.
fn in_use(address: SocketAddr, folder: &DataFolder) -> anyhow::Error {
    match folder.holder() {
        Ok(Some(holder)) => anyhow!("{address} is in use, and so is the data folder {}: by {holder}", folder.path().display()),
        Ok(None) | Err(_) => anyhow!("{address} is in use by another program; choose another with --listen or server.listen"),
    }
}

/// How a bound address is reached from this machine.
pub(super) fn url(bound: SocketAddr) -> String {
    let ip = match bound.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => IpAddr::V4(Ipv4Addr::LOCALHOST),
        IpAddr::V6(ip) if ip.is_unspecified() => IpAddr::V6(Ipv6Addr::LOCALHOST),
        ip => ip,
    };
    format!("http://{}", SocketAddr::new(ip, bound.port()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data_folder::Holder;

    const BACKLOG: u32 = 16;

    #[tokio::test]
    async fn a_port_in_use_is_told_with_whoever_holds_the_folder_too() {
        let dir = tempfile::tempdir().expect("a folder");
        let folder = DataFolder::at(dir.path());
        let first = bind(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)), BACKLOG, &folder).expect("a free port");
        let address = first.local_addr().expect("bound");

        let alone = bind(address, BACKLOG, &folder).expect_err("in use").to_string();
        assert!(alone.contains("in use by another program"), "{alone}");
        let _lock = folder.lock(&Holder::server(&url(address))).expect("free");
        let twice = bind(address, BACKLOG, &folder).expect_err("in use").to_string();
        assert!(twice.contains(&url(address)), "{twice}");
    }

    #[test]
    fn an_address_for_everybody_is_reached_by_the_loopback_one() {
        for (bound, reached) in [
            ("127.0.0.1:80", "http://127.0.0.1:80"),
            ("0.0.0.0:8080", "http://127.0.0.1:8080"),
            ("[::]:8080", "http://[::1]:8080"),
            ("10.0.0.7:1", "http://10.0.0.7:1"),
        ] {
            assert_eq!(url(bound.parse().expect("an address")), reached);
        }
    }
}
