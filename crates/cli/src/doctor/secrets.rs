//! Whether the secrets are there, look like Zoom's, and are not mixed up. Their text never leaves this file.

use std::{ffi::OsString, io, path::Path};

use rtms_gateway::{
    apps::secrets::{self, App, CLIENT_ID, CLIENT_SECRET, SECRET_TOKEN, SecretsError},
    config::app::{AppConfig, AuthConfig},
};

use crate::doctor::finding::{Findings, Verdict};

const CHECK: &str = "secrets";

/// The longest file that is looked at. A secret has a few dozen characters.
const MAX_FILE_BYTES: u64 = 4096;

/// Fewer characters than this are none of Zoom's secrets, which have 20 to 32.
const LEAST_CHARS: usize = 8;

/// What Zoom's secrets have, as far as has been seen, with some room.
const USUAL_CHARS: std::ops::RangeInclusive<usize> = 16..=64;

/// The length of Zoom's client secrets in all that was seen; secret tokens and client ids have about 22.
const CLIENT_SECRET_CHARS: usize = 32;

/// Names that people, and other programs, give to the same variables.
const LOOK_ALIKES: [(&[&str], &[&str]); 3] = [
    (
        SECRET_TOKEN,
        &["ZOOM_WEBHOOK_SECRET_TOKEN", "ZOOM_WEBHOOK_SECRET", "ZOOM_WEBHOOK_TOKEN", "ZOOM_TOKEN", "SECRET_TOKEN"],
    ),
    (CLIENT_ID, &["ZM_RTMS_CLIENT_ID", "ZM_CLIENT_ID", "ZOOM_APP_CLIENT_ID", "ZOOM_SDK_KEY", "CLIENT_ID"]),
    (
        CLIENT_SECRET,
        &["ZM_RTMS_CLIENT_SECRET", "ZM_CLIENT_SECRET", "ZOOM_APP_CLIENT_SECRET", "ZOOM_SDK_SECRET", "CLIENT_SECRET"],
    ),
];

/// The variables in which older programs keep the verification token that Zoom has given up.
const VERIFICATION_TOKENS: [&str; 2] = ["ZOOM_VERIFICATION_TOKEN", "VERIFICATION_TOKEN"];

/// What a text is for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum What {
    Token,
    Id,
    Secret,
    Other,
}

impl What {
    fn name(self) -> &'static str {
        match self {
            Self::Token => "secret token",
            Self::Id => "client id",
            Self::Secret => "client secret",
            Self::Other => "secret of [app.auth]",
        }
    }
}

/// A text and where it stands.
struct Held {
    what: What,
    place: String,
    text: String,
}

/// Where variables are read.
pub(crate) type Environment<'a> = &'a dyn Fn(&str) -> Option<OsString>;

/// Checks the secrets of every app. Returns the apps, if a server would start with them.
pub(super) fn check(findings: &mut Findings, apps: &[AppConfig], environment: Environment<'_>) -> Vec<App> {
    for app in apps {
        let held = of_files(findings, app);
        alone(findings, &held);
        together(findings, &format!("app {:?}", app.name), &held);
    }
    if apps.is_empty() || SECRET_TOKEN.iter().any(|name| environment(name).is_some()) {
        let held = of_environment(findings, environment);
        alone(findings, &held);
        together(findings, "the environment", &held);
    }
    let text = |name: &str| environment(name).and_then(|text| text.into_string().ok());
    match secrets::load(apps, text) {
        Ok(loaded) => {
            if findings.worst(CHECK).is_none_or(|worst| worst <= Verdict::Note) {
                findings.ok(CHECK, format!("{}: there, plausible, not swapped", names(&loaded)));
            }
            loaded
        }
        Err(error) => {
            // A text that is unusable was found already.
            let is_new = !matches!(error, SecretsError::Empty { .. } | SecretsError::File { .. });
            if is_new || findings.worst(CHECK) != Some(Verdict::Fault) {
                let (found, remedy) = refused(&error, environment);
                findings.fault(CHECK, found, remedy);
            }
            Vec::new()
        }
    }
}

fn names(apps: &[App]) -> String {
    let names: Vec<_> = apps.iter().map(|app| app.name.as_str()).collect();
    format!("app{} {}", if names.len() == 1 { "" } else { "s" }, names.join(", "))
}

