//! Servers in containers. Without a Docker engine there is nothing to show, and the tests say so.

use std::{
    env, fs,
    net::TcpStream,
    os::unix::fs::symlink,
    process::Command,
    time::{Duration, Instant},
};

use russet_testkit::{Product, Server, docker, eventually, unique_name};

use crate::helper;

fn engine() -> bool {
    let answers = docker::answers();
    if !answers {
        println!("russet-skip: no Docker engine answers");
    }
    answers
}

fn has(image: &str) -> bool {
    let inspect = Command::new("docker")
        .args(["image", "inspect", image])
        .output();
    let has = inspect.is_ok_and(|output| output.status.success());
    if !has {
        println!("russet-skip: no image {image} here");
    }
    has
}

fn containers() -> String {
    let list = ["ps", "--all", "--format", "{{.Names}} {{.Ports}}"];
    String::from_utf8(Command::new("docker").args(list).output().unwrap().stdout).unwrap()
}

#[test]
fn the_images_that_we_support_serve() {
    if !engine() {
        return;
    }
    for (image, product, major, minor) in [
        ("redis:7.0", Product::Redis, 7, 0),
        ("redis:8.0", Product::Redis, 8, 0),
        ("valkey/valkey:8.1", Product::Valkey, 8, 1),
    ] {
        if !has(image) {
            continue;
        }
        let start = Instant::now();
        let server = Server::builder()
            .image(image)
            .config("maxmemory", "10mb")
            .start();
        println!("{image}: {} after {:?}", server.version(), start.elapsed());
        assert!(
            server.version().is_at_least(product, major, minor),
            "{image}"
        );
        assert_eq!(server.config_get("maxmemory"), "10485760");
    }
}

#[test]
fn a_container_is_killed_frozen_and_restarted_on_its_port_and_data() {
    if !engine() || !has("redis:8.0") {
        return;
    }
    let server = Server::builder()
        .image("redis:8.0")
        .append_only()
        .password("p w")
        .start();
    let port = server.port();
    let published = format!("127.0.0.1:{port}->6379/tcp");
    assert!(
        containers().contains(&published),
        "published on the loopback only: {}",
        containers()
    );

    server.command(&["SET", "k", "v"]);
    server.kill();
    server.kill();
    assert!(TcpStream::connect(server.address()).is_err());
    server.restart();
    assert_eq!(server.port(), port);
    assert_eq!(server.command(&["GET", "k"]).as_str(), Some("v"));

    server.pause();
    let mut frozen = TcpStream::connect(server.address()).unwrap();
    frozen
        .set_read_timeout(Some(Duration::from_millis(100)))
        .unwrap();
    std::io::Write::write_all(&mut frozen, b"PING\r\n").unwrap();
    assert!(std::io::Read::read(&mut frozen, &mut [0; 8]).is_err());
    server.resume();
    assert_eq!(server.command(&["PING"]).as_str(), Some("PONG"));
    server.pause();
    server.kill();
    server.restart();
    assert_eq!(server.command(&["GET", "k"]).as_str(), Some("v"));
    server.stop();
    server.restart();
    assert_eq!(server.command(&["GET", "k"]).as_str(), Some("v"));

    drop(server);
    assert!(!containers().contains(&published));
}

#[test]
fn what_cannot_start_says_why() {
    if !engine() || !has("redis:8.0") {
        return;
    }
    let start = |builder: russet_testkit::Builder| builder.try_start().unwrap_err().to_string();
    let error = start(
        Server::builder()
            .image("redis:8.0")
            .config("no-such-thing", "1"),
    );
    assert!(error.contains("no-such-thing"), "{error}");
    let error = start(Server::builder().image("redis:8.0").unix_socket());
    assert!(error.contains("Unix socket"), "{error}");
    let error = start(Server::builder().image("localhost:1/no-such-image:1"));
    assert!(error.contains("no-such-image"), "{error}");
}

#[test]
fn a_killed_process_leaves_no_container() {
    if !engine() || !has("redis:8.0") {
        return;
    }
    let (mut process, server) = helper::start("container", "server ");
    let port = server.split(' ').nth(1).unwrap();
    let published = format!("127.0.0.1:{port}->6379/tcp");
    assert!(containers().contains(&published));
    process.kill().unwrap();
    process.wait().unwrap();
    eventually(Duration::from_secs(20), "the container is gone", || {
        !containers().contains(&published)
    });
}

#[test]
fn without_a_binary_a_container_is_taken() {
    if !engine() || !has("redis:8.0") {
        return;
    }
    let folder = env::temp_dir().join(unique_name("path"));
    fs::create_dir(&folder).unwrap();
    let path = env::var_os("PATH").unwrap();
    for program in ["docker", "rm", "sh", "sleep"] {
        let file = env::split_paths(&path)
            .map(|folder| folder.join(program))
            .find(|file| file.exists());
        symlink(file.unwrap(), folder.join(program)).unwrap();
    }
    let output = helper::command("version")
        .env("PATH", &folder)
        .env_remove("RUSSET_REDIS_SERVER")
        .output()
        .unwrap();
    fs::remove_dir_all(&folder).unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(
        said.contains("version Redis 8."),
        "{said}{}",
        String::from_utf8_lossy(&output.stderr)
    );
}

#[test]
fn an_image_can_be_forced_on_a_whole_run() {
    if !engine() || !has("valkey/valkey:8.1") {
        return;
    }
    let output = helper::command("version")
        .env("RUSSET_TEST_IMAGE", "valkey/valkey:8.1")
        .output()
        .unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(said.contains("version Valkey 8.1"), "{said}");
}
