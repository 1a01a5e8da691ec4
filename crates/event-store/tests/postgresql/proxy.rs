//! A way to the server that can lose answers.

use std::sync::{
    Arc,
    atomic::{AtomicU8, Ordering},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, copy},
    net::{TcpListener, TcpStream},
};

const OPEN: u8 = 0;
const SILENT: u8 = 1;
const SHUT: u8 = 2;

/// Hands on what comes; answers can be swallowed.
#[derive(Clone)]
pub(crate) struct Proxy {
    port: u16,
    state: Arc<AtomicU8>,
}

impl Proxy {
    /// A way to the server of an address.
    pub(crate) async fn to(url: &str) -> (Self, String) {
        let (host, rest) = url.split_once("127.0.0.1:").expect("the server is on this machine");
        let (server, database) = rest.split_once('/').expect("a database");
        let server: u16 = server.parse().expect("a port");
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("bind");
        let port = listener.local_addr().expect("address").port();
        let proxy = Self { port, state: Arc::default() };
        let state = Arc::clone(&proxy.state);
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let state = Arc::clone(&state);
                tokio::spawn(async move {
                    if state.load(Ordering::SeqCst) != SHUT {
                        Box::pin(pass(client, server, &state)).await;
                    }
                });
            }
        });
        let url = format!("{host}127.0.0.1:{}/{database}", proxy.port);
        (proxy, url)
    }

    /// Lets nothing back to the client from now on; what it sends still arrives.
    pub(crate) fn swallow_answers(&self) {
        self.state.store(SILENT, Ordering::SeqCst);
    }

    /// Also lets nobody in.
    pub(crate) fn shut(&self) {
        self.state.store(SHUT, Ordering::SeqCst);
    }

    pub(crate) fn open(&self) {
        self.state.store(OPEN, Ordering::SeqCst);
    }
}

async fn pass(client: TcpStream, server: u16, state: &AtomicU8) {
    let Ok(server) = TcpStream::connect(("127.0.0.1", server)).await else { return };
    let (mut from_client, mut to_client) = client.into_split();
    let (mut from_server, mut to_server) = server.into_split();
    let answers = async move {
        let mut buffer = [0; 16 << 10];
        let mut swallows = false;
        while let Ok(read @ 1..) = from_server.read(&mut buffer).await {
            // A connection that has lost an answer stays silent: the rest would make no sense.
            swallows |= state.load(Ordering::SeqCst) != OPEN;
            if !swallows && to_client.write_all(&buffer[..read]).await.is_err() {
                return;
            }
        }
    };
    let requests = async move {
        let _ = copy(&mut from_client, &mut to_server).await;
    };
    tokio::join!(answers, requests);
}
