//! The development server: the service `redis` of docker-compose.yml, kept running.

use std::{
    net::{Ipv4Addr, TcpListener},
    process::Command,
};

use russet_testkit::docker;

use crate::{
    Result,
    cargo::Workspace,
    compose::{self, Compose},
    find, images, process,
};

pub(crate) fn up(workspace: &Workspace) -> Result {
    let compose = compose()?;
    images::ensure(&compose::image())?;
    let mut command = compose.command(&workspace.root, PROJECT);
    command.args(["up", "-d", "redis"]);
    choose_port(&compose, workspace, &mut command);
    process::run(&mut command)?;
    let address = compose
        .address(&workspace.root, PROJECT)
        .ok_or("the service `redis` is not up; `docker ps -a` and `docker logs` say why")?;
    match compose::variable("REDIS_PASSWORD") {
        None => {
            let url = format!("redis://{address}/0");
            let version = find::answering(&url)?;
            println!("{url}  ({version}; `cargo xtask down` stops it)");
        }
        // Never print a password, nor make a URL of one that may need escaping.
        Some(_) => println!(
            "redis://{address}/0  (the password is in REDIS_PASSWORD; `cargo xtask down` stops it)"
        ),
    }
    Ok(())
}

pub(crate) fn down(workspace: &Workspace, volumes: bool) -> Result {
    let mut command = compose()?.command(&workspace.root, PROJECT);
    command.arg("down");
    if volumes {
        command.arg("--volumes");
    }
    process::run(&mut command)
}

fn compose() -> Result<Compose> {
    if !docker::answers() {
        return Err("no Docker engine answers, so nothing was done; `cargo xtask serve` keeps a server without Docker".into());
    }
    Compose::detect().ok_or_else(|| {
        "Docker answers, but neither `docker compose` nor `docker-compose` runs; install one".into()
    })
}

/// A port that the user named is the port. Without one it is 6379; if somebody else has that, a free one is taken, and
/// the URL that is printed says which. One that our own service has already stays as it is.
fn choose_port(compose: &Compose, workspace: &Workspace, command: &mut Command) {
    if compose::variable("REDIS_PORT").is_some() {
        return;
    }
    let ours = compose.address(&workspace.root, PROJECT);
    if let Some((_, port)) = ours.as_deref().and_then(|address| address.rsplit_once(':')) {
        command.env("REDIS_PORT", port);
    } else if TcpListener::bind((Ipv4Addr::LOCALHOST, 6379)).is_err() {
        command.env("REDIS_PORT", "0");
    }
}

const PROJECT: &str = "russet";