/// What a server would refuse, and what to do about it.
fn refused(error: &SecretsError, environment: Environment<'_>) -> (String, String) {
    match error {
        SecretsError::Missing { what, variables } => {
            let there = LOOK_ALIKES.iter().filter(|(names, _)| names == variables).flat_map(|(_, others)| *others);
            let there: Vec<_> = there.filter(|name| environment(name).is_some()).copied().collect();
            let hint = match there.first() {
                Some(name) => format!("rename {name}, which is set, to {}", variables.join(" or ")),
                None => format!("set {}, or name an [[app]] with files in the settings", variables.join(" or ")),
            };
            (format!("no {what}"), hint)
        }
        SecretsError::SameToken(..) => {
            (error.to_string(), "copy each app's own Secret Token from its page in the Marketplace".into())
        }
        SecretsError::Settings(_) | SecretsError::SeveralApps(..) | SecretsError::NoApp(_) => {
            (error.to_string(), "change that [[app]] in the settings".into())
        }
        SecretsError::Auth { .. } => (error.to_string(), "change [app.auth] of that app".into()),
        SecretsError::Empty { what, .. } | SecretsError::File { what, .. } => {
            (error.to_string(), format!("put the {what} there"))
        }
    }
}

fn of_environment(findings: &mut Findings, environment: Environment<'_>) -> Vec<Held> {
    let mut held = Vec::new();
    let mut rows = Vec::new();
    for (what, names) in [(What::Token, SECRET_TOKEN), (What::Id, CLIENT_ID), (What::Secret, CLIENT_SECRET)] {
        let mut set = names.iter().enumerate().filter_map(|(row, name)| Some((row, name, environment(name)?)));
        let Some((row, name, text)) = set.next() else { continue };
        if what != What::Token {
            rows.push((row, *name));
        }
        let Ok(text) = text.into_string() else {
            findings.fault(
                CHECK,
                format!("{name} is not UTF-8"),
                format!("set the {} again, in plain letters", what.name()),
            );
            continue;
        };
        for (_, other, _) in set.filter(|(_, _, other)| other != text.as_str()) {
            let found = format!("{name} and {other} are both set and differ; {name} counts");
            findings.warning(CHECK, found, format!("unset {other}, or name each app as an [[app]] of its own"));
        }
        held.push(Held { what, place: (*name).to_owned(), text });
    }
    if let [(id_row, id), (secret_row, secret)] = rows[..]
        && id_row != secret_row
    {
        let found = format!("the client id is from {id} and the client secret from {secret}: two different apps");
        let pair = format!("{} with {}, or {} with {}", CLIENT_ID[0], CLIENT_SECRET[0], CLIENT_ID[2], CLIENT_SECRET[2]);
        findings.fault(CHECK, found, format!("set both of one app: {pair} for a Video SDK app"));
    }
    let token = held.iter().find(|held| held.what == What::Token).map(|held| held.text.trim());
    let old = VERIFICATION_TOKENS.iter().find(|name| {
        token.is_some_and(|token| environment(name).is_some_and(|old| old.to_str().map(str::trim) == Some(token)))
    });
    if let Some(old) = old {
        let found = format!("the secret token is the same as {old}, the old verification token, which signs nothing");
        findings.fault(CHECK, found, "copy the Secret Token from the app's page (Features, Access)");
    }
    held
}

fn of_files(findings: &mut Findings, app: &AppConfig) -> Vec<Held> {
    let mut held =
        vec![Held { what: What::Id, place: format!("client_id of app {:?}", app.name), text: app.client_id.clone() }];
    let tokens = app.secret_token_files.iter().map(|path| (What::Token, path));
    let auth = app.auth.as_ref().map(|auth| match auth {
        AuthConfig::Basic { password_file: file, .. }
        | AuthConfig::Token { client_secret_file: file, .. }
        | AuthConfig::Header { value_file: file, .. } => (What::Other, file),
    });
    for (what, path) in tokens.chain([(What::Secret, &app.client_secret_file)]).chain(auth) {
        if let Some(text) = read(findings, what, path) {
            held.push(Held { what, place: path.display().to_string(), text });
        }
    }
    held
}

