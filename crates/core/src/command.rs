//! One command as it will be sent, and what may be done when its fate is unknown.

use std::borrow::Cow;
use std::fmt;
use std::time::Duration;

use bytes::Bytes;

use crate::key::Key;

/// A Redis command: its name, its keys and its arguments.
///
/// ```
/// # use russet_core::{Command, Prefix};
/// # let key = Prefix::new("shop")?.stem("cache", "users")?.key(&7);
/// let set = Command::new("SET").key(&key).arg("value").arg("PX").arg(60_000);
/// assert_eq!(format!("{set:?}"), "SET shop:cache:users:… (4 arguments)");
/// # Ok::<_, russet_core::BuildError>(())
/// ```
#[derive(Clone)]
pub struct Command {
    name: Cow<'static, str>,
    args: Vec<Bytes>,
    first_key: Option<Key>,
    /// Which of the first 64 arguments are keys, a bit each.
    keys: u64,
    /// Whether it carries several callers' keys, and can be sent as several commands.
    is_batch: bool,
}

impl Command {
    /// A command without arguments. A name of two words (`CLIENT INFO`) is sent as two; small letters are made big.
    pub fn new(name: &'static str) -> Self {
        Command::with_capacity(name, 4)
    }

    /// A command that will take this many arguments.
    pub(crate) fn with_capacity(name: &'static str, args: usize) -> Self {
        // What is known of a command is known by its name in capitals.
        let name = if name.bytes().any(|byte| byte.is_ascii_lowercase()) {
            Cow::Owned(name.to_ascii_uppercase())
        } else {
            Cow::Borrowed(name)
        };
        Command {
            name,
            args: Vec::with_capacity(args),
            first_key: None,
            keys: 0,
            is_batch: false,
        }
    }

    /// The same command, of which core has the parts.
    pub(crate) fn batch(mut self) -> Self {
        self.is_batch = true;
        self
    }

    pub(crate) fn is_batch(&self) -> bool {
        self.is_batch
    }

    /// Appends a key. The first one decides the cluster slot and stands, redacted, in errors.
    #[must_use]
    pub fn key(mut self, key: &Key) -> Self {
        self.keys |= 1_u64
            .checked_shl(u32::try_from(self.args.len()).unwrap_or(64))
            .unwrap_or(0);
        self.args.push(key.to_bytes());
        if self.first_key.is_none() {
            self.first_key = Some(key.clone());
        }
        self
    }

    /// Appends an argument.
    #[must_use]
    pub fn arg(mut self, arg: impl IntoArg) -> Self {
        self.args.push(arg.into_arg());
        self
    }

    /// Appends several arguments.
    #[must_use]
    pub fn args<A: IntoArg>(mut self, args: impl IntoIterator<Item = A>) -> Self {
        self.args.extend(args.into_iter().map(IntoArg::into_arg));
        self
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// The name, to keep: for labels and errors.
    pub(crate) fn operation(&self) -> Cow<'static, str> {
        self.name.clone()
    }

    pub(crate) fn first_key(&self) -> Option<&Key> {
        self.first_key.as_ref()
    }

    /// The keys among the first 64 arguments.
    pub(crate) fn keys(&self) -> impl Iterator<Item = &Bytes> {
        let is_key = |at: &usize| self.keys >> at & 1 == 1;
        let places = (0..64.min(self.args.len())).filter(is_key);
        places.filter_map(|at| self.args.get(at))
    }

    pub(crate) fn arguments(&self) -> &[Bytes] {
        &self.args
    }
}

impl fmt::Debug for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)?;
        if let Some(key) = &self.first_key {
            write!(f, " {key}")?;
        }
        write!(f, " ({} arguments)", self.args.len())
    }
}

/// What may be done with a command whose first try failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Policy {
    /// Running it twice does what running it once does: it may be sent again within its deadline.
    Idempotent,
    /// It is sent again only if it certainly did not run.
    AtMostOnce,
    /// It waits on the server for at most this long, on a connection of its own, and is never sent again.
    Blocking(Duration),
}

/// A value that can be an argument of a command or a script.
pub trait IntoArg {
    /// The bytes of the argument.
    fn into_arg(self) -> Bytes;
}

impl IntoArg for Bytes {
    fn into_arg(self) -> Bytes {
        self
    }
}

impl IntoArg for &Bytes {
    fn into_arg(self) -> Bytes {
        self.clone()
    }
}

impl IntoArg for &Key {
    fn into_arg(self) -> Bytes {
        self.to_bytes()
    }
}

impl IntoArg for String {
    fn into_arg(self) -> Bytes {
        self.into()
    }
}

impl IntoArg for Vec<u8> {
    fn into_arg(self) -> Bytes {
        self.into()
    }
}

impl IntoArg for &str {
    fn into_arg(self) -> Bytes {
        Bytes::copy_from_slice(self.as_bytes())
    }
}

impl IntoArg for &String {
    fn into_arg(self) -> Bytes {
        self.as_str().into_arg()
    }
}

impl IntoArg for &[u8] {
    fn into_arg(self) -> Bytes {
        Bytes::copy_from_slice(self)
    }
}

macro_rules! displayed {
    ($($type:ty),*) => {$(
        impl IntoArg for $type {
            fn into_arg(self) -> Bytes {
                self.to_string().into()
            }
        }
    )*};
}
displayed!(
    u8, u16, u32, u64, u128, usize, i8, i16, i32, i64, i128, isize, f64
);
