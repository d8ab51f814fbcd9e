//! No Rust `Debug` in what users read: in fields and texts of log lines, in texts of errors, and in what commands print.
//!
//! `?value` in a macro of `tracing`, and a placeholder with `:?` in one of those macros, in `#[error("…")]`, or in a macro that
//! makes an error or prints. Tests inside a file may do as they like.

use std::fs;

use anyhow::Context;
use proc_macro2::{TokenStream, TokenTree};
use syn::{
    Attribute, Macro,
    visit::{self, Visit},
};

use crate::{circles::only_for_tests, workspace::Workspace};

/// The macros of `tracing` that take fields.
const WITH_FIELDS: [&str; 12] = [
    "trace",
    "debug",
    "info",
    "warn",
    "error",
    "event",
    "span",
    "trace_span",
    "debug_span",
    "info_span",
    "warn_span",
    "error_span",
];

/// Macros whose text a user reads.
const WITH_TEXT: [&str; 5] = ["note", "anyhow", "bail", "ensure", "eprintln"];

/// The crates whose users are programmers or tests: the simulator's plans and findings, and this program.
const NOT_READ: [&str; 2] = ["crates/sim/", "xtask/"];

/// Every place where `Debug` gets into what users read.
///
/// # Errors
/// A file cannot be read or is not Rust.
pub(crate) fn check(workspace: &Workspace) -> anyhow::Result<Vec<String>> {
    let mut findings = Vec::new();
    for path in workspace.rust_files()? {
        let name = workspace.name_of(&path);
        if !name.starts_with("crates/") || !name.contains("/src/") || NOT_READ.iter().any(|top| name.starts_with(top)) {
            continue;
        }
        let text = fs::read_to_string(&path).with_context(|| format!("failed to read {}", path.display()))?;
        let found = found_in(&text).with_context(|| format!("failed to parse {}", path.display()))?;
        findings.extend(found.into_iter().map(|finding| format!("{name}: {finding}")));
    }
    Ok(findings)
}

/// Every such place in one file.
fn found_in(text: &str) -> syn::Result<Vec<String>> {
    let mut found = Found::default();
    found.visit_file(&syn::parse_file(text)?);
    Ok(found.0)
}

#[derive(Default)]
struct Found(Vec<String>);

impl Found {
    /// Looks at what a macro is given. A field is written with `?` where it begins, or where its value begins.
    fn take_tokens(&mut self, of: &str, tokens: TokenStream, with_fields: bool) {
        let mut begins = true;
        for token in tokens {
            match token {
                TokenTree::Punct(mark) => {
                    if with_fields && begins && mark.as_char() == '?' {
                        self.0.push(format!(
                            "{of} has a field with `?`: write it with `%`, or as a number with its unit"
                        ));
                    }
                    begins = matches!(mark.as_char(), ',' | '=');
                }
                TokenTree::Literal(literal) => {
                    begins = false;
                    let literal = literal.to_string();
                    if has_debug(&literal) {
                        self.0.push(format!("{of} has a placeholder with `:?`: {literal}"));
                    }
                }
                // What is inside a group is a value: it has no fields of its own.
                TokenTree::Group(group) => {
                    begins = false;
                    self.take_tokens(of, group.stream(), false);
                }
                TokenTree::Ident(_) => begins = false,
            }
        }
    }
}

impl<'ast> Visit<'ast> for Found {
    fn visit_item_mod(&mut self, item: &'ast syn::ItemMod) {
        if !only_for_tests(&item.attrs) {
            visit::visit_item_mod(self, item);
        }
    }

    fn visit_item_fn(&mut self, item: &'ast syn::ItemFn) {
        if !only_for_tests(&item.attrs) {
            visit::visit_item_fn(self, item);
        }
    }

    fn visit_item_impl(&mut self, item: &'ast syn::ItemImpl) {
        if !only_for_tests(&item.attrs) {
            visit::visit_item_impl(self, item);
        }
    }

