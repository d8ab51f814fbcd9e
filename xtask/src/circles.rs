//! No circles: a file of a crate imports only files that do not, by whatever way, import it. And in the gateway, no room imports
//! from a higher one.
//!
//! A file is a module. An arrow goes from a file to the file of each module that a path in it names, whether in a `use` or where
//! it is called. Tests inside a file are left out, and so is `mod x;` alone: a file may declare what lies in its folder. Paths are
//! followed by their words; what only a macro's expansion would show is not seen.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

use anyhow::Context;
use proc_macro2::{TokenStream, TokenTree};
use serde_json::Value;
use syn::{Attribute, Item, UseTree, visit::Visit};

use crate::workspace::Workspace;

/// A module's path from the crate root; the root itself is empty.
type Module = Vec<String>;

/// The files of a crate: each module with its file, and what each file imports.
#[derive(Debug, Default)]
pub(crate) struct Imports {
    files: BTreeMap<Module, PathBuf>,
    arrows: BTreeMap<PathBuf, BTreeSet<PathBuf>>,
}

/// The rooms of the gateway, from the ground up. A room is a folder or a file below `crates/gateway/src`.
const ROOMS: [&[&str]; 6] = [
    &["backlog", "clock", "config", "disk", "label", "stop", "telemetry", "trouble", "watched_files"],
    &["apps"],
    &["live"],
    &["api", "dispatcher", "door", "housekeeping", "intake", "listener", "sinks", "worker"],
    &["parts"],
    &["lib", "server"],
];

/// Every circle of files in a crate of the workspace, and every import in the gateway that reaches up.
///
/// # Errors
/// A file cannot be read or is not Rust.
pub(crate) fn check(workspace: &Workspace) -> anyhow::Result<Vec<String>> {
    let mut findings = Vec::new();
    for root in roots(workspace)? {
        let imports = Imports::of(&root)?;
        for circle in imports.circles() {
            let names: Vec<String> = circle.iter().map(|file| workspace.name_of(file)).collect();
            findings.push(format!("a circle of {} files: {}", names.len(), names.join(", ")));
        }
        if root.ends_with("crates/gateway/src/lib.rs") {
            let folder = root.parent().context("a source file lies in a folder")?;
            for finding in reaches_up(&imports, folder) {
                findings.push(finding);
            }
        }
    }
    Ok(findings)
}

/// Imports from a room of the gateway to a higher one, and rooms that have no floor.
fn reaches_up(imports: &Imports, folder: &Path) -> BTreeSet<String> {
    let room = |file: &Path| {
        let first = file.strip_prefix(folder).ok().and_then(|file| file.iter().next()).map(Path::new);
        first.and_then(Path::file_stem).map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
    };
    let floor = |room: &str| ROOMS.iter().position(|rooms| rooms.contains(&room));
    let of_arrow = |(from, to): (&Path, &Path)| {
        let (from, to) = (room(from), room(to));
        match (floor(&from), floor(&to)) {
            (Some(lower), Some(higher)) if lower < higher => Some(format!("gateway: {from} must not import from {to}")),
            (None, _) => Some(format!("gateway: {from} has no floor; give it one in xtask/src/circles.rs")),
            (Some(_), _) => None,
        }
    };
    imports.arrows().filter_map(of_arrow).collect()
}

/// The first file of every library and program.
fn roots(workspace: &Workspace) -> anyhow::Result<Vec<PathBuf>> {
    let mut roots = Vec::new();
    for package in &workspace.packages {
        for target in package["targets"].as_array().context("a package without a list of targets")? {
            let kinds = target["kind"].as_array().context("a target without a kind")?;
            let source = target["src_path"].as_str().context("a target without a source")?;
            if kinds.iter().filter_map(Value::as_str).any(|kind| kind == "lib" || kind == "bin") {
                roots.push(source.into());
            }
        }
    }
    Ok(roots)
}

