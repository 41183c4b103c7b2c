//! What kind of value stands behind a header.

use crate::format::Format;

/// A serde value in a format, or bytes as they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Content {
    Typed(Format),
    Raw,
}

impl Content {
    /// The number that stands for the content in a stored header: 1 to 15, never reused.
    pub(crate) const fn id(self) -> u8 {
        match self {
            Content::Typed(Format::MessagePack) => 1,
            Content::Typed(Format::Json) => 2,
            Content::Raw => 3,
        }
    }

    pub(crate) const fn from_id(id: u8) -> Option<Self> {
        match id {
            1 => Some(Content::Typed(Format::MessagePack)),
            2 => Some(Content::Typed(Format::Json)),
            3 => Some(Content::Raw),
            _ => None,
        }
    }
}
