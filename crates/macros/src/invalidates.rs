//! `#[invalidates]`.

use proc_macro2::{Span, TokenStream};
use quote::quote;
use syn::{Error, Result};

use crate::function::{Function, ours};
use crate::options::Options;
use crate::template::Template;

const KNOWN: &[&str] = &["cache", "key", "tags", "pattern", "crate"];

pub(crate) fn expand(options: TokenStream, function: TokenStream) -> Result<TokenStream> {
    let options = Options::parse(options, "invalidates", KNOWN)?;
    let function = Function::parse(function, "invalidates")?;
    let Options { cache, russet, .. } = &options;
    if options.key.is_none() && options.tags.is_empty() && options.pattern.is_none() {
        let message = "`invalidates` wants to know what: `key = \"{id}\"`, `tags(\"org:{org}\")` or `pattern = \"{org}:*\"`";
        return Err(Error::new(Span::call_site(), message));
    }
    let template = |literal| Template::parse(literal, &function);
    let key = options.key.as_ref().map(template).transpose()?;
    let key = key.map(|key| key.owned_key()).transpose()?;
    let key = key.map(|key| quote!(.key(#key)));
    let tags = options
        .tags
        .iter()
        .map(|tag| Ok(template(tag)?.text()))
        .collect::<Result<Vec<_>>>()?;
    let tags = tags.into_iter().map(|tag| quote!(.tag(&#tag)));
    let pattern = options.pattern.as_ref().map(template).transpose()?;
    let pattern = pattern.map(|pattern| {
        let pattern = pattern.pattern(russet);
        quote!(.pattern(#pattern))
    });
    let (answer, body) = (&function.answer, &function.item.block);
    let invalidation = ours("invalidation");
    let mut item = function.item.clone();
    // What the arguments say is taken before the body takes them.
    item.block = syn::parse2(quote!({
        let #invalidation = (#cache).__invalidation() #key #(#tags)* #pattern;
        #invalidation.behind::<#answer>(async move #body).await
    }))?;
    Ok(quote!(#item))
}
