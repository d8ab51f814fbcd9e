//! Names of Rust items: which of them the sources of this repository have.
//!
//! Names are compared by their words and not resolved as the compiler does it. `a::b` exists if some module, type,
//! trait or crate named `a` has a member `b`, whatever lies above `a`. Of items that a macro makes, the words in its
//! call and in its definition count.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::PathBuf,
};

use anyhow::Context;
use proc_macro2::{TokenStream, TokenTree};
use syn::{Fields, ImplItem, Item, TraitItem, UseTree};

use crate::workspace::Workspace;

/// The first segment of paths into Rust's own libraries.
const OF_RUST: [&str; 3] = ["alloc", "core", "std"];

/// Single words that look like an item and are one of Rust's own libraries.
const TRAITS_OF_RUST: [&str; 2] = ["Debug", "Display"];

/// The prefix of our packages, which documents leave out: `wire` is `rtms_wire`.
const PREFIX: &str = "rtms_";

/// Which single words are taken for the name of an item.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Words {
    /// Those with two capitals that begin a word, as in `StreamTask`. One capital alone may begin the name of an HTTP
    /// header.
    TwoHumps,
    /// Every word with a capital in front and small letters behind it, and every call, as in `poll_output()`.
    CapitalsAndCalls,
}

/// The names of all items.
#[derive(Debug, Default)]
pub(crate) struct Symbols {
    /// What each module, type, trait and crate of a name has.
    members: BTreeMap<String, BTreeSet<String>>,
    /// The traits of each type and trait, and the macros that make it: it has their members too.
    parents: BTreeMap<String, BTreeSet<String>>,
    /// Every name, of whatever.
    names: BTreeSet<String>,
    /// The crates of others.
    dependencies: BTreeSet<String>,
}

impl Symbols {
    /// Reads every Rust file of the repository.
    ///
    /// # Errors
    /// A file cannot be read or is not Rust.
    pub(crate) fn of(workspace: &Workspace) -> anyhow::Result<Self> {
        let mut symbols = Self { dependencies: dependencies(workspace)?, ..Self::default() };
        let crates = crates(workspace)?;
        for file in workspace.rust_files()? {
            let text = fs::read_to_string(&file).with_context(|| format!("failed to read {}", file.display()))?;
            let stem = file.file_stem().unwrap_or_default();
            let folder = file.parent().and_then(|folder| folder.file_name()).unwrap_or_default();
            let module = if stem == "mod" { folder } else { stem }.to_string_lossy();
            let module = crates.get(&file).map_or(&*module, String::as_str);
            symbols.add_file(module, &text).with_context(|| format!("failed to parse {}", file.display()))?;
        }
        Ok(symbols)
    }

    /// Returns something if text between backticks names an item that does not exist: the nearest name that does, or an
    /// empty text if none is near.
    pub(crate) fn missing(&self, code: &str, words: Words) -> Option<String> {
        let call = code.ends_with(')').then(|| code.split_once('(')).flatten();
        let name = call.map_or(code, |(name, _)| name).trim_end_matches('!');
        let path: Vec<&str> = name.split("::").skip_while(|word| ["crate", "self", "super"].contains(word)).collect();
        if !path.iter().all(|word| is_identifier(word)) {
            return None;
        }
        match path.as_slice() {
            [] => None,
            [word] if self.names.contains(*word) || TRAITS_OF_RUST.contains(word) => None,
            [word] => {
                let is_item = match words {
                    Words::TwoHumps => humps(word) >= 2,
                    Words::CapitalsAndCalls => humps(word) >= 1 || call.is_some(),
                };
                is_item.then(|| nearest(word, self.names.iter().map(String::as_str)).unwrap_or_default().to_owned())
            }
            [first, ..] => {
                let of_others = OF_RUST.contains(first) || self.dependencies.contains(*first);
                let mut pairs = path.iter().zip(path.iter().skip(1));
                let (container, member) = pairs.find(|(of, member)| !self.members_of(of).contains(*member))?;
                (!of_others).then(|| self.nearest_member(container, member).unwrap_or_default())
            }
        }
    }