impl Imports {
    /// Reads a crate from its first file on.
    ///
    /// # Errors
    ///
    /// A file cannot be read or is not Rust.
    pub(crate) fn of(root: &Path) -> anyhow::Result<Self> {
        let mut imports = Self::default();
        let folder = root.parent().context("a source file lies in a folder")?;
        let mut parsed = Vec::new();
        imports.read(root, folder, Vec::new(), &mut parsed)?;
        for (module, file, syntax) in &parsed {
            let mut paths = Paths { module: module.clone(), imports: &imports, found: BTreeSet::new() };
            paths.visit_file(syntax);
            let found = paths.found.into_iter().filter(|on| on != file).collect();
            imports.arrows.insert(file.clone(), found);
        }
        Ok(imports)
    }

    fn read(
        &mut self,
        file: &Path,
        folder: &Path,
        module: Module,
        parsed: &mut Vec<(Module, PathBuf, syn::File)>,
    ) -> anyhow::Result<()> {
        let text = fs::read_to_string(file).with_context(|| format!("failed to read {}", file.display()))?;
        let syntax = syn::parse_file(&text).with_context(|| format!("failed to parse {}", file.display()))?;
        self.files.insert(module.clone(), file.to_owned());
        self.children(&syntax.items, file, folder, &module, parsed)?;
        parsed.push((module, file.to_owned(), syntax));
        Ok(())
    }

    /// Reads the files of the modules that these items declare.
    fn children(
        &mut self,
        items: &[Item],
        file: &Path,
        folder: &Path,
        module: &Module,
        parsed: &mut Vec<(Module, PathBuf, syn::File)>,
    ) -> anyhow::Result<()> {
        for item in items {
            let Item::Mod(declared) = item else { continue };
            if only_for_tests(&declared.attrs) {
                continue;
            }
            let name = declared.ident.to_string();
            let below = [module.as_slice(), std::slice::from_ref(&name)].concat();
            let inside = folder.join(&name);
            if let Some((_, items)) = &declared.content {
                self.files.insert(below.clone(), file.to_owned());
                self.children(items, file, &inside, &below, parsed)?;
                continue;
            }
            let beside = folder.join(format!("{name}.rs"));
            let source = if beside.exists() { beside } else { inside.join("mod.rs") };
            self.read(&source, &inside, below, parsed)?;
        }
        Ok(())
    }

    /// The file that a path names: that of the longest beginning which is a module.
    fn file_of(&self, path: &[String]) -> Option<&PathBuf> {
        (0..=path.len()).rev().find_map(|length| self.files.get(&path[..length]))
    }

    /// The sets of files that reach each other, the largest first.
    fn circles(&self) -> Vec<Vec<&PathBuf>> {
        let reached: BTreeMap<&PathBuf, BTreeSet<&PathBuf>> =
            self.arrows.keys().map(|file| (file, self.reached_from(file))).collect();
        let mut circles: BTreeSet<Vec<&PathBuf>> = BTreeSet::new();
        for (file, ahead) in &reached {
            if ahead.contains(file) {
                circles.insert(ahead.iter().copied().filter(|on| reached[on].contains(file)).collect());
            }
        }
        let mut circles: Vec<_> = circles.into_iter().collect();
        circles.sort_by_key(|circle| std::cmp::Reverse(circle.len()));
        circles
    }

    fn reached_from(&self, file: &PathBuf) -> BTreeSet<&PathBuf> {
        let mut reached = BTreeSet::new();
        let mut next: Vec<&PathBuf> = self.arrows[file].iter().collect();
        while let Some(on) = next.pop() {
            if reached.insert(on) {
                next.extend(&self.arrows[on]);
            }
        }
        reached
    }

    /// Each arrow, from file to file.
    pub(crate) fn arrows(&self) -> impl Iterator<Item = (&Path, &Path)> {
        self.arrows.iter().flat_map(|(from, to)| to.iter().map(move |to| (from.as_path(), to.as_path())))
    }
}

/// Collects the files that the paths of one file name.
struct Paths<'a> {
    module: Module,
    imports: &'a Imports,
    found: BTreeSet<PathBuf>,
}