    fn visit_macro(&mut self, call: &'ast Macro) {
        let name = call.path.segments.last().map(|segment| segment.ident.to_string()).unwrap_or_default();
        let with_fields = WITH_FIELDS.contains(&name.as_str());
        if with_fields || WITH_TEXT.contains(&name.as_str()) {
            self.take_tokens(&format!("{name}!"), call.tokens.clone(), with_fields);
        } else {
            // `select!` and the like hold calls of other macros.
            self.take_calls(call.tokens.clone());
        }
    }

    fn visit_attribute(&mut self, attribute: &'ast Attribute) {
        if attribute.path().is_ident("error")
            && let syn::Meta::List(list) = &attribute.meta
        {
            self.take_tokens("#[error]", list.tokens.clone(), false);
        }
    }
}

impl Found {
    /// Finds the calls of macros among tokens that are not parsed.
    fn take_calls(&mut self, tokens: TokenStream) {
        let tokens: Vec<_> = tokens.into_iter().collect();
        for (position, token) in tokens.iter().enumerate() {
            let TokenTree::Group(group) = token else { continue };
            let name = match tokens.get(position.wrapping_sub(2)..position) {
                Some([TokenTree::Ident(name), TokenTree::Punct(mark)]) if mark.as_char() == '!' => name.to_string(),
                Some(_) | None => String::new(),
            };
            let with_fields = WITH_FIELDS.contains(&name.as_str());
            if with_fields || WITH_TEXT.contains(&name.as_str()) {
                self.take_tokens(&format!("{name}!"), group.stream(), with_fields);
            } else {
                self.take_calls(group.stream());
            }
        }
    }
}

/// Whether text has a placeholder that is written with `Debug`.
fn has_debug(literal: &str) -> bool {
    // Two braces stand for one in the text.
    let literal = literal.replace("{{", "");
    let mut placeholders = literal.split('{').skip(1).filter_map(|rest| rest.split_once('}'));
    placeholders.any(|(placeholder, _)| placeholder.split_once(':').is_some_and(|(_, format)| format.ends_with('?')))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn count(text: &str) -> usize {
        found_in(text).expect("Rust").len()
    }

    #[test]
    fn a_planted_debug_is_found_wherever_users_would_read_it() {
        for planted in [
            "fn f() { info!(?pause, \"x\"); }",
            "fn f() { tracing::warn!(%error, again_in = ?pause, \"x\"); }",
            "fn f() { debug!(target: \"t\", a = 1, b.c = ?d); }",
            "fn f() { info!(\"it is {value:?}\"); }",
            "fn f() { info!(\"it is {:#?}\", value); }",
            "fn f() { let _ = info_span!(\"stream\", ?stream_id); }",
            "fn f() { tokio::select! { () = x => { if y { error!(?z) } } } }",
            "fn f() { match x { A => warn!(?z, \"x\"), B => {} } }",
            "#[derive(Error)] enum E { #[error(\"no {0:?}\")] A(String) }",
            "fn f() -> Result<()> { bail!(\"no {path:>10?}\") }",
            "fn f() { note!(\"{FINISH_WITHIN:?}\"); }",
        ] {
            assert_eq!(count(planted), 1, "{planted}");
        }
    }

    #[test]
    fn the_operator_of_errors_plain_values_and_tests_are_left_alone() {
        for plain in [
            "fn f() { info!(%error, count = 1, at = read()?, ms = (a?).b, \"{name}: {{:?}} {}\", x); }",
            "fn f() { format!(\"{value:?}\"); assert!(x, \"{value:?}\"); }",
            "#[cfg(test)] mod tests { fn f() { info!(?x); } }",
            "/// `{x:?}`\nfn f() {}",
        ] {
            assert_eq!(count(plain), 0, "{plain}: {:?}", found_in(plain));
        }
    }
}
