//! Following what other processes change, so that the local tier can be believed.

use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::future::{Either, join_all, select};
use russet_core::{
    Bytes, Delivery, Error, ErrorKind, FromReply as _, Lane, Policy, Reply, Script, Server,
    Subscription, Target,
};

use crate::control::{Control, Shard};
use crate::keys::FOLLOW;
use crate::local::Local;
use crate::store::millis;

static FOLLOW_SCRIPT: Script = Script::new(FOLLOW);

/// How often each shard is asked what has changed, besides being told: what was told and lost is known then.
const ASKS: Duration = Duration::from_secs(1);
/// The same where nobody tells: no permission to subscribe, or no connection for it.
const ASKS_ALONE: Duration = Duration::from_millis(50);
/// How long an answer is good for: two that fail leave the local tier unused.
const SURE: Duration = Duration::from_millis(2_500);
/// How long the stream of changes lives when nobody follows any more.
const LIFE: Duration = Duration::from_mins(10);

/// Follows one cache's changes until the cache is gone.
pub(crate) struct Follower<V> {
    server: Server,
    lane: Lane,
    control: Arc<Control>,
    local: Arc<Local<V>>,
    /// The last change that is known of each shard.
    known: Vec<Option<Change>>,
    /// Something was lost: it is asked for at once.
    is_amiss: bool,
}

/// The name of a change: which life of the stream, and its number in it. Numbers have no holes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Change {
    life: u64,
    number: u64,
}

impl Change {
    fn read(text: &str) -> Option<Self> {
        let (life, number) = text.split_once('-')?;
        Some(Change {
            life: life.parse().ok()?,
            number: number.parse().ok()?,
        })
    }
}

/// What a shard answered: the last change, and all since the one that was known, if they are all there.
struct Answer {
    last: Change,
    since: Option<Vec<(String, String)>>,
}

impl<V: Send + Sync + 'static> Follower<V> {
    pub(crate) fn new(
        server: Server,
        lane: Lane,
        control: Arc<Control>,
        local: Arc<Local<V>>,
    ) -> Self {
        Follower {
            known: vec![None; control.shards.len()],
            is_amiss: false,
            server,
            lane,
            control,
            local,
        }
    }

    pub(crate) async fn run(mut self) {
        loop {
            let target = Target::Channel(self.control.channel.clone());
            let subscription = match Box::pin(self.server.subscribe(target)).await {
                Ok(subscription) => Some(subscription),
                Err(error) if error.kind() == ErrorKind::Shutdown => return,
                Err(error) => {
                    tracing::debug!(target: "russet::cache", %error, "nobody tells what changes; asking again and again");
                    None
                }
            };
            self.follow(subscription).await;
        }
    }

    /// Follows until the subscription ends; without one for a while.
    async fn follow(&mut self, mut subscription: Option<Subscription>) {
        let every = match subscription {
            Some(_) => ASKS,
            None => ASKS_ALONE,
        };
        for turn in 0.. {
            self.is_amiss = false;
            // Asked with what is known now; what is told meanwhile is taken in meanwhile.
            let (lane, control, known) =
                (self.lane.clone(), self.control.clone(), self.known.clone());
            let asked = Instant::now();
            let answers = Box::pin(async move {
                let all = control.shards.iter().zip(&known);
                join_all(all.map(|(shard, known)| ask(&lane, shard, *known))).await
            });
            let Some(answers) = self.told_until(answers, &mut subscription, false).await else {
                return;
            };
            let mut is_away = false;
            for (at, answer) in answers.into_iter().flatten().enumerate() {
                match answer {
                    Ok(answer) => self.answered(at, answer, asked),
                    Err(error) if error.kind() == ErrorKind::Shutdown => return,
                    // It stays unsure.
                    Err(error) => {
                        is_away = true;
                        tracing::debug!(target: "russet::cache", %error, "what has changed is not known");
                    }
                }
            }
            // Something was told that does not follow from what was known when it was asked. Who answers nothing is not
            // asked more often for that.
            if self.is_amiss && !is_away {
                continue;
            }
            let pause = Box::pin(tokio::time::sleep(every));
            let over = self.told_until(pause, &mut subscription, !is_away).await;
            if over.is_none() || (subscription.is_none() && turn > 100) {
                return;
            }
        }
    }

    /// Takes in what is told until something else is over; if asked for, until something is amiss. Nothing where nobody tells any
    /// more.
    async fn told_until<T>(
        &mut self,
        mut other: Pin<Box<dyn Future<Output = T> + Send>>,
        subscription: &mut Option<Subscription>,
        until_amiss: bool,
    ) -> Option<Option<T>> {
        let Some(told) = subscription else {
            return Some(Some(other.await));
        };
        loop {
            let next = std::pin::pin!(told.next());
            match select(next, other.as_mut()).await {
                Either::Left((None, _)) => return None,
                Either::Left((Some(Delivery::Message { payload, .. }), _)) => self.told(&payload),
                Either::Left((Some(_), _)) => self.is_amiss = true,
                Either::Right((over, _)) => return Some(Some(over)),
            }
            if self.is_amiss && until_amiss {
                return Some(None);
            }
        }
    }

    /// Takes in one change.
    fn told(&mut self, payload: &[u8]) {
        let Some((at, change, by, what)) = self.read(payload) else {
            // Of a later version: it may say anything.
            return self.local.flush();
        };
        let is_own = by == self.control.by;
        match self.known.get_mut(usize::from(at)) {
            Some(Some(known)) if known.life == change.life && change.number <= known.number => {}
            Some(Some(known)) if known.life == change.life && change.number == known.number + 1 => {
                *known = change;
                if !is_own {
                    apply(&self.local, at, what);
                }
            }
            _ => self.is_amiss = true,
        }
    }

    fn read<'p>(&self, payload: &'p [u8]) -> Option<(u16, Change, &'p str, &'p str)> {
        let text = std::str::from_utf8(payload).ok()?.strip_prefix("1 ")?;
        let mut words = text.splitn(4, ' ');
        let shard = self.control.tagged(words.next()?)?;
        let change = Change::read(words.next()?)?;
        Some((shard.at, change, words.next()?, words.next()?))
    }

    fn answered(&mut self, at: usize, answer: Answer, asked: Instant) {
        let (Some(known), Ok(shard)) = (self.known.get_mut(at), u16::try_from(at)) else {
            return;
        };
        match (answer.since, *known) {
            (Some(since), Some(before)) if before.life == answer.last.life => {
                // The last ones of them may have been told meanwhile.
                let new = usize::try_from(answer.last.number.saturating_sub(before.number));
                let old = since.len().saturating_sub(new.unwrap_or(0));
                for (by, what) in since.into_iter().skip(old) {
                    if by != self.control.by {
                        apply(&self.local, shard, &what);
                    }
                }
                *known = Some(before.max(answer.last));
            }
            _ => {
                self.local.flush();
                *known = Some(answer.last);
            }
        }
        self.local.is_sure(shard, asked, SURE);
    }
}

