//! Texts with arguments in them.

use proc_macro2::{Ident, TokenStream};
use quote::quote;
use syn::{Error, LitStr, Result};

use crate::function::{Argument, Function};

/// A piece of a template: text, or an argument.
enum Piece<'f> {
    Text(String),
    Argument(&'f Argument),
}

/// A text with arguments in it, checked against those of a function.
pub(crate) struct Template<'f> {
    pieces: Vec<Piece<'f>>,
    literal: &'f LitStr,
}

impl<'f> Template<'f> {
    pub(crate) fn parse(literal: &'f LitStr, function: &'f Function) -> Result<Self> {
        let text = literal.value();
        let wrong = |message: String| Error::new(literal.span(), message);
        let mut pieces = Vec::new();
        let mut rest = text.as_str();
        while let Some(open) = rest.find(['{', '}']) {
            let (before, behind) = rest.split_at(open);
            let inner = behind
                .strip_prefix('{')
                .and_then(|behind| behind.split_once('}'));
            let Some((name, behind)) = inner else {
                return Err(wrong(format!(
                    "{text:?} has a brace without its other half; write `{{id}}`"
                )));
            };
            if !before.is_empty() {
                pieces.push(Piece::Text(before.to_owned()));
            }
            let argument = function.argument(name).ok_or_else(|| {
                wrong(format!(
                    "`{{{name}}}` is no argument of `{}`; {}",
                    function.name(),
                    function.arguments_by_name()
                ))
            })?;
            pieces.push(Piece::Argument(argument));
            rest = behind;
        }
        if !rest.is_empty() {
            pieces.push(Piece::Text(rest.to_owned()));
        }
        Ok(Template { pieces, literal })
    }

    /// The arguments that stand in it.
    pub(crate) fn arguments(&self) -> impl Iterator<Item = &'f Ident> {
        self.pieces.iter().filter_map(|piece| match piece {
            Piece::Argument(argument) => Some(&argument.name),
            Piece::Text(_) => None,
        })
    }

    /// A reference to a key. One argument is taken as it is; several parts, with `:` between them, are a tuple, whose parts are
    /// escaped each on its own: no argument can leave its place.
    pub(crate) fn key(&self) -> Result<TokenStream> {
        let parts = self.parts()?;
        if let [Piece::Argument(argument)] = &parts[..] {
            return Ok(argument.borrowed());
        }
        if let [Piece::Text(text)] = &parts[..] {
            return Ok(quote!(#text));
        }
        let parts = parts.iter().map(|part| match part {
            Piece::Text(text) => quote!(#text),
            Piece::Argument(argument) => argument.owned(),
        });
        Ok(quote!(&(#(#parts),*)))
    }

    /// A key that is taken along: of one argument a copy of it.
    pub(crate) fn owned_key(&self) -> Result<TokenStream> {
        let parts = self.parts()?;
        match &parts[..] {
            [Piece::Argument(argument)] => {
                let owned = argument.owned();
                Ok(quote!(&#owned))
            }
            _ => self.key(),
        }
    }

    /// What stands between the `:`.
    fn parts(&self) -> Result<Vec<Piece<'f>>> {
        let mut parts = Vec::new();
        let wrong = || {
            let message = format!(
                "the key {:?} has a part that is more than a text or one argument; write a `:` between them, as in \"user:{{id}}\"",
                self.literal.value()
            );
            Error::new(self.literal.span(), message)
        };
        // Whether a part is to come: at the beginning, and behind a `:`.
        let mut is_open = true;
        for piece in &self.pieces {
            match piece {
                Piece::Argument(argument) if is_open => {
                    parts.push(Piece::Argument(argument));
                    is_open = false;
                }
                Piece::Argument(_) => return Err(wrong()),
                Piece::Text(text) => {
                    let mut texts = text.split(':').peekable();
                    if !is_open && texts.next() != Some("") {
                        return Err(wrong());
                    }
                    is_open = false;
                    while let Some(text) = texts.next() {
                        match (text, texts.peek()) {
                            ("", None) => is_open = true,
                            ("", Some(_)) => return Err(wrong()),
                            (text, _) => parts.push(Piece::Text(text.to_owned())),
                        }
                    }
                }
            }
        }
        match is_open {
            true => Err(wrong()),
            false => Ok(parts),
        }
    }

    /// A `String`: a tag, whose text is what `format!` makes of it.
    pub(crate) fn text(&self) -> TokenStream {
        self.formatted(|argument| {
            let name = &argument.name;
            quote!(#name)
        })
    }

    /// A `String`: a pattern, in which an argument stands as it does in a key.
    pub(crate) fn pattern(&self, russet: &TokenStream) -> TokenStream {
        self.formatted(|argument| {
            let borrowed = argument.borrowed();
            quote!(#russet::__expanded::part(#borrowed))
        })
    }

    fn formatted(&self, argument: impl Fn(&Argument) -> TokenStream) -> TokenStream {
        let mut format = String::new();
        let mut arguments = Vec::new();
        for piece in &self.pieces {
            match piece {
                Piece::Text(text) => format.push_str(text),
                Piece::Argument(of) => {
                    format.push_str("{}");
                    arguments.push(argument(of));
                }
            }
        }
        quote!(::std::format!(#format, #(#arguments),*))
    }
}
