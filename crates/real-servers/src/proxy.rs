//! A way to a server on which things go wrong.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{
        TcpListener, TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
    sync::watch,
};

/// Hands on what comes, until it is told otherwise; clones are the same one. It ends with its runtime.
#[derive(Clone)]
pub struct Proxy {
    address: SocketAddr,
    way: Arc<watch::Sender<Way>>,
    silenced: Arc<AtomicU32>,
}

#[derive(Clone, Copy)]
struct Way {
    passes: Passes,
    /// Connections that are older than the last cut are no more.
    cuts: u32,
    lets_in: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Passes {
    Everything,
    Requests,
    Nothing,
}

impl Proxy {
    /// A way to a server.
    ///
    /// # Panics
    /// When this machine has no port for it.
    pub async fn before(server: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let way = Arc::new(watch::Sender::new(Way { passes: Passes::Everything, cuts: 0, lets_in: true }));
        let silenced = Arc::<AtomicU32>::default();
        let (follow, silences) = (way.subscribe(), Arc::clone(&silenced));
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let begun = *follow.borrow();
                if begun.lets_in {
                    tokio::spawn(connect(client, server, follow.clone(), begun.cuts, Arc::clone(&silences)));
                }
            }
        });
        Self { address, way, silenced }
    }

    /// The same for a server that is named by an address of its `IP:port`, and that address as seen through this.
    ///
    /// # Panics
    /// As [`Proxy::before`], and when the server is named otherwise.
    pub async fn before_url(url: &str) -> (Self, String) {
        let (_, server, _) = parts(url);
        let proxy = Self::before(server.parse().expect("an IP address and a port")).await;
        let through = proxy.url(url);
        (proxy, through)
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// An address of the server as seen through this.
    pub fn url(&self, url: &str) -> String {
        let (user, _, path) = parts(url);
        format!("{user}@{}/{path}", self.address)
    }

    /// Nothing comes through any more, in neither direction, and nobody is told.
    pub fn swallow(&self) {
        self.way.send_modify(|way| way.passes = Passes::Nothing);
    }

    /// What clients send still arrives. A connection that has lost an answer stays silent for good: the rest would make no sense.
    pub fn swallow_answers(&self) {
        self.way.send_modify(|way| way.passes = Passes::Requests);
    }

    /// How many connections have lost an answer by now.
    pub fn silenced(&self) -> u32 {
        self.silenced.load(Ordering::SeqCst)
    }

    /// As [`Proxy::swallow_answers`], and nobody else is let in.
    pub fn shut(&self) {
        self.way.send_modify(|way| (way.passes, way.lets_in) = (Passes::Requests, false));
    }

    /// Everything comes through again.
    pub fn open(&self) {
        self.way.send_modify(|way| (way.passes, way.lets_in) = (Passes::Everything, true));
    }

    /// Cuts all connections; new ones are let through.
    pub fn cut(&self) {
        self.way.send_modify(|way| way.cuts += 1);
    }

    /// Cuts all connections, and lets nobody else in.
    pub fn cut_for_good(&self) {
        self.way.send_modify(|way| (way.cuts, way.lets_in) = (way.cuts + 1, false));
    }
}

/// What stands before the server in an address, the server, and what stands behind it.
fn parts(url: &str) -> (&str, &str, &str) {
    let (user, server) = url.rsplit_once('@').expect("a user");
    let (server, path) = server.split_once('/').expect("a path");
    (user, server, path)
}

async fn connect(client: TcpStream, server: SocketAddr, way: watch::Receiver<Way>, begun: u32, silenced: Arc<AtomicU32>) {
    let Ok(server) = TcpStream::connect(server).await else { return };
    let ((from_client, to_client), (from_server, to_server)) = (client.into_split(), server.into_split());
    tokio::join!(pass(from_client, to_server, way.clone(), begun, None), pass(from_server, to_client, way, begun, Some(&silenced)),);
}

/// Hands on one direction; of answers it counts whether one is lost.
async fn pass(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    mut way: watch::Receiver<Way>,
    begun: u32,
    silenced: Option<&AtomicU32>,
) {
    let mut buffer = vec![0; 64 << 10];
    let mut is_silent = false;
    loop {
        let now = *way.borrow_and_update();
        if now.cuts != begun {
            // As a cut wire does it: nothing in the buffers is sent any more, and no farewell either.
            let _ = to.as_ref().set_zero_linger();
            to.forget();
            return;
        }
        let length = tokio::select! {
            changed = way.changed() => {
                if changed.is_err() {
                    return;
                }
                continue;
            }
            read = from.read(&mut buffer), if now.passes != Passes::Nothing => match read {
                Ok(length @ 1..) => length,
                _ => return,
            },
        };
        if let Some(silenced) = silenced
            && !is_silent
            && way.borrow().passes == Passes::Requests
        {
            is_silent = true;
            silenced.fetch_add(1, Ordering::SeqCst);
        }
        if !is_silent && to.write_all(&buffer[..length]).await.is_err() {
            return;
        }
    }
}
