//! One connection through the proxy.

use std::{
    io::{self, Read},
    net::{Shutdown, TcpStream},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::Duration,
};

use super::{
    awaited::Awaited, control::Control, fault::Direction, outbox::Outbox, replies, requests,
};

#[derive(Debug)]
pub(super) struct Link {
    pub(super) control: Arc<Control>,
    /// The client's socket and the server's, by the direction in which they are read.
    sources: [TcpStream; 2],
    outboxes: [Outbox; 2],
    awaited: Mutex<Awaited>,
    /// The client has subscribed at least once, so that messages may come.
    pub(super) subscriber: AtomicBool,
    holes: [AtomicBool; 2],
    cut: AtomicBool,
    ended: AtomicBool,
}

impl Link {
    pub(super) fn connect(control: Arc<Control>, client: TcpStream) -> io::Result<Link> {
        let server = TcpStream::connect_timeout(&control.upstream, CONNECT)?;
        client.set_nodelay(true)?;
        server.set_nodelay(true)?;
        Ok(Link {
            control,
            outboxes: [
                Outbox::new(server.try_clone()?),
                Outbox::new(client.try_clone()?),
            ],
            sources: [client, server],
            awaited: Mutex::default(),
            subscriber: AtomicBool::new(false),
            holes: Default::default(),
            cut: AtomicBool::new(false),
            ended: AtomicBool::new(false),
        })
    }

    /// Carries the connection until both sides have ended it.
    pub(super) fn run(&self) {
        thread::scope(|scope| {
            scope.spawn(|| self.outbox(Direction::ToServer).run(|| self.cut()));
            scope.spawn(|| self.outbox(Direction::ToClient).run(|| self.cut()));
            scope.spawn(|| replies::run(self));
            requests::run(self);
        });
    }

    /// Reads what comes next in `direction`; 0 is the end.
    pub(super) fn read(&self, direction: Direction, buffer: &mut [u8]) -> usize {
        let length = loop {
            match (&self.sources[direction.index()]).read(buffer) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                // A reset says what an end says: nothing more comes.
                outcome => break outcome.unwrap_or(0),
            }
        };
        if length > 0 {
            let counters = &self.control.counters;
            counters.reads[direction.index()].fetch_add(1, Ordering::AcqRel);
            counters.bytes[direction.index()].fetch_add(length as u64, Ordering::AcqRel);
        }
        length
    }

    /// Sends bytes on, unless they fall into a hole.
    pub(super) fn forward(&self, direction: Direction, bytes: &[u8], extra: Duration) {
        if self.swallows(direction) {
            let swallowed = &self.control.counters.bytes_swallowed;
            swallowed.fetch_add(bytes.len() as u64, Ordering::AcqRel);
        } else {
            self.outbox(direction).send(bytes, self.control.due(extra));
        }
    }

    /// Has the connection cut after all that was forwarded in `direction`.
    pub(super) fn cut_after(&self, direction: Direction) {
        self.outbox(direction).cut(self.control.due(Duration::ZERO));
    }

    /// Passes on that nothing more comes in `direction`, unless that falls into a hole.
    pub(super) fn finish(&self, direction: Direction) {
        self.end();
        if !self.swallows(direction) {
            self.outbox(direction).finish();
        }
    }

    pub(super) fn make_hole(&self, direction: Direction) {
        self.holes[direction.index()].store(true, Ordering::Release);
    }

    /// Says whether bytes in `direction` vanish. Once they did, they always do.
    pub(super) fn swallows(&self, direction: Direction) -> bool {
        if self.control.is_hole(direction) {
            self.make_hole(direction);
        }
        self.holes[direction.index()].load(Ordering::Acquire)
    }

    pub(super) fn awaited(&self) -> MutexGuard<'_, Awaited> {
        self.awaited.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn is_cut(&self) -> bool {
        self.cut.load(Ordering::Acquire)
    }

    /// Ends both streams at once. What the sides still send is read and dropped: closing on it would reset the
    /// connection, and with it destroy what was sent before.
    pub(super) fn cut(&self) {
        self.cut.store(true, Ordering::Release);
        self.end();
        for (outbox, source) in self.outboxes.iter().zip(&self.sources) {
            outbox.close();
            let _ = source.shutdown(Shutdown::Write);
        }
    }

    /// Ends everything, so that `run` returns.
    pub(super) fn abort(&self) {
        self.cut();
        for source in &self.sources {
            let _ = source.shutdown(Shutdown::Both);
        }
    }

    fn outbox(&self, direction: Direction) -> &Outbox {
        &self.outboxes[direction.index()]
    }

    fn end(&self) {
        if !self.ended.swap(true, Ordering::AcqRel) {
            self.control.counters.ended.fetch_add(1, Ordering::AcqRel);
        }
    }
}

/// A frozen server whose queue of connections is full answers nothing.
const CONNECT: Duration = Duration::from_secs(1);
