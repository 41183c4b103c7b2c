//! Configuring sessions.

use std::marker::PhantomData;
use std::sync::Arc;
use std::time::Duration;

use russet_codec::Codec;
use russet_core::{Ack, Acks, BuildError, BuildErrorKind, Eviction, Namespace, Policy};

use crate::apart::MOST_DEADLINE;
use crate::cleanup::Sweeping;
use crate::etag::Etags;
use crate::event::Teller;
use crate::fields::Shape;
use crate::ids::Ids;
use crate::keys::{COMMIT, CONCERN, KEYS, LOAD};
use crate::local::Local;
use crate::operations::Operations;
use crate::outage::{OnOutage, Told};
use crate::secrets::Secrets;
use crate::sessions::Sessions;
use crate::way::Way;
use crate::wire::millis;

/// So long at most is a session used as it is remembered before it is looked at itself: who removes one by hand is known of then.
const MOST_REMEMBERED: Duration = Duration::from_mins(1);

/// Configures [`Sessions`].
///
/// | setting | default |
/// |---|---|
/// | [`idle`](Builder::idle) | 1 hour |
/// | [`absolute`](Builder::absolute) | 24 hours |
/// | [`rotation_grace`](Builder::rotation_grace) | 30 s |
/// | [`refresh_idle`](Builder::refresh_idle), [`refresh_absolute`](Builder::refresh_absolute) | 14 days, 30 days |
/// | [`max_sessions`](Builder::max_sessions) | 1,000 |
/// | [`max_size`](Builder::max_size) | 256 KiB |
/// | [`counters`](Builder::counters) | none |
/// | [`codec`](Builder::codec) | MessagePack |
/// | [`deadline`](Builder::deadline) | 1 s |
/// | [`on_outage`](Builder::on_outage) | [`OnOutage::Error`] |
/// | [`ack`](Builder::ack) | [`Ack::Primary`] |
/// | [`local`](Builder::local) | 32 MiB |
/// | [`ids`](Builder::ids) | [`Ids::Token`] |
#[derive(Debug)]
#[must_use = "a builder does nothing until `build`"]
pub struct Builder<T> {
    ns: Namespace,
    name: String,
    secrets: Secrets,
    idle: Duration,
    absolute: Duration,
    grace: Duration,
    refresh_idle: Duration,
    refresh_absolute: Duration,
    many: u32,
    max_size: usize,
    counters: Vec<String>,
    codec: Codec,
    deadline: Duration,
    on_outage: OnOutage,
    ack: Ack,
    local: u64,
    ids: Ids,
    data: PhantomData<fn() -> T>,
}

impl<T> Builder<T> {
    pub(crate) fn new(ns: &Namespace, name: &str, secrets: &Secrets) -> Self {
        Builder {
            ns: ns.clone(),
            name: name.to_owned(),
            secrets: secrets.clone(),
            idle: Duration::from_hours(1),
            absolute: Duration::from_hours(24),
            grace: Duration::from_secs(30),
            refresh_idle: Duration::from_hours(14 * 24),
            refresh_absolute: Duration::from_hours(30 * 24),
            many: 1_000,
            max_size: 256 << 10,
            counters: Vec::new(),
            codec: Codec::default(),
            deadline: Duration::from_secs(1),
            on_outage: OnOutage::default(),
            ack: Ack::default(),
            local: 32 << 20,
            ids: Ids::default(),
            data: PhantomData,
        }
    }

    /// How long a session is valid that nobody uses: 1 s to 400 days.
    pub fn idle(mut self, idle: Duration) -> Self {
        self.idle = idle;
        self
    }

    /// How long a session is valid at most, however much it is used: at least the idle time, up to 400 days.
    pub fn absolute(mut self, absolute: Duration) -> Self {
        self.absolute = absolute;
        self
    }

    /// How long a token leads to its session after a [rotation](crate::Session::rotate), and a [refresh token](crate::Sessions::refresh) to the one that was given for it: up
    /// to 1 hour; none, if zero.
    pub fn rotation_grace(mut self, grace: Duration) -> Self {
        self.grace = grace;
        self
    }

    /// How long a family of refresh tokens is valid that nobody uses: 1 s to 400 days.
    pub fn refresh_idle(mut self, idle: Duration) -> Self {
        self.refresh_idle = idle;
        self
    }

    /// How long a family of refresh tokens is valid at most: at least as long as unused, up to 400 days.
    pub fn refresh_absolute(mut self, absolute: Duration) -> Self {
        self.refresh_absolute = absolute;
        self
    }

    /// How many sessions a user may have: 1 to 1,000, which is how many a script looks at. One more ends the one that was used least recently.
    pub fn max_sessions(mut self, sessions: u32) -> Self {
        self.many = sessions;
        self
    }

    /// How many bytes a session's data may have as it is stored, names of fields included: up to 16 MiB.
    pub fn max_size(mut self, bytes: usize) -> Self {
        self.max_size = bytes;
        self
    }

    /// Fields that are whole numbers, stored bare, so that they can be [incremented](crate::Session::increment). They are not encrypted.
    pub fn counters(mut self, fields: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.counters = fields.into_iter().map(Into::into).collect();
        self
    }

    /// How fields are stored: format, compression, encryption.
    pub fn codec(mut self, codec: Codec) -> Self {
        self.codec = codec;
        self
    }

    /// How long each of its commands has: at least 1 ms; up to 20 s with [ids](Builder::ids) of one's own.
    pub fn deadline(mut self, deadline: Duration) -> Self {
        self.deadline = deadline;
        self
    }

