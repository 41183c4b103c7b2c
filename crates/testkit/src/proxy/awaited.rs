//! Which reply is whose.

use std::{collections::VecDeque, time::Duration};

use super::fault::After;

/// The commands that were forwarded and not answered, in order.
#[derive(Debug, Default)]
pub(super) struct Awaited {
    entries: VecDeque<Entry>,
    /// Replies were taken from here and are not yet on their way to the client.
    pub(super) delivering: bool,
}

#[derive(Debug)]
enum Entry {
    /// So many commands whose replies pass.
    Plain(u64),
    /// A command whose reply does not.
    Marked(Fate),
    /// A command that is answered by so many confirmations of this kind, such as `subscribe`.
    Confirmed {
        kind: Vec<u8>,
        left: usize,
        fate: Fate,
    },
    /// A command that the proxy answers itself.
    Answered(Vec<u8>),
}

/// What is to become of a reply.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    Pass,
    Delay(Duration),
    Drop(After),
    Truncate(usize),
    Hole,
}

impl Awaited {
    pub(super) fn is_idle(&self) -> bool {
        self.entries.is_empty() && !self.delivering
    }

    /// Awaits so many replies that pass.
    pub(super) fn push_plain(&mut self, count: u64) {
        match self.entries.back_mut() {
            Some(Entry::Plain(sum)) => *sum += count,
            _ => self.entries.push_back(Entry::Plain(count)),
        }
    }

    /// Awaits a reply that does not pass as it is.
    pub(super) fn push(&mut self, fate: Fate) {
        self.entries.push_back(Entry::Marked(fate));
    }

    pub(super) fn push_confirmed(&mut self, kind: Vec<u8>, count: usize, fate: Fate) {
        self.entries.push_back(Entry::Confirmed {
            kind,
            left: count,
            fate,
        });
    }

    pub(super) fn push_answer(&mut self, reply: Vec<u8>) {
        self.entries.push_back(Entry::Answered(reply));
    }

    /// Takes the answer that is next, if the proxy has one to give.
    pub(super) fn pop_answer(&mut self) -> Option<Vec<u8>> {
        if !matches!(self.entries.front(), Some(Entry::Answered(_))) {
            return None;
        }
        match self.entries.pop_front() {
            Some(Entry::Answered(reply)) => Some(reply),
            _ => None,
        }
    }

    /// Takes the fate of the frame that the server just sent.
    pub(super) fn pop(&mut self, frame: &[u8], subscriber: bool) -> Fate {
        let confirming = matches!(self.entries.front(), Some(Entry::Confirmed { .. }));
        let kind = match frame.first() {
            Some(b'>') => first_word(frame),
            Some(b'*') if confirming || subscriber => {
                let word = first_word(frame);
                if !is_confirmation(word) && !is_message(word) {
                    return self.pop_reply();
                }
                word
            }
            _ => return self.pop_reply(),
        };
        match self.entries.front_mut() {
            Some(Entry::Confirmed {
                kind: expected,
                left,
                fate,
            }) if expected == kind => {
                let fate = *fate;
                *left -= 1;
                if *left == 0 {
                    self.entries.pop_front();
                }
                fate
            }
            // A message, an invalidation, or a confirmation that nobody waits for.
            _ => Fate::Pass,
        }
    }

    fn pop_reply(&mut self) -> Fate {
        match self.entries.front_mut() {
            Some(Entry::Plain(count)) if *count > 1 => {
                *count -= 1;
                return Fate::Pass;
            }
            None => return Fate::Pass,
            Some(_) => {}
        }
        match self.entries.pop_front() {
            // An ordinary reply to a subscription is its refusal, or the `QUEUED` of a transaction.
            Some(Entry::Marked(fate) | Entry::Confirmed { fate, .. }) => fate,
            Some(Entry::Plain(_) | Entry::Answered(_)) | None => Fate::Pass,
        }
    }
}

/// Says whether a word is the name of a subscribing or unsubscribing command.
pub(super) fn is_confirmation(word: &[u8]) -> bool {
    let stem = word.len().checked_sub(SUBSCRIBE.len());
    stem.is_some_and(|stem| {
        let (before, subscribe) = word.split_at(stem);
        subscribe.eq_ignore_ascii_case(SUBSCRIBE)
            && ["", "p", "s", "un", "pun", "sun"]
                .iter()
                .any(|known| before.eq_ignore_ascii_case(known.as_bytes()))
    })
}

