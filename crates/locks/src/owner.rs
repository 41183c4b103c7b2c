//! Who holds a lock, or waits for it.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};

/// Who asks for a lock: a process, by a number of its own, and which of its calls. No two are the same.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Owner(pub(crate) [u8; 16]);

/// One handle, among all in all processes.
#[derive(Debug)]
pub(crate) struct Instance {
    number: [u8; 8],
    calls: AtomicU64,
}

impl Instance {
    pub(crate) fn new() -> Self {
        Instance {
            number: fastrand::u64(..).to_be_bytes(),
            calls: AtomicU64::new(0),
        }
    }

    /// The next one who asks.
    pub(crate) fn owner(&self) -> Owner {
        let call = self.calls.fetch_add(1, Ordering::Relaxed);
        let mut bytes = [0; 16];
        bytes[..8].copy_from_slice(&self.number);
        bytes[8..].copy_from_slice(&call.to_be_bytes());
        Owner(bytes)
    }

    /// As its channel has it.
    pub(crate) fn hex(&self) -> String {
        format!("{:016x}", u64::from_be_bytes(self.number))
    }
}

impl fmt::Debug for Owner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Owner({:032x})", u128::from_be_bytes(self.0))
    }
}
