//! What the server has done and used.

use std::time::Duration;

use russet_testkit::resp::Connection;

/// A reading of `INFO`, or the difference of two.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct ServerStats {
    /// Script calls.
    scripts: f64,
    /// Other commands, inside scripts too.
    others: f64,
    /// CPU of the whole process, in µs.
    pub cpu_us: f64,
    /// What clients have sent, in bytes.
    pub bytes_sent: f64,
}

impl ServerStats {
    /// Reads the server's counters, or the sum of a cluster's (`redis-cluster://host:port,host:port`).
    pub fn read(url: &str) -> Self {
        let Some(nodes) = url.strip_prefix("redis-cluster://") else {
            return ServerStats::read_one(url);
        };
        let all = nodes
            .split(',')
            .map(|node| ServerStats::read_one(&format!("redis://{node}")));
        let zero = ServerStats {
            scripts: 0.0,
            others: 0.0,
            cpu_us: 0.0,
            bytes_sent: 0.0,
        };
        all.fold(zero, |sum, one| ServerStats {
            scripts: sum.scripts + one.scripts,
            others: sum.others + one.others,
            cpu_us: sum.cpu_us + one.cpu_us,
            bytes_sent: sum.bytes_sent + one.bytes_sent,
        })
    }

    fn read_one(url: &str) -> Self {
        let mut connection =
            Connection::open(url, Duration::from_secs(5)).expect("the server answers");
        let mut info = |section: &str| {
            let reply = connection
                .command(&["INFO", section])
                .expect("the server answers");
            reply.as_str().unwrap_or_default().to_owned()
        };
        let (mut scripts, mut others) = (0.0, 0.0);
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
                // What keeps a cluster together, and moves its slots.
                "migrate" | "restore-asking" | "asking" => {}
                name if name.starts_with("cluster|") => {}
                "evalsha" | "eval" => scripts += count,
                _ => others += count,
            }
        }
        let cpu_us = info("cpu")
            .lines()
            .filter_map(|line| line.trim().split_once(':'))
            .filter(|(name, _)| matches!(*name, "used_cpu_sys" | "used_cpu_user"))
            .filter_map(|(_, seconds)| seconds.parse::<f64>().ok())
            .sum::<f64>()
            * 1e6;
        let bytes_sent = info("stats")
            .lines()
            .find_map(|line| line.trim().strip_prefix("total_net_input_bytes:"))
            .and_then(|bytes| bytes.parse().ok())
            .unwrap_or_default();
        ServerStats {
            scripts,
            others,
            cpu_us,
            bytes_sent,
        }
    }

    /// Commands that clients sent, where they sent scripts or other commands and not both: what a script calls is counted
    /// like a command of theirs.
    pub fn dispatched(&self) -> f64 {
        if self.scripts > 0.0 {
            self.scripts
        } else {
            self.others
        }
    }

    /// Commands that ran, those inside scripts included.
    pub fn calls(&self) -> f64 {
        self.scripts + self.others
    }

    /// What has come since an earlier reading.
    #[must_use]
    pub fn since(&self, earlier: &ServerStats) -> ServerStats {
        ServerStats {
            scripts: self.scripts - earlier.scripts,
            others: self.others - earlier.others,
            cpu_us: self.cpu_us - earlier.cpu_us,
            bytes_sent: self.bytes_sent - earlier.bytes_sent,
        }
    }
}
