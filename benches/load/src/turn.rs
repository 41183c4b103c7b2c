//! One system, measured once, in a process of its own.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use russet_bench_load::{Row, Scenario};

use crate::Outcome;

/// A worker program, and which system it is to be.
pub(crate) struct Worker {
    program: PathBuf,
    system: &'static str,
}

/// Russet and its rivals; builds the rivals.
pub(crate) fn systems() -> Outcome<Vec<Worker>> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let rivals = root.join("benches/rivals");
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let built = Command::new(cargo)
        .args(["build", "--release", "--quiet", "--locked"])
        .current_dir(&rivals)
        .env_remove("CARGO_TARGET_DIR")
        .status()?;
    if !built.success() {
        return Err("the rivals do not build, see above".into());
    }
    let beside = std::env::current_exe()?.with_file_name("russet-worker");
    let russet = |system| Worker {
        program: beside.clone(),
        system,
    };
    let program = rivals.join("target/release/russet-bench-rivals");
    let rival = |system| Worker {
        program: program.clone(),
        system,
    };
    Ok(vec![
        russet("russet"),
        russet("russet-raw"),
        russet("russet-script"),
        russet("russet-rw"),
        russet("russet-core"),
        rival("fred"),
        rival("redis-rs"),
        rival("rustis"),
        rival("cached"),
        rival("quick_cache"),
        rival("moka"),
        rival("trypema"),
        rival("trypema-hybrid"),
        rival("throttle-kit"),
        rival("limitador"),
        rival("zset-log"),
        rival("rslock"),
        rival("tower-sessions-redis-store"),
    ])
}

impl Worker {
    pub(crate) fn name(&self) -> &'static str {
        self.system
    }

    pub(crate) fn measure(&self, scenario: &Scenario, url: &str, time: Duration) -> Outcome<Row> {
        let mut command = Command::new(&self.program);
        command.args([scenario.id, url, &time.as_millis().to_string()]);
        command.env("SYSTEM", self.system);
        let output = command
            .output()
            .map_err(|error| format!("{}: {error}", self.program.display()))?;
        serde_json::from_slice(&output.stdout).map_err(|_| {
            format!(
                "a worker failed: {}",
                String::from_utf8_lossy(&output.stderr)
            )
            .into()
        })
    }
}
