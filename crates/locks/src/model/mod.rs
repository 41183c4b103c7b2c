//! Locks as they are meant: what scripts do, checked against Redis, and what follows for holders, checked in every order of events.

mod scripts;
mod server;
mod shares;
mod world;
