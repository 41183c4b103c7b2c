//! Values that only the holder of a key can read, and only under their own identity.
//!
//! Behind the header stand, in this order: the key's id (4 bytes), a random nonce (24), and the value under
//! XChaCha20-Poly1305 (draft-irtf-cfrg-xchacha-03) with its tag (16). Random nonces of this length do not collide however
//! many values one key encrypts. The associated data is the header, the key's id and the
//! [`Identity`](crate::Identity) in full.

#[cfg(feature = "encryption")]
mod ring;
#[cfg(feature = "encryption")]
mod sealed;

#[cfg(feature = "encryption")]
pub use ring::KeyRing;
#[cfg(feature = "encryption")]
pub(crate) use sealed::Encryption;

#[cfg(not(feature = "encryption"))]
mod absent;
#[cfg(not(feature = "encryption"))]
pub(crate) use absent::Encryption;
