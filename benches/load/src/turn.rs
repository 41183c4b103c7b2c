//! One system, measured once, in a process of its own.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use russet_bench_load::{Row, Scenario};

use crate::Outcome;

/// A worker program, and what tells it which system to be.
pub(crate) struct Worker {
    program: PathBuf,
    rival: Option<&'static str>,
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
    let program = rivals.join("target/release/russet-bench-rivals");
    let rival = |name| Worker {
        program: program.clone(),
        rival: Some(name),
    };
    Ok(vec![
        Worker {
            program: beside,
            rival: None,
        },
        rival("fred"),
        rival("redis-rs"),
        rival("rustis"),
    ])
}

impl Worker {
    pub(crate) fn name(&self) -> &'static str {
        self.rival.unwrap_or("russet")
    }

    pub(crate) fn measure(&self, scenario: &Scenario, url: &str, time: Duration) -> Outcome<Row> {
        let mut command = Command::new(&self.program);
        command.args([scenario.id, url, &time.as_millis().to_string()]);
        if let Some(rival) = self.rival {
            command.env("RIVAL", rival);
        }
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