    /// What a module, type, trait or crate has, by itself and by its traits.
    fn members_of(&self, container: &str) -> BTreeSet<&str> {
        let (mut found, mut seen, mut next) = (BTreeSet::new(), BTreeSet::new(), vec![container]);
        while let Some(name) = next.pop() {
            if seen.insert(name) {
                found.extend(self.members.get(name).into_iter().flatten().map(String::as_str));
                next.extend(self.parents.get(name).into_iter().flatten().map(String::as_str));
            }
        }
        found
    }

    /// A member of this name one step further down, or else a member of a similar name, or else one of this name
    /// elsewhere.
    fn nearest_member(&self, container: &str, member: &str) -> Option<String> {
        if let Some(child) =
            self.members_of(container).into_iter().find(|child| self.members_of(child).contains(member))
        {
            return Some(format!("{container}::{child}::{member}"));
        }
        if let Some(found) = nearest(member, self.members_of(container)) {
            return Some(format!("{container}::{found}"));
        }
        let have_it = self.members.iter().filter(|(_, members)| members.contains(member)).map(|(name, _)| &**name);
        closest(container, have_it).map(|found| format!("{found}::{member}"))
    }

    fn add_file(&mut self, module: &str, text: &str) -> syn::Result<()> {
        let file = syn::parse_file(text)?;
        self.names.insert(module.to_owned());
        self.add_items(module, &file.items);
        if let Some(short) = module.strip_prefix(PREFIX) {
            self.add_items(short, &file.items);
        }
        Ok(())
    }

    fn add_items(&mut self, module: &str, items: &[Item]) {
        for item in items {
            self.add_item(module, item);
        }
    }

    #[expect(clippy::wildcard_enum_match_arm, reason = "syn may add kinds of items; what matters here has a name")]
    fn add_item(&mut self, module: &str, item: &Item) {
        match item {
            Item::Const(item) => self.add(module, &item.ident),
            Item::Static(item) => self.add(module, &item.ident),
            Item::Type(item) => self.add(module, &item.ident),
            Item::Fn(item) => self.add(module, &item.sig.ident),
            Item::Struct(item) => {
                self.add(module, &item.ident);
                self.add_fields(&item.ident, &item.fields);
            }
            Item::Enum(item) => {
                self.add(module, &item.ident);
                for variant in &item.variants {
                    self.add(&item.ident.to_string(), &variant.ident);
                    self.add_fields(&variant.ident, &variant.fields);
                }
            }
            Item::Trait(item) => {
                self.add(module, &item.ident);
                let name = item.ident.to_string();
                for bound in &item.supertraits {
                    if let syn::TypeParamBound::Trait(bound) = bound {
                        self.add_parent(&name, &bound.path);
                    }
                }
                for item in &item.items {
                    match item {
                        TraitItem::Const(item) => self.add(&name, &item.ident),
                        TraitItem::Fn(item) => self.add(&name, &item.sig.ident),
                        TraitItem::Type(item) => self.add(&name, &item.ident),
                        _ => {}
                    }
                }
            }
            Item::Impl(item) => {
                let syn::Type::Path(of) = &*item.self_ty else { return };
                let Some(name) = of.path.segments.last().map(|segment| segment.ident.to_string()) else { return };
                if let Some((path, _)) = &item.trait_ {
                    self.add_parent(&name, path);
                }
                for item in &item.items {
                    match item {
                        ImplItem::Const(item) => self.add(&name, &item.ident),
                        ImplItem::Fn(item) => self.add(&name, &item.sig.ident),
                        ImplItem::Type(item) => self.add(&name, &item.ident),
                        _ => {}
                    }
                }
            }
            Item::Mod(item) => {
                self.add(module, &item.ident);
                if let Some((_, items)) = &item.content {
                    self.add_items(&item.ident.to_string(), items);
                }
            }
            // A private import makes no name for others.
            Item::Use(item) if !matches!(item.vis, syn::Visibility::Inherited) => self.add_use(module, &item.tree),
            Item::Macro(item) => self.add_macro(module, item),
            _ => {}
        }
    }

