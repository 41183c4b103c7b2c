//! The keys that sessions write.

use russet_core::{Concern, Key, KeySpec, KeyTtl, KeyType, Script, Stem};

use crate::token::{Digest, Tag};

/// Sessions; `SESSION_REDIS_URL` gives them a server of their own.
pub const CONCERN: Concern = Concern::new("session", "SESSION_REDIS_URL");

macro_rules! script {
    ($flags:literal, $($file:literal),+ $(,)?) => {
        concat!($flags, include_str!("scripts/head.lua"), $(include_str!($file)),+)
    };
}

const CREATE_TEXT: &str = script!("#!lua\n", "scripts/create.lua");
const LOAD_TEXT: &str = script!("#!lua flags=allow-oom\n", "scripts/load.lua");
const COMMIT_TEXT: &str = script!("#!lua\n", "scripts/commit.lua");
const LOGIN_TEXT: &str = script!("#!lua\n", "scripts/login.lua");
const CLOSE_TEXT: &str = script!("#!lua flags=allow-oom\n", "scripts/close.lua");
const ISSUE_TEXT: &str = script!("#!lua\n", "scripts/family.lua", "scripts/issue.lua");
const REFRESH_TEXT: &str = script!(
    "#!lua flags=allow-oom\n",
    "scripts/family.lua",
    "scripts/refresh.lua"
);
const END_FAMILY_TEXT: &str = script!(
    "#!lua flags=allow-oom\n",
    "scripts/family.lua",
    "scripts/end_family.lua"
);
const EXTEND_TEXT: &str = script!("#!lua flags=allow-oom\n", "scripts/extend.lua");
const ROTATE_TEXT: &str = script!("#!lua flags=allow-oom\n", "scripts/rotate.lua");
const REVOKE_TEXT: &str = script!("#!lua flags=allow-oom\n", "scripts/revoke.lua");
const REVOKE_ALL_TEXT: &str = script!("#!lua flags=allow-oom\n", "scripts/revoke_all.lua");
const REMOVE_TEXT: &str = script!("#!lua flags=allow-oom\n", "scripts/remove.lua");
const TIDY_TEXT: &str = script!("#!lua flags=allow-oom\n", "scripts/tidy.lua");
const BEGIN_TEXT: &str = script!("#!lua flags=no-writes\n", "scripts/begin.lua");
const NOTE_TEXT: &str = script!("#!lua\n", "scripts/note.lua");
const UNNOTE_TEXT: &str = script!("#!lua flags=allow-oom\n", "scripts/unnote.lua");
const END_ID_TEXT: &str = script!("#!lua flags=allow-oom\n", "scripts/end_id.lua");
#[cfg(feature = "tower-sessions")]
const PUT_TEXT: &str = script!("#!lua\n", "scripts/put.lua");
const ETAGS_TEXT: &str = concat!("#!lua flags=allow-oom\n", include_str!("scripts/etags.lua"));
const LIST_TEXT: &str = script!("#!lua flags=no-writes\n", "scripts/list.lua");
const LOOK_TEXT: &str = script!("#!lua flags=no-writes\n", "scripts/look.lua");

pub(crate) static CREATE: Script = Script::new(CREATE_TEXT);
/// So many that a call takes less than half a millisecond of the server.
pub(crate) static LOAD: Script = Script::new(LOAD_TEXT).at_most_keys(32);
pub(crate) static COMMIT: Script = Script::new(COMMIT_TEXT).at_most_keys(16);
pub(crate) static LOGIN: Script = Script::new(LOGIN_TEXT);
pub(crate) static CLOSE: Script = Script::new(CLOSE_TEXT);
pub(crate) static ISSUE: Script = Script::new(ISSUE_TEXT);
pub(crate) static REFRESH: Script = Script::new(REFRESH_TEXT);
pub(crate) static END_FAMILY: Script = Script::new(END_FAMILY_TEXT);
pub(crate) static EXTEND: Script = Script::new(EXTEND_TEXT);
pub(crate) static ROTATE: Script = Script::new(ROTATE_TEXT);
pub(crate) static REVOKE: Script = Script::new(REVOKE_TEXT);
pub(crate) static REVOKE_ALL: Script = Script::new(REVOKE_ALL_TEXT);
pub(crate) static REMOVE: Script = Script::new(REMOVE_TEXT);
pub(crate) static TIDY: Script = Script::new(TIDY_TEXT);
pub(crate) static BEGIN: Script = Script::new(BEGIN_TEXT);
pub(crate) static NOTE: Script = Script::new(NOTE_TEXT);
pub(crate) static UNNOTE: Script = Script::new(UNNOTE_TEXT);
pub(crate) static END_ID: Script = Script::new(END_ID_TEXT);
#[cfg(feature = "tower-sessions")]
pub(crate) static PUT: Script = Script::new(PUT_TEXT);
/// None of them is looked at for longer than it takes to read it.
pub(crate) static ETAGS: Script = Script::new(ETAGS_TEXT).at_most_keys(128);
pub(crate) static LIST: Script = Script::new(LIST_TEXT);
pub(crate) static LOOK: Script = Script::new(LOOK_TEXT);

const STEM: &str = "{prefix}:session:{sessions}";

