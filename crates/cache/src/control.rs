//! Which entries hold: epoch, clock, floor and tags.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use futures_util::future::try_join_all;
use russet_core::{Beside, Bytes, Error, FromReply as _, Key, Lane, Policy, Reply, Script, Stem};

use crate::clock::Clock;
use crate::keys::{self, CLEAR, GATE, INVALIDATE, OPEN, TAGS};
use crate::lease::token;
use crate::store::millis;
use crate::wire::Head;

static OPEN_SCRIPT: Script = Script::new(OPEN);
static INVALIDATE_SCRIPT: Script = Script::new(INVALIDATE);
static CLEAR_SCRIPT: Script = Script::new(CLEAR);
static GATE_SCRIPT: Script = Script::new(GATE);
static TAGS_SCRIPT: Script = Script::new(TAGS);

/// How many tags Redis keeps for a cache, or for a shard of it, and how many this process. The oldest are forgotten first, and
/// with them the entries as old as they.
const MOST_TAGS: usize = 65_536;
/// How many tags one script invalidates.
const AT_ONCE: usize = 500;
/// How long the control state lives at least when nobody uses the cache.
const LEAST_LIFE: Duration = Duration::from_hours(30 * 24);
/// How often it is kept alive while somebody does.
const KEPT: Duration = Duration::from_mins(1);

/// What says which entries of a cache hold.
///
/// An entry is stored under the epoch and the clock that were read when its load began, its stamp. It holds while the epoch is
/// the same, the stamp is neither below the floor nor above the clock, and none of its tags was invalidated above it. Whatever
/// invalidates moves the clock on first. No two times are compared but those of this one clock, which only rises; where its
/// key is gone, an epoch begins, and nothing of before holds.
pub(crate) struct Control {
    lane: Lane,
    pub(crate) shards: Vec<Shard>,
    /// The shards' states.
    states: Vec<Key>,
    by_tag: HashMap<Box<[u8]>, usize>,
    life: Duration,
    /// Whether the state lives where the values do, so that it is read, and asked in scripts, together with them.
    pub(crate) is_beside: bool,
    /// Where changes are told, and as whose.
    pub(crate) channel: Key,
    pub(crate) by: String,
    most_changes: usize,
    began: Instant,
    /// When it was kept alive last, in seconds.
    kept: AtomicU64,
}

/// The control state of a cache, or of one shard of it.
pub(crate) struct Shard {
    /// Its place among the shards.
    pub(crate) at: u16,
    tag: String,
    pub(crate) state: Key,
    pub(crate) tags: Key,
    /// The stream of changes.
    pub(crate) changes: Key,
    known: Mutex<Known>,
    /// Held by whoever asks for tags: the others then know them as well.
    asking: tokio::sync::Mutex<()>,
}

/// What was read of it last.
#[derive(Default)]
struct Known {
    text: Bytes,
    state: Option<State>,
    /// What the tags below are of: every later invalidation has moved the clock on.
    epoch: u64,
    clock: u64,
    /// When each tag was invalidated last, 0 for never.
    tags: HashMap<Box<str>, u64>,
}

/// One reading of the control state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct State {
    pub(crate) epoch: u64,
    pub(crate) clock: u64,
    floor: u64,
}

impl State {
    /// `1 <epoch> <clock> <floor> <gate>`; nothing if it is gone, or of another version.
    pub(crate) fn read(text: &[u8]) -> Option<Self> {
        let text = std::str::from_utf8(text).ok()?.strip_prefix("1 ")?;
        let mut numbers = text.split(' ').map(|number| number.parse::<u64>().ok());
        let mut number = || numbers.next().flatten();
        Some(State {
            epoch: number()?,
            clock: number()?,
            floor: number()?,
        })
    }
}

/// Whether an entry holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    Holds,
    Fails,
    /// When its tags were invalidated must be asked, or the state once more.
    Unknown,
}

