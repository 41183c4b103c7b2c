//! Many calls of one script, one EVALSHA.

use std::time::{Duration, Instant};

use bytes::Bytes;
use futures_util::future::join_all;

use super::slots::by_slot;
use super::{Batcher, Bounds, Flight};
use crate::call::classify;
use crate::command::{Command, IntoArg, Policy};
use crate::error::{Error, ErrorKind};
use crate::key::Key;
use crate::lane::Lane;
use crate::reply::Reply;
use crate::script::Script;

/// Calls a script that serves many keys at once; concurrent calls share one `EVALSHA`. Cheap to clone.
///
/// The script gets each call's key in `KEYS`, in order, and with [`call_beside`](ScriptCalls::call_beside) those beside it next; in `ARGV`
/// first the common arguments, once, then each call's own, in the same order. It answers an array with one entry for each call, which is that call's reply; an error there is
/// that call's alone. A script that fails as a whole fails every call of its flight, so it uses `redis.pcall`.
#[derive(Clone, Debug)]
pub struct ScriptCalls(Batcher<Calls>);

impl ScriptCalls {
    pub(crate) fn new(
        lane: Lane,
        script: &'static Script,
        common: Vec<Bytes>,
        policy: Policy,
        bounds: Bounds,
        deadline: Duration,
    ) -> Self {
        ScriptCalls(Batcher::new(
            Calls {
                lane,
                script,
                common,
                policy,
            },
            bounds,
            deadline,
        ))
    }

    /// Calls the script for one key; its entry of the reply.
    ///
    /// # Errors
    /// As [`Batcher::call`].
    ///
    /// # Cancel safety
    /// A dropped call that is still waiting is not sent; one on its way may run.
    pub async fn call<A: IntoArg>(
        &self,
        key: Key,
        args: impl IntoIterator<Item = A>,
    ) -> Result<Reply, Error> {
        let args = args.into_iter().map(IntoArg::into_arg).collect();
        self.0.call(Call::new(key, Vec::new(), args)).await
    }

    /// The same for a key and others of the same slot. A script is called with as many keys for each of its calls.
    ///
    /// # Errors
    /// As [`call`](ScriptCalls::call).
    ///
    /// # Cancel safety
    /// As [`call`](ScriptCalls::call).
    pub async fn call_beside<A: IntoArg>(
        &self,
        key: Key,
        beside: impl IntoIterator<Item = Key>,
        args: impl IntoIterator<Item = A>,
    ) -> Result<Reply, Error> {
        let beside = beside.into_iter().collect();
        let args = args.into_iter().map(IntoArg::into_arg).collect();
        self.0.call(Call::new(key, beside, args)).await
    }
}

/// What one caller asks.
struct Call {
    key: Key,
    beside: Vec<Key>,
    args: Vec<Bytes>,
}

impl Call {
    fn new(key: Key, beside: Vec<Key>, args: Vec<Bytes>) -> Self {
        Call { key, beside, args }
    }

    fn keys(&self) -> impl Iterator<Item = &Key> {
        std::iter::once(&self.key).chain(&self.beside)
    }
}

struct Calls {
    lane: Lane,
    script: &'static Script,
    common: Vec<Bytes>,
    policy: Policy,
}

impl Flight for Calls {
    type Request = Call;
    type Response = Reply;

    fn group(&self, call: &Call) -> u16 {
        self.lane.group(&call.key)
    }

    fn request_bytes(&self, call: &Call) -> usize {
        let keys: usize = call.keys().map(|key| key.as_bytes().len()).sum();
        keys + call.args.iter().map(Bytes::len).sum::<usize>()
    }

    fn response_bytes(&self, reply: &Reply) -> usize {
        reply.bytes()
    }

    async fn fly(&self, calls: Vec<Call>, deadline: Instant) -> Vec<Result<Reply, Error>> {
        if !self.lane.is_cluster() {
            return self.of_slot(&calls, deadline).await;
        }
        let slots = by_slot(calls.iter().map(|call| &call.key));
        let mut calls: Vec<_> = calls.into_iter().map(Some).collect();
        let answers = slots.iter().map(|places| {
            let of_slot: Vec<_> = places
                .iter()
                .filter_map(|&place| calls[place].take())
                .collect();
            async move { self.of_slot(&of_slot, deadline).await }
        });
        let answers = join_all(answers).await;
        let mut answers: Vec<(usize, _)> = slots
            .concat()
            .into_iter()
            .zip(answers.into_iter().flatten())
            .collect();
        answers.sort_unstable_by_key(|&(place, _)| place);
        answers.into_iter().map(|(_, answer)| answer).collect()
    }
}

impl Calls {
    /// One command; or, where the keys are on their way elsewhere and not all on one side, one for each.
    async fn of_slot(&self, calls: &[Call], deadline: Instant) -> Vec<Result<Reply, Error>> {
        match self.send(calls, deadline).await {
            Ok(entries) => entries,
            Err(error) if error.kind() == ErrorKind::TryAgain && !error.may_have_executed() => {
                let alone = calls.chunks(1).map(async |call| {
                    let entries = self.send(call, deadline).await?;
                    let mut entries = entries.into_iter();
                    entries.next().unwrap_or_else(|| Err(error.clone()))
                });
                Box::pin(join_all(alone)).await
            }
            Err(error) => vec![Err(error); calls.len()],
        }
    }

    /// Sends calls together; each one's entry of the reply.
    async fn send(
        &self,
        calls: &[Call],
        deadline: Instant,
    ) -> Result<Vec<Result<Reply, Error>>, Error> {
        let eval = self.eval(calls);
        let reply = self.lane.call(self.script, &eval, self.policy, deadline);
        match reply.await? {
            Reply::Array(entries) if entries.len() == calls.len() => {
                let entry = |entry| match entry {
                    Reply::Error(text) => Err(classify::element(text)),
                    reply => Ok(reply),
                };
                Ok(entries.into_iter().map(entry).collect())
            }
            other => Err(Error::decode(format!(
                "a script over {} keys answered {other:?}",
                calls.len()
            ))),
        }
    }

    fn eval(&self, calls: &[Call]) -> Command {
        let own: usize = calls.iter().map(|call| call.args.len()).sum();
        let keys: usize = calls.iter().map(|call| call.keys().count()).sum();
        let eval = Command::with_capacity("EVALSHA", 2 + keys + self.common.len() + own)
            .arg(self.script.hash())
            .arg(keys);
        let eval = calls.iter().flat_map(Call::keys).fold(eval, Command::key);
        let eval = eval.args(&self.common);
        let eval = calls.iter().fold(eval, |eval, call| eval.args(&call.args));
        if calls.len() > 1 { eval.batch() } else { eval }
    }
}
