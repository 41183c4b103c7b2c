//! Removing a value.

/// What became of a removal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Removed {
    /// There was a value, and it is gone.
    Removed,
    /// There was none.
    Absent,
    /// Redis is away and will be told when it is back: it is not done. This process reads the value no more; others may,
    /// until then. A crash of this process forgets it, and then the value stays until its TTL ends.
    Queued,
}

/// What became of invalidating tags, or of clearing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Invalidated {
    /// No process reads from Redis what was stored before.
    Done,
    /// Redis is away and will be told when it is back: it is not done. This process reads what was invalidated no more; others
    /// may, until then. A crash of this process forgets it, and then the values stay until their TTLs end.
    Queued,
}
