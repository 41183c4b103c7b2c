//! Tells what happens, and keeps count of what was not as promised.

use std::error::Error;
use std::fmt::Display;
use std::io::IsTerminal as _;
use std::process::ExitCode;
use std::time::{Duration, Instant};

/// How a chapter ends; an error stops the tour.
pub(crate) type Outcome<T = ()> = Result<T, Box<dyn Error>>;

/// The voice of the tour.
pub(crate) struct Guide {
    started: Instant,
    chapter: u32,
    kept: u32,
    broken: u32,
    colour: bool,
}

impl Guide {
    pub(crate) fn new() -> Self {
        let colour = std::io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none();
        Guide {
            started: Instant::now(),
            chapter: 0,
            kept: 0,
            broken: 0,
            colour,
        }
    }

    /// Opens a chapter.
    pub(crate) fn chapter(&mut self, title: &str) {
        self.chapter += 1;
        let title = format!("{}. {title}", self.chapter);
        println!("\n{}", self.paint("1", &title));
    }

    /// Says what was done, and how long it took.
    pub(crate) fn step(&self, what: impl Display, took: Duration) {
        println!("   {:<62}{:>10}", what.to_string(), shown(took));
    }

    /// Says something.
    pub(crate) fn say(&self, what: impl Display) {
        println!("   {what}");
    }

    /// Says whether a promise was kept.
    pub(crate) fn promise(&mut self, kept: bool, what: impl Display) {
        if kept {
            self.kept += 1;
            println!("   {} {what}", self.paint("32", "✓"));
        } else {
            self.broken += 1;
            println!("   {} {what}", self.paint("31", "✗ not as promised:"));
        }
    }

    /// Says that an error ended the tour.
    pub(crate) fn broken(&mut self, error: &dyn Error) {
        self.broken += 1;
        println!("   {} {error}", self.paint("31", "✗ the tour ends here:"));
    }

    pub(crate) fn end(self) -> ExitCode {
        let (kept, broken, took) = (self.kept, self.broken, shown(self.started.elapsed()));
        println!("\n{kept} promises kept, {broken} broken, in {took}.");
        if broken == 0 {
            ExitCode::SUCCESS
        } else {
            ExitCode::FAILURE
        }
    }

    fn paint(&self, code: &str, text: &str) -> String {
        if self.colour {
            format!("\x1b[{code}m{text}\x1b[0m")
        } else {
            text.to_owned()
        }
    }
}

fn shown(took: Duration) -> String {
    match took.as_micros() {
        0..1_000 => format!("{} µs", took.as_micros()),
        1_000..1_000_000 => format!("{:.1} ms", took.as_secs_f64() * 1e3),
        _ => format!("{:.2} s", took.as_secs_f64()),
    }
}

/// Runs something and says how long it took.
pub(crate) async fn timed<F: IntoFuture>(work: F) -> (F::Output, Duration) {
    let started = Instant::now();
    let output = work.await;
    (output, started.elapsed())
}
