//! This test binary, run again as a process of its own that may be killed.

use std::{
    env,
    io::{BufRead, BufReader},
    os::unix::process::CommandExt,
    process::{self, Child, Command, Stdio},
    thread,
    time::Duration,
};

use russet_testkit::{Server, Shared, binary};

const ROLE: &str = "RUSSET_TESTKIT_ROLE";

/// A run of this binary in a role of [`play`].
pub(crate) fn command(role: &str) -> Command {
    let mut command = Command::new(env::current_exe().unwrap());
    command
        .args(["--exact", "helper::play", "--nocapture", "--test-threads=1"])
        .env(ROLE, role)
        .env_remove("RUSSET_TEST_REDIS_URL")
        .env_remove("RUSSET_TEST_IMAGE")
        .process_group(0)
        .stdin(Stdio::null());
    command
}

/// Starts a role and reads the first line that it says with `mark` in it, from there on.
pub(crate) fn start(role: &str, mark: &str) -> (Child, String) {
    let mut child = command(role).stdout(Stdio::piped()).spawn().unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let said = lines
        .map_while(Result::ok)
        .find_map(|line| line.find(mark).map(|at| line[at..].to_owned()));
    (
        child,
        said.unwrap_or_else(|| panic!("{role} never said {mark}")),
    )
}

/// Says whether servers are local processes here, and that the test is skipped if not.
pub(crate) fn local() -> bool {
    let local = binary::find().is_some() && env::var_os("RUSSET_TEST_IMAGE").is_none();
    if !local {
        println!("russet-skip: servers are no local processes here");
    }
    local
}

/// Not a test: what this binary does when another test runs it.
#[test]
fn play() {
    let Ok(role) = env::var(ROLE) else { return };
    match role.as_str() {
        "own" => hold(&Server::start()),
        "container" => hold(&Server::builder().image("redis:8.0").start()),
        "paused" => {
            let server = Server::start();
            let (port, folder) = (server.port(), server.config_get("dir"));
            server.pause();
            println!("server {port} {folder}");
            sleep();
        }
        "shared" => {
            let reply = Shared::get().command(&["CONFIG", "GET", "dir"]);
            let folder = reply.as_array().unwrap()[1].as_str().unwrap().to_owned();
            let url = Shared::get().url().to_owned();
            let port = url
                .rsplit(':')
                .next()
                .unwrap()
                .split('/')
                .next()
                .unwrap()
                .to_owned();
            println!("server {port} {folder}");
            // Not even statics are dropped here; nor does the harness write to a pipe that is gone.
            process::exit(0);
        }
        "version" => println!("version {}", Server::start().version()),
        "start" => drop(Server::start()),
        "url" => drop(russet_testkit::url()),
        _ => panic!("no role is called {role}"),
    }
}

fn hold(server: &Server) {
    println!("server {} {}", server.port(), server.config_get("dir"));
    sleep();
}

fn sleep() {
    thread::sleep(Duration::from_secs(60));
}
