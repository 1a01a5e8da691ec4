//! A wire between a mover and its broker that can be cut.

use std::net::SocketAddr;
use std::sync::Arc;
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;

pub(crate) struct Proxy {
    pub(crate) address: SocketAddr,
    cut: Arc<Notify>,
    accepting: tokio::task::JoinHandle<()>,
}

impl Proxy {
    pub(crate) async fn to(target: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let cut = Arc::new(Notify::new());
        let knife = Arc::clone(&cut);
        let accepting = tokio::spawn(async move {
            while let Ok((mut from, _)) = listener.accept().await {
                let knife = Arc::clone(&knife);
                tokio::spawn(async move {
                    let Ok(mut to) = TcpStream::connect(target).await else { return };
                    tokio::select! {
                        () = knife.notified() => {
                            // Nothing in the buffers is sent any more.
                            let _ = (from.set_zero_linger(), to.set_zero_linger());
                        }
                        _ = copy_bidirectional(&mut from, &mut to) => {}
                    }
                });
            }
        });
        Self { address, cut, accepting }
    }

    /// Cuts every connection, and lets no other through.
    pub(crate) fn cut(self) {
        self.accepting.abort();
        self.cut.notify_waiters();
    }
}
