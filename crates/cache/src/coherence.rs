//! How a local tier learns what others change.

/// How the local tier of a process learns what other processes change. All processes of a cache need the same.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Coherence {
    /// Changes are told as they happen, and kept in a stream of the last 4,096, which fills what a lost connection has missed; each
    /// second every process makes sure that it knows all of them. One that cannot uses its local tier no more, after 2.5 s at
    /// most, until it can.
    #[default]
    Stream,
    /// As [`Stream`](Coherence::Stream), but that no more than the last change or so is kept: what was missed empties the local tier.
    PubSub,
    /// Nobody is told anything: values are served from memory for as long as the local TTL, which is 1 s unless set, and 10 s at
    /// most.
    None,
}

impl Coherence {
    /// How many changes are kept.
    pub(crate) fn changes(self) -> usize {
        match self {
            Coherence::Stream => 4_096,
            Coherence::PubSub | Coherence::None => 1,
        }
    }
}
