//! Stands between a process and the broker, and can swallow or cut everything.

use std::net::SocketAddr;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream, tcp::OwnedReadHalf, tcp::OwnedWriteHalf},
    sync::watch,
};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Doing {
    Forwarding,
    /// Nothing comes through any more, and nobody is told.
    Swallowing,
    /// Connections up to this one are cut.
    Cut(u32),
}

pub(crate) struct Proxy {
    pub(crate) address: SocketAddr,
    doing: watch::Sender<Doing>,
    cuts: u32,
}

impl Proxy {
    pub(crate) async fn start(broker: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let doing = watch::Sender::new(Doing::Forwarding);
        let follow = doing.subscribe();
        tokio::spawn(async move {
            while let Ok((from, _)) = listener.accept().await {
                let Ok(to) = TcpStream::connect(broker).await else { continue };
                let ((from_in, from_out), (to_in, to_out)) = (from.into_split(), to.into_split());
                let now = *follow.borrow();
                tokio::spawn(pump(from_in, to_out, follow.clone(), now));
                tokio::spawn(pump(to_in, from_out, follow.clone(), now));
            }
        });
        Self { address, doing, cuts: 0 }
    }

    /// The address of the broker as seen through this.
    pub(crate) fn url(&self, url: &str) -> String {
        let (user, host) = url.rsplit_once('@').expect("a user");
        let (_, vhost) = host.split_once('/').expect("a virtual host");
        format!("{user}@{}/{vhost}", self.address)
    }

    pub(crate) fn swallow(&self) {
        self.doing.send_replace(Doing::Swallowing);
    }

    pub(crate) fn forward(&self) {
        self.doing.send_replace(Doing::Forwarding);
    }

    /// Cuts all connections; new ones are forwarded.
    pub(crate) fn cut(&mut self) {
        self.cuts += 1;
        self.doing.send_replace(Doing::Cut(self.cuts));
    }
}

async fn pump(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, mut doing: watch::Receiver<Doing>, begun: Doing) {
    let mut buffer = vec![0; 65_536];
    loop {
        let now = *doing.borrow_and_update();
        match now {
            Doing::Cut(_) if now != begun => return,
            Doing::Swallowing => {
                if doing.changed().await.is_err() {
                    return;
                }
            }
            Doing::Forwarding | Doing::Cut(_) => {
                tokio::select! {
                    changed = doing.changed() => if changed.is_err() { return },
                    read = from.read(&mut buffer) => match read {
                        Ok(length) if length > 0 => if to.write_all(&buffer[..length]).await.is_err() { return },
                        _ => return,
                    },
                }
            }
        }
    }
}
