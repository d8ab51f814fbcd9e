//! No circles: a file of a crate imports only files that do not, by whatever way, import it.
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

/// Every circle of files in a crate of the workspace.
pub(crate) fn check(workspace: &Workspace) -> anyhow::Result<Vec<String>> {
    let mut findings = Vec::new();
    for root in roots(workspace)? {
        for circle in Imports::of(&root)?.circles() {
            let names: Vec<String> = circle.iter().map(|file| workspace.name_of(file)).collect();
            findings.push(format!("a circle of {} files: {}", names.len(), names.join(", ")));
        }
    }
    Ok(findings)
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

fn only_for_tests(attributes: &[Attribute]) -> bool {
    attributes.iter().any(|attribute| {
        attribute.path().is_ident("cfg")
            && attribute.parse_args::<syn::Ident>().is_ok_and(|condition| condition == "test")
    })
}
