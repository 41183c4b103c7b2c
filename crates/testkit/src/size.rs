//! The two tiers of tests.

/// How large a test is: full in the proof tier (`cargo xtask proof`, which sets `RUSSET_PROOF`), reduced otherwise.
#[must_use]
pub fn size(full: u64, reduced: u64) -> u64 {
    match std::env::var_os("RUSSET_PROOF") {
        Some(_) => full,
        None => reduced,
    }
}
