//! Each way to find a server. A test that this machine cannot show says so, as testkit's own do.

use std::{process::Command, time::Duration};

use russet_testkit::{Server, binary, docker, eventually};

use crate::{
    machine::{Machine, failure, xtask},
    served::{Served, answers},
};

#[test]
fn the_server_that_was_given_is_used() {
    let server = Server::start();
    for way in ["auto", "url"] {
        let mut command = xtask(&["serve", "--server", way]);
        command.env("RUSSET_TEST_REDIS_URL", server.url());
        let served = Served::new(command);
        assert_eq!(served.url, server.url());
        assert!(
            served.line.starts_with("server: url (")
                && served.line.contains("RUSSET_TEST_REDIS_URL")
        );
        // What we did not start, we do not stop.
        assert!(answers(&served.end()));
    }
}

#[test]
fn a_given_server_that_is_away_is_an_error_and_never_replaced() {
    for way in ["auto", "url"] {
        let mut command = xtask(&["serve", "--server", way]);
        command.env("RUSSET_TEST_REDIS_URL", "redis://:secret@127.0.0.1:1/0");
        let said = failure(command);
        assert!(
            said.contains("127.0.0.1:1") && said.contains("unset the variable"),
            "{said}"
        );
        assert!(!said.contains("secret"), "{said}");
    }
}

#[test]
fn a_developers_redis_url_is_not_read() {
    let server = Server::start();
    let mut command = xtask(&["serve", "--server", "url"]);
    command.env("REDIS_URL", server.url());
    let said = failure(command);
    assert!(said.contains("RUSSET_TEST_REDIS_URL is not set"), "{said}");
}

#[test]
fn a_local_binary_serves_and_ends_with_us() {
    let Some(binary) = binary::find() else {
        return skip("no server's binary on this machine");
    };
    let local = || {
        let mut command = xtask(&["serve", "--server", "local"]);
        command.env("RUSSET_REDIS_SERVER", &binary.path);
        if let Some(libraries) = &binary.libraries {
            command.env("RUSSET_REDIS_LIBRARIES", libraries);
        }
        // It is about containers, and this is none.
        command.env("RUSSET_TEST_IMAGE", "redis:8.0");
        Served::new(command)
    };
    let (one, two) = (local(), local());
    assert!(one.line.starts_with("server: local ("), "{}", one.line);
    assert!(one.answers() && two.answers() && one.url != two.url);
    assert!(!answers(&one.end()));
    let url = two.kill();
    eventually(Duration::from_secs(10), "the server is gone", || {
        !answers(&url)
    });
}

#[test]
fn compose_serves_and_goes_down_with_us() {
    if !docker::answers() {
        return skip("no Docker engine answers");
    }
    let compose = || Served::try_new(xtask(&["serve", "--server", "compose"]));
    let one = match compose() {
        Ok(served) => served,
        Err(said)
            if said.contains("cannot be pulled") || said.contains("neither `docker compose`") =>
        {
            return skip(said.trim());
        }
        Err(said) => panic!("{said}"),
    };
    let two = compose().unwrap_or_else(|said| panic!("{said}"));
    assert!(
        one.line.starts_with("server: compose (")
            && one.line.contains("ephemeral project russet-test-")
    );
    assert!(one.answers() && two.answers() && one.url != two.url);
    let (first, second) = (project(&one.line), project(&two.line));
    assert!(!answers(&one.end()));
    assert_eq!(leftovers(&first), "");
    two.kill();
    eventually(Duration::from_secs(30), "the project is down", || {
        leftovers(&second).is_empty()
    });
}

/// A script that notes what it is told, and as compose publishes a server that runs already.
fn publishes(server: &Server) -> String {
    let port = server.port();
    format!("echo \"$@\" >>$LOG\ncase \"$*\" in *' port redis 6379') echo 127.0.0.1:{port};; esac")
}

#[test]
fn the_compose_plugin_is_used_and_told_to_go_down() {
    let server = Server::start();
    let machine = Machine::bare();
    machine.script("docker", &publishes(&server));
    let served = Served::new(machine.xtask(&["serve"]));
    assert!(
        served.line.starts_with("server: compose ("),
        "{}",
        served.line
    );
    let project = project(&served.line);
    served.end();
    let log = machine.log();
    assert!(
        log.contains(&format!("compose --project-name {project} ")),
        "{log}"
    );
    assert!(
        log.contains(" up -d redis\n") && log.trim_end().ends_with(" down --volumes --timeout 5"),
        "{log}"
    );
}

