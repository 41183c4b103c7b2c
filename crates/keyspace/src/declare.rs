//! The macro that declares keys.

/// Declares every key of a service: one table, from which typed constructors, documents, access rules and audits follow.
///
/// It makes a struct with a field and a function for each pattern. The function makes a key from its values; the field is
/// the [`Pattern`](crate::Pattern), which knows its TTL.
///
/// ```
/// use std::time::Duration;
/// use russet_keyspace::{Concern, KeyTtl, Prefix, Tier, keyspace};
///
/// const APP: Concern = Concern::new("app", "APP_REDIS_URL");
/// const WARM: Tier = Tier::new("warm", Duration::from_secs(60), Duration::from_secs(120), Duration::from_secs(300));
///
/// struct Profile;
///
/// keyspace! {
///     /// Every key of the shop.
///     pub struct Shop;
///
///     /// What a user tells of themselves.
///     profile(user: u64) -> String<Profile> {
///         pattern: "user:{user}:profile",
///         concern: APP,
///         owner: "accounts",
///         ttl: KeyTtl::Tier(WARM),
///         commands: ["GET", "SET"],
///     }
///
///     /// Who is ahead, by points.
///     board(week: str) -> SortedSet<u64> {
///         pattern: "board:v2:{week}",
///         concern: APP,
///         owner: "games",
///         ttl: KeyTtl::Seconds(8 * 86_400),
///         commands: ["ZADD", "ZRANGE", "EXPIRE"],
///         deprecated: "2026-11" => "board:v3:{week}",
///     }
/// }
///
/// let shop = Shop::within(&Prefix::new("shop")?.env("prod"))?;
/// assert_eq!(shop.profile(&7).as_bytes(), b"prod:shop:user:7:profile");
/// assert_eq!(shop.profile.ttl(), Some(Duration::from_secs(120)));
/// assert_eq!(shop.board("2026-W47").as_bytes(), b"prod:shop:board:v2:2026-W47");
/// # Ok::<_, russet_keyspace::BuildError>(())
/// ```
///
/// | field | is |
/// |---|---|
/// | `pattern` | names and values with `:` between them; `{{name}}` is the hash tag, `{name..}` a tuple |
/// | `concern` | a [`Concern`](crate::Concern): which server the keys are on, and which user may touch them |
/// | `owner` | the module that writes them |
/// | `ttl` | a [`KeyTtl`](crate::KeyTtl) |
/// | `commands` | what is sent with them; may be left out, then the ACL allows none |
/// | `deprecated` | since when `=>` what instead; may be left out |
///
/// What does not compile: two patterns that may make the same key,
///
/// ```compile_fail
/// # use russet_keyspace::{Concern, KeyTtl, keyspace};
/// # const APP: Concern = Concern::new("app", "APP_REDIS_URL");
/// keyspace! {
///     /// Two that collide: a user may be called `admin`.
///     pub struct Users;
///     /// One.
///     user(name: str) -> String<u8> { pattern: "user:{name}", concern: APP, owner: "a", ttl: KeyTtl::Persistent }
///     /// Other.
///     admin() -> String<u8> { pattern: "user:admin", concern: APP, owner: "a", ttl: KeyTtl::Persistent }
/// }
/// ```
///
/// a name with a glob character or a stray brace, an empty one,
///
/// ```compile_fail
/// # use russet_keyspace::{Concern, KeyTtl, keyspace};
/// # const APP: Concern = Concern::new("app", "APP_REDIS_URL");
/// keyspace! {
///     /// A glob.
///     pub struct Users;
///     /// All.
///     all() -> String<u8> { pattern: "user:*", concern: APP, owner: "a", ttl: KeyTtl::Persistent }
/// }
/// ```
///
/// a parameter that the pattern has not, or the reverse, and a tier that does not exist:
///
/// ```compile_fail
/// # use russet_keyspace::{Concern, KeyTtl, keyspace};
/// # const APP: Concern = Concern::new("app", "APP_REDIS_URL");
/// keyspace! {
///     /// Nobody declared `LUKEWARM`.
///     pub struct Users;
///     /// One.
///     user(name: str) -> String<u8> { pattern: "user:{name}", concern: APP, owner: "a", ttl: KeyTtl::Tier(LUKEWARM) }
/// }
/// ```
#[macro_export]
macro_rules! keyspace {
    (
        $(#[$outer:meta])*
        $vis:vis struct $Keys:ident;
        $(
            $(#[doc = $meaning:literal])+
            $name:ident($($value:ident: $type:ty),* $(,)?) -> $kind:ident<$stored:ty> {
                pattern: $pattern:literal,
                concern: $concern:expr,
                owner: $owner:literal,
                ttl: $ttl:expr
                $(, commands: [$($command:literal),* $(,)?])?
                $(, deprecated: $since:literal => $instead:literal)?
                $(,)?
            }
        )+
    ) => {
        $(#[$outer])*
        #[derive(Clone, Debug)]
        #[non_exhaustive]
        $vis struct $Keys {
            $(
                $(#[doc = $meaning])+
                pub $name: $crate::Pattern,
            )+
        }

        impl $Keys {
            /// What is declared, in the order of the declaration.
            pub const KEYS: &'static [$crate::KeySpec] = &[$(
                $crate::KeySpec::new(
                    $concern.name(),
                    "{prefix}",
                    $pattern,
                    $crate::KeyType::$kind,
                    $ttl,
                    $crate::__private::trimmed(concat!($($meaning),+)),
                )
                .value(stringify!($stored))
                .owner($owner)
                .parts(&[$($crate::PartSpec::new(
                    stringify!($value),
                    stringify!($type),
                    <$type as $crate::KeyPart>::SHAPE,
                )),*])
                $(.commands(&[$($command),*]))?
                $(.deprecated($crate::Deprecated::new($since, $instead)))?,
            )+];

            /// These keys in a namespace, whose catalogue has them from now on, and whose profile they live by.
            ///
            /// # Errors
            /// A wrong name of the namespace's.
            pub fn new(
                ns: &$crate::Namespace,
            ) -> ::core::result::Result<Self, $crate::BuildError> {
                let mut patterns = $crate::__private::Patterns::of(ns, Self::KEYS)?;
                ::core::result::Result::Ok($Keys { $($name: patterns.take()?),+ })
            }

            /// These keys under a prefix, without a connection.
            ///
            /// # Errors
            /// A wrong name of the prefix's.
            pub fn within(
                prefix: &$crate::Prefix,
            ) -> ::core::result::Result<Self, $crate::BuildError> {
                let mut patterns = $crate::__private::Patterns::within(prefix, Self::KEYS);
                ::core::result::Result::Ok($Keys { $($name: patterns.take()?),+ })
            }

            $(
                $(#[doc = $meaning])+
                pub fn $name(&self, $($value: &$type),*) -> $crate::Key {
                    self.$name.begin()$(.value($value))*.key()
                }
            )+
        }

        // Some hundred patterns have many pairs.
        #[allow(long_running_const_eval)]
        const _: () = {
            $crate::__private::check($Keys::KEYS);
            // What is stored is a type that exists.
            $(let _ = ::core::marker::PhantomData::<$stored>;)+
        };
    };
}
