//! What is counted.

use std::time::Instant;

use russet_core::{Error, Namespace, Operation, Reply, Stem, Tally};

use crate::keys::CONCERN;

/// What sessions count: by operation, how often it was done, the session was `gone`, had `moved` to another token, or Redis was in `error`; and how long that took.
pub(crate) struct Operations {
    pub(crate) load: Counted,
    pub(crate) create: Counted,
    pub(crate) login: Counted,
    pub(crate) write: Counted,
    pub(crate) extend: Counted,
    pub(crate) rotate: Counted,
    pub(crate) end: Counted,
    pub(crate) list: Counted,
    pub(crate) refresh: Counted,
}

impl Operations {
    pub(crate) fn new(ns: &Namespace, stem: &Stem) -> Self {
        let counted = |name| {
            let all = Operation::new(CONCERN, ns, stem, name);
            let done = all.tally("done");
            Counted { all, done }
        };
        Operations {
            load: counted("load"),
            create: counted("create"),
            login: counted("login"),
            write: counted("write"),
            extend: counted("extend"),
            rotate: counted("rotate"),
            end: counted("end"),
            list: counted("list"),
            refresh: counted("refresh"),
        }
    }
}

/// One operation.
pub(crate) struct Counted {
    all: Operation,
    done: Tally,
}

impl Counted {
    pub(crate) fn count(&self, began: Instant, reply: &Result<Reply, Error>) {
        let took = began.elapsed();
        match reply {
            Err(_) => self.all.record("error", took),
            Ok(Reply::Int(0)) => self.all.record("gone", took),
            // A digest; a session in MessagePack is longer, and a number shorter.
            Ok(Reply::Bytes(told)) if told.len() == 43 => self.all.record("moved", took),
            Ok(_) => self.done.one_more_after(took),
        }
    }
}
