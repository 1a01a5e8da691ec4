//! A second handle on a connection's socket, to end it.
//!
//! The client library gives each connection a thread that lives as long as the socket does, also when nobody waits for the
//! connection any more. Whatever accepts connections and says nothing would so cost a thread and a socket with each attempt.

use super::broken::Broken;
use lapin::{
    AsyncTcpStream, Connection, ConnectionProperties, Error,
    tcp::OwnedTLSConfig,
    uri::{AMQPScheme, AMQPUri},
};
use rustix::net::Shutdown;
use std::{
    io,
    os::fd::{AsFd, OwnedFd},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};
use tokio::{net::lookup_host, time::timeout};

/// The socket of one connection, once it has one.
#[derive(Clone, Default)]
pub(super) struct Socket {
    handle: Arc<Mutex<Option<OwnedFd>>>,
}

impl Socket {
    /// Ends it, whatever the other side does.
    pub(super) fn end(&self) {
        if let Some(handle) = self.handle.lock().unwrap_or_else(PoisonError::into_inner).take() {
            // One that is closed already has ended.
            let _ = rustix::net::shutdown(handle, Shutdown::Both);
        }
    }

    fn keep(&self, socket: &impl AsFd) -> io::Result<()> {
        let handle = socket.as_fd().try_clone_to_owned()?;
        *self.handle.lock().unwrap_or_else(PoisonError::into_inner) = Some(handle);
        Ok(())
    }
}

/// Connects, handshakes included, within a deadline; after that nothing is left of it.
pub(super) async fn connect(
    host: AMQPUri,
    properties: ConnectionProperties,
    tls: OwnedTLSConfig,
    deadline: Duration,
) -> Result<(Connection, Socket), Broken> {
    let socket = Socket::default();
    let kept = socket.clone();
    let runtime = lapin::runtime::default_runtime()?;
    let connecting = Connection::connector(
        host,
        runtime,
        async move |host: AMQPUri, runtime| {
            let opening = async {
                let authority = &host.authority;
                let mut failed = io::Error::new(io::ErrorKind::NotFound, "its name has no address");
                for address in lookup_host((authority.host.as_str(), authority.port)).await? {
                    let stream = match AsyncTcpStream::connect(&runtime, address).await {
                        Ok(stream) => stream,
                        Err(error) => {
                            failed = error;
                            continue;
                        }
                    };
                    if let AsyncTcpStream::Plain(plain) = &stream {
                        kept.keep(plain.get_ref())?;
                    }
                    return match host.scheme {
                        AMQPScheme::AMQP => Ok(stream),
                        AMQPScheme::AMQPS => stream.into_tls(&authority.host, tls.as_ref()).await,
                    };
                }
                Err(failed)
            };
            let opened = timeout(deadline, opening).await;
            let opened = opened.unwrap_or_else(|_| Err(io::Error::new(io::ErrorKind::TimedOut, "no connection in time")));
            opened.map_err(Error::from)
        },
        properties,
    );
    match timeout(deadline, connecting).await {
        Ok(Ok(connection)) => Ok((connection, socket)),
        Ok(Err(error)) => {
            socket.end();
            Err(error.into())
        }
        Err(_) => {
            socket.end();
            Err(Broken::new("no connection in time"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::{io::AsyncReadExt, net::TcpListener};

    #[tokio::test]
    async fn of_an_attempt_that_is_not_answered_no_socket_is_left() {
        let silent = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = silent.local_addr().expect("its address");
        let uri: AMQPUri = format!("amqp://{address}/%2f").parse().expect("an address");
        let connecting = connect(uri, ConnectionProperties::default(), OwnedTLSConfig::default(), Duration::from_millis(200));
        let (connected, accepted) = tokio::join!(connecting, silent.accept());
        assert_eq!(connected.map(drop).expect_err("nothing answers").text, "no connection in time");
        let mut said = Vec::new();
        // Ends when the other side has closed it.
        accepted.expect("one came").0.read_to_end(&mut said).await.expect("the end");
        assert_eq!(said, b"AMQP\0\0\x09\x01");
    }
}
