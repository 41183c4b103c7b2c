//! Whether the server has room for more.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use russet_core::{Server, ServerInfo};

/// How often a cache that stores asks for its server's memory.
const EVERY: Duration = Duration::from_secs(5);
/// In percent of `maxmemory`: from here on nothing is stored,
const FULL: u64 = 80;
/// and from here on down it is again.
const ROOM: u64 = 75;

/// Whether the server has room for more: on one that evicts nothing, what others keep there goes before what a cache could do
/// without.
pub(crate) struct Room {
    server: Server,
    cache: String,
    is_full: AtomicBool,
    /// When it is to be asked again, in microseconds since it began.
    due: AtomicU64,
    began: coarsetime::Instant,
}

impl Room {
    pub(crate) fn new(server: Server, cache: &str) -> Self {
        Room {
            server,
            cache: cache.to_owned(),
            is_full: AtomicBool::new(false),
            due: AtomicU64::new(0),
            began: coarsetime::Instant::now_without_cache_update(),
        }
    }

    /// Whether there is, as far as is known. What is not known yet is asked behind the caller's back.
    pub(crate) fn is_there(self: &Arc<Self>) -> bool {
        let now = coarsetime::Instant::now_without_cache_update()
            .duration_since(self.began)
            .as_micros();
        let due = self.due.load(Ordering::Relaxed);
        let next = now + u64::try_from(EVERY.as_micros()).unwrap_or(u64::MAX);
        let is_asker = now >= due
            && (self.due)
                .compare_exchange(due, next, Ordering::Relaxed, Ordering::Relaxed)
                .is_ok();
        if is_asker {
            tokio::spawn(self.clone().ask());
        }
        !self.is_full.load(Ordering::Relaxed)
    }

    async fn ask(self: Arc<Self>) {
        // Where it is not answered, what was known holds.
        let Ok(servers) = Box::pin(self.server.infos()).await else {
            return;
        };
        let was_full = self.is_full.load(Ordering::Relaxed);
        let is_unsure = servers.values().any(Result::is_err);
        let servers = servers.into_values().flatten();
        let fullest = servers.filter_map(|server| percent(&server)).max();
        if was_full && is_unsure {
            return;
        }
        let is_full = fullest.is_some_and(|fullest| fullest >= if was_full { ROOM } else { FULL });
        self.is_full.store(is_full, Ordering::Relaxed);
        let (cache, percent) = (&self.cache, fullest.unwrap_or_default());
        if is_full && !was_full {
            tracing::warn!(target: "russet::cache", %cache, percent, "the server's memory is nearly full, and it evicts nothing; nothing more is cached until there is room");
        } else if was_full && !is_full {
            tracing::info!(target: "russet::cache", %cache, percent, "the server has room again; values are cached");
        }
    }
}

/// How full a server is that evicts nothing.
fn percent(server: &ServerInfo) -> Option<u64> {
    let max = server.max_memory.filter(|max| *max > 0)?;
    let evicts_nothing = server.eviction_policy.as_deref() == Some("noeviction");
    let percent = u128::from(server.used_memory?) * 100 / u128::from(max);
    evicts_nothing.then(|| u64::try_from(percent).unwrap_or(u64::MAX))
}
