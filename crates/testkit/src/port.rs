//! Free TCP ports on the loopback.

use std::{
    net::{Ipv4Addr, TcpListener},
    process,
    sync::atomic::{AtomicU32, Ordering},
    time::{SystemTime, UNIX_EPOCH},
};

/// Below the range from which Linux and macOS take the local ports of outgoing connections: a client that keeps
/// dialling a dead server's port inside that range sooner or later connects to itself, and the port is then taken
/// when the server comes back.
const FIRST: u32 = 10_240;
const PORTS: u32 = 22_000;

/// Finds a port that nobody listens on. Somebody may take it before its user does: be ready to ask again.
pub(crate) fn free_port() -> u16 {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let nanos = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.subsec_nanos());
    let seed = nanos ^ process::id().wrapping_mul(0x9E37_79B9);
    for _ in 0..PORTS {
        let step = NEXT.fetch_add(1, Ordering::Relaxed);
        let port = FIRST + seed.wrapping_add(step.wrapping_mul(7_919)) % PORTS;
        let port = u16::try_from(port).expect("FIRST + PORTS fits in a port");
        if TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok() {
            return port;
        }
    }
    panic!("no free TCP port between {FIRST} and {}", FIRST + PORTS);
}
