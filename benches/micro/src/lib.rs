//! Benches only: `cargo bench -p russet-bench-micro`.