impl Paths<'_> {
    /// Takes a path that may lead to a file of this crate.
    fn take(&mut self, path: &[String]) {
        let Some((first, rest)) = path.split_first() else { return };
        let mut from = self.module.clone();
        let rest = match first.as_str() {
            "crate" => {
                from.clear();
                rest
            }
            "self" => rest,
            "super" => {
                let ups = path.iter().take_while(|word| *word == "super").count();
                from.truncate(from.len().saturating_sub(ups));
                &path[ups..]
            }
            _ => {
                from.push(first.clone());
                if !self.imports.files.contains_key(&from) {
                    return;
                }
                rest
            }
        };
        from.extend_from_slice(rest);
        self.found.extend(self.imports.file_of(&from).cloned());
    }

    fn take_tree(&mut self, before: &[String], tree: &UseTree) {
        let with = |word: &syn::Ident| [before, &[word.to_string()]].concat();
        match tree {
            UseTree::Path(path) => self.take_tree(&with(&path.ident), &path.tree),
            UseTree::Name(name) if name.ident == "self" => self.take(before),
            UseTree::Name(name) => self.take(&with(&name.ident)),
            UseTree::Rename(name) => self.take(&with(&name.ident)),
            UseTree::Glob(_) => self.take(before),
            UseTree::Group(group) => group.items.iter().for_each(|tree| self.take_tree(before, tree)),
        }
    }

    /// Finds `a::b::c` in what a macro is given.
    fn take_tokens(&mut self, tokens: TokenStream) {
        let mut path: Vec<String> = Vec::new();
        let mut colons = 0;
        for token in tokens {
            match token {
                TokenTree::Ident(word) => {
                    if colons != 2 {
                        self.take(&std::mem::take(&mut path));
                    }
                    path.push(word.to_string());
                    colons = 0;
                }
                TokenTree::Punct(mark) if mark.as_char() == ':' && !path.is_empty() => colons += 1,
                TokenTree::Group(group) => {
                    self.take(&std::mem::take(&mut path));
                    self.take_tokens(group.stream());
                }
                TokenTree::Punct(_) | TokenTree::Literal(_) => self.take(&std::mem::take(&mut path)),
            }
        }
        self.take(&path);
    }
}

impl<'ast> Visit<'ast> for Paths<'_> {
    fn visit_item_use(&mut self, item: &'ast syn::ItemUse) {
        if !only_for_tests(&item.attrs) && item.leading_colon.is_none() {
            self.take_tree(&[], &item.tree);
        }
    }

    fn visit_item_mod(&mut self, item: &'ast syn::ItemMod) {
        if only_for_tests(&item.attrs) || item.content.is_none() {
            return;
        }
        self.module.push(item.ident.to_string());
        syn::visit::visit_item_mod(self, item);
        self.module.pop();
    }

    fn visit_item_fn(&mut self, item: &'ast syn::ItemFn) {
        if !only_for_tests(&item.attrs) {
            syn::visit::visit_item_fn(self, item);
        }
    }

    fn visit_item_impl(&mut self, item: &'ast syn::ItemImpl) {
        if !only_for_tests(&item.attrs) {
            syn::visit::visit_item_impl(self, item);
        }
    }

    fn visit_path(&mut self, path: &'ast syn::Path) {
        // One word alone is something imported or of this file.
        if path.segments.len() > 1 && path.leading_colon.is_none() {
            let words: Vec<String> = path.segments.iter().map(|segment| segment.ident.to_string()).collect();
            self.take(&words);
        }
        syn::visit::visit_path(self, path);
    }

    fn visit_vis_restricted(&mut self, _: &'ast syn::VisRestricted) {
        // `pub(super)` imports nothing.
    }

    fn visit_macro(&mut self, call: &'ast syn::Macro) {
        self.take_tokens(call.tokens.clone());
        syn::visit::visit_macro(self, call);
    }
}

