//! Refresh tokens.

use std::fmt;
use std::ops::Deref;

use base64ct::{Base64UrlUnpadded, Encoding as _};
use russet_core::{Bytes, Error, FromReply as _, Key, Policy, Reply, Stem};
use sha2::{Digest as _, Sha256};

use crate::data::Data;
use crate::device::Device;
use crate::ending::Ended;
use crate::error::SessionError;
use crate::event::SessionEvent;
use crate::keys::{ISSUE, REFRESH, families, family, revoked};
use crate::making::Still;
use crate::secrets::Made;
use crate::session::Session;
use crate::sessions::Sessions;
use crate::token::{Digest, Tag, random};
use crate::wire::{Found, millis, number, text, unreadable};

/// A refresh token, `r1.<tag>.<family>.<secret>`: 92 characters. Redis knows the SHA-256 of its secret only. It derefs to its text; `Debug` shows nothing of it.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct RefreshToken(String);

const VERSION: &str = "r1";

/// A family of tokens, of which each was given for the one before.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Family {
    tag: Tag,
    number: [u8; 16],
}

impl Family {
    fn key(&self, stem: &Stem) -> Key {
        family(stem, self.tag, &self.text())
    }

    fn text(&self) -> String {
        Base64UrlUnpadded::encode_string(&self.number)
    }

    fn token(&self, secret: &[u8; 32]) -> RefreshToken {
        RefreshToken(format!(
            "{VERSION}.{}.{}.{}",
            self.tag.text(),
            self.text(),
            Base64UrlUnpadded::encode_string(secret)
        ))
    }
}

impl RefreshToken {
    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Its family and its secret; nothing if it is no token.
    fn read(text: &str) -> Option<(Family, [u8; 32])> {
        let rest = text.strip_prefix(VERSION)?.strip_prefix('.')?;
        let (tag, rest) = rest.split_once('.')?;
        let (number, secret) = rest.split_once('.')?;
        let family = Family {
            tag: Tag::read(tag)?,
            number: exactly(number)?,
        };
        Some((family, exactly(secret)?))
    }
}

/// So many bytes of a text, and no other number of them.
fn exactly<const N: usize>(text: &str) -> Option<[u8; N]> {
    let mut bytes = [0; N];
    let read = Base64UrlUnpadded::decode(text, &mut bytes).ok()?.len();
    (read == N).then_some(bytes)
}

impl Deref for RefreshToken {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for RefreshToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RefreshToken(…)")
    }
}

/// What somebody gets for a refresh token.
#[derive(Debug)]
#[must_use = "what was given back is the token that is good from now on"]
#[non_exhaustive]
pub enum Refreshed {
    /// The next token, and whose it is.
    Done(Renewal),
    /// It had been used already: by this caller or by the one before it was stolen, and nobody knows by which. Its family is over; this user has to log in again.
    Reused {
        /// Whose it was.
        user: String,
    },
    /// It is good, but for another scope; it stays as it is.
    OtherScope,
    /// There is no such token (any more).
    Gone,
}

/// The next token, and whose it is.
#[derive(Debug)]
#[non_exhaustive]
pub struct Renewal {
    /// What is to be shown the next time.
    pub token: RefreshToken,
    /// Whose it is.
    pub user: String,
    /// How often the family was used.
    pub uses: u64,
    /// Whether it had been given before, to who lost the reply or to another tab.
    pub is_replay: bool,
    of: [u8; 16],
    tag: Tag,
    /// As the user's index names it.
    family: Bytes,
    /// Since when the user's sessions must not have been revoked.
    since: u64,
}

/// What describes a family.
#[derive(serde::Serialize, serde::Deserialize)]
pub(crate) struct Whose {
    user: String,
}

impl<T: Data> Session<T> {
    /// Begins a family of refresh tokens for this session, bound to a scope: whoever shows one later is its user, also when the session is over because nobody used it. It ends with
    /// the session's logout, with [`revoke_others`](Sessions::revoke_others) of another one and with [`revoke_all`](Sessions::revoke_all). Nothing if the session is gone. One
    /// round trip.
    ///
    /// # Errors
    /// [`SessionError::Data`] for a session that is nobody's; [`SessionError::Redis`].
    ///
    /// # Cancel safety
    /// A dropped call may still begin it; nobody has its token then, and it ends by itself.
    pub async fn issue_refresh(
        &mut self,
        scope: &str,
    ) -> Result<Option<RefreshToken>, SessionError> {
        let nobody = || SessionError::data("a session that is nobody's has no refresh tokens");
        let user = self.user().ok_or_else(nobody)?.to_owned();
        let way = self.way.clone();
        if way.ids.are_apart() {
            return Err(SessionError::data(
                "refresh tokens need ids that tell whose they are: `Ids::Token`, the default",
            ));
        }
        let (tag, number, secret) = (self.place.tag, random()?, random()?);
        let family = Family { tag, number };
        let about = way.shape.seal_whole(&number, &Whose { user })?;
        let digest = Digest::of(&secret);
        let args: Vec<Bytes> = vec![
            family.text().into(),
            text(digest.as_str()),
            millis(way.refresh_idle).to_string().into(),
            millis(way.refresh_absolute).to_string().into(),
            scope_of(scope),
            about.into(),
        ];
        let beside = [family.key(&way.stem), families(&way.stem, tag)];
        let issue = (&way.operations.refresh, Policy::AtMostOnce);
        let told = way.on(issue, &ISSUE, &mut self.place, &beside, &args);
        let Some(told) = told.await? else {
            return Ok(None);
        };
        let [_, ended, struck] = <[Reply; 3]>::try_from(told).map_err(|_| unreadable())?;
        for families in [ended, struck] {
            way.clean(tag, &Ended::of_families(families)?).await;
        }
        Ok(Some(family.token(&secret)))
    }
}

