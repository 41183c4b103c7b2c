//! The Docker engine on this machine.

use std::{
    process::{Command, Stdio},
    sync::OnceLock,
    time::Duration,
};

use crate::wait::holds_within;

/// Says whether a Docker engine answers within three seconds. It is asked once per process.
#[must_use]
pub fn answers() -> bool {
    static ANSWERS: OnceLock<bool> = OnceLock::new();
    *ANSWERS.get_or_init(|| {
        let Ok(mut asking) = Command::new("docker")
            .args(["version", "--format", "{{.Server.Version}}"])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
        else {
            return false;
        };
        let ended = holds_within(Duration::from_secs(3), || {
            !matches!(asking.try_wait(), Ok(None))
        });
        if !ended {
            let _ = asking.kill();
        }
        asking.wait().is_ok_and(|status| status.success())
    })
}
