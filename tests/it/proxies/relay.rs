//! A way to the service that counts who takes it, and that can be closed for a while.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use tokio::{
    io::copy_bidirectional,
    net::{TcpListener, TcpStream},
    task::{JoinHandle, JoinSet},
};

pub struct Relay {
    /// Where it listens.
    pub address: SocketAddr,
    to: SocketAddr,
    opened: Arc<AtomicU64>,
    carrying: Option<JoinHandle<()>>,
}

impl Relay {
    pub async fn to(to: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let mut relay = Self { address, to, opened: Arc::default(), carrying: None };
        relay.carry(listener);
        relay
    }

    /// How many connections were opened so far.
    pub fn opened(&self) -> u64 {
        self.opened.load(Ordering::SeqCst)
    }

    /// Ends every connection and refuses new ones.
    pub async fn close(&mut self) {
        let carrying = self.carrying.take().expect("it is open");
        carrying.abort();
        let _ended = carrying.await;
    }

    /// Undoes `close`, at the same address.
    pub async fn open(&mut self) {
        let listener = TcpListener::bind(self.address).await.unwrap();
        self.carry(listener);
    }

    fn carry(&mut self, listener: TcpListener) {
        let (to, opened) = (self.to, self.opened.clone());
        self.carrying = Some(tokio::spawn(async move {
            // They end with this task.
            let mut connections = JoinSet::new();
            while let Ok((mut client, _)) = listener.accept().await {
                opened.fetch_add(1, Ordering::SeqCst);
                connections.spawn(async move {
                    let mut server = TcpStream::connect(to).await?;
                    copy_bidirectional(&mut client, &mut server).await
                });
            }
        }));
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        if let Some(carrying) = &self.carrying {
            carrying.abort();
        }
    }
}
