//! What is measured.

/// How many keys there are.
pub const KEYS: usize = 10_000;
/// How long each value is, in bytes.
pub const VALUE_LEN: usize = 100;

/// One scenario; its parameters never change under its id.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Scenario {
    /// The id.
    pub id: &'static str,
    /// The operation.
    pub kind: Kind,
    /// Tasks, each with one operation under way.
    pub tasks: usize,
}

/// One kind of operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Kind {
    /// Read one value, coalesced where the system can.
    Get,
    /// Read one value by a command of its own.
    GetAlone,
}

/// The scenarios of core.
pub const SCENARIOS: &[Scenario] = &[
    Scenario {
        id: "get_1",
        kind: Kind::Get,
        tasks: 1,
    },
    Scenario {
        id: "get_16",
        kind: Kind::Get,
        tasks: 16,
    },
    Scenario {
        id: "get_64",
        kind: Kind::Get,
        tasks: 64,
    },
    Scenario {
        id: "get_256",
        kind: Kind::Get,
        tasks: 256,
    },
    Scenario {
        id: "get_1024",
        kind: Kind::Get,
        tasks: 1024,
    },
    Scenario {
        id: "alone_1",
        kind: Kind::GetAlone,
        tasks: 1,
    },
    Scenario {
        id: "alone_64",
        kind: Kind::GetAlone,
        tasks: 64,
    },
];

/// The key of a turn.
pub fn key(turn: usize) -> String {
    // As redis-benchmark names them, so that its GET finds the same values.
    format!("key:{:012}", turn.wrapping_mul(7919) % KEYS)
}
