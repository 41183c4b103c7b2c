//! The function that an attribute stands before.

use proc_macro2::{Ident, Span, TokenStream, TokenTree};
use quote::{ToTokens, quote};
use syn::ext::IdentExt as _;
use syn::spanned::Spanned as _;
use syn::{Error, FnArg, GenericArgument, ItemFn, Pat, PathArguments, Result, ReturnType, Type};

/// An async function that answers a `Result`, with arguments that have names.
pub(crate) struct Function {
    pub(crate) item: ItemFn,
    pub(crate) arguments: Vec<Argument>,
    pub(crate) answer: Type,
}

pub(crate) struct Argument {
    pub(crate) name: Ident,
    /// A reference, as far as its type says so.
    is_reference: bool,
}

impl Argument {
    /// A reference to it.
    pub(crate) fn borrowed(&self) -> TokenStream {
        let name = &self.name;
        match self.is_reference {
            true => quote!(#name),
            false => quote!(&#name),
        }
    }

    /// A copy of it that borrows nothing.
    pub(crate) fn owned(&self) -> TokenStream {
        let borrowed = self.borrowed();
        quote!(::std::borrow::ToOwned::to_owned(#borrowed))
    }
}

impl Function {
    pub(crate) fn parse(tokens: TokenStream, attribute: &str) -> Result<Self> {
        let item: ItemFn = syn::parse2(tokens).map_err(|error| {
            Error::new(
                error.span(),
                format!(
                    "`{attribute}` stands before an async function or method with a body: {error}"
                ),
            )
        })?;
        if item.sig.asyncness.is_none() {
            let message = format!(
                "`{attribute}` wants an async function: write `async fn {}`",
                item.sig.ident
            );
            return Err(Error::new(item.sig.fn_token.span, message));
        }
        let ReturnType::Type(_, answer) = &item.sig.output else {
            let message = format!(
                "`{attribute}` wants a function that answers a `Result`, whose `Ok` it acts upon"
            );
            return Err(Error::new(item.sig.ident.span(), message));
        };
        let answer = (**answer).clone();
        let mut arguments = Vec::new();
        for input in &item.sig.inputs {
            match input {
                FnArg::Receiver(receiver)
                    if receiver.reference.is_some() && receiver.mutability.is_none() => {}
                FnArg::Receiver(receiver) => {
                    let message = format!(
                        "`{attribute}` wants `&self`: a method that takes it otherwise cannot share its cache"
                    );
                    return Err(Error::new(receiver.span(), message));
                }
                FnArg::Typed(typed) => match &*typed.pat {
                    Pat::Ident(pattern) if pattern.by_ref.is_none() && pattern.subpat.is_none() => {
                        arguments.push(Argument {
                            name: pattern.ident.clone(),
                            is_reference: matches!(*typed.ty, Type::Reference(_)),
                        });
                    }
                    pattern => {
                        let message = format!(
                            "`{attribute}` wants a name for each argument; take it apart in the body"
                        );
                        return Err(Error::new(pattern.span(), message));
                    }
                },
            }
        }
        Ok(Function {
            item,
            arguments,
            answer,
        })
    }

    pub(crate) fn name(&self) -> &Ident {
        &self.item.sig.ident
    }

    pub(crate) fn argument(&self, name: &str) -> Option<&Argument> {
        self.arguments.iter().find(|argument| argument.name == name)
    }

    pub(crate) fn arguments_by_name(&self) -> String {
        let names: Vec<_> = self
            .arguments
            .iter()
            .map(|argument| format!("`{}`", argument.name))
            .collect();
        match names.is_empty() {
            true => "it has none".to_owned(),
            false => format!("it has {}", names.join(", ")),
        }
    }

    /// The type of the body's errors: `E` where the function answers a `LoadError<E>`, else what it answers itself.
    pub(crate) fn error(&self, russet: &TokenStream) -> TokenStream {
        let answer = &self.answer;
        match self.load_error() {
            Some(error) => quote!(#error),
            None => quote!(<#answer as #russet::__expanded::Answered>::Error),
        }
    }

    fn load_error(&self) -> Option<&Type> {
        let is_type = |argument: &&GenericArgument| matches!(argument, GenericArgument::Type(_));
        let GenericArgument::Type(error) = generics(&self.answer)?.filter(is_type).nth(1)? else {
            return None;
        };
        let Type::Path(path) = error else {
            return None;
        };
        if path.path.segments.last()?.ident != "LoadError" {
            return None;
        }
        match generics(error)?.find(is_type)? {
            GenericArgument::Type(error) => Some(error),
            _ => None,
        }
    }

    /// The same function under another name, with another body.
    pub(crate) fn companion(&self, suffix: &str, doc: &str, body: &TokenStream) -> Result<ItemFn> {
        let mut item = self.item.clone();
        let name = self.name().unraw();
        item.sig.ident = Ident::new(&format!("{name}_{suffix}"), self.name().span());
        // What says where it is compiled and what of it is let pass stays; what describes the function does not.
        let stays = ["allow", "cfg", "deprecated", "expect"];
        item.attrs
            .retain(|attribute| stays.iter().any(|name| attribute.path().is_ident(name)));
        item.attrs.push(syn::parse_quote!(#[doc = #doc]));
        item.attrs.push(syn::parse_quote!(#[allow(dead_code, reason = "a companion is there for who wants it")]));
        item.block = syn::parse2(quote!({ #body }))?;
        Ok(item)
    }
}

/// What stands between the brackets of a type.
fn generics(of: &Type) -> Option<impl Iterator<Item = &GenericArgument>> {
    let Type::Path(path) = of else {
        return None;
    };
    match &path.path.segments.last()?.arguments {
        PathArguments::AngleBracketed(arguments) => Some(arguments.args.iter()),
        _ => None,
    }
}

/// Whether a name stands somewhere in these tokens, and is not that of a field, a method, or something else's part.
pub(crate) fn mentions(tokens: impl ToTokens, name: &Ident) -> bool {
    fn within(tokens: TokenStream, name: &Ident) -> bool {
        let (mut is_part, mut colons) = (false, 0);
        tokens.into_iter().any(|token| {
            let was_part = std::mem::replace(&mut is_part, false);
            if !matches!(token, TokenTree::Punct(_)) {
                colons = 0;
            }
            match token {
                TokenTree::Ident(ident) => !was_part && ident == *name,
                TokenTree::Group(group) => within(group.stream(), name),
                TokenTree::Punct(mark) => {
                    // A single `:` stands before a type.
                    is_part = mark.as_char() == '.' || (mark.as_char() == ':' && colons == 1);
                    colons = match mark.as_char() {
                        ':' => colons + 1,
                        _ => 0,
                    };
                    false
                }
                TokenTree::Literal(_) => false,
            }
        })
    }
    within(tokens.into_token_stream(), name)
}

/// A name that no function has chosen.
pub(crate) fn ours(name: &str) -> Ident {
    Ident::new(&format!("__russet_{name}"), Span::mixed_site())
}