/// Reads a file with a secret, and looks at what a server would not see of it.
fn read(findings: &mut Findings, what: What, path: &Path) -> Option<String> {
    let shown = path.display();
    let (name, open) = (what.name(), std::fs::File::open(path));
    let file = match open.and_then(|file| Ok((file.metadata()?, file))) {
        Ok((about, _)) if about.is_dir() => {
            findings.fault(
                CHECK,
                format!("{shown} is a folder, and a file with the {name} is wanted"),
                "name the file in it",
            );
            return None;
        }
        Ok((about, _)) if about.len() > MAX_FILE_BYTES => {
            let found = format!("{shown} has {} bytes: that is no {name}", about.len());
            findings.fault(CHECK, found, "put nothing but the secret into the file");
            return None;
        }
        Ok((about, file)) => {
            others_may_read(findings, what, path, &about);
            file
        }
        Err(error) => {
            let remedy = if error.kind() == io::ErrorKind::NotFound {
                format!("write the {name} into that file, or name another one in the settings")
            } else {
                "let the user that runs rtms read it, and run this as that user".to_owned()
            };
            findings.fault(CHECK, format!("cannot read the {name} from {shown}: {error}"), remedy);
            return None;
        }
    };
    let mut bytes = Vec::new();
    if let Err(error) = io::Read::read_to_end(&mut io::Read::take(file, MAX_FILE_BYTES), &mut bytes) {
        findings.fault(CHECK, format!("cannot read the {name} from {shown}: {error}"), "make the file readable");
        return None;
    }
    if bytes.starts_with(&[0xff, 0xfe]) || bytes.starts_with(&[0xfe, 0xff]) {
        findings.fault(
            CHECK,
            format!("{shown} is UTF-16"),
            "save it as UTF-8 without BOM; in PowerShell: Set-Content -Encoding ascii",
        );
        return None;
    }
    match String::from_utf8(bytes) {
        Ok(text) => Some(text),
        Err(_) => {
            findings.fault(CHECK, format!("{shown} is not UTF-8"), "save it as UTF-8 without BOM");
            None
        }
    }
}

#[cfg(unix)]
fn others_may_read(findings: &mut Findings, what: What, path: &Path, about: &std::fs::Metadata) {
    let mode = std::os::unix::fs::MetadataExt::mode(about) & 0o777;
    if mode & 0o004 != 0 {
        let found =
            format!("every user of this machine can read the {} in {} (mode {mode:03o})", what.name(), path.display());
        findings.warning(CHECK, found, format!("chmod 600 {}", path.display()));
    }
}

#[cfg(not(unix))]
fn others_may_read(_: &mut Findings, _: What, _: &Path, _: &std::fs::Metadata) {}

/// Each text by itself.
fn alone(findings: &mut Findings, held: &[Held]) {
    for Held { what, place, text } in held {
        if let Some((flaw, remedy)) = flaw(*what, text) {
            findings.fault(CHECK, format!("{place}: the {} {flaw}", what.name()), remedy);
            continue;
        }
        let text = text.trim();
        if text.starts_with("sim-") {
            let found = format!("{place}: the {} is the simulator's, which everybody knows", what.name());
            findings.warning(CHECK, found, "use the secrets of your app, unless this serves `rtms simulate` only");
        } else if *what != What::Other && !USUAL_CHARS.contains(&text.chars().count()) {
            let found = format!(
                "{place}: the {} has {} characters, and Zoom's have 20 to 32",
                what.name(),
                text.chars().count()
            );
            findings.warning(CHECK, found, "copy it again from the app's page in the Marketplace");
        }
    }
}

/// What makes a text unusable.
fn flaw(what: What, text: &str) -> Option<(&'static str, &'static str)> {
    let again = "copy it again from the app's page in the Marketplace";
    if text.trim_start_matches('\u{feff}').trim().is_empty() {
        return Some(("is empty", again));
    }
    if text.starts_with('\u{feff}') {
        return Some(("begins with a byte order mark (BOM)", "save the file as UTF-8 without BOM"));
    }
    let text = text.trim();
    let is_quoted = [('"', '"'), ('\'', '\''), ('`', '`'), ('\u{201c}', '\u{201d}')]
        .iter()
        .any(|(open, close)| text.len() > 1 && text.starts_with(*open) && text.ends_with(*close));
    if is_quoted {
        return Some(("stands in quotes, which are taken for a part of it", "remove the quotes"));
    }
    if what == What::Other {
        return None;
    }
    if let Some((name, _)) = text.split_once('=')
        && SECRET_TOKEN.iter().chain(CLIENT_ID).chain(CLIENT_SECRET).any(|known| known == &name)
    {
        return Some(("begins with the name of its variable", "put the value alone there, without NAME="));
    }
    if looks_like_a_placeholder(text) {
        return Some(("is a placeholder", again));
    }
    if text.lines().count() > 1 {
        return Some(("has several lines", "put nothing but the secret there, on one line"));
    }
    if text.chars().any(char::is_whitespace) {
        return Some(("has white space in it", again));
    }
    if !text.chars().all(|character| character.is_ascii_graphic()) {
        return Some(("has characters that no secret of Zoom's has", again));
    }
    (text.chars().count() < LEAST_CHARS).then_some(("is too short to be Zoom's", again))
}

