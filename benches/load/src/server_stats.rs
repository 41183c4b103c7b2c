//! What the server has done and used.

use std::time::Duration;

use russet_testkit::resp::Connection;

/// A reading of `INFO`, or the difference of two.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct ServerStats {
    /// Commands that clients sent.
    pub dispatched: f64,
    /// Commands that ran, those inside scripts included.
    pub calls: f64,
    /// CPU of the whole process, in µs.
    pub cpu_us: f64,
}

impl ServerStats {
    /// Reads the server's counters.
    pub fn read(url: &str) -> Self {
        let mut connection =
            Connection::open(url, Duration::from_secs(5)).expect("the server answers");
        let mut info = |section: &str| {
            let reply = connection
                .command(&["INFO", section])
                .expect("the server answers");
            reply.as_str().unwrap_or_default().to_owned()
        };
        let (mut calls, mut scripts, mut inside) = (0.0, 0.0, 0.0);
        for line in info("commandstats").lines() {
            let Some((name, stats)) = line
                .trim()
                .strip_prefix("cmdstat_")
                .and_then(|line| line.split_once(':'))
            else {
                continue;
            };
            let count: f64 = stats
                .strip_prefix("calls=")
                .and_then(|stats| stats.split(',').next())
                .and_then(|count| count.parse().ok())
                .unwrap_or_default();
            match name {
                "info" | "hello" | "ping" | "client|id" | "select" => {}
                "evalsha" | "eval" => scripts += count,
                // No scenario sends these but from a script.
                "hmget" | "hset" | "pexpire" | "time" => inside += count,
                _ => calls += count,
            }
        }
        let cpu_us = info("cpu")
            .lines()
            .filter_map(|line| line.trim().split_once(':'))
            .filter(|(name, _)| matches!(*name, "used_cpu_sys" | "used_cpu_user"))
            .filter_map(|(_, seconds)| seconds.parse::<f64>().ok())
            .sum::<f64>()
            * 1e6;
        ServerStats {
            dispatched: calls + scripts,
            calls: calls + scripts + inside,
            cpu_us,
        }
    }

    /// What has come since an earlier reading.
    #[must_use]
    pub fn since(&self, earlier: &ServerStats) -> ServerStats {
        ServerStats {
            dispatched: self.dispatched - earlier.dispatched,
            calls: self.calls - earlier.calls,
            cpu_us: self.cpu_us - earlier.cpu_us,
        }
    }
}
