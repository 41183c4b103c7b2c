//! From the client to the server.

use std::{sync::atomic::Ordering, time::Duration};

use super::{
    awaited::{Fate, is_confirmation},
    command::{self, Command},
    counts::Tally,
    fault::{After, Direction, Fault},
    link::Link,
    replies::{CHUNK, room},
};
use crate::resp::Scanner;

/// Carries commands until the client ends its stream.
pub(super) fn run(link: &Link) {
    let mut requests = Requests {
        link,
        tally: Tally::new(&link.control.counters),
        passing: Vec::new(),
        cut: false,
    };
    let mut scanner = Scanner::default();
    let mut buffer = vec![0; CHUNK];
    let mut filled = 0;
    loop {
        let length = link.read(DIRECTION, room(&mut buffer, filled));
        if length == 0 {
            break;
        }
        if requests.cut || link.is_cut() {
            filled = 0;
            continue;
        }
        filled += length;
        let taken = requests.take(&mut scanner, &buffer[..filled]);
        buffer.copy_within(taken..filled, 0);
        filled -= taken;
    }
    link.finish(DIRECTION);
}

struct Requests<'a> {
    link: &'a Link,
    tally: Tally<'a>,
    /// The commands that pass and are not forwarded yet.
    passing: Vec<Passing>,
    /// The connection is to be cut: nothing more is forwarded.
    cut: bool,
}

enum Passing {
    Plain(u64),
    Marked(Mark, Fate),
}

/// What a command other than a plain one is answered with.
enum Mark {
    Reply,
    Confirmations { kind: Vec<u8>, count: usize },
}

impl Requests<'_> {
    /// Handles the whole commands that `bytes` begin with, and gives their length.
    fn take(&mut self, scanner: &mut Scanner, bytes: &[u8]) -> usize {
        let (mut start, mut at) = (0, 0);
        while !self.cut {
            let length = match command::scan(scanner, &bytes[at..]) {
                Ok(Some(length)) => length,
                Ok(None) => break,
                // Whatever this is, it cannot be followed.
                Err(_) => {
                    self.cut = true;
                    self.link.cut();
                    break;
                }
            };
            let frame = at..at + length;
            at = frame.end;
            let command = Command::new(&bytes[frame.clone()]);
            if command.name().is_empty() {
                continue;
            }
            self.tally.add(command.name());
            let fault = self.link.control.rules.fault(&command);
            if let Some(fate) = fate_of_reply(&fault) {
                self.pass(&command, fate);
                continue;
            }
            self.flush(&bytes[start..frame.start], Duration::ZERO);
            self.suffer(fault, &command, &bytes[frame]);
            start = at;
        }
        self.flush(&bytes[start..at], Duration::ZERO);
        at
    }

    /// Does to a command what cannot be done to its reply.
    fn suffer(&mut self, fault: Fault, command: &Command<'_>, frame: &[u8]) {
        match fault {
            Fault::CutBefore => self.cut(),
            Fault::CutAfterWrite => {
                self.pass(command, Fate::Drop(After::Close));
                self.flush(frame, Duration::ZERO);
                self.cut();
            }
            Fault::DelayCommand(delay) => {
                self.pass(command, Fate::Pass);
                self.flush(frame, delay);
            }
            Fault::RejectReply(text) => {
                self.answer(format!("-{}\r\n", text.replace(['\r', '\n'], " ")));
            }
            Fault::BlackHole(direction) => self.link.make_hole(direction),
            Fault::Pass | Fault::DelayReply(_) | Fault::DropReply(_) | Fault::TruncateReply(_) => {}
        }
    }

    fn pass(&mut self, command: &Command<'_>, fate: Fate) {
        if is_confirmation(command.name()) {
            self.link.subscriber.store(true, Ordering::Release);
            let kind = command.name().to_ascii_lowercase();
            // Without channels it is "all of them", with one confirmation at least.
            let count = command.args().count().max(1);
            self.passing
                .push(Passing::Marked(Mark::Confirmations { kind, count }, fate));
        } else if fate != Fate::Pass {
            self.passing.push(Passing::Marked(Mark::Reply, fate));
        } else if let Some(Passing::Plain(count)) = self.passing.last_mut() {
            *count += 1;
        } else {
            self.passing.push(Passing::Plain(1));
        }
    }

    /// Forwards the commands that pass, whose bytes these are.
    fn flush(&mut self, bytes: &[u8], delay: Duration) {
        self.tally.flush();
        if self.link.swallows(DIRECTION) {
            // Nobody will answer them.
            self.passing.clear();
        }
        // Before the bytes: the replies may be quick.
        let mut awaited = self.link.awaited();
        for passing in self.passing.drain(..) {
            match passing {
                Passing::Plain(count) => awaited.push_plain(count),
                Passing::Marked(Mark::Reply, fate) => awaited.push(fate),
                Passing::Marked(Mark::Confirmations { kind, count }, fate) => {
                    awaited.push_confirmed(kind, count, fate);
                }
            }
        }
        drop(awaited);
        self.link.forward(DIRECTION, bytes, delay);
    }

    fn cut(&mut self) {
        self.cut = true;
        self.link.cut_after(DIRECTION);
    }

    /// Answers in the server's place, once all earlier commands are answered.
    fn answer(&self, reply: String) {
        let mut awaited = self.link.awaited();
        if awaited.is_idle() {
            drop(awaited);
            self.link
                .forward(Direction::ToClient, reply.as_bytes(), Duration::ZERO);
        } else {
            awaited.push_answer(reply.into_bytes());
        }
    }
}

/// What a fault means for the reply, if the command itself passes untouched.
fn fate_of_reply(fault: &Fault) -> Option<Fate> {
    match fault {
        Fault::Pass => Some(Fate::Pass),
        Fault::DelayReply(delay) => Some(Fate::Delay(*delay)),
        Fault::DropReply(after) => Some(Fate::Drop(*after)),
        Fault::TruncateReply(length) => Some(Fate::Truncate(*length)),
        Fault::BlackHole(Direction::ToClient) => Some(Fate::Hole),
        Fault::DelayCommand(_)
        | Fault::CutBefore
        | Fault::CutAfterWrite
        | Fault::RejectReply(_)
        | Fault::BlackHole(Direction::ToServer) => None,
    }
}

const DIRECTION: Direction = Direction::ToServer;
