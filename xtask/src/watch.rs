//! A child that clears up after us, however we end.

use std::{
    os::unix::process::CommandExt,
    process::{Child, Command, Stdio},
};

use crate::Result;

/// A child that ends, clearing up, when its standard input does. We hold the only other end of that pipe, so this
/// happens when the guard is dropped, but also after Ctrl-C, a panic or SIGKILL, without a signal handler.
pub(crate) struct Watch {
    child: Child,
}

impl Watch {
    /// Runs `command` when the pipe closes.
    pub(crate) fn at_end(command: &Command) -> Result<Watch> {
        let mut shell = Command::new("sh");
        shell
            .args(["-c", "cat >/dev/null; exec \"$@\"", "russet-watch"])
            .arg(command.get_program())
            .args(command.get_args())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        Watch::hold(&mut shell)
    }

    /// Starts a `command` that ends by itself when its standard input does.
    pub(crate) fn hold(command: &mut Command) -> Result<Watch> {
        let child = command
            .stdin(Stdio::piped())
            // A group of its own: the terminal's Ctrl-C ends us, and the end of us ends the child in good order.
            .process_group(0)
            .spawn()
            .map_err(|error| {
                format!("cannot run `{}`: {error}", command.get_program().display())
            })?;
        Ok(Watch { child })
    }

    pub(crate) fn child(&mut self) -> &mut Child {
        &mut self.child
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        drop(self.child.stdin.take());
        let _ = self.child.wait();
    }
}

#[cfg(test)]
mod tests {
    use std::{env, fs, process::Command};

    use super::Watch;

    #[test]
    fn the_command_runs_at_the_end_and_not_before() {
        let file = env::temp_dir().join(format!("russet-xtask-watch-{}", std::process::id()));
        let mut command = Command::new("touch");
        command.arg(&file);
        let watch = Watch::at_end(&command).unwrap();
        assert!(!file.exists());
        drop(watch);
        assert!(file.exists());
        fs::remove_file(file).unwrap();
    }
}