impl Control {
    pub(crate) fn new(
        lane: Lane,
        stem: &Stem,
        cache: &str,
        ttl: Duration,
        most_changes: usize,
    ) -> Self {
        let mut tags: Vec<String> = stem.shard_tags().map(str::to_owned).collect();
        if tags.is_empty() {
            tags.push(format!("{{{cache}}}"));
        }
        let shard = |(at, tag): (u16, &String)| {
            let [state, tags, changes] = keys::control(stem, tag);
            Shard {
                at,
                tag: tag.clone(),
                state,
                tags,
                changes,
                known: Mutex::default(),
                asking: tokio::sync::Mutex::default(),
            }
        };
        let by_tag = tags.iter().enumerate();
        let shards: Vec<Shard> = (0..).zip(&tags).map(shard).collect();
        Control {
            states: shards.iter().map(|shard| shard.state.clone()).collect(),
            shards,
            by_tag: by_tag
                .map(|(at, tag)| (tag.as_bytes().into(), at))
                .collect(),
            is_beside: stem.is_sharded() || !lane.is_cluster(),
            channel: keys::changed(stem),
            by: token(),
            most_changes,
            lane,
            life: LEAST_LIFE.max(ttl * 2),
            began: Instant::now(),
            kept: AtomicU64::new(u64::MAX),
        }
    }

    /// The control state that a value's entry is under.
    pub(crate) fn of(&self, stem: &Stem, key: &Key) -> &Shard {
        let shard = stem.shard_in(key).and_then(|tag| self.by_tag.get(tag));
        // There is one at least.
        &self.shards[shard.copied().unwrap_or(0)]
    }

    /// The shard with this tag.
    pub(crate) fn tagged(&self, tag: &str) -> Option<&Shard> {
        self.shards.get(*self.by_tag.get(tag.as_bytes())?)
    }

    /// What a script is told of how changes are told.
    pub(crate) fn announcing(&self, shard: &Shard) -> [Bytes; 4] {
        [
            Bytes::copy_from_slice(self.channel.as_bytes()),
            Bytes::copy_from_slice(shard.tag.as_bytes()),
            Bytes::copy_from_slice(self.by.as_bytes()),
            self.most_changes.to_string().into(),
        ]
    }

    pub(crate) fn args(&self) -> [Bytes; 2] {
        [
            epoch().to_string().into(),
            millis(self.life).to_string().into(),
        ]
    }

    /// Whether an entry holds by the state that was read with it; asks for its tags, or for the state again, where that
    /// does not say. One `EVALSHA` then.
    pub(crate) async fn holds(
        &self,
        shard: &Shard,
        head: &Head<'_>,
        state: Option<State>,
    ) -> Result<bool, Error> {
        match shard.verdict(head, state) {
            Verdict::Holds => Ok(true),
            // Read apart, it may be from before there was one.
            Verdict::Fails if state.is_some() || self.is_beside => Ok(false),
            _ => Box::pin(self.holds_after_asking(shard, head, state)).await,
        }
    }

    async fn holds_after_asking(
        &self,
        shard: &Shard,
        head: &Head<'_>,
        mut state: Option<State>,
    ) -> Result<bool, Error> {
        for _ in 0..2 {
            state = self.ask(shard, head, state).await?;
            match shard.verdict(head, state) {
                Verdict::Holds => return Ok(true),
                Verdict::Fails => return Ok(false),
                Verdict::Unknown => {}
            }
        }
        Ok(false)
    }

    /// Asks for the state, for what was invalidated since it was asked last, and for the tags of an entry; unless somebody else
    /// has, meanwhile.
    async fn ask(
        &self,
        shard: &Shard,
        head: &Head<'_>,
        state: Option<State>,
    ) -> Result<Option<State>, Error> {
        let _asking = shard.asking.lock().await;
        if state.is_some() && shard.verdict(head, state) != Verdict::Unknown {
            return Ok(state);
        }
        let (epoch, clock, missing) = {
            let known = shard.known();
            let missing = head.tags().filter(|tag| !known.tags.contains_key(*tag));
            let missing: Vec<Bytes> = missing
                .map(|tag| Bytes::copy_from_slice(tag.as_bytes()))
                .collect();
            (known.epoch, known.clock, missing)
        };
        let mut args: Vec<Bytes> = vec![epoch.to_string().into(), clock.to_string().into()];
        args.extend(missing.iter().cloned());
        let keys = [&shard.state, &shard.tags];
        let reply = self
            .lane
            .script::<Reply>(&TAGS_SCRIPT, keys, args, Policy::Idempotent);
        match Box::pin(reply).await? {
            Reply::Array(reply) => match shard.learn(reply, &missing)? {
                Learnt::Known(state) => Ok(Some(state)),
                // Evicted alone: what was stored before cannot be told from what was invalidated.
                Learnt::Lost => Ok(Some(self.open(shard, None).await?)),
            },
            _ => Ok(None),
        }
    }