#[test]
fn the_old_compose_is_used_where_there_is_no_plugin() {
    let server = Server::start();
    let machine = Machine::bare();
    machine.script("docker", "case \"$1\" in compose) exit 1;; esac");
    machine.script("docker-compose", &publishes(&server));
    let served = Served::new(machine.xtask(&["serve", "--server", "compose"]));
    assert!(
        served.line.starts_with("server: compose ("),
        "{}",
        served.line
    );
    served.end();
    assert!(
        machine.log().contains("--project-name russet-test-"),
        "{}",
        machine.log()
    );
}

#[test]
fn an_image_that_cannot_be_had_is_told_and_the_next_way_taken() {
    let Some(binary) = binary::find() else {
        return skip("no server's binary on this machine");
    };
    let machine = Machine::bare();
    machine.script(
        "docker",
        "case \"$1\" in image) exit 1;; pull) echo 'no such host' >&2; exit 1;; esac",
    );
    let said = failure(machine.xtask(&["serve", "--server", "compose"]));
    assert!(
        said.contains("redis:8.0 is not here and cannot be pulled (no such host)"),
        "{said}"
    );
    assert!(said.contains("`cargo xtask images`"), "{said}");

    let mut command = machine.xtask(&["serve"]);
    command.env("RUSSET_REDIS_SERVER", &binary.path);
    if let Some(libraries) = &binary.libraries {
        command.env("RUSSET_REDIS_LIBRARIES", libraries);
    }
    let served = Served::new(command);
    assert!(
        served.line.starts_with("server: local ("),
        "{}",
        served.line
    );
}

#[test]
fn the_package_serves_without_touching_the_system() {
    let machine = Machine::bare();
    machine.take(&["apt-get", "apt-cache", "apt-config"]);
    machine.take(&["dpkg", "dpkg-deb", "dpkg-query", "tar"]);
    let served = match Served::try_new(machine.xtask(&["serve", "--server", "package"])) {
        Ok(served) => served,
        Err(said) if said.contains("apt-get") => return skip(said.trim()),
        Err(said) => panic!("{said}"),
    };
    assert!(
        served.line.starts_with("server: package ("),
        "{}",
        served.line
    );
    assert!(served.answers());
    assert!(!answers(&served.end()));
}

#[test]
fn empty_package_lists_are_told_with_what_fills_them() {
    let machine = Machine::bare();
    for program in ["apt-get", "dpkg-deb", "dpkg-query"] {
        machine.script(program, "");
    }
    machine.script(
        "apt-cache",
        "case \"$1\" in --version) ;; *) echo 'E: No packages found' >&2; exit 100;; esac",
    );
    let mut command = machine.xtask(&["serve", "--server", "package"]);
    // A folder into which nothing has been unpacked yet.
    command.env(
        "CARGO_TARGET_DIR",
        std::env::temp_dir().join(russet_testkit::unique_name("xtask")),
    );
    let said = failure(command);
    assert!(said.contains("`sudo apt-get update` fills them"), "{said}");
}

#[test]
fn a_machine_with_nothing_is_told_every_way() {
    let machine = Machine::bare();
    let mut command = machine.xtask(&["serve"]);
    command.env(
        "CARGO_TARGET_DIR",
        std::env::temp_dir().join(russet_testkit::unique_name("xtask")),
    );
    let said = failure(command);
    for way in [
        "url: ",
        "compose: ",
        "local: ",
        "package: ",
        "set RUSSET_TEST_REDIS_URL=",
        "start Docker",
        "on PATH",
    ] {
        assert!(said.contains(way), "{way}: {said}");
    }
}

/// The name in `… ephemeral project russet-test-1a-2b)`.
fn project(line: &str) -> String {
    let (_, name) = line.rsplit_once(' ').unwrap();
    name.trim_end_matches(')').to_owned()
}

/// The containers, networks and volumes of a project.
fn leftovers(project: &str) -> String {
    let label = format!("label=com.docker.compose.project={project}");
    let list = |what: &[&str]| {
        let output = Command::new("docker")
            .args(what)
            .args(["-q", "--filter", &label])
            .output()
            .unwrap();
        String::from_utf8_lossy(&output.stdout).into_owned()
    };
    list(&["ps", "-a"]) + &list(&["network", "ls"]) + &list(&["volume", "ls"])
}

fn skip(reason: &str) {
    println!("russet-skip: {}", reason.replace('\n', "; "));
}