impl<T: Data> Sessions<T> {
    /// Takes a refresh token, and gives the next one. Whoever lost the reply and shows it again, and other tabs that do, are given the same next one for
    /// [30 seconds](crate::Builder::rotation_grace), as long as that was not shown. Shown later or a second time, it ends the family (RFC 9700, 4.14.2). One round trip.
    ///
    /// # Errors
    /// [`SessionError::Redis`]; [`SessionError::Data`] if the next one was made under a secret that is not in the ring any more.
    ///
    /// # Cancel safety
    /// A dropped call may still be done: show the token again within the grace.
    pub async fn refresh(&self, token: &str, scope: &str) -> Result<Refreshed, SessionError> {
        let Some((family, secret)) = RefreshToken::read(token) else {
            return Ok(Refreshed::Gone);
        };
        let (way, presented) = (&self.way, Digest::of(&secret));
        let made = Made::new(random()?, &way.secrets);
        let next = way
            .secrets
            .successor(&made, &family.number, &secret)
            .ok_or_else(unreadable)?;
        let next = Digest::of(&next);
        let args: Vec<Bytes> = vec![
            family.text().into(),
            text(presented.as_str()),
            scope_of(scope),
            text(next.as_str()),
            Bytes::copy_from_slice(&made.0),
            millis(way.grace).to_string().into(),
            millis(way.refresh_idle).to_string().into(),
        ];
        let keys = [
            family.key(&way.stem),
            families(&way.stem, family.tag),
            revoked(&way.stem, family.tag),
        ];
        // Asked again it is the one before, and is told the same.
        let refresh = (&way.operations.refresh, Policy::Idempotent);
        let reply = way.ask(refresh, &REFRESH, &keys, args).await?;
        let Found::Items(told) = Found::read(reply)? else {
            return Ok(Refreshed::Gone);
        };
        let told: Result<Vec<Bytes>, Error> = told.into_iter().map(Bytes::from_reply).collect();
        let told = told?;
        let [what, about, made, uses, of, since] = &told[..] else {
            return Err(unreadable().into());
        };
        let is_replay = match &what[..] {
            b"4" => return Ok(Refreshed::OtherScope),
            b"3" => {
                let Whose { user } = way.shape.open_whole(&family.number, about)?;
                tracing::warn!(target: "russet::session", tag = family.tag.text(), "a refresh token was used a second time; its family is over");
                way.events
                    .tell(|| SessionEvent::Reused { user: user.clone() });
                return Ok(Refreshed::Reused { user });
            }
            what => what == b"2",
        };
        let Whose { user } = way.shape.open_whole(&family.number, about)?;
        let made = Made(made[..].try_into().map_err(|_| unreadable())?);
        let next = way.secrets.successor(&made, &family.number, &secret);
        let lost = || {
            SessionError::data(
                "the next refresh token was made under a secret that is not in the ring any more",
            )
        };
        Ok(Refreshed::Done(Renewal {
            token: family.token(&next.ok_or_else(lost)?),
            user,
            uses: number(uses)?,
            is_replay,
            of: of[..].try_into().map_err(|_| unreadable())?,
            tag: family.tag,
            family: [family.text().as_bytes(), of].concat().into(),
            since: number(since)?,
        }))
    }

    /// Creates a session for who has shown a refresh token: it belongs to the same login, so that its logout ends those tokens as well. As [`create`](Sessions::create);
    /// nothing if the tokens have ended meanwhile, by their login's logout or because one was shown twice, or all sessions of the user were revoked.
    ///
    /// # Errors
    /// As [`create`](Sessions::create).
    ///
    /// # Cancel safety
    /// As [`create`](Sessions::create).
    pub async fn resume(
        &self,
        renewal: &Renewal,
        data: T,
        device: Device,
    ) -> Result<Option<Session<T>>, SessionError> {
        let still = Still {
            since: Some(renewal.since),
            family: renewal.family.clone(),
        };
        let of_login = (renewal.tag, still);
        self.create_of(&renewal.user, of_login, renewal.of, data, device)
            .await
    }

    /// Ends a family of refresh tokens by any of them. Whether it was valid. One round trip.
    ///
    /// # Errors
    /// [`SessionError::Redis`], [`SessionError::NotReplicated`].
    ///
    /// # Cancel safety
    /// A dropped call may still end it.
    pub async fn end_refresh(&self, token: &str) -> Result<bool, SessionError> {
        let Some((family, _)) = RefreshToken::read(token) else {
            return Ok(false);
        };
        self.way.end_family(family.tag, family.text()).await
    }
}

/// A scope as it is compared.
fn scope_of(scope: &str) -> Bytes {
    Bytes::copy_from_slice(&Sha256::digest(scope)[..16])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_somebody_shows_is_found_or_is_none() {
        let family = Family {
            tag: Tag::of(&[7; 16]),
            number: [8; 16],
        };
        let token = family.token(&[9; 32]);
        assert_eq!(token.len(), 92);
        let (read, secret) = RefreshToken::read(&token).unwrap();
        assert_eq!(
            (read.tag, read.number, secret),
            (family.tag, [8; 16], [9; 32])
        );
        for len in 0..token.len() {
            assert!(RefreshToken::read(&token[..len]).is_none(), "{len}");
        }
        assert!(RefreshToken::read(&token.replace("r1", "v1")).is_none());
        assert_eq!(format!("{token:?}"), "RefreshToken(…)");
    }
}