    /// The control state, which is made if it is gone. One `EVALSHA`.
    pub(crate) async fn open(&self, shard: &Shard, clock: Option<&Clock>) -> Result<State, Error> {
        let reply = self.lane.script::<Vec<Bytes>>(
            &OPEN_SCRIPT,
            [&shard.state, &shard.tags],
            self.args(),
            Policy::Idempotent,
        );
        let reply = Box::pin(reply).await?;
        let [time, text] = &reply[..] else {
            return Err(Error::decode("open.lua answered something else"));
        };
        if let Some(clock) = clock {
            clock.heard(u64::from_reply(Reply::Bytes(time.clone()))?);
        }
        shard.must_state_of(text)
    }

    /// Invalidates tags, in all shards; each shard's clock then, for each 500 tags. One `EVALSHA` a shard for them.
    pub(crate) async fn invalidate(&self, tags: &[String]) -> Result<Vec<(u16, u64)>, Error> {
        let mut clocks = Vec::new();
        for some in tags.chunks(AT_ONCE) {
            let told = [some.join(" "), MOST_TAGS.to_string()];
            let args: Vec<Bytes> = told.iter().chain(some).map(|text| bytes(text)).collect();
            clocks.extend(self.everywhere(&INVALIDATE_SCRIPT, &args).await?);
        }
        Ok(clocks)
    }

    /// Begins a new epoch, in all shards: nothing holds any more. One `EVALSHA` a shard.
    pub(crate) async fn clear(&self) -> Result<(), Error> {
        self.everywhere(&CLEAR_SCRIPT, &[]).await.map(drop)
    }

    /// Keeps what is being loaded now from being stored, and tells a pattern of keys that are being removed. One `EVALSHA` a
    /// shard. Where the store cannot ask that, nothing that was stored before holds any more.
    pub(crate) async fn close_gate(&self, pattern: &str) -> Result<(), Error> {
        let which = if self.is_beside { "gate" } else { "floor" };
        self.everywhere(&GATE_SCRIPT, &[bytes(pattern), bytes(which)])
            .await
            .map(drop)
    }

    async fn everywhere(
        &self,
        script: &'static Script,
        args: &[Bytes],
    ) -> Result<Vec<(u16, u64)>, Error> {
        let all = self.shards.iter().map(async |shard| {
            let announcing = self.announcing(shard);
            let args = args.iter().cloned();
            let args = self.args().into_iter().chain(announcing).chain(args);
            let args: Vec<Bytes> = args.collect();
            // Nobody can follow where the state lives in another slot than the values.
            let changes = self.is_beside.then_some(&shard.changes);
            let keys = [&shard.state, &shard.tags].into_iter().chain(changes);
            // Twice is as good as once: the clock goes on twice.
            let reply = self
                .lane
                .script::<Bytes>(script, keys, args, Policy::Idempotent);
            let text = Box::pin(reply).await?;
            Ok((shard.at, shard.must_state_of(&text)?.clock))
        });
        try_join_all(all).await
    }

    /// Keeps the state from being the coldest key there is, once a minute.
    pub(crate) fn keep_warm(self: &Arc<Self>, now: Instant) {
        let now = now.saturating_duration_since(self.began).as_secs();
        let kept = self.kept.load(Ordering::Relaxed);
        let is_due = kept == u64::MAX || now >= kept + KEPT.as_secs();
        if is_due
            && self
                .kept
                .compare_exchange(kept, now, Ordering::Relaxed, Ordering::Relaxed)
                .is_ok()
            && kept != u64::MAX
        {
            let control = self.clone();
            tokio::spawn(async move {
                let open = control.shards.iter().map(|shard| control.open(shard, None));
                if let Err(error) = try_join_all(open).await {
                    tracing::debug!(target: "russet::cache", %error, "the control state was not kept alive");
                }
            });
        }
    }
}

