//! The errors of unusable settings.

use std::{fmt, io, path::PathBuf};

/// Why the settings cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("cannot read the settings file {path}: {source}", path = path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// Settings are wrong: each problem that was found.
    #[error("{}", listed(.0))]
    Unusable(Vec<Problem>),
}

/// A setting that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The line of the file (`rtms.toml:12`), the variable or the option that set it. None of the defaults has one.
    pub place: Option<String>,
    /// The setting, as in `server.listen`. Empty for a file that is no TOML.
    pub setting: String,
    /// The fault, and what to write.
    pub why: String,
}

/// Settings that are right by themselves but not here, or not together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Unusable {
    /// The setting that is named, then those that it does not go with. An element of a list has its position for a name:
    /// `app.0.name`.
    pub(crate) settings: Vec<String>,
    /// The fault, and a value that would do.
    pub(crate) why: String,
}

impl Unusable {
    pub(crate) fn new(settings: &[&str], why: impl Into<String>) -> Self {
        Self { settings: settings.iter().map(|it| (*it).to_owned()).collect(), why: why.into() }
    }

    /// Returns the setting that is named.
    pub(crate) fn setting(&self) -> &str {
        self.settings.first().map(String::as_str).unwrap_or_default()
    }
}

impl fmt::Display for Unusable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", shown(self.setting().split('.')), self.why)
    }
}

impl From<Unusable> for ConfigError {
    fn from(unusable: Unusable) -> Self {
        let setting = shown(unusable.setting().split('.'));
        Self::Unusable(vec![Problem { place: None, setting, why: unusable.why }])
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(place) = &self.place {
            write!(f, "{place}: ")?;
        }
        if !self.setting.is_empty() {
            write!(f, "{}: ", self.setting)?;
        }
        f.write_str(&self.why)
    }
}

/// The name of a setting to people: the position of an element stays only where the element is the setting.
pub(super) fn shown<'a>(path: impl IntoIterator<Item = &'a str>) -> String {
    let mut name = String::new();
    let mut steps = path.into_iter().peekable();
    while let Some(step) = steps.next() {
        if !step.bytes().all(|byte| byte.is_ascii_digit()) {
            let dot = if name.is_empty() { "" } else { "." };
            name.extend([dot, step]);
        } else if steps.peek().is_none() {
            name.extend(["[", step, "]"]);
        }
    }
    name
}

fn listed(problems: &[Problem]) -> String {
    match problems {
        [problem] => problem.to_string(),
        problems => {
            let lines: String = problems.iter().map(|problem| format!("\n  {problem}")).collect();
            format!("{} settings cannot be used:{lines}", problems.len())
        }
    }
}
