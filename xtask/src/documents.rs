//! What a document names exists: the targets of its links, the paths between its backticks, and the Rust items there.
//!
//! Fenced blocks are examples and not read. A path begins with a folder of the root (`crates/wire/src`) and is no
//! pattern: a star, a brace or an angle bracket in it marks a place for the reader's own text. A Rust item is a path of
//! words (`module::Type`, `Type::method`) that is not of a dependency, or a word such as `StreamTask`.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::Context;

use crate::{
    symbols::{Symbols, Words},
    workspace::Workspace,
};

/// Folders whose documents are read; those in the root are read too.
const FOLDERS: [&str; 3] = ["docs", "conformance", "crates"];

/// Folders that exist only after a build or a run, so nobody can be asked to have them.
const MADE: [&str; 2] = ["target", "data"];

/// Documents of the root about the code alone: in them, any capitalised word and any call between backticks is an item.
const ABOUT_THE_CODE: [&str; 2] = ["ARCHITECTURE.md", "CONTRIBUTING.md"];

/// The document about earlier versions, whose items may be gone.
const ABOUT_THE_PAST: &str = "CHANGELOG.md";

/// Every path and item that is named and is not there.
///
/// # Errors
/// A document or a source cannot be read, or a source is not Rust.
pub(crate) fn check(workspace: &Workspace) -> anyhow::Result<Vec<String>> {
    let root = &workspace.root;
    let mut documents = markdown_in(root, false)?;
    for folder in FOLDERS {
        if root.join(folder).is_dir() {
            documents.extend(markdown_in(&root.join(folder), true)?);
        }
    }

    let symbols = Symbols::of(workspace)?;
    let mut findings = Vec::new();
    for document in documents {
        let text = fs::read_to_string(&document).with_context(|| format!("failed to read {}", document.display()))?;
        let folder = document.parent().unwrap_or(root);
        let name = workspace.name_of(&document);
        for path in links(&text).into_iter().filter(|path| !folder.join(path).exists()) {
            findings.push(format!("{name} links to {path}, which does not exist"));
        }
        for path in quoted(&text) {
            let first = path.split('/').next().unwrap_or_default();
            let of_the_root = root.join(first).is_dir() && !MADE.contains(&first);
            if of_the_root && !root.join(path).exists() && !folder.join(path).exists() {
                findings.push(format!("{name} names {path}, which does not exist"));
            }
        }
        if name != ABOUT_THE_PAST {
            let words = if ABOUT_THE_CODE.contains(&&*name) { Words::CapitalsAndCalls } else { Words::TwoHumps };
            findings.extend(unknown_items(&text, &symbols, words).map(|finding| format!("{name} names {finding}")));
        }
    }
    Ok(findings)
}

/// Each item between backticks that does not exist, and the nearest that does.
fn unknown_items<'a>(text: &'a str, symbols: &'a Symbols, words: Words) -> impl Iterator<Item = String> + 'a {
    code(text).filter_map(move |code| {
        let nearest = symbols.missing(code, words)?;
        let hint = if nearest.is_empty() { String::new() } else { format!("; the nearest name is {nearest}") };
        Some(format!("the item {code}, which does not exist{hint}"))
    })
}

/// The targets of links and pictures that lie in the repository, without their anchors.
fn links(text: &str) -> Vec<&str> {
    outside_fences(text)
        .flat_map(|line| line.split("](").skip(1))
        .filter_map(|rest| rest.split_once(')').map(|(target, _)| target))
        .filter_map(|target| target.split(['#', ' ']).next())
        .filter(|target| !target.is_empty() && !target.contains(':'))
        .collect()
}

/// What stands between backticks and looks like a path.
fn quoted(text: &str) -> Vec<&str> {
    code(text)
        .map(|code| code.trim_end_matches('/'))
        // What begins with a slash is the path of a URL: no document names a place outside the repository.
        .filter(|code| code.contains('/') && !code.starts_with('/') && !code.contains("::"))
        .filter(|code| !code.contains([' ', '*', '{', '}', '<', '>', '$', '…', '|', '\\']))
        .collect()
}

/// What stands between backticks.
fn code(text: &str) -> impl Iterator<Item = &str> {
    outside_fences(text).flat_map(|line| line.split('`').skip(1).step_by(2))
}

/// The lines that are not part of a fenced block: those are examples.
fn outside_fences(text: &str) -> impl Iterator<Item = &str> {
    let mut fenced = false;
    text.lines().filter(move |line| {
        let fence = line.trim_start().starts_with("```");
        fenced ^= fence;
        !fence && !fenced
    })
}

fn markdown_in(folder: &Path, with_folders_below: bool) -> anyhow::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).with_context(|| format!("failed to list {}", folder.display()))? {
        let path = entry?.path();
        if path.is_dir() && with_folders_below {
            found.extend(markdown_in(&path, true)?);
        } else if path.extension().is_some_and(|extension| extension == "md") {
            found.push(path);
        }
    }
    found.sort();
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_inside_the_repository_are_found() {
        let text = "See [a](docs/a.md#part) and ![b](b.png), not [c](https://example.com/c), [d](#here).\n```\n[e](e.md)\n```\n";
        assert_eq!(links(text), ["docs/a.md", "b.png"]);
    }

    #[test]
    fn quoted_paths_are_found_and_patterns_are_not() {
        let text =
            "`crates/wire/src/`, `crates/*/src`, `docs/<name>.md`, `a::b/c`, `ls crates/x`, `plain`, `/webhook/x`\n";
        assert_eq!(quoted(text), ["crates/wire/src"]);
    }

    #[test]
    fn unknown_items_are_found_and_those_in_examples_are_not() {
        let text = "`StreamTask` and `rtms-proto`, `proto::Stream`\n```\n`OtherTask`\n```\nnot code: LastTask\n";
        let found: Vec<_> = unknown_items(text, &Symbols::default(), Words::TwoHumps).collect();
        assert_eq!(found, ["StreamTask", "proto::Stream"].map(|item| format!("the item {item}, which does not exist")));
    }
}
