//! One connection to a server.

use std::{
    fmt,
    io::{self, Read, Write},
    net::{TcpStream, ToSocketAddrs},
    os::unix::net::UnixStream,
    path::Path,
    time::Duration,
};

use super::{
    address::{Address, Endpoint},
    decoder::Decoder,
    error::RespError,
    value::Value,
};

/// A blocking connection: one command, one reply. It speaks RESP2 until a `HELLO 3`.
///
/// After an error it is of no use any more, because a late reply could be taken for that of the next command; every
/// further call says so.
pub struct Connection {
    stream: Stream,
    decoder: Decoder,
    broken: bool,
}

impl Connection {
    /// Connects to the server that `url` names, authenticates, and selects the database.
    ///
    /// `timeout` is the time to connect, and the time for each command.
    ///
    /// # Errors
    ///
    /// When the URL is none, the server is not there, or it refuses the URL's credentials or database.
    pub fn open(url: &str, timeout: Duration) -> Result<Connection, RespError> {
        Connection::open_address(&Address::parse(url)?, timeout)
    }

    pub(crate) fn open_address(
        address: &Address,
        timeout: Duration,
    ) -> Result<Connection, RespError> {
        let mut connection = match &address.endpoint {
            Endpoint::Tcp(host, port) => Connection::open_tcp(host, *port, timeout)?,
            Endpoint::Unix(path) => Connection::open_socket(path, timeout)?,
        };
        if let Some(password) = &address.password {
            let user = address.user.as_deref().unwrap_or("default");
            connection.introduce(&["AUTH", user, password])?;
        }
        if address.database != 0 {
            connection.introduce(&["SELECT", &address.database.to_string()])?;
        }
        Ok(connection)
    }

    pub(crate) fn open_socket(path: &Path, timeout: Duration) -> Result<Connection, RespError> {
        Connection::new(Stream::Unix(UnixStream::connect(path)?), timeout)
    }

    fn open_tcp(host: &str, port: u16, timeout: Duration) -> Result<Connection, RespError> {
        let mut failure = io::Error::new(io::ErrorKind::NotFound, "the host has no address");
        for address in (host, port).to_socket_addrs()? {
            match TcpStream::connect_timeout(&address, timeout) {
                Ok(stream) => {
                    stream.set_nodelay(true)?;
                    return Connection::new(Stream::Tcp(stream), timeout);
                }
                Err(error) => failure = error,
            }
        }
        Err(failure.into())
    }

    fn new(stream: Stream, timeout: Duration) -> Result<Connection, RespError> {
        let mut connection = Connection {
            stream,
            decoder: Decoder::default(),
            broken: false,
        };
        connection.set_timeout(timeout)?;
        Ok(connection)
    }

    /// Sets the time for each further command.
    ///
    /// # Errors
    ///
    /// When `timeout` is zero.
    pub fn set_timeout(&mut self, timeout: Duration) -> Result<(), RespError> {
        match &self.stream {
            Stream::Tcp(stream) => {
                stream.set_read_timeout(Some(timeout))?;
                stream.set_write_timeout(Some(timeout))?;
            }
            Stream::Unix(stream) => {
                stream.set_read_timeout(Some(timeout))?;
                stream.set_write_timeout(Some(timeout))?;
            }
        }
        Ok(())
    }

    /// Runs one command and waits for its reply; an error reply is a [`Value::Error`]. Pushes that come before the
    /// reply are dropped.
    ///
    /// # Errors
    ///
    /// When the connection breaks, or the reply does not come in time.
    pub fn command(&mut self, parts: &[impl AsRef<[u8]>]) -> Result<Value, RespError> {
        self.send(parts)?;
        loop {
            match self.receive()? {
                Value::Push(_) => {}
                reply => return Ok(reply),
            }
        }
    }

    /// Sends one command without waiting for its reply, which [`receive`](Connection::receive) then gives.
    ///
    /// # Errors
    ///
    /// When the connection breaks.
    pub fn send(&mut self, parts: &[impl AsRef<[u8]>]) -> Result<(), RespError> {
        self.send_bytes(&encode(parts))
    }

    /// Sends bytes as they are.
    ///
    /// # Errors
    ///
    /// When the connection breaks.
    pub fn send_bytes(&mut self, bytes: &[u8]) -> Result<(), RespError> {
        self.unless_broken(|connection| Ok(connection.stream.write_all(bytes)?))
    }

    /// Waits for the next reply or push.
    ///
    /// # Errors
    ///
    /// When the connection breaks, or nothing comes in time.
    pub fn receive(&mut self) -> Result<Value, RespError> {
        self.unless_broken(|connection| {
            let mut bytes = [0; 16 * 1024];
            loop {
                if let Some(value) = connection.decoder.next_value()? {
                    return Ok(value);
                }
                match connection.stream.read(&mut bytes) {
                    Ok(0) => return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into()),
                    Ok(length) => connection.decoder.feed(&bytes[..length]),
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                        return Err(io::Error::from(io::ErrorKind::TimedOut).into());
                    }
                    Err(error) => return Err(error.into()),
                }
            }
        })
    }

    fn introduce(&mut self, parts: &[&str]) -> Result<(), RespError> {
        match self.command(parts)? {
            Value::Error(text) => Err(RespError::Refused(text)),
            _ => Ok(()),
        }
    }

    fn unless_broken<T>(
        &mut self,
        work: impl FnOnce(&mut Connection) -> Result<T, RespError>,
    ) -> Result<T, RespError> {
        if self.broken {
            let why = "an earlier error broke the connection";
            return Err(io::Error::new(io::ErrorKind::NotConnected, why).into());
        }
        let outcome = work(self);
        self.broken = outcome.is_err();
        outcome
    }
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connection")
            .field("broken", &self.broken)
            .finish_non_exhaustive()
    }
}

enum Stream {
    Tcp(TcpStream),
    Unix(UnixStream),
}

impl Read for Stream {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        match self {
            Stream::Tcp(stream) => stream.read(bytes),
            Stream::Unix(stream) => stream.read(bytes),
        }
    }
}

impl Write for Stream {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Stream::Tcp(stream) => stream.write(bytes),
            Stream::Unix(stream) => stream.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn encode(parts: &[impl AsRef<[u8]>]) -> Vec<u8> {
    let mut bytes = format!("*{}\r\n", parts.len()).into_bytes();
    for part in parts {
        let part = part.as_ref();
        bytes.extend_from_slice(format!("${}\r\n", part.len()).as_bytes());
        bytes.extend_from_slice(part);
        bytes.extend_from_slice(b"\r\n");
    }
    bytes
}
