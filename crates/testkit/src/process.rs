//! This test program, started again as a process of its own.

use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Child, ChildStdout, Command, Stdio};

/// This test program, started again to run one of its tests as another process, which can be spoken to, stopped and killed. Killed when it is dropped.
///
/// That test finds what it is to do in an environment variable, and has nothing to do without; it says a line of its own (`println!("\nready")`) and
/// reads lines.
#[derive(Debug)]
pub struct Process {
    child: Child,
    says: BufReader<ChildStdout>,
}

impl Process {
    /// Starts the test of this name, with its role in a variable.
    ///
    /// # Panics
    ///
    /// When this program cannot be started again.
    #[must_use]
    pub fn start(test: &str, variable: &str, role: &str) -> Process {
        // A test fails by panicking; that this program has a path and runs is why it is here at all.
        let program = std::env::current_exe().expect("this program has a path");
        let mut child = Command::new(program)
            .args(["--exact", test, "--nocapture"])
            .env(variable, role)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit())
            .spawn()
            .expect("this program runs already");
        // As it was started four lines above.
        let says = child.stdout.take().expect("it is piped");
        Process {
            child,
            says: BufReader::new(says),
        }
    }

    /// Tells it a line.
    ///
    /// # Panics
    ///
    /// When it has ended.
    pub fn tell(&mut self, what: &str) {
        let stdin = self.child.stdin.as_mut().expect("it is piped");
        writeln!(stdin, "{what}").expect("it still reads");
    }

    /// Blocks until it says this line.
    ///
    /// # Panics
    ///
    /// When it ends before.
    pub fn says(&mut self, what: &str) {
        let mut line = String::new();
        while line.trim() != what {
            line.clear();
            let read = self.says.read_line(&mut line).expect("it writes text");
            assert!(read > 0, "it ended before it said {what}");
        }
    }

    /// Sends it a signal, by its name without `SIG`.
    ///
    /// # Panics
    ///
    /// When it has ended.
    pub fn signal(&self, name: &str) {
        // The shell's own `kill`: small systems have no other.
        let (kill, id) = (format!("kill -{name} \"$1\""), self.child.id().to_string());
        let sent = Command::new("sh").args(["-c", &kill, "kill", &id]).status();
        assert!(sent.expect("there is a shell").success(), "no such process");
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
