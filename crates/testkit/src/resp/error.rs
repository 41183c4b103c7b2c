//! What can go wrong on a connection.

use std::{error, fmt, io};

/// Says what went wrong on a connection. An error that the server replies is no error here but a
/// [`Value::Error`](super::Value::Error).
#[derive(Debug)]
#[non_exhaustive]
pub enum RespError {
    /// The URL is not one of a Redis server; the text says why and holds no secret.
    Url(&'static str),
    /// The connection could not be made, broke, or did not answer in time.
    Io(io::Error),
    /// What came is not RESP.
    Protocol(&'static str),
    /// The server refused the user, the password or the database of the URL; the text is the server's.
    Refused(String),
}

impl fmt::Display for RespError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            RespError::Url(why) => write!(f, "not the URL of a Redis server: {why}"),
            RespError::Io(error) => write!(f, "connection failed: {error}"),
            RespError::Protocol(why) => write!(f, "not RESP: {why}"),
            RespError::Refused(text) => write!(
                f,
                "the server refused the URL's credentials or database: {text}"
            ),
        }
    }
}

impl error::Error for RespError {
    fn source(&self) -> Option<&(dyn error::Error + 'static)> {
        match self {
            RespError::Io(error) => Some(error),
            RespError::Url(_) | RespError::Protocol(_) | RespError::Refused(_) => None,
        }
    }
}

impl From<io::Error> for RespError {
    fn from(error: io::Error) -> RespError {
        RespError::Io(error)
    }
}
