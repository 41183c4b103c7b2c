//! A small shell that clears up after this process, however this process ends.

use std::{
    io,
    os::unix::process::CommandExt,
    process::{Child, ChildStdin, Command, Stdio},
};

/// A shell that waits for the end of its standard input, whose other end this process holds, and then runs a script.
///
/// The pipe closes when this is dropped and also when the process exits, aborts or is killed with SIGKILL, so what
/// the script clears up never outlives the process. The shell has a process group of its own and ignores the signals
/// of a terminal: Ctrl-C ends the tests, not what clears up after them.
#[derive(Debug)]
pub(crate) struct Watchdog {
    shell: Child,
    pipe: Option<ChildStdin>,
}

impl Watchdog {
    /// Starts the shell; it runs `script` with `arguments` as `$1`, `$2`, … when the pipe closes.
    pub(crate) fn start(script: &str, arguments: &[&str]) -> io::Result<Watchdog> {
        let script = format!("trap '' HUP INT QUIT TERM\nread -r _ && exit\n{script}");
        let mut shell = Command::new("sh")
            .args(["-c", &script, "russet-watchdog"])
            .args(arguments)
            .current_dir("/")
            .process_group(0)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()?;
        let pipe = shell.stdin.take();
        Ok(Watchdog { shell, pipe })
    }

    /// Tells the shell that there is nothing to clear up any more: a line dismisses it.
    #[cfg(feature = "containers")]
    pub(crate) fn dismiss(&mut self) {
        use std::io::Write;

        if let Some(pipe) = &mut self.pipe {
            let _ = pipe.write_all(b"\n");
        }
    }
}

impl Drop for Watchdog {
    fn drop(&mut self) {
        drop(self.pipe.take());
        let _ = self.shell.wait();
    }
}