    fn add(&mut self, container: &str, name: &impl ToString) {
        let name = name.to_string();
        self.members.entry(container.to_owned()).or_default().insert(name.clone());
        self.names.insert(name);
    }

    fn add_parent(&mut self, name: &str, parent: &syn::Path) {
        if let Some(segment) = parent.segments.last() {
            self.parents.entry(name.to_owned()).or_default().insert(segment.ident.to_string());
        }
    }

    fn add_fields(&mut self, of: &syn::Ident, fields: &Fields) {
        for field in fields.iter().filter_map(|field| field.ident.as_ref()) {
            self.add(&of.to_string(), field);
        }
    }

    fn add_use(&mut self, module: &str, tree: &UseTree) {
        match tree {
            UseTree::Path(path) => self.add_use(module, &path.tree),
            UseTree::Name(name) => self.add(module, &name.ident),
            UseTree::Rename(name) => self.add(module, &name.rename),
            UseTree::Group(group) => group.items.iter().for_each(|tree| self.add_use(module, tree)),
            UseTree::Glob(_) => {}
        }
    }

    fn add_macro(&mut self, module: &str, item: &syn::ItemMacro) {
        let mut words = BTreeSet::new();
        collect_words(item.mac.tokens.clone(), &mut words);
        if let Some(name) = &item.ident {
            self.add(module, name);
            self.members.entry(name.to_string()).or_default().extend(words);
            return;
        }
        for name in words.iter().filter(|word| humps(word) >= 1) {
            self.members.entry(name.clone()).or_default().extend(words.iter().cloned());
            self.add_parent(name, &item.mac.path);
        }
        for word in &words {
            self.add(module, word);
        }
    }
}

/// The first file of every library and program, with the name of its crate.
fn crates(workspace: &Workspace) -> anyhow::Result<BTreeMap<PathBuf, String>> {
    let mut crates = BTreeMap::new();
    for package in &workspace.packages {
        let name = package["name"].as_str().context("a package without a name")?.replace('-', "_");
        for target in package["targets"].as_array().context("a package without a list of targets")? {
            let source = PathBuf::from(target["src_path"].as_str().context("a target without a source")?);
            if source.ends_with("src/lib.rs") || source.ends_with("src/main.rs") {
                crates.insert(source, name.clone());
            }
        }
    }
    Ok(crates)
}

/// The crates of others that a package of the workspace depends on, under their names in Rust.
fn dependencies(workspace: &Workspace) -> anyhow::Result<BTreeSet<String>> {
    let mut names = BTreeSet::new();
    for package in &workspace.packages {
        let dependencies = package["dependencies"].as_array().context("a package without a list of dependencies")?;
        let of_others = dependencies.iter().filter(|dependency| dependency["path"].is_null());
        names.extend(of_others.filter_map(|dependency| dependency["name"].as_str()).map(|name| name.replace('-', "_")));
    }
    Ok(names)
}

fn collect_words(tokens: TokenStream, words: &mut BTreeSet<String>) {
    for token in tokens {
        match token {
            TokenTree::Ident(word) => drop(words.insert(word.to_string())),
            TokenTree::Group(group) => collect_words(group.stream(), words),
            TokenTree::Punct(_) | TokenTree::Literal(_) => {}
        }
    }
}

fn is_identifier(word: &str) -> bool {
    !word.is_empty()
        && !word.starts_with(|first: char| first.is_ascii_digit())
        && word.chars().all(|letter| letter.is_ascii_alphanumeric() || letter == '_')
}

/// How many capitals with a small letter behind them a word has, if it is written as the name of a type.
fn humps(word: &str) -> usize {
    if !word.starts_with(|first: char| first.is_ascii_uppercase()) || word.contains('_') {
        return 0;
    }
    word.as_bytes().windows(2).filter(|pair| pair[0].is_ascii_uppercase() && pair[1].is_ascii_lowercase()).count()
}

/// The name that a slip of the pen or a small change of name may have been, if there is one.
fn nearest<'a>(word: &str, names: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let found = closest(word, names.into_iter())?;
    // A third of the letters: more would propose words that merely have the same length.
    (distance(word, found) <= word.len() / 3).then_some(found)
}

