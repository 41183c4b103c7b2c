//! The fault proxy: it stands between a client and a server and fails on demand.
//!
//! It reads whole commands and whole replies, so it knows which reply belongs to which command, and can do what a
//! network does at the worst moment: above all [apply the command and drop its reply](Fault::DropReply).
//!
//! ```
//! use std::time::Duration;
//!
//! use russet_testkit::{Server, proxy::{After, Fault, Match, Proxy}, resp::Connection};
//!
//! let server = Server::start();
//! let proxy = Proxy::of(&server);
//! let lost = proxy.inject(Match::command("INCR").nth(2), Fault::DropReply(After::Close));
//!
//! let mut client = Connection::open(&proxy.url(), Duration::from_secs(1))?;
//! assert_eq!(client.command(&["INCR", "n"])?.as_int(), Some(1));
//! assert!(client.command(&["INCR", "n"]).is_err());
//! assert_eq!(lost.hits(), 1);
//! assert_eq!(server.command(&["GET", "n"]).as_int(), Some(2)); // it did run
//! # Ok::<(), russet_testkit::resp::RespError>(())
//! ```
//!
//! A *cut* closes both sides as a crash of the peer does, but gently enough to be repeatable: the client gets the
//! replies that were on their way to it and then the end of the stream, and the server runs what was written to it.
//!
//! A connection that lost bytes in a [black hole](Proxy::black_hole) stays one for its life, as behind a router that
//! forgot it; new connections work once the proxy is [healed](Proxy::heal).

mod command;
mod counts;
mod fault;
mod handle;
mod matcher;
mod rule;

mod awaited;
mod control;
mod link;
mod listener;
mod outbox;
mod replies;
mod requests;

pub use self::command::Command;
pub use self::counts::Counts;
pub use self::fault::{After, Direction, Fault};
pub use self::handle::Proxy;
pub use self::matcher::Match;
pub use self::rule::Injection;
