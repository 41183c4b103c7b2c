//! A server and its clients, in every order in which messages arrive, are lost and come late, and time passes.

use std::collections::BTreeSet;

use russet_testkit::size;
use stateright::{Checker as _, Model, Property};

use super::server::{Ask, Owner, Reply, Rules, Server};
use crate::clock::Moment;
use crate::holder::{Busy, Event, Holder, State as Held};

/// How much time passes at once, in microseconds.
const TICK: u64 = 10_000;
const LEASE: u64 = 3 * TICK;
const RULES: Rules = Rules {
    hears: 2 * TICK,
    confirm: 2 * TICK,
    barges: false,
};

/// What may happen besides messages.
#[derive(Clone, Copy, Debug, Default)]
struct World {
    clients: usize,
    /// How often each of them asks for the lock.
    rounds: u8,
    ticks: u64,
    /// How many calls and answers are under way at most; wake-ups besides.
    messages: usize,
    /// Whether a replica may take over that lacks the last writes.
    fails_over: bool,
    /// Whether all keys may be gone.
    flushes: bool,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
struct State {
    now: u64,
    server: Server,
    replica: Server,
    clients: Vec<Client>,
    network: BTreeSet<Message>,
    /// The highest fence that was ever granted, and whether one was not above all before.
    highest: u64,
    has_fallen: bool,
    /// Whether the server has forgotten what it had said.
    has_forgotten: bool,
    was_handed_over: bool,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
struct Client {
    round: u8,
    phase: Phase,
    /// What it was told last.
    busy: Option<Busy>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
enum Phase {
    #[default]
    Idle,
    /// An answer is awaited.
    Asking,
    /// In the queue, as far as it knows.
    Waiting,
    Holding {
        holder: Holder,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
struct Message {
    owner: Owner,
    sent: u64,
    what: What,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum What {
    Take,
    Wait,
    Renew,
    HandOn,
    /// For so long.
    Granted(u64),
    /// And the last fence.
    Busy(u64),
    Queued,
    Renewed(bool),
    /// It was handed over, with this fence.
    Told(u64),
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Action {
    Tick,
    Start(usize),
    AskAgain(usize),
    Renew(usize),
    Release(usize),
    /// Whoever asks or waits goes away.
    GiveUp(usize),
    Deliver(Message),
    Lose(Message),
    Replicate,
    FailOver,
    Flush,
}

impl World {
    fn owner(client: usize, round: u8) -> Owner {
        u8::try_from(client).unwrap() * 16 + round
    }

    fn client(owner: Owner) -> (usize, u8) {
        (usize::from(owner / 16), owner % 16)
    }

    /// What the server does with a request, and answers.
    fn serve(state: &mut State, message: Message) -> Option<What> {
        let Message { owner, what, .. } = message;
        let (now, server) = (state.now, &mut state.server);
        let before = server.lock.clone();
        let ask = Ask {
            owner,
            lease: LEASE,
            seen: 0,
        };
        let told = |reply| match reply {
            Reply::Granted(_, left) => What::Granted(left),
            Reply::Busy(..) => What::Busy(0),
            Reply::Queued | Reply::Uncertain(_) => What::Queued,
        };
        let reply = match what {
            What::Take => Some(told(server.take(now, ask))),
            What::Wait => Some(told(server.wait(now, ask, RULES))),
            What::Renew => Some(What::Renewed(server.renew(now, owner, LEASE))),
            What::HandOn => {
                server.hand_on(now, owner, RULES);
                state.was_handed_over |=
                    server.lock.till > now && server.lock.owner != before.owner;
                None
            }
            What::Granted(_) | What::Busy(_) | What::Queued | What::Renewed(_) | What::Told(_) => {
                None
            }
        };
        // A new holder has a new fence, above all that there ever were.
        let lock = &state.server.lock;
        let reply = reply.map(|reply| match reply {
            What::Busy(_) => What::Busy(lock.fence),
            other => other,
        });
        // And is told, if it was not who asked.
        if let Some(other) = lock.owner
            && other != owner
            && lock.till > now
            && lock.fence != before.fence
        {
            state.network.insert(Message {
                owner: other,
                sent: 0,
                what: What::Told(lock.fence),
            });
        }
        if lock.till > now && (lock.owner != before.owner || lock.fence != before.fence) {
            state.has_fallen |= lock.fence <= state.highest;
            state.highest = state.highest.max(lock.fence);
        }
        reply
    }

    /// What a client does with an answer.
    fn hear(state: &mut State, message: Message) {
        let now = Moment(state.now);
        let (at, round) = World::client(message.owner);
        let client = &mut state.clients[at];
        // Of an attempt that it has given up.
        if client.round != round {
            return;
        }
        let sent = Moment(message.sent);
        match (&mut client.phase, message.what) {
            (Phase::Asking, What::Granted(left)) => {
                client.phase = Phase::Holding {
                    holder: Holder::granted(LEASE, left, u64::MAX, sent),
                };
                client.busy = None;
            }
            (Phase::Asking, What::Busy(fence)) => {
                client.busy = Some(Busy { asked: sent, fence });
                client.phase = Phase::Waiting;
            }
            (Phase::Asking, What::Queued) => client.phase = Phase::Waiting,
            (Phase::Asking | Phase::Waiting, What::Told(fence)) => {
                if let Some(busy) = client.busy
                    && busy.is_over(fence, RULES.confirm, now)
                {
                    let holder = Holder::granted(LEASE, RULES.confirm, u64::MAX, busy.asked);
                    client.phase = Phase::Holding { holder };
                    client.busy = None;
                }
            }
            (Phase::Holding { holder }, What::Renewed(is_held)) => {
                let event = if is_held {
                    Event::Renewed { sent }
                } else {
                    Event::Refused
                };
                let _ = holder.step(event, now);
            }
            _ => {}
        }
    }

    fn holders(state: &State) -> usize {
        let now = Moment(state.now);
        let holds = |client: &&Client| matches!(&client.phase, Phase::Holding { holder } if holder.is_held(now));
        state.clients.iter().filter(holds).count()
    }

    fn send(state: &mut State, at: usize, what: What) {
        state.network.insert(Message {
            owner: World::owner(at, state.clients[at].round),
            sent: state.now,
            what,
        });
    }
}

impl Model for World {
    type State = State;
    type Action = Action;

    fn init_states(&self) -> Vec<State> {
        vec![State {
            now: 100 * TICK,
            clients: vec![Client::default(); self.clients],
            ..State::default()
        }]
    }

    fn actions(&self, state: &State, actions: &mut Vec<Action>) {
        if state.now < (100 + self.ticks) * TICK {
            actions.push(Action::Tick);
        }
        for message in &state.network {
            actions.push(Action::Deliver(*message));
            // A wake-up that is never delivered is lost.
            if !matches!(message.what, What::Told(_)) {
                actions.push(Action::Lose(*message));
            }
        }
        for (at, client) in state.clients.iter().enumerate() {
            let calls = state.network.iter();
            let calls = calls.filter(|message| !matches!(message.what, What::Told(_)));
            let may_send = calls.count() < self.messages;
            match &client.phase {
                Phase::Idle if may_send && client.round < self.rounds => {
                    actions.push(Action::Start(at));
                }
                Phase::Idle => {}
                Phase::Asking | Phase::Waiting if may_send => {
                    actions.push(Action::AskAgain(at));
                    actions.push(Action::GiveUp(at));
                }
                Phase::Holding { holder } if may_send => {
                    if holder.is_held(Moment(state.now)) {
                        actions.push(Action::Renew(at));
                    }
                    actions.push(Action::Release(at));
                }
                Phase::Asking | Phase::Waiting | Phase::Holding { .. } => {}
            }
        }
        if self.fails_over {
            actions.push(Action::Replicate);
            actions.push(Action::FailOver);
        }
        if self.flushes {
            actions.push(Action::Flush);
        }
    }

    fn next_state(&self, before: &State, action: Action) -> Option<State> {
        let mut state = before.clone();
        match action {
            Action::Tick => state.now += TICK,
            Action::Start(at) => {
                World::send(&mut state, at, What::Take);
                state.clients[at].phase = Phase::Asking;
            }
            // It was woken, or has not been heard of for a while, or an answer did not come.
            Action::AskAgain(at) => {
                World::send(&mut state, at, What::Wait);
                state.clients[at].phase = Phase::Asking;
            }
            Action::Renew(at) => World::send(&mut state, at, What::Renew),
            Action::Release(at) | Action::GiveUp(at) => {
                World::send(&mut state, at, What::HandOn);
                let client = &mut state.clients[at];
                if let Phase::Holding { holder } = &mut client.phase {
                    let _ = holder.step(Event::Released, Moment(before.now));
                }
                client.phase = Phase::Idle;
                client.busy = None;
                client.round += 1;
            }
            Action::Deliver(message) => {
                state.network.remove(&message);
                match message.what {
                    What::Take | What::Wait | What::Renew | What::HandOn => {
                        if let Some(what) = World::serve(&mut state, message) {
                            state.network.insert(Message { what, ..message });
                        }
                    }
                    _ => World::hear(&mut state, message),
                }
            }
            Action::Lose(message) => {
                state.network.remove(&message);
            }
            Action::Replicate => state.replica = state.server.clone(),
            // That takes time.
            Action::FailOver => {
                if state.now >= (100 + self.ticks) * TICK {
                    return None;
                }
                state.has_forgotten |= state.replica != state.server;
                state.server = state.replica.clone();
                state.now += TICK;
            }
            Action::Flush => {
                if state.now >= (100 + self.ticks) * TICK {
                    return None;
                }
                state.has_forgotten = true;
                state.server = Server::default();
                state.now += TICK;
            }
        }
        (state != *before).then_some(state)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![
            Property::always(
                "one at a time holds it, unless the server forgot",
                |_, state: &State| state.has_forgotten || World::holders(state) <= 1,
            ),
            Property::always(
                "fences rise, whatever the server forgot",
                |_, state: &State| !state.has_fallen,
            ),
            Property::sometimes("it is held", |_, state: &State| World::holders(state) == 1),
            Property::sometimes("it is handed over", |_, state: &State| {
                state.was_handed_over
            }),
            Property::sometimes("a holder knows that it has lost", |_, state: &State| {
                state.clients.iter().any(|client| {
                    matches!(&client.phase, Phase::Holding { holder } if matches!(holder.state(), Held::Lost(_)))
                })
            }),
        ]
    }
}

fn check(world: World) {
    let checker = world.checker().threads(2).spawn_bfs().join();
    println!("{world:?}: {} states", checker.unique_state_count());
    checker.assert_properties();
}

#[test]
fn whatever_is_lost_or_late_one_at_a_time_holds_it() {
    check(World {
        clients: 2,
        rounds: 2,
        ticks: size(4, 3),
        messages: 1,
        ..World::default()
    });
}

#[test]
fn three_clients_stand_in_a_queue() {
    check(World {
        clients: 3,
        rounds: 1,
        ticks: size(4, 3),
        messages: 1,
        ..World::default()
    });
}

#[test]
fn fences_rise_whatever_is_forgotten() {
    check(World {
        clients: 2,
        rounds: 1,
        ticks: size(4, 3),
        messages: 1,
        fails_over: true,
        flushes: true,
    });
}