/// Whether an item is compiled for tests alone.
pub(crate) fn only_for_tests(attributes: &[Attribute]) -> bool {
    attributes.iter().any(|attribute| {
        attribute.path().is_ident("cfg")
            && attribute.parse_args::<syn::Ident>().is_ok_and(|condition| condition == "test")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A crate of these files, below a folder that is removed at the end.
    struct Planted(PathBuf);

    impl Planted {
        fn new(name: &str, files: &[(&str, &str)]) -> Self {
            let folder = std::env::temp_dir().join(format!("circles-{name}-{}", std::process::id()));
            for (file, text) in files {
                let path = folder.join(file);
                fs::create_dir_all(path.parent().expect("it lies in the folder")).expect("a folder");
                fs::write(path, text).expect("a file");
            }
            Self(folder)
        }

        fn circles(&self) -> Vec<String> {
            let imports = Imports::of(&self.0.join("lib.rs")).expect("Rust");
            let name = |file: &&PathBuf| file.strip_prefix(&self.0).expect("it lies there").display().to_string();
            imports.circles().iter().map(|circle| circle.iter().map(name).collect::<Vec<_>>().join(" ")).collect()
        }
    }

    impl Drop for Planted {
        fn drop(&mut self) {
            // What stays lies in a folder for temporary files.
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    #[test]
    fn a_planted_circle_is_found_however_it_is_written() {
        let a_imports_b = ("a.rs", "use crate::b::B;\npub struct A(B);");
        for b in [
            "use crate::a::A; pub struct B;",
            "use super::a::{self, A}; pub struct B;",
            "pub struct B(Option<Box<crate::a::A>>);",
            "pub struct B; fn f() { super::a::f() }",
            "pub struct B; fn f() { println!(\"{}\", crate::a::NUMBER) }",
        ] {
            let planted = Planted::new("pair", &[("lib.rs", "mod a; mod b;"), a_imports_b, ("b.rs", b)]);
            assert_eq!(planted.circles(), ["a.rs b.rs"], "{b}");
        }

        let parent = [
            ("lib.rs", "mod a;"),
            ("a.rs", "mod c; pub use c::C; pub struct A;"),
            ("a/c.rs", "pub struct C(super::A);"),
        ];
        assert_eq!(Planted::new("parent", &parent).circles(), ["a/c.rs a.rs"], "a parent that uses its child");
        let round = [
            ("lib.rs", "mod a; mod b; mod c;"),
            ("a.rs", "use crate::b::x;"),
            ("b.rs", "use crate::c::y; pub fn x() {}"),
            ("c/mod.rs", "mod d; pub fn y() { d::z() }"),
            ("c/d.rs", "pub fn z() { crate::a::w() }"),
        ];
        assert_eq!(Planted::new("round", &round).circles(), ["a.rs b.rs c/d.rs c/mod.rs"]);
    }

    #[test]
    fn imports_one_way_are_no_circle_and_neither_are_tests() {
        let files = [
            ("lib.rs", "mod a; mod b; pub use crate::a::A;"),
            ("a.rs", "use crate::b::B; pub struct A(B);"),
            ("b.rs", "pub struct B; #[cfg(test)] mod tests { use crate::a::A; }"),
        ];
        assert!(Planted::new("one-way", &files).circles().is_empty());
    }

    #[test]
    fn a_room_imports_only_from_rooms_below_it() {
        let files = [
            ("lib.rs", "mod config; mod apps; mod live; mod door; mod attic;"),
            ("config/mod.rs", "pub mod app; use crate::apps::Apps;"),
            ("config/app.rs", ""),
            ("apps.rs", "use crate::config::app; pub struct Apps;"),
            ("live/mod.rs", "use crate::door;"),
            ("door.rs", "use crate::{apps::Apps, live};"),
            ("attic.rs", "use crate::apps::Apps;"),
        ];
        let planted = Planted::new("rooms", &files);
        let imports = Imports::of(&planted.0.join("lib.rs")).expect("Rust");

        let found: Vec<_> = reaches_up(&imports, &planted.0).into_iter().collect();

        assert_eq!(
            found,
            [
                "gateway: attic has no floor; give it one in xtask/src/circles.rs",
                "gateway: config must not import from apps",
                "gateway: live must not import from door",
            ]
        );
    }
}