fn closest<'a>(word: &str, names: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    names.min_by_key(|name| distance(word, name))
}

/// How many letters are to be added, removed or changed to make one word of the other.
fn distance(one: &str, other: &str) -> usize {
    let mut row: Vec<usize> = (0..=other.len()).collect();
    for (above, letter) in one.bytes().enumerate() {
        let mut diagonal = row[0];
        row[0] = above + 1;
        for (at, of_other) in other.bytes().enumerate() {
            let changed = diagonal + usize::from(letter != of_other);
            diagonal = row[at + 1];
            row[at + 1] = changed.min(row[at] + 1).min(diagonal + 1);
        }
    }
    row[other.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn symbols() -> Symbols {
        let mut symbols = Symbols { dependencies: ["tokio".to_owned()].into(), ..Symbols::default() };
        for (module, text) in [
            ("rtms_store", "pub mod inbox; pub use inbox::Inbox; mod memory; use hidden::Hidden;"),
            ("inbox", "pub trait Inbox { fn append(&self); } pub fn open_inbox() {}"),
            ("memory", "pub struct MemoryStore { pub size: u8 } impl Inbox for MemoryStore { fn append(&self) {} }"),
            ("codes", "open! { pub enum MessageType { Known = 1 } } pub enum Change { Started { urls: u8 }, Stopped }"),
            ("open", "macro_rules! open { () => { impl Name { pub fn number(self) {} } } }"),
            ("tests", "mod inner { impl super::MemoryStore { const LIMIT: u8 = 1; } }"),
        ] {
            symbols.add_file(module, text).expect("Rust");
        }
        symbols
    }

    #[test]
    fn what_exists_is_not_missing() {
        let symbols = symbols();
        for code in [
            "store::Inbox::append",
            "rtms_store::inbox::Inbox",
            "crate::memory::MemoryStore",
            "Inbox::append(entry, now)",
            "MemoryStore::append()",
            "MemoryStore::size",
            "MemoryStore::LIMIT",
            "MessageType::Known",
            "MessageType::number()",
            "Change::Started",
            "Change::Stopped",
            "open!",
            "MemoryStore",
            "Inbox",
            "open_inbox()",
        ] {
            assert_eq!(symbols.missing(code, Words::CapitalsAndCalls), None, "{code}");
        }
    }

    #[test]
    fn what_is_missing_is_found_with_the_nearest_name() {
        let symbols = symbols();
        for (code, nearest) in [
            ("MemoryStor", "MemoryStore"),
            ("SqliteThing", ""),
            ("Inbx", "Inbox"),
            ("open_inbx()", "open_inbox"),
            ("Inbox::appends", "Inbox::append"),
            ("Inbox::LIMIT", "MemoryStore::LIMIT"),
            ("MemoryStor::size", "MemoryStore::size"),
            ("memory::Inbox", "store::Inbox"),
            ("store::open_inbox", "store::inbox::open_inbox"),
            ("store::Hidden", ""),
            ("nothing::at_all", ""),
        ] {
            assert_eq!(symbols.missing(code, Words::CapitalsAndCalls).as_deref(), Some(nearest), "{code}");
        }
    }

    #[test]
    fn what_is_no_item_of_ours_is_not_looked_at() {
        let symbols = symbols();
        for code in [
            "MEDIA_DATA_AUDIO",
            "SIGTERM",
            "Content-Type",
            "NaN",
            "Host",
            "[::1]:8080",
            "::",
            "crate",
            "rtms_started",
            "std::sync::Arc",
            "tokio::select!",
            "Arc<dyn Store>",
            "<Type>::method",
            "wire::*",
            "cargo test MissingType",
            "status: Refused::Gone",
        ] {
            assert_eq!(symbols.missing(code, Words::TwoHumps), None, "{code}");
        }
        assert_eq!(symbols.missing("Debug", Words::CapitalsAndCalls), None);
        assert!(symbols.missing("Host", Words::CapitalsAndCalls).is_some(), "where every capitalised word is an item");
    }
}
