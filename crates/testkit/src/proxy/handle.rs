//! The proxy itself.

use std::{
    collections::BTreeMap,
    fmt,
    net::SocketAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError, atomic::Ordering},
    thread::JoinHandle,
    time::Duration,
};

use super::{
    control::Control,
    counts::Counts,
    fault::{Direction, Fault},
    link::Link,
    listener::{Links, Listener},
    matcher::Match,
    rule::Injection,
};
use crate::{
    resp::{Address, Endpoint},
    server::Server,
};

/// A proxy in front of a server, on a port of its own on 127.0.0.1. Dropping it ends every connection and thread.
///
/// Everything can be changed while clients are connected, from any thread.
pub struct Proxy {
    control: Arc<Control>,
    links: Links,
    address: SocketAddr,
    listener: Mutex<Option<Listener>>,
    password: Option<String>,
}

impl Proxy {
    /// Starts a proxy in front of a server.
    ///
    /// The server need not be up: while it is not, clients find their connections closed at once.
    #[must_use]
    pub fn start(upstream: SocketAddr) -> Proxy {
        let control = Arc::new(Control::new(upstream));
        let links = Links::default();
        let listener = Listener::start(Arc::clone(&control), Arc::clone(&links));
        Proxy {
            control,
            links,
            address: listener.address(),
            listener: Mutex::new(Some(listener)),
            password: None,
        }
    }

    /// Starts a proxy in front of a server of ours; its [`url`](Proxy::url) then holds the server's password.
    #[must_use]
    pub fn of(server: &Server) -> Proxy {
        let mut proxy = Proxy::start(server.address());
        proxy.password = server.password().map(str::to_owned);
        proxy
    }

    /// The address that clients connect to.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The URL that clients connect to.
    #[must_use]
    pub fn url(&self) -> String {
        let endpoint = Endpoint::Tcp(self.address.ip().to_string(), self.address.port());
        Address {
            endpoint,
            user: None,
            password: self.password.clone(),
            database: 0,
        }
        .to_url()
    }

    /// Lets a fault befall the commands that `matching` picks, from now on and on all connections.
    ///
    /// Where several injections pick a command, the earliest one wins.
    pub fn inject(&self, matching: Match, fault: Fault) -> Injection {
        self.control.rules.add(matching, fault)
    }

    /// Takes back every injection.
    pub fn clear(&self) {
        self.control.rules.clear();
    }

    /// Adds a delay to each direction, so twice that to a round trip. Throughput is not limited: bytes keep flowing,
    /// each due that much after it came.
    pub fn set_delay(&self, delay: Duration) {
        self.control.set_delay(delay);
    }

    /// Lets all bytes in one direction vanish, on every connection, while sockets stay open. Call it twice for both.
    ///
    /// A connection that has lost bytes does not recover from that, also not when the proxy is healed.
    pub fn black_hole(&self, direction: Direction) {
        self.control.set_hole(direction, true);
    }

    /// Closes new connections at once; those that are open stay.
    pub fn refuse(&self) {
        self.control.refusing.store(true, Ordering::Release);
    }

    /// Closes the listening socket, so that new connections are refused by the system; those that are open stay.
    pub fn stop_listening(&self) {
        drop(self.listener().take());
    }

    /// Cuts every connection.
    pub fn cut_all(&self) {
        for (link, _) in &*self.links() {
            link.cut();
        }
    }

    /// Goes back to passing everything: no injection, no delay, no hole for new connections; listening, not refusing.
    ///
    /// # Panics
    ///
    /// When somebody took the port while the proxy did not listen.
    pub fn heal(&self) {
        self.clear();
        self.set_delay(Duration::ZERO);
        for direction in [Direction::ToServer, Direction::ToClient] {
            self.control.set_hole(direction, false);
        }
        self.control.refusing.store(false, Ordering::Release);
        self.listener().get_or_insert_with(|| {
            Listener::restart(
                self.address,
                Arc::clone(&self.control),
                Arc::clone(&self.links),
            )
        });
    }

    /// What has passed so far.
    #[must_use]
    pub fn counts(&self) -> Counts {
        self.control.counters.snapshot()
    }

    /// How many commands of this name clients have sent so far, in whatever case; subcommands are not told apart.
    #[must_use]
    pub fn seen(&self, name: &str) -> u64 {
        self.control.counters.seen(name)
    }

    /// How many commands clients have sent so far, by name in upper case.
    #[must_use]
    pub fn commands(&self) -> BTreeMap<String, u64> {
        self.control.counters.commands()
    }

    fn listener(&self) -> MutexGuard<'_, Option<Listener>> {
        self.listener.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn links(&self) -> MutexGuard<'_, Vec<(Arc<Link>, JoinHandle<()>)>> {
        self.links.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.stop_listening();
        let links = std::mem::take(&mut *self.links());
        for (link, _) in &links {
            link.abort();
        }
        for (_, thread) in links {
            let _ = thread.join();
        }
    }
}

impl fmt::Debug for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Proxy")
            .field("address", &self.address)
            .field("upstream", &self.control.upstream)
            .finish_non_exhaustive()
    }
}
