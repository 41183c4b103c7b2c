//! `#[cached]`.

use proc_macro2::{Span, TokenStream};
use quote::{quote, quote_spanned};
use syn::spanned::Spanned as _;
use syn::{Error, FnArg, GenericParam, Ident, ItemFn, Pat, Result, ReturnType};

use crate::function::{Function, mentions, ours};
use crate::options::Options;
use crate::template::Template;

const KNOWN: &[&str] = &[
    "cache",
    "key",
    "skip",
    "ttl",
    "negative_ttl",
    "tags",
    "load_timeout",
    "soft_timeout",
    "spawn",
    "map_err",
    "companions",
    "crate",
];

pub(crate) fn expand(options: TokenStream, function: TokenStream) -> Result<TokenStream> {
    let options = Options::parse(options, "cached", KNOWN)?;
    let function = Function::parse(function, "cached")?;
    let literal = options.key.as_ref().ok_or_else(|| {
        Error::new(
            Span::call_site(),
            "`cached` wants a key: `key = \"{id}\"`, or a text if there is but one answer",
        )
    })?;
    let key = Template::parse(literal, &function)?;
    let tags: Vec<_> = options
        .tags
        .iter()
        .map(|tag| Template::parse(tag, &function))
        .collect::<Result<_>>()?;
    check_arguments(&options, &function, &key)?;

    let reading = |begins: &str| reading(&options, &function, &key, &tags, begins);
    let mut cached = function.item.clone();
    cached.block = syn::parse2(reading("__begin")?)?;
    if !options.companions {
        return Ok(quote!(#cached));
    }
    let name = function.name();
    let doc = format!(
        "Asks the source whatever is cached, and caches the answer; what is cached of [`{name}`](Self::{name}) stays if that fails."
    );
    let doc = if function.item.sig.receiver().is_some() {
        doc
    } else {
        doc.replace("(Self::", "(")
    };
    let refresh = function.companion("refresh", &doc, &reading("__begin_anew")?)?;
    let invalidate = invalidate(&options, &function, &key)?;
    Ok(quote!(#cached #refresh #invalidate))
}

/// Each argument is in the key, or it is said that it is not.
fn check_arguments(options: &Options, function: &Function, key: &Template<'_>) -> Result<()> {
    let in_key: Vec<_> = key.arguments().collect();
    for name in &options.skip {
        if function.argument(&name.to_string()).is_none() {
            let message = format!(
                "`{name}` is no argument of `{}`; {}",
                function.name(),
                function.arguments_by_name()
            );
            return Err(Error::new(name.span(), message));
        }
        if in_key.contains(&name) {
            return Err(Error::new(
                name.span(),
                format!("`{name}` is in the key; leave it out of `skip`"),
            ));
        }
    }
    for argument in &function.arguments {
        let name = &argument.name;
        if !in_key.contains(&name)
            && !options.skip.contains(name)
            && !mentions(&options.cache, name)
        {
            let message = format!(
                "`{name}` is in neither `key` nor `skip`: answers that differ by it would share one entry. Put `{{{name}}}` into the key, \
                 or say `skip({name})` if no answer depends on it"
            );
            return Err(Error::new(name.span(), message));
        }
    }
    if options.soft_timeout.is_some() && !options.spawn {
        let message = "a soft timeout wants a load that goes on behind its caller's back: say `spawn` as well";
        return Err(Error::new(Span::call_site(), message));
    }
    Ok(())
}

/// The body: what is cached, else what the body of before answers.
fn reading(
    options: &Options,
    function: &Function,
    key: &Template<'_>,
    tags: &[Template<'_>],
    begins: &str,
) -> Result<TokenStream> {
    let Options {
        cache,
        russet,
        map_err,
        ..
    } = options;
    let (answer, body) = (&function.answer, &function.item.block.stmts);
    let error = function.error(russet);
    let begins = Ident::new(begins, cache.span());
    let runs = Ident::new(
        if options.spawn { "spawned" } else { "local" },
        Span::mixed_site(),
    );
    let key = key.key()?;
    let texts: Vec<_> = tags.iter().map(Template::text).collect();
    let times = [
        ("ttl", options.ttl),
        ("negative_ttl", options.negative_ttl),
        ("load_timeout", options.load_timeout),
        ("soft_timeout", options.soft_timeout),
    ];
    let times = times.into_iter().filter_map(|(name, time)| {
        let (name, time) = (Ident::new(name, Span::mixed_site()), time?);
        let (seconds, nanos) = (time.as_secs(), time.subsec_nanos());
        Some(quote!(.#name(::std::time::Duration::new(#seconds, #nanos))))
    });
    let map_err = match map_err {
        Some(map) => quote!(#map),
        None => quote_spanned!(answer.span()=> #russet::__expanded::from_load_error),
    };
    let [begun, of, tagged] = ["begun", "of", "tags"].map(ours);
    let tags =
        (!texts.is_empty()).then(|| quote!(let #tagged = #begun.is_miss().then(|| [#(#texts),*]);));
    let tagged_so = tags
        .as_ref()
        .map(|_| quote!(.tags(#tagged.into_iter().flatten())));
    // What the arguments say is taken before the body takes them.
    Ok(quote!({
        let #of = &(#cache);
        let #begun = #of.#begins(#key);
        #tags
        let #begun = #begun.#runs(move |_| async move {
            // Says what the body answers before it begins, so that what is wrong in it is shown there.
            #[allow(unreachable_code, clippy::all, reason = "never run")]
            if false {
                let #of: ::std::result::Result<<#answer as #russet::__expanded::Answered>::Value, #error> = loop {};
                return #of;
            }
            #(#body)*
        });
        let (#begun, #of) = #begun #(#times)* #tagged_so .__under_way();
        #of.answer::<#answer, #error>(#begun.await, #map_err)
    }))
}

/// The companion that removes what is cached; it takes what the key and the cache need.
fn invalidate(options: &Options, function: &Function, key: &Template<'_>) -> Result<ItemFn> {
    let Options { cache, russet, .. } = options;
    let in_key: Vec<_> = key.arguments().collect();
    let key = key.key()?;
    let name = function.name();
    let doc = format!("Removes what is cached of [`{name}`](Self::{name}).");
    let doc = if function.item.sig.receiver().is_some() {
        doc
    } else {
        doc.replace("(Self::", "(")
    };
    let body = quote!((#cache).remove(#key).await);
    let mut item = function.companion("invalidate", &doc, &body)?;
    item.sig.output = syn::parse2::<ReturnType>(
        quote!(-> ::std::result::Result<#russet::Removed, #russet::Error>),
    )?;
    item.sig.inputs = item
        .sig
        .inputs
        .into_iter()
        .filter(|input| match input {
            FnArg::Receiver(_) => true,
            FnArg::Typed(typed) => match &*typed.pat {
                Pat::Ident(pattern) => {
                    in_key.contains(&&pattern.ident) || mentions(cache, &pattern.ident)
                }
                _ => true,
            },
        })
        .collect();
    for input in &mut item.sig.inputs {
        if let FnArg::Typed(typed) = input
            && let Pat::Ident(pattern) = &mut *typed.pat
        {
            pattern.mutability = None;
        }
    }
    // What nothing mentions any more could not be inferred.
    let inputs = item.sig.inputs.clone();
    let generics = &mut item.sig.generics;
    let is_gone = |param: &GenericParam| match param {
        GenericParam::Type(of) => !mentions(&inputs, &of.ident),
        GenericParam::Const(of) => !mentions(&inputs, &of.ident),
        GenericParam::Lifetime(_) => false,
    };
    let (dropped, kept): (Vec<_>, Vec<_>) = std::mem::take(&mut generics.params)
        .into_iter()
        .partition(is_gone);
    generics.params = kept.into_iter().collect();
    let gone: Vec<Ident> = dropped
        .into_iter()
        .filter_map(|param| match param {
            GenericParam::Type(of) => Some(of.ident),
            GenericParam::Const(of) => Some(of.ident),
            GenericParam::Lifetime(_) => None,
        })
        .collect();
    if let Some(clause) = &mut generics.where_clause {
        let predicates = std::mem::take(&mut clause.predicates).into_iter();
        clause.predicates = predicates
            .filter(|of| !gone.iter().any(|name| mentions(of, name)))
            .collect();
    }
    Ok(item)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;

    fn refused(options: &str, function: &str) -> String {
        expand(options.parse().unwrap(), function.parse().unwrap())
            .unwrap_err()
            .to_string()
    }

    #[test]
    fn what_is_wrong_is_said_with_what_to_do() {
        let user =
            "async fn user(&self, id: u64, locale: &str) -> Result<User, DbError> { todo() }";
        let both = r#"cache = self.users, key = "{id}:{locale}""#;
        for (options, function, expected) in [
            (
                r#"cache = self.users, key = "{id}""#,
                user,
                "Put `{locale}` into the key, or say `skip(locale)`",
            ),
            (
                r#"cache = self.users, key = "{ids}", skip(id, locale)"#,
                user,
                "`{ids}` is no argument of `user`; it has `id`, `locale`",
            ),
            (
                r#"cache = self.users, key = "{id}:{locale}", tags("{org}")"#,
                user,
                "`{org}` is no argument",
            ),
            (
                r#"cache = self.users, key = "{id", skip(locale)"#,
                user,
                "write `{id}`",
            ),
            (
                r#"cache = self.users, key = "{id}}", skip(locale)"#,
                user,
                "write `{id}`",
            ),
            (
                r#"cache = self.users, key = "u-{id}", skip(locale)"#,
                user,
                "write a `:` between them",
            ),
            (
                r#"cache = self.users, key = "{id}{locale}""#,
                user,
                "write a `:` between them",
            ),
            (
                r#"cache = self.users, key = "{id}::{locale}""#,
                user,
                "write a `:` between them",
            ),
            (
                r#"cache = self.users, key = ":{id}:{locale}""#,
                user,
                "write a `:` between them",
            ),
            (
                r#"cache = self.users, key = "{id}:{locale}:""#,
                user,
                "write a `:` between them",
            ),
            (
                r#"cache = self.users, key = "", skip(id, locale)"#,
                user,
                "write a `:` between them",
            ),
            (
                r#"cache = self.users, key = "{id}", skip(locale, org)"#,
                user,
                "`org` is no argument",
            ),
            (
                r#"cache = self.users, key = "{id}", skip(id, locale)"#,
                user,
                "leave it out of `skip`",
            ),
            (
                r#"cache = self.locale, key = "{id}""#,
                user,
                "Put `{locale}` into the key",
            ),
            (r#"cache = self.users"#, user, "wants a key"),
            (r#"key = "{id}:{locale}""#, user, "wants a cache"),
            (r#"cache = a, cache = b"#, user, "`cache` is said twice"),
            (
                r#"cache = self.users, key = id"#,
                user,
                "say it as `key = \"…\"`",
            ),
            (
                r#"cache = self.users, keys = "{id}""#,
                user,
                "no option `keys`; it has cache, key",
            ),
            (
                r#"cache = self.users, key = "{id}:{locale}", tags = "x""#,
                user,
                "say it as `tags(\"org:{org}\")`",
            ),
            (
                r#"cache = self.users, key = "{id}:{locale}", ttl = 5"#,
                user,
                "say it as `ttl = \"5m\"`",
            ),
            (
                r#"cache = self.users, key = "{id}:{locale}", ttl = "soon""#,
                user,
                "\"soon\" is no time",
            ),
            (
                r#"cache = self.users, key = "{id}:{locale}", ttl = "0s""#,
                user,
                "longer than nothing",
            ),
            (
                r#"cache = self.users, key = "{id}:{locale}", soft_timeout = "1s""#,
                user,
                "say `spawn` as well",
            ),
            (
                both,
                "fn user(&self, id: u64, locale: &str) -> Result<User, DbError> { todo() }",
                "write `async fn user`",
            ),
            (
                both,
                "async fn user(&self, id: u64, locale: &str) { todo() }",
                "answers a `Result`",
            ),
            (
                both,
                "async fn user(&mut self, id: u64, locale: &str) -> R { todo() }",
                "wants `&self`",
            ),
            (
                both,
                "async fn user(self, id: u64, locale: &str) -> R { todo() }",
                "wants `&self`",
            ),
            (
                both,
                "async fn user(&self, (id, x): (u64, u64), locale: &str) -> R { todo() }",
                "a name for each argument",
            ),
            (
                both,
                "async fn user(&self, id: u64, locale: &str) -> R;",
                "with a body",
            ),
        ] {
            let said = refused(options, function);
            assert!(said.contains(expected), "{options}\n{function}\n{said}");
        }
    }

    fn expanded(options: &str, function: &str) -> String {
        let tokens = expand(options.parse().unwrap(), function.parse().unwrap()).unwrap();
        let file: syn::File = syn::parse2(tokens).unwrap();
        quote!(#file).to_string().replace(' ', "")
    }

    #[test]
    fn a_key_is_what_its_parts_are() {
        for (key, expected) in [
            ("{id}", "__begin(&id)"),
            ("{name}", "__begin(name)"),
            ("all", "__begin(\"all\")"),
            (
                "v1:{id}",
                "__begin(&(\"v1\",::std::borrow::ToOwned::to_owned(&id)))",
            ),
            (
                "{name}:of:{id}",
                "__begin(&(::std::borrow::ToOwned::to_owned(name),\"of\",::std::borrow::ToOwned::to_owned(&id)))",
            ),
        ] {
            let skip: Vec<_> = ["id", "name"]
                .into_iter()
                .filter(|name| !key.contains(&format!("{{{name}}}")))
                .collect();
            let options = format!("cache = users, key = {key:?}, skip({})", skip.join(", "));
            let made = expanded(
                &options,
                "pub async fn user(id: u64, name: &str) -> Result<User, DbError> { todo() }",
            );
            assert!(made.contains(expected), "{made}");
        }
    }

    #[test]
    fn companions_take_what_they_need_and_are_as_visible() {
        let made = expanded(
            r#"cache = cache, key = "{id}", skip(hint), crate = russet::cache"#,
            "#[doc = \"x\"] pub(crate) async fn user<A: Copy, B>(cache: &Cache<A, B>, id: A, hint: impl Into<u8>) -> Result<B, LoadError<DbError>> where A: KeyPart { todo() }",
        );
        let refresh =
            "pub(crate)asyncfnuser_refresh<A:Copy,B>(cache:&Cache<A,B>,id:A,hint:implInto<u8>)";
        let invalidate = "pub(crate)asyncfnuser_invalidate<A:Copy,B>(cache:&Cache<A,B>,id:A)->::std::result::Result<russet::cache::Removed,russet::cache::Error>";
        assert!(
            made.contains(refresh) && made.contains(invalidate),
            "{made}"
        );
        let made = expanded(
            r#"cache = CACHE, key = "{id}", skip(hint)"#,
            "async fn user<H: Into<u8>>(id: u64, hint: H) -> Result<User, DbError> where H: Send { todo() }",
        );
        assert!(made.contains("asyncfnuser_invalidate(id:u64)"), "{made}");
        let made = expanded(
            r#"cache = CACHE, key = "{id}", companions = false"#,
            "async fn user(id: u64) -> Result<User, DbError> { todo() }",
        );
        assert!(!made.contains("user_"), "{made}");
    }
}
