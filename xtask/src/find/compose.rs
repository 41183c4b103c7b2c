//! A container of docker-compose.yml, in a compose project of its own.

use std::{
    process, thread,
    time::{Duration, Instant, SystemTime},
};

use russet_testkit::docker;

use crate::{
    cargo::Workspace,
    compose::{self, Compose, variable},
    find::{Found, Miss, answering},
    images,
    process::read,
    watch::Watch,
};

pub(super) fn find(workspace: &Workspace) -> Result<Found, Miss> {
    if !docker::answers() {
        return Err(Miss::Absent("no Docker engine answers".to_owned()));
    }
    let Some(compose) = Compose::detect() else {
        return Err(Miss::Broken(
            "Docker answers, but neither `docker compose` nor `docker-compose` runs".to_owned(),
        ));
    };
    let image = variable("RUSSET_TEST_IMAGE").unwrap_or_else(compose::image);
    images::ensure(&image)?;

    let root = &workspace.root;
    let project = unique_project();
    let mut down = compose.command(root, &project);
    down.args(["down", "--volumes", "--timeout", "5"]);
    // Before it is up: interrupted half-way, it goes down all the same.
    let watch = Watch::at_end(&down)?;
    let mut up = compose.command(root, &project);
    up.args(["up", "-d", "redis"])
        // Docker chooses the port, so none is ever taken; nothing else of a developer's settings counts here.
        .env("REDIS_PORT", "0")
        .env("REDIS_PASSWORD", "")
        .env("REDIS_IMAGE", &image);
    read(&mut up)?;
    let address = compose
        .address(root, &project)
        .ok_or("the container ended as soon as it was started")?;
    let url = format!("redis://{address}/0");
    let version = until_it_answers(&url)?;
    Ok(Found {
        line: format!("compose ({version} from {image} on {address}, ephemeral project {project})"),
        url,
        binary: None,
        _watch: Some(watch),
    })
}

/// The port is published before the server behind it listens.
fn until_it_answers(url: &str) -> Result<String, Miss> {
    let end = Instant::now() + Duration::from_secs(20);
    loop {
        match answering(url) {
            Ok(version) => return Ok(version),
            Err(error) if Instant::now() >= end => {
                return Err(Miss::Broken(format!(
                    "the container gives no answer at {url}: {error}"
                )));
            }
            Err(_) => thread::sleep(Duration::from_millis(20)),
        }
    }
}

fn unique_project() -> String {
    let now = SystemTime::UNIX_EPOCH.elapsed().unwrap_or_default();
    format!(
        "russet-test-{:x}-{:04x}",
        process::id(),
        now.subsec_micros() & 0xffff
    )
}