fn looks_like_a_placeholder(text: &str) -> bool {
    let text = text.to_ascii_lowercase();
    let words = [
        "changeme",
        "change-me",
        "change_me",
        "placeholder",
        "replace",
        "xxxx",
        "secret_token",
        "client_secret",
        "client_id",
        "secret-token-here",
        "todo",
    ];
    text.starts_with("your")
        || text.contains("your_")
        || text.contains("your-")
        || text.starts_with('<') && text.ends_with('>')
        || text.starts_with("${")
        || text.contains("...")
        || text.contains('…')
        || words.iter().any(|word| text.contains(word))
}

/// The texts of one app beside each other.
fn together(findings: &mut Findings, of: &str, held: &[Held]) {
    let texts = |what: What| held.iter().filter(move |held| held.what == what).map(|held| held.text.trim());
    let (Some(id), Some(secret)) = (texts(What::Id).next(), texts(What::Secret).next()) else { return };
    let is_sound = held.iter().all(|held| flaw(held.what, &held.text).is_none());
    if !is_sound {
        return;
    }
    let copy = "copy each from its own place: Secret Token from Features, Access; Client ID and Client Secret from App Credentials";
    if texts(What::Token).any(|token| token == secret) {
        findings.fault(CHECK, format!("{of}: the secret token is the same as the client secret"), copy);
    } else if texts(What::Token).any(|token| token == id) {
        findings.fault(CHECK, format!("{of}: the secret token is the same as the client id"), copy);
    } else if id == secret {
        findings.fault(CHECK, format!("{of}: the client id is the same as the client secret"), copy);
    } else if looks_like_client_secret(id) && !looks_like_client_secret(secret) {
        findings.warning(
            CHECK,
            format!("{of}: the client id looks like a secret: it and the client secret seem swapped"),
            copy,
        );
    } else if texts(What::Token).any(looks_like_client_secret) && !looks_like_client_secret(secret) {
        let found = format!("{of}: the secret token looks like a client secret: the two seem swapped");
        findings.warning(CHECK, found, copy);
    }
}

fn looks_like_client_secret(text: &str) -> bool {
    text.len() == CLIENT_SECRET_CHARS && text.bytes().all(|byte| byte.is_ascii_alphanumeric())
}

#[cfg(test)]
mod tests {
    use super::*;

    const TOKEN: &str = "9mXo2TqLRk6ZtVbW1c4dYA";
    const SECRET: &str = "cS07hWq2LmZ0xVtR5nYb8KdE1fGjP4uA";

    #[test]
    fn what_zoom_gives_out_has_no_flaw() {
        for text in [TOKEN, SECRET, "kX3aVbT9QyW2hLmN", "gPkqe_K3m0-eKQdgAH", "  9mXo2TqLRk6ZtVbW1c4dYA\r\n"] {
            assert_eq!(flaw(What::Token, text), None, "{text}");
        }
    }

    #[test]
    fn what_people_do_to_a_secret_is_named() {
        let flaws = [
            ("", "empty"),
            ("\u{feff}", "empty"),
            ("\u{feff}9mXo2TqLRk6ZtVbW1c4dYA", "BOM"),
            ("\"9mXo2TqLRk6ZtVbW1c4dYA\"", "quotes"),
            ("your_secret_token_here", "placeholder"),
            ("<secret token>", "placeholder"),
            ("9mXo2TqLRk6ZtV\nbW1c4dYA", "several lines"),
            ("9mXo2TqLRk6 ZtVbW1c4dYA", "white space"),
            ("9mXo2TqLRk6\u{200b}ZtVbW1c4dYA", "characters"),
            ("ZOOM_SECRET_TOKEN=9mXo2TqLRk6ZtVbW1c4dYA", "name of its variable"),
            ("abc", "too short"),
        ];
        for (text, word) in flaws {
            let (flaw, remedy) = flaw(What::Token, text).unwrap_or_else(|| panic!("{text:?} has no flaw"));
            assert!(flaw.contains(word) && !remedy.is_empty(), "{text:?}: {flaw}");
        }
    }
}
