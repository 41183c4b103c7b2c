//! Docker compose, in either of its forms, over this workspace's docker-compose.yml.

use std::{env, path::Path, process::Command};

use crate::process;

/// A compose that runs here: `docker compose` (a plugin), or `docker-compose` (a program of its own, 1.29 and older).
pub(crate) struct Compose {
    program: &'static [&'static str],
}

impl Compose {
    pub(crate) fn detect() -> Option<Compose> {
        [&["docker", "compose"][..], &["docker-compose"]]
            .into_iter()
            .map(|program| Compose { program })
            .find(|compose| process::succeeds(compose.program().arg("version")))
    }

    /// A command on the services of `project`.
    pub(crate) fn command(&self, root: &Path, project: &str) -> Command {
        let mut command = self.program();
        command
            .arg("--project-name")
            .arg(project)
            .arg("--file")
            .arg(root.join("docker-compose.yml"));
        command
    }

    /// Where the service's port is published, as `127.0.0.1:6379`; none when it does not run.
    pub(crate) fn address(&self, root: &Path, project: &str) -> Option<String> {
        let mut command = self.command(root, project);
        let said = process::read(command.args(["port", "redis", "6379"])).ok()?;
        let address = said.trim();
        let port = address.rsplit_once(':')?.1.parse::<u16>().ok()?;
        (port != 0).then(|| address.to_owned())
    }

    fn program(&self) -> Command {
        let mut command = Command::new(self.program[0]);
        command.args(&self.program[1..]);
        command
    }
}

/// The image of the service `redis`, as docker-compose.yml chooses it.
pub(crate) fn image() -> String {
    variable("REDIS_IMAGE").unwrap_or_else(|| "redis:8.0".to_owned())
}

/// An environment variable; one that is empty is not set, as in docker-compose.yml.
pub(crate) fn variable(name: &str) -> Option<String> {
    env::var(name).ok().filter(|value| !value.is_empty())
}