    /// What who loads a session is told while Redis cannot be used.
    pub fn on_outage(mut self, on_outage: OnOutage) -> Self {
        self.on_outage = on_outage;
        self
    }

    /// Who must know that a session or a refresh token was ended before the call that ended it is done; else a failover may undo a logout. All but
    /// [`Ack::Primary`] need one more round trip and a connection of their own, on which one is ended at a time.
    pub fn ack(mut self, ack: Ack) -> Self {
        self.ack = ack;
        self
    }

    /// What the holder of a session shows.
    pub fn ids(mut self, ids: Ids) -> Self {
        self.ids = ids;
        self
    }

    /// How many bytes of sessions this process remembers, as Redis has them (encrypted, if they are): none, if 0. Each load asks Redis all the same, for the user's etag, and is
    /// sent the data only if anybody has changed one of their sessions since: what is remembered is never older than what would be sent. Each session itself is looked at once in a twentieth of the
    /// idle time, and in a minute: until then it is not noticed if it was removed by hand, or evicted.
    pub fn local(mut self, bytes: u64) -> Self {
        self.local = bytes;
        self
    }

    /// The handle.
    ///
    /// # Errors
    /// [`BuildErrorKind::Unsupported`] for [`Ack::Fsync`] on a server that has said that it is too old.
    /// [`BuildErrorKind::Limit`] for a setting outside its bounds; [`BuildErrorKind::Name`] for a name that cannot be part of a key; [`BuildErrorKind::Conflict`] for
    /// a codec whose settings do not go together.
    pub fn build(self) -> Result<Sessions<T>, BuildError> {
        self.check()?;
        let stem = self.ns.stem("session", &self.name)?;
        self.ns.declare(KEYS, &stem);
        let lane = self.ns.on(CONCERN, &stem).deadline(self.deadline);
        let server = self.ns.server(CONCERN, &stem);
        let idle = millis(self.idle);
        let remembered = match self.local {
            0 => Duration::ZERO,
            _ => (self.idle / 20).min(MOST_REMEMBERED),
        };
        Ok(Sessions {
            way: Arc::new(Way {
                // With as long as it may be remembered without a look it is a tenth.
                loads: lane.script_calls(&LOAD, [idle, idle / 20], Policy::Idempotent),
                // What is valid is so for longer than no time at all, and so nothing is written.
                looks: lane.script_calls(&LOAD, [0, 1], Policy::Idempotent),
                // Twice would be once too often, where it increments; and what it checks is its own the second time.
                commits: lane.script_calls(&COMMIT, [0; 0], Policy::AtMostOnce),
                acks: Acks::new(&server, self.ack)?,
                ack: self.ack,
                eviction: Eviction::new(&server, CONCERN, "a session that is evicted is a logout"),
                operations: Operations::new(&self.ns, &stem),
                told: Told::default(),
                events: Teller::new(),
                local: Local::new(self.local),
                etags: Etags::new(&lane, remembered).map_err(|error| {
                    BuildError::new(BuildErrorKind::Unsupported, error.to_string())
                })?,
                sweeping: Sweeping::default(),
                server,
                shape: Shape {
                    codec: self.codec,
                    counters: self.counters,
                    name: stem.as_str().to_owned(),
                },
                lane,
                stem,
                secrets: self.secrets,
                ids: self.ids,
                idle: self.idle,
                absolute: self.absolute,
                grace: self.grace,
                refresh_idle: self.refresh_idle,
                refresh_absolute: self.refresh_absolute,
                many: self.many,
                max_size: self.max_size,
                on_outage: self.on_outage,
            }),
            data: PhantomData,
        })
    }

    fn check(&self) -> Result<(), BuildError> {
        const MOST: Duration = Duration::from_hours(400 * 24);
        let lasts = |idle, absolute| {
            (Duration::from_secs(1)..=MOST).contains(&idle) && (idle..=MOST).contains(&absolute)
        };
        let is_right = lasts(self.idle, self.absolute)
            && lasts(self.refresh_idle, self.refresh_absolute)
            && self.grace <= Duration::from_hours(1)
            && (1..=1_000).contains(&self.many)
            && self.max_size <= 16 << 20
            && self.deadline >= Duration::from_millis(1);
        if !is_right {
            return Err(BuildError::new(
                BuildErrorKind::Limit,
                format!(
                    "sessions that are valid for {:?} and at most {:?}, refresh tokens for {:?} and at most {:?}, a grace of {:?}, {} sessions a user, {} bytes, a \
                     deadline of {:?}; it must be 1 s to 400 days and at least that, twice, up to 1 hour, 1 to 1,000, up to 16 MiB, at least 1 ms",
                    self.idle,
                    self.absolute,
                    self.refresh_idle,
                    self.refresh_absolute,
                    self.grace,
                    self.many,
                    self.max_size,
                    self.deadline
                ),
            ));
        }
        if self.ids.are_apart() && self.deadline > MOST_DEADLINE {
            return Err(BuildError::new(
                BuildErrorKind::Limit,
                format!(
                    "a deadline of {:?} with ids of one's own; it must be {MOST_DEADLINE:?} at most, or a login that takes as long could be forgotten before it is done",
                    self.deadline
                ),
            ));
        }
        self.codec
            .check()
            .map_err(|error| BuildError::new(BuildErrorKind::Conflict, error.to_string()))
    }
}
