//! Where clients arrive.

use std::{
    io,
    net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use super::{control::Control, link::Link};

/// The links of a proxy, with their threads.
pub(super) type Links = Arc<Mutex<Vec<(Arc<Link>, JoinHandle<()>)>>>;

/// A listening socket and the thread that accepts on it. Dropping it closes the socket.
#[derive(Debug)]
pub(super) struct Listener {
    address: SocketAddr,
    stopping: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Listener {
    /// Listens on a free port.
    pub(super) fn start(control: Arc<Control>, links: Links) -> Listener {
        let attempt = || TcpListener::bind((Ipv4Addr::LOCALHOST, crate::port::free_port()));
        let listener = (0..ATTEMPTS)
            .find_map(|_| attempt().ok())
            .expect("the proxy finds a free port");
        Listener::run(listener, control, links)
    }

    /// Listens again on a port that a listener had before.
    pub(super) fn restart(address: SocketAddr, control: Arc<Control>, links: Links) -> Listener {
        let end = Instant::now() + Duration::from_secs(5);
        loop {
            match TcpListener::bind(address) {
                Ok(listener) => return Listener::run(listener, control, links),
                Err(_) if Instant::now() < end => thread::sleep(Duration::from_millis(5)),
                Err(error) => panic!("the proxy cannot listen on {address} again: {error}"),
            }
        }
    }

    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }

    fn run(listener: TcpListener, control: Arc<Control>, links: Links) -> Listener {
        let address = listener.local_addr().expect("a listener has an address");
        let stopping = Arc::new(AtomicBool::new(false));
        let stop = Arc::clone(&stopping);
        let thread = thread::spawn(move || {
            for client in listener.incoming() {
                if stop.load(Ordering::Acquire) {
                    return;
                }
                match client.and_then(|client| accept(&control, client)) {
                    Ok(link) => carry(link, &links),
                    Err(_) => {
                        control.counters.refused.fetch_add(1, Ordering::AcqRel);
                    }
                }
            }
        });
        Listener {
            address,
            stopping,
            thread: Some(thread),
        }
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        self.stopping.store(true, Ordering::Release);
        // Wakes the thread out of its wait for a client.
        let _ = TcpStream::connect(self.address);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn accept(control: &Arc<Control>, client: TcpStream) -> io::Result<Link> {
    if control.refusing.load(Ordering::Acquire) {
        return Err(io::ErrorKind::ConnectionRefused.into());
    }
    let link = Link::connect(Arc::clone(control), client)?;
    control.counters.accepted.fetch_add(1, Ordering::AcqRel);
    Ok(link)
}

fn carry(link: Link, links: &Links) {
    let link = Arc::new(link);
    let carried = Arc::clone(&link);
    let thread = thread::spawn(move || carried.run());
    let mut links = links.lock().unwrap_or_else(PoisonError::into_inner);
    links.retain(|(_, thread)| !thread.is_finished());
    links.push((link, thread));
}

const ATTEMPTS: usize = 20;
