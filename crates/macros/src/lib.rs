#![doc = include_str!("docs/readme.md")]

mod cached;
mod function;
mod invalidates;
mod options;
mod template;

use proc_macro::TokenStream;

/// Caches what an async function answers; see `russet_cache::cached`.
#[proc_macro_attribute]
pub fn cached(options: TokenStream, function: TokenStream) -> TokenStream {
    expanded(cached::expand(options.into(), function.into()))
}

/// Invalidates what is cached once an async function has done its work; see `russet_cache::invalidates`.
#[proc_macro_attribute]
pub fn invalidates(options: TokenStream, function: TokenStream) -> TokenStream {
    expanded(invalidates::expand(options.into(), function.into()))
}

fn expanded(result: syn::Result<proc_macro2::TokenStream>) -> TokenStream {
    result.unwrap_or_else(syn::Error::into_compile_error).into()
}
