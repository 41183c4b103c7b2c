//! Other programs, with errors that say which one failed and how.

use std::{
    io,
    process::{Child, Command, ExitStatus, Stdio},
    thread,
    time::{Duration, Instant},
};

use crate::Result;

/// Runs a command for the user to watch.
pub(crate) fn run(command: &mut Command) -> Result {
    let status = status(command)?;
    if status.success() {
        Ok(())
    } else {
        Err(format!("`{}` failed ({status})", line(command)).into())
    }
}

/// Runs a command for the user to watch, and says how it ended.
pub(crate) fn status(command: &mut Command) -> Result<ExitStatus> {
    command
        .status()
        .map_err(|error| cannot_run(command, &error).into())
}

/// Runs a command and gives what it printed.
pub(crate) fn read(command: &mut Command) -> Result<String> {
    let output = command
        .stdin(Stdio::null())
        .output()
        .map_err(|error| cannot_run(command, &error))?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    let line = line(command);
    Err(format!("`{line}` failed ({}): {}", output.status, tail(&said)).into())
}

/// Says whether a command can be run and succeeds, without a word to the user.
pub(crate) fn succeeds(command: &mut Command) -> bool {
    command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success())
}

/// Waits for a child, and kills it when `limit` has passed: then there is no status.
pub(crate) fn wait_within(child: &mut Child, limit: Duration) -> io::Result<Option<ExitStatus>> {
    let end = Instant::now() + limit;
    let mut step = Duration::from_millis(1);
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(Some(status));
        }
        if Instant::now() >= end {
            child.kill()?;
            child.wait()?;
            return Ok(None);
        }
        thread::sleep(step);
        step = (step * 2).min(Duration::from_millis(20));
    }
}

/// The end of what a program said, in one line: the cause of a failure stands last.
pub(crate) fn tail(text: &str) -> String {
    let lines: Vec<&str> = text
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty())
        .collect();
    lines[lines.len().saturating_sub(3)..].join(" | ")
}

fn cannot_run(command: &Command, error: &io::Error) -> String {
    let program = command.get_program().display();
    match error.kind() {
        io::ErrorKind::NotFound => format!("`{program}` is not installed or not on PATH"),
        _ => format!("cannot run `{}`: {error}", line(command)),
    }
}

fn line(command: &Command) -> String {
    let mut line = command.get_program().display().to_string();
    for argument in command.get_args() {
        line.push(' ');
        line.push_str(&argument.to_string_lossy());
    }
    line
}

#[cfg(test)]
mod tests {
    use std::{process::Command, time::Duration};

    use super::{read, run, tail, wait_within};

    #[test]
    fn an_error_names_the_command_and_what_it_said() {
        let mut command = Command::new("sh");
        command.args(["-c", "echo one; echo two >&2; exit 3"]);
        let error = read(&mut command).unwrap_err().to_string();
        assert!(
            error.contains("exit 3") && error.ends_with(": two"),
            "{error}"
        );

        let error = run(&mut Command::new("no-such-program")).unwrap_err();
        assert_eq!(
            error.to_string(),
            "`no-such-program` is not installed or not on PATH"
        );
    }

    #[test]
    fn a_child_that_hangs_is_killed() {
        let mut child = Command::new("sleep").arg("60").spawn().unwrap();
        assert_eq!(
            wait_within(&mut child, Duration::from_millis(20)).unwrap(),
            None
        );
        let mut child = Command::new("true").spawn().unwrap();
        let status = wait_within(&mut child, Duration::from_secs(20)).unwrap();
        assert!(status.unwrap().success());
    }

    #[test]
    fn the_tail_is_one_line() {
        assert_eq!(tail("a\nb\n\n  c\nd\n"), "b | c | d");
        assert_eq!(tail(""), "");
    }
}
