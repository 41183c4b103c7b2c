//! A server that `cargo xtask serve` keeps.

use std::{
    io::{BufRead, BufReader, Read},
    process::{Child, Command, Stdio},
    time::Duration,
};

use russet_testkit::resp::Connection;

pub(crate) struct Served {
    child: Child,
    /// The line that says which server was chosen.
    pub(crate) line: String,
    pub(crate) url: String,
}

impl Served {
    pub(crate) fn new(command: Command) -> Served {
        Served::try_new(command).unwrap_or_else(|said| panic!("{said}"))
    }

    /// Gives what was printed where no server came up.
    pub(crate) fn try_new(mut command: Command) -> Result<Served, String> {
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut printed = String::new();
        let mut stdout = BufReader::new(child.stdout.take().unwrap());
        while stdout.read_line(&mut printed).unwrap() > 0 {
            let lines: Vec<_> = printed.lines().collect();
            if let [.., line, url] = lines[..]
                && line.starts_with("server: ")
            {
                return Ok(Served {
                    child,
                    line: line.to_owned(),
                    url: url.to_owned(),
                });
            }
        }
        child
            .stderr
            .take()
            .unwrap()
            .read_to_string(&mut printed)
            .unwrap();
        child.wait().unwrap();
        Err(printed)
    }

    pub(crate) fn answers(&self) -> bool {
        answers(&self.url)
    }

    /// Ends xtask as a user does who is done, and gives the URL.
    pub(crate) fn end(mut self) -> String {
        drop(self.child.stdin.take());
        assert!(self.child.wait().unwrap().success());
        self.url.clone()
    }

    /// Ends xtask so that it can do nothing more, and gives the URL.
    pub(crate) fn kill(mut self) -> String {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
        self.url.clone()
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        drop(self.child.stdin.take());
        let _ = self.child.wait();
    }
}

pub(crate) fn answers(url: &str) -> bool {
    Connection::open(url, Duration::from_secs(1))
        .and_then(|mut connection| connection.command(&["PING"]))
        .is_ok_and(|reply| reply.as_str() == Some("PONG"))
}
