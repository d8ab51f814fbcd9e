//! A gate in front of a server: it takes connections at an address of its own, counts them, and lets them through.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use tokio::{
    io::copy_bidirectional,
    net::{TcpListener, TcpStream},
    task::JoinHandle,
};

/// Dropping it closes it for new connections.
pub(crate) struct Gate {
    address: SocketAddr,
    passed: Arc<AtomicUsize>,
    task: JoinHandle<()>,
}

impl Gate {
    pub(crate) async fn before(server: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let passed = Arc::<AtomicUsize>::default();
        let count = passed.clone();
        let task = tokio::spawn(async move {
            while let Ok((mut outside, _)) = listener.accept().await {
                count.fetch_add(1, Ordering::Relaxed);
                tokio::spawn(async move {
                    let mut inside = TcpStream::connect(server).await.unwrap();
                    // Either side may cut the connection.
                    let _ = copy_bidirectional(&mut outside, &mut inside).await;
                });
            }
        });
        Self { address, passed, task }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// How many connections went through.
    pub(crate) fn passed(&self) -> usize {
        self.passed.load(Ordering::Relaxed)
    }
}

impl Drop for Gate {
    fn drop(&mut self) {
        self.task.abort();
    }
}