const OF_SESSIONS: &[&str] = &[
    CREATE_TEXT,
    LOAD_TEXT,
    COMMIT_TEXT,
    LOGIN_TEXT,
    CLOSE_TEXT,
    EXTEND_TEXT,
    ROTATE_TEXT,
    REVOKE_TEXT,
    REVOKE_ALL_TEXT,
    REMOVE_TEXT,
    TIDY_TEXT,
    END_ID_TEXT,
    LIST_TEXT,
    LOOK_TEXT,
    ISSUE_TEXT,
    #[cfg(feature = "tower-sessions")]
    PUT_TEXT,
];
const OF_APART: &[&str] = &[NOTE_TEXT, UNNOTE_TEXT, REVOKE_ALL_TEXT, LIST_TEXT];
const OF_FAMILIES: &[&str] = &[
    CREATE_TEXT,
    ISSUE_TEXT,
    REFRESH_TEXT,
    END_FAMILY_TEXT,
    REVOKE_TEXT,
    REVOKE_ALL_TEXT,
    LOGIN_TEXT,
    CLOSE_TEXT,
    REMOVE_TEXT,
    TIDY_TEXT,
];
const OF_ETAGS: &[&str] = &[
    ETAGS_TEXT,
    CREATE_TEXT,
    LOAD_TEXT,
    COMMIT_TEXT,
    LOGIN_TEXT,
    CLOSE_TEXT,
    EXTEND_TEXT,
    ROTATE_TEXT,
    REVOKE_TEXT,
    REVOKE_ALL_TEXT,
    END_ID_TEXT,
    #[cfg(feature = "tower-sessions")]
    PUT_TEXT,
];
const OF_LOGINS: &[&str] = &[
    BEGIN_TEXT,
    NOTE_TEXT,
    CREATE_TEXT,
    LOGIN_TEXT,
    REFRESH_TEXT,
    REVOKE_ALL_TEXT,
];

/// Every kind of key that this crate writes.
pub const KEYS: &[KeySpec] = &[
    KeySpec::new(
        "session",
        STEM,
        "{{user}}:{digest}",
        KeyType::Hash,
        KeyTtl::Configured,
        "A session: what describes it in the field without a name, and each field of its data; or, for a while, what its digest is now.",
    )
    .owner("session")
    .scripts(OF_SESSIONS),
    KeySpec::new(
        "session",
        STEM,
        "{{user}}",
        KeyType::SortedSet,
        KeyTtl::Configured,
        "The sessions of a user, and until when each of them is valid: 0 for one that was ended and is to be removed. A session that is not in it is not valid.",
    )
    .owner("session")
    // By clean-up; and for who ends sessions that replicas must know of.
    .commands(&["SCAN", "WAIT"])
    .scripts(OF_SESSIONS),
    KeySpec::new(
        "session",
        STEM,
        "{{user}}:%family:{family}",
        KeyType::String,
        KeyTtl::Configured,
        "A family of refresh tokens: the digests of the token that is good and of the one before, and whose they are.",
    )
    .owner("session")
    .scripts(OF_FAMILIES),
    KeySpec::new(
        "session",
        STEM,
        "{{user}}:%families",
        KeyType::SortedSet,
        KeyTtl::Configured,
        "The families of a user's refresh tokens with the sessions that they are of, and until when each is valid.",
    )
    .owner("session")
    .scripts(OF_FAMILIES),
    KeySpec::new(
        "session",
        STEM,
        "{{user}}:%apart",
        KeyType::SortedSet,
        KeyTtl::Configured,
        "The sessions of a user whose ids do not tell whose they are, and until when each is valid at most; 0 for one that was ended and is to be removed.",
    )
    .owner("session")
    .scripts(OF_APART),
    KeySpec::new(
        "session",
        STEM,
        "{{user}}:%revoked",
        KeyType::String,
        KeyTtl::Seconds(3600),
        "When all sessions of a user were revoked, in microseconds since 1970: logins that began before do not create one.",
    )
    .owner("session")
    .scripts(OF_LOGINS),
    KeySpec::new(
        "session",
        STEM,
        "{{user}}:%etag",
        KeyType::String,
        KeyTtl::Configured,
        "Another one whenever one of a user's sessions changes or is ended, and gone when one ends by itself: what processes remember of them is good while it is the same.",
    )
    .owner("session")
    .scripts(OF_ETAGS),
];

/// Where a session is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) tag: Tag,
    pub(crate) digest: Digest,
}

impl Place {
    /// The session's key.
    pub(crate) fn key(&self, stem: &Stem) -> Key {
        stem.tagged_one(&*self.tag.text(), None, self.digest.as_str())
    }

    /// Its user's index.
    pub(crate) fn index(&self, stem: &Stem) -> Key {
        index(stem, self.tag)
    }

    /// What scripts look at beside it: its user's index and their etag.
    pub(crate) fn beside(&self, stem: &Stem) -> [Key; 2] {
        [self.index(stem), self.etag(stem)]
    }

    /// Its user's etag.
    pub(crate) fn etag(&self, stem: &Stem) -> Key {
        etag(stem, self.tag)
    }
}

pub(crate) fn index(stem: &Stem, tag: Tag) -> Key {
    stem.tagged(&*tag.text(), None)
}

/// What is another one whenever one of a user's sessions changes.
pub(crate) fn etag(stem: &Stem, tag: Tag) -> Key {
    stem.tagged(&*tag.text(), Some("%etag"))
}

/// The index of a user's sessions that are in slots of their own.
pub(crate) fn apart(stem: &Stem, tag: Tag) -> Key {
    stem.tagged(&*tag.text(), Some("%apart"))
}

/// When all sessions of a user were revoked.
pub(crate) fn revoked(stem: &Stem, tag: Tag) -> Key {
    stem.tagged(&*tag.text(), Some("%revoked"))
}

/// A family of refresh tokens, by its number as text.
pub(crate) fn family(stem: &Stem, tag: Tag, number: &str) -> Key {
    stem.tagged_one(&*tag.text(), Some("%family"), number)
}

/// The index of a user's families of refresh tokens.
pub(crate) fn families(stem: &Stem, tag: Tag) -> Key {
    stem.tagged(&*tag.text(), Some("%families"))
}