fn is_message(word: &[u8]) -> bool {
    matches!(word, b"message" | b"pmessage" | b"smessage")
}

/// The first element of an aggregate, if it is a string.
fn first_word(frame: &[u8]) -> &[u8] {
    let mut lines = frame.split(|byte| *byte == b'\n').skip(1);
    let first = lines.next().unwrap_or_default();
    let word = match first.first() {
        Some(b'$') => lines.next().unwrap_or_default(),
        Some(b'+') => &first[1..],
        _ => &[],
    };
    word.strip_suffix(b"\r").unwrap_or(word)
}

const SUBSCRIBE: &[u8] = b"subscribe";

#[cfg(test)]
mod tests {
    use super::{After, Awaited, Fate, is_confirmation};

    const DROP: Fate = Fate::Drop(After::Close);

    #[test]
    fn replies_meet_their_commands_in_order() {
        let mut awaited = Awaited::default();
        awaited.push_plain(1);
        awaited.push_plain(1);
        awaited.push(DROP);
        awaited.push_plain(1);
        let fates: Vec<Fate> = (0..5).map(|_| awaited.pop(b":1\r\n", false)).collect();
        assert_eq!(
            fates,
            [Fate::Pass, Fate::Pass, DROP, Fate::Pass, Fate::Pass]
        );
        assert!(awaited.is_idle());
    }

    #[test]
    fn an_answer_waits_for_replies_that_are_awaited_or_being_delivered() {
        let mut awaited = Awaited::default();
        awaited.push_plain(1);
        assert!(!awaited.is_idle());
        awaited.push_answer(b"-ERR\r\n".to_vec());
        assert_eq!(awaited.pop_answer(), None);
        awaited.delivering = true;
        assert_eq!(awaited.pop(b":1\r\n", false), Fate::Pass);
        assert_eq!(awaited.pop_answer().as_deref(), Some(&b"-ERR\r\n"[..]));
        assert!(!awaited.is_idle());
        awaited.delivering = false;
        assert!(awaited.is_idle());
    }

    #[test]
    fn pushes_are_nobodys_reply() {
        let mut awaited = Awaited::default();
        awaited.push(DROP);
        assert_eq!(
            awaited.pop(b">2\r\n$10\r\ninvalidate\r\n*0\r\n", false),
            Fate::Pass
        );
        assert_eq!(
            awaited.pop(b"*3\r\n$7\r\nmessage\r\n$1\r\nc\r\n$1\r\nm\r\n", true),
            Fate::Pass
        );
        assert_eq!(awaited.pop(b"*1\r\n$1\r\nx\r\n", true), DROP);
    }

    #[test]
    fn subscriptions_are_answered_by_their_confirmations() {
        let confirmation = b">3\r\n$9\r\nsubscribe\r\n$1\r\nc\r\n:1\r\n";
        for frame in [
            *confirmation,
            *b"*3\r\n$9\r\nsubscribe\r\n$1\r\nc\r\n:1\r\n",
        ] {
            let mut awaited = Awaited::default();
            awaited.push_confirmed(b"subscribe".to_vec(), 2, DROP);
            awaited.push(Fate::Hole);
            assert_eq!(
                awaited.pop(b">2\r\n$7\r\nmessage\r\n$1\r\nm\r\n", true),
                Fate::Pass
            );
            assert_eq!(awaited.pop(&frame, true), DROP);
            assert_eq!(awaited.pop(&frame, true), DROP);
            assert_eq!(awaited.pop(b"+PONG\r\n", true), Fate::Hole);
        }
        let mut awaited = Awaited::default();
        awaited.push_confirmed(b"subscribe".to_vec(), 2, DROP);
        assert_eq!(awaited.pop(b"-NOPERM\r\n", true), DROP);
        assert!(awaited.is_idle());
    }

    #[test]
    fn only_the_six_commands_subscribe() {
        for word in [
            "subscribe",
            "PSUBSCRIBE",
            "ssubscribe",
            "Unsubscribe",
            "punsubscribe",
            "SUNSUBSCRIBE",
        ] {
            assert!(is_confirmation(word.as_bytes()), "{word}");
        }
        for word in ["", "get", "xsubscribe", "subscribed"] {
            assert!(!is_confirmation(word.as_bytes()), "{word}");
        }
    }
}
