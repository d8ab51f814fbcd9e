//! Names to addresses. The system's resolver can hang for a minute and cannot be cancelled, so at most a few of its calls run
//! at a time: the threads that they take are those that write recordings, too.

use std::{
    io,
    net::{IpAddr, SocketAddr, ToSocketAddrs},
    sync::Arc,
};

use tokio::sync::Semaphore;

/// Look-ups that run at a time. Zoom has a few hundred servers, and a resolver that works answers in milliseconds.
const MAX_LOOKUPS: usize = 32;

/// Looks names up. All clones share the limit.
#[derive(Clone)]
pub struct Lookups(Arc<Semaphore>);

impl Default for Lookups {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(MAX_LOOKUPS)))
    }
}

impl Lookups {
    /// Finds the addresses of a host, which may be an address itself.
    pub async fn addresses(&self, host: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
        if let Ok(address) = host.parse::<IpAddr>() {
            return Ok(vec![SocketAddr::new(address, port)]);
        }
        let host = host.to_owned();
        self.run(move || Ok((host.as_str(), port).to_socket_addrs()?.collect())).await
    }

    /// Runs a look-up on a thread, once there is room for it. Its room is free when it returns, also if nobody waits for it.
    async fn run<T: Send + 'static>(&self, look_up: impl FnOnce() -> io::Result<T> + Send + 'static) -> io::Result<T> {
        let room = self.0.clone().acquire_owned().await.map_err(io::Error::other)?;
        let looking = tokio::task::spawn_blocking(move || {
            let _room = room;
            look_up()
        });
        looking.await.map_err(io::Error::other)?
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "in a test, a panic is the answer")]
mod tests {
    use std::{sync::mpsc, time::Duration};

    use tokio::time::timeout;

    use super::*;

    #[tokio::test]
    async fn a_resolver_that_hangs_takes_a_few_threads_whoever_has_given_up() {
        let lookups = Lookups::default();
        let (hanging, hangs) = mpsc::channel();
        let mut lets = Vec::new();
        for _ in 0..4 * MAX_LOOKUPS {
            let hanging = hanging.clone();
            let (let_go, is_let_go) = mpsc::channel::<()>();
            lets.push(let_go);
            let lookup = lookups.run(move || {
                hanging.send(()).unwrap();
                let _ = is_let_go.recv();
                Ok(())
            });
            assert!(timeout(Duration::from_millis(1), lookup).await.is_err(), "it hangs or waits for room");
        }
        assert_eq!(lookups.0.available_permits(), 0, "those that nobody waits for hang on");
        let begun: Vec<()> = (0..MAX_LOOKUPS).map(|_| hangs.recv().unwrap()).collect();
        assert!(begun.len() == MAX_LOOKUPS && hangs.try_recv().is_err());
        assert_eq!(lookups.addresses("::1", 443).await.unwrap(), ["[::1]:443".parse().unwrap()], "no look-up");

        drop(lets);

        assert!(!lookups.addresses("localhost", 443).await.unwrap().is_empty());
    }
}