/// The control states, for whoever reads values beside them.
pub(crate) struct States(pub(crate) Arc<Control>);

impl Beside for States {
    type Answer = Option<State>;

    fn keys(&self) -> &[Key] {
        &self.0.states
    }

    fn read(&self, at: usize, value: Option<Bytes>) -> Option<State> {
        self.0.shards.get(at)?.state_of(&value?)
    }
}

enum Learnt {
    Known(State),
    Lost,
}

impl Shard {
    /// What a reading says; the last one is not read again.
    pub(crate) fn state_of(&self, text: &Bytes) -> Option<State> {
        let mut known = self.known();
        if known.text != *text {
            known.state = State::read(text);
            known.text = text.clone();
        }
        known.state
    }

    pub(crate) fn must_state_of(&self, text: &Bytes) -> Result<State, Error> {
        self.state_of(text)
            .ok_or_else(|| Error::decode("the control state is of another version"))
    }

    fn verdict(&self, head: &Head<'_>, state: Option<State>) -> Verdict {
        let Some(state) = state else {
            return Verdict::Fails;
        };
        if head.epoch != state.epoch || head.stamp < state.floor {
            return Verdict::Fails;
        }
        // Read apart, the state may be older than the entry.
        if head.stamp > state.clock {
            return Verdict::Unknown;
        }
        if !head.has_tags() {
            return Verdict::Holds;
        }
        let known = self.known();
        if known.epoch != state.epoch || known.clock < state.clock {
            return Verdict::Unknown;
        }
        let mut verdict = Verdict::Holds;
        for tag in head.tags() {
            match known.tags.get(tag) {
                Some(&at) if at > head.stamp => return Verdict::Fails,
                Some(_) => {}
                None => verdict = Verdict::Unknown,
            }
        }
        verdict
    }

    /// Takes in what `tags.lua` answered.
    fn learn(&self, reply: Vec<Reply>, missing: &[Bytes]) -> Result<Learnt, Error> {
        let misread = || Error::decode("tags.lua answered something else");
        let [text, are_known, since, asked] =
            <[Reply; 4]>::try_from(reply).map_err(|_| misread())?;
        let state = self.must_state_of(&Bytes::from_reply(text)?)?;
        if !bool::from_reply(are_known)? {
            return Ok(Learnt::Lost);
        }
        let mut known = self.known();
        match since {
            Reply::Array(since) => {
                for pair in since.chunks(2) {
                    let [tag, clock] = pair else {
                        return Err(misread());
                    };
                    let tag = String::from_reply(tag.clone())?;
                    // One that nobody here has asked for is asked for when it is met.
                    if let Some(at) = known.tags.get_mut(&*tag) {
                        *at = to_clock(clock.clone())?;
                    }
                }
            }
            // More than could be told, or of another epoch: all are asked for anew.
            _ => known.tags.clear(),
        }
        if known.tags.len() + missing.len() > MOST_TAGS {
            known.tags.clear();
        }
        let Reply::Array(asked) = asked else {
            return Err(misread());
        };
        for (tag, clock) in missing.iter().zip(asked) {
            let tag = std::str::from_utf8(tag).map_err(|_| misread())?;
            let clock = match clock {
                Reply::Bytes(bytes) if bytes.is_empty() => 0,
                clock => to_clock(clock)?,
            };
            known.tags.insert(tag.into(), clock);
        }
        (known.epoch, known.clock) = (state.epoch, state.clock);
        Ok(Learnt::Known(state))
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        // No code that can panic runs under this lock.
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A sorted set's score, which servers write as `1.7e15` too.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a clock is a whole number below 2^53"
)]
fn to_clock(reply: Reply) -> Result<u64, Error> {
    Ok(f64::from_reply(reply)? as u64)
}

fn bytes(text: &str) -> Bytes {
    Bytes::copy_from_slice(text.as_bytes())
}

/// A number that no other epoch has: of 52 random bits, which a script can count.
fn epoch() -> u64 {
    fastrand::u64(1..1 << 52)
}