/// Asks a shard what has changed since.
async fn ask(lane: &Lane, shard: &Shard, known: Option<Change>) -> Result<Answer, Error> {
    let known = known.map_or_else(String::new, |known| {
        format!("{}-{}", known.life, known.number)
    });
    let args = [known, millis(LIFE).to_string()];
    let reply =
        lane.script::<Vec<Reply>>(&FOLLOW_SCRIPT, [&shard.changes], args, Policy::Idempotent);
    let misread = || Error::decode("follow.lua answered something else");
    let [last, since] = <[Reply; 2]>::try_from(Box::pin(reply).await?).map_err(|_| misread())?;
    let last = Change::read(&String::from_reply(last)?).ok_or_else(misread)?;
    let since = match since {
        Reply::Array(since) => {
            let mut pairs = Vec::with_capacity(since.len() / 2);
            for pair in since.chunks(2) {
                let [by, what] = pair else {
                    return Err(misread());
                };
                pairs.push((text(by)?, text(what)?));
            }
            Some(pairs)
        }
        _ => None,
    };
    Ok(Answer { last, since })
}

fn text(reply: &Reply) -> Result<String, Error> {
    let bytes = Bytes::from_reply(reply.clone())?;
    // A pattern may be any bytes.
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// What somebody else has changed.
fn apply<V>(local: &Local<V>, shard: u16, what: &str) {
    let Some(kind) = what.chars().next() else {
        return;
    };
    let rest = &what[kind.len_utf8()..];
    match kind {
        'k' => local.changed(rest),
        'p' => local.changed_matching(rest),
        't' => match rest
            .split_once(' ')
            .map(|(clock, tags)| (clock.parse(), tags))
        {
            Some((Ok(clock), tags)) => local.tags_changed(shard, clock, tags.split(' ')),
            _ => local.flush(),
        },
        // Cleared; or of a later version.
        _ => local.flush(),
    }
}
