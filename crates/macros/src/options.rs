//! What stands in the brackets of an attribute.

use std::time::Duration;

use proc_macro2::{Ident, Span, TokenStream};
use quote::quote;
use syn::parse::{Parse, ParseStream};
use syn::punctuated::Punctuated;
use syn::{Error, Expr, LitBool, LitStr, Path, Result, Token, parenthesized};

/// What an attribute says. Which of it the other one takes is its own affair.
pub(crate) struct Options {
    pub(crate) cache: Expr,
    pub(crate) key: Option<LitStr>,
    pub(crate) tags: Vec<LitStr>,
    pub(crate) pattern: Option<LitStr>,
    pub(crate) skip: Vec<Ident>,
    pub(crate) ttl: Option<Duration>,
    pub(crate) negative_ttl: Option<Duration>,
    pub(crate) load_timeout: Option<Duration>,
    pub(crate) soft_timeout: Option<Duration>,
    pub(crate) map_err: Option<Expr>,
    pub(crate) spawn: bool,
    pub(crate) companions: bool,
    /// Where russet-cache is.
    pub(crate) russet: TokenStream,
}

/// One option: its name, and how it is said.
struct Said {
    name: Ident,
    value: Value,
}

enum Value {
    Flag,
    Equals(Expr),
    List(TokenStream),
}

impl Parse for Said {
    fn parse(input: ParseStream<'_>) -> Result<Self> {
        // `crate` is a keyword, and a name here.
        let name = input.call(syn::ext::IdentExt::parse_any)?;
        let value = if input.peek(Token![=]) {
            input.parse::<Token![=]>()?;
            Value::Equals(input.parse()?)
        } else if input.peek(syn::token::Paren) {
            let list;
            parenthesized!(list in input);
            Value::List(list.parse()?)
        } else {
            Value::Flag
        };
        Ok(Said { name, value })
    }
}

impl Options {
    /// Reads the options of an attribute that knows these.
    pub(crate) fn parse(tokens: TokenStream, attribute: &str, known: &[&str]) -> Result<Self> {
        let all =
            syn::parse::Parser::parse2(Punctuated::<Said, Token![,]>::parse_terminated, tokens)?;
        let mut cache = None;
        let mut options = Options {
            cache: syn::parse_quote!(()),
            key: None,
            tags: Vec::new(),
            pattern: None,
            skip: Vec::new(),
            ttl: None,
            negative_ttl: None,
            load_timeout: None,
            soft_timeout: None,
            map_err: None,
            spawn: false,
            companions: true,
            russet: quote!(::russet_cache),
        };
        let mut seen: Vec<Ident> = Vec::new();
        for Said { name, value } in all {
            if seen.contains(&name) {
                return Err(Error::new(name.span(), format!("`{name}` is said twice")));
            }
            let text = name.to_string();
            if !known.contains(&text.as_str()) {
                let message = format!(
                    "`{attribute}` has no option `{text}`; it has {}",
                    known.join(", ")
                );
                return Err(Error::new(name.span(), message));
            }
            match text.as_str() {
                "cache" => cache = Some(equals(&name, value)?),
                "key" => options.key = Some(string(&name, value)?),
                "pattern" => options.pattern = Some(string(&name, value)?),
                "tags" => options.tags = list(&name, value, "tags(\"org:{org}\")")?,
                "skip" => options.skip = list(&name, value, "skip(request)")?,
                "ttl" => options.ttl = Some(time(&name, value)?),
                "negative_ttl" => options.negative_ttl = Some(time(&name, value)?),
                "load_timeout" => options.load_timeout = Some(time(&name, value)?),
                "soft_timeout" => options.soft_timeout = Some(time(&name, value)?),
                "map_err" => options.map_err = Some(equals(&name, value)?),
                "spawn" => options.spawn = flag(&name, &value)?,
                "companions" => options.companions = flag(&name, &value)?,
                _ => {
                    let path: Path = path(&name, value)?;
                    options.russet = quote!(#path);
                }
            }
            seen.push(name);
        }
        options.cache = cache.ok_or_else(|| {
            let message = format!(
                "`{attribute}` wants a cache: `cache = self.users`, a parameter, or a static"
            );
            Error::new(Span::call_site(), message)
        })?;
        Ok(options)
    }
}

fn wrong<T>(name: &Ident, form: &str) -> Result<T> {
    Err(Error::new(name.span(), format!("say it as `{form}`")))
}

fn equals(name: &Ident, value: Value) -> Result<Expr> {
    match value {
        Value::Equals(value) => Ok(value),
        _ => wrong(name, &format!("{name} = …")),
    }
}

fn string(name: &Ident, value: Value) -> Result<LitStr> {
    match value {
        Value::Equals(Expr::Lit(syn::ExprLit {
            lit: syn::Lit::Str(text),
            ..
        })) => Ok(text),
        _ => wrong(name, &format!("{name} = \"…\"")),
    }
}

fn list<T: Parse>(name: &Ident, value: Value, form: &str) -> Result<Vec<T>> {
    match value {
        Value::List(list) => {
            let all =
                syn::parse::Parser::parse2(Punctuated::<T, Token![,]>::parse_terminated, list)?;
            Ok(all.into_iter().collect())
        }
        _ => wrong(name, form),
    }
}

fn flag(name: &Ident, value: &Value) -> Result<bool> {
    match value {
        Value::Flag => Ok(true),
        Value::Equals(Expr::Lit(syn::ExprLit {
            lit: syn::Lit::Bool(LitBool { value, .. }),
            ..
        })) => Ok(*value),
        _ => wrong(name, &format!("{name} = true` or `{name} = false")),
    }
}

fn path(name: &Ident, value: Value) -> Result<Path> {
    match value {
        Value::Equals(Expr::Path(path)) => Ok(path.path),
        _ => wrong(name, "crate = russet::cache"),
    }
}

fn time(name: &Ident, value: Value) -> Result<Duration> {
    let text = string(name, value).or_else(|_| wrong(name, &format!("{name} = \"5m\"")))?;
    let time = humantime::parse_duration(&text.value()).map_err(|error| {
        let message = format!(
            "{:?} is no time: {error}; say \"5m\", \"1h 30m\" or \"500ms\"",
            text.value()
        );
        Error::new(text.span(), message)
    })?;
    match time.is_zero() {
        true => Err(Error::new(
            text.span(),
            format!("the {name} must be longer than nothing"),
        )),
        false => Ok(time),
    }
}
