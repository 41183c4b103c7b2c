//! From the server to the client.

use std::{ops::Range, sync::atomic::Ordering, time::Duration};

use super::{
    awaited::Fate,
    fault::{After, Direction},
    link::Link,
};
use crate::resp::Scanner;

/// Carries replies and pushes until the server ends its stream.
pub(super) fn run(link: &Link) {
    let mut replies = Replies {
        link,
        frames: Vec::new(),
        steps: Vec::new(),
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
        if replies.cut || link.is_cut() {
            filled = 0;
            continue;
        }
        filled += length;
        let taken = replies.take(&mut scanner, &buffer[..filled]);
        buffer.copy_within(taken..filled, 0);
        filled -= taken;
    }
    link.finish(DIRECTION);
}

/// Gives the part of a buffer behind `filled`, making it larger where a frame needs that.
pub(super) fn room(buffer: &mut Vec<u8>, filled: usize) -> &mut [u8] {
    if buffer.len() < filled + CHUNK / 2 {
        buffer.resize(2 * buffer.len(), 0);
    }
    &mut buffer[filled..]
}

struct Replies<'a> {
    link: &'a Link,
    frames: Vec<Range<usize>>,
    steps: Vec<Step>,
    /// The connection is to be cut: nothing more is forwarded.
    cut: bool,
}

/// Something to do other than to pass a frame on.
enum Step {
    /// To a frame of the server.
    Frame(Range<usize>, Fate),
    /// An answer of our own, at this place.
    Answer(usize, Vec<u8>),
}

impl Replies<'_> {
    /// Handles the whole frames that `bytes` begin with, and gives their length.
    fn take(&mut self, scanner: &mut Scanner, bytes: &[u8]) -> usize {
        let mut end = 0;
        self.frames.clear();
        loop {
            match scanner.scan(&bytes[end..]) {
                Ok(Some(length)) => {
                    self.frames.push(end..end + length);
                    end += length;
                }
                Ok(None) => break,
                // Whatever this is, it cannot be followed.
                Err(_) => {
                    self.cut = true;
                    self.link.cut();
                    return end;
                }
            }
        }
        self.plan(bytes);
        self.execute(bytes, end);
        self.answer();
        end
    }

    /// Finds out what is to become of each frame.
    fn plan(&mut self, bytes: &[u8]) {
        let subscriber = self.link.subscriber.load(Ordering::Acquire);
        let mut awaited = self.link.awaited();
        awaited.delivering = true;
        for frame in self.frames.drain(..) {
            let fate = awaited.pop(&bytes[frame.clone()], subscriber);
            let end = frame.end;
            if fate != Fate::Pass {
                self.steps.push(Step::Frame(frame, fate));
            }
            while let Some(answer) = awaited.pop_answer() {
                self.steps.push(Step::Answer(end, answer));
            }
        }
    }

    fn execute(&mut self, bytes: &[u8], end: usize) {
        let mut start = 0;
        for step in self.steps.drain(..) {
            let (frame, fate) = match step {
                Step::Frame(frame, fate) => (frame, fate),
                Step::Answer(at, answer) => {
                    self.link
                        .forward(DIRECTION, &bytes[start..at], Duration::ZERO);
                    self.link.forward(DIRECTION, &answer, Duration::ZERO);
                    start = at;
                    continue;
                }
            };
            self.link
                .forward(DIRECTION, &bytes[start..frame.start], Duration::ZERO);
            start = frame.end;
            match fate {
                Fate::Pass => {}
                Fate::Delay(delay) => self.link.forward(DIRECTION, &bytes[frame], delay),
                Fate::Hole => self.link.make_hole(DIRECTION),
                Fate::Drop(after) => {
                    self.link
                        .control
                        .counters
                        .replies_dropped
                        .fetch_add(1, Ordering::AcqRel);
                    match after {
                        After::Silence => self.link.make_hole(DIRECTION),
                        After::Close => self.cut = true,
                    }
                }
                Fate::Truncate(length) => {
                    let cut = frame.end.min(frame.start.saturating_add(length));
                    self.link
                        .forward(DIRECTION, &bytes[frame.start..cut], Duration::ZERO);
                    self.cut = true;
                }
            }
            if self.cut {
                self.link.cut_after(DIRECTION);
                break;
            }
        }
        if !self.cut {
            self.link
                .forward(DIRECTION, &bytes[start..end], Duration::ZERO);
        }
    }

    /// Gives the answers that came while frames were delivered.
    fn answer(&self) {
        loop {
            let mut awaited = self.link.awaited();
            let Some(answer) = awaited.pop_answer() else {
                awaited.delivering = false;
                return;
            };
            drop(awaited);
            self.link.forward(DIRECTION, &answer, Duration::ZERO);
        }
    }
}

const DIRECTION: Direction = Direction::ToClient;
/// How much is read at once.
pub(super) const CHUNK: usize = 256 * 1024;
