//! The settings as they were given, in layers: defaults compiled in, a file over them, the environment over that, the command
//! line over all.

use std::{
    collections::BTreeMap,
    ffi::OsString,
    fs,
    path::{Path, PathBuf},
};

use serde::de::DeserializeOwned;

use crate::config::{
    error::{ConfigError, Problem, Unusable, shown},
    names::{PREFIX, meant_by, nearest, variable},
    tree::{Entry, Origin, Value},
    typed::{Fault, Misfit, one_of},
};

/// The commented defaults, as `rtms serve --print-defaults` shows them.
pub const DEFAULT_TOML: &str = include_str!("default.toml");

/// The settings without a default. What is in [`DEFAULT_TOML`] is known by that.
const OPTIONAL: &[&str] = &["server.tls_certificate", "server.tls_key"];

/// The tables that only a file can have.
const IN_FILES_ONLY: &[&str] = &["app", "sink"];

/// The settings that are paths. In a file, they start from its folder.
pub(super) const PATHS: &[&str] = &[
    "server.data_dir",
    "server.tls_certificate",
    "server.tls_key",
    "zoom.extra_ca",
    "app.secret_token_files",
    "app.client_secret_file",
    "app.auth.password_file",
    "app.auth.client_secret_file",
    "app.auth.value_file",
    "app.api.client_secret_file",
];

/// The problems that are reported at once.
const MOST_PROBLEMS: usize = 20;

/// The settings as they were given, each with the place that set it.
#[derive(Clone, Debug)]
pub struct Settings {
    pub(super) root: Entry,
    defaults: Entry,
    file: Option<PathBuf>,
    /// What was found before the values got types.
    problems: Vec<Problem>,
}

impl Settings {
    /// Reads the defaults, then the file, then the variables of this process.
    ///
    /// # Errors
    /// [`ConfigError`] for a file that cannot be read or is no TOML. What is wrong with a setting shows when they get types.
    pub fn load(file: Option<&Path>) -> Result<Self, ConfigError> {
        Self::with(file, std::env::vars_os())
    }

    /// The same with variables of the caller's.
    ///
    /// # Errors
    /// As [`Settings::load`].
    pub fn with(
        file: Option<&Path>,
        variables: impl IntoIterator<Item = (OsString, OsString)>,
    ) -> Result<Self, ConfigError> {
        let defaults = Entry::parse(DEFAULT_TOML, Some(Origin::Default))
            .map_err(|(line, why)| unreadable(Path::new("default.toml"), line, why))?;
        let file = file.map(Path::to_owned);
        let mut settings = Self { root: defaults.clone(), defaults, file: file.clone(), problems: Vec::new() };
        if let Some(path) = file {
            let text = fs::read_to_string(&path).map_err(|source| ConfigError::File { path: path.clone(), source })?;
            let mut layer = Entry::parse(&text, None).map_err(|(line, why)| unreadable(&path, line, why))?;
            settings.start_paths_from(&mut layer, path.parent().unwrap_or(Path::new("")));
            settings.root.overlay(layer);
        }
        // In the order of their names, so that the same problem comes first each time.
        for (name, value) in variables.into_iter().collect::<BTreeMap<_, _>>() {
            let name = name.to_string_lossy();
            if let Some(setting) = name.to_ascii_uppercase().strip_prefix(PREFIX) {
                settings.set_by_variable(&name, &setting.to_ascii_lowercase(), value);
            }
        }
        Ok(settings)
    }

    /// Sets a value by an option of the command line.
    pub fn set(&mut self, setting: &str, option: &'static str, value: String) {
        let path: Vec<_> = setting.split('.').map(str::to_owned).collect();
        self.root.set(&path, Entry { value: Value::Text(value), origin: Origin::Option(option) });
    }

    /// Gives the settings their types. `check` finds what is wrong between them.
    ///
    /// # Errors
    /// [`ConfigError::Unusable`] with every problem that can be found at once.
    pub(super) fn typed<T: DeserializeOwned>(&self, check: impl Fn(&T) -> Vec<Unusable>) -> Result<T, ConfigError> {
        let mut problems = self.problems.clone();
        let mut root = self.root.clone();
        loop {
            match T::deserialize(&root) {
                Ok(typed) => {
                    problems.extend(check(&typed).into_iter().map(|unusable| self.located(&root, unusable)));
                    return if problems.is_empty() { Ok(typed) } else { Err(ConfigError::Unusable(problems)) };
                }
                Err(misfit) => {
                    problems.push(self.problem(&misfit));
                    if problems.len() >= MOST_PROBLEMS || !self.leave_out(&mut root, &misfit) {
                        return Err(ConfigError::Unusable(problems));
                    }
                }
            }
        }
    }

    /// Returns the variables that look like settings and are none, each with the variable that was probably meant. `known` are
    /// those with one underscore that the caller reads.
    pub fn lookalikes(&self, variables: impl IntoIterator<Item = OsString>, known: &[&str]) -> Vec<(String, String)> {
        let names = self.names();
        let variables = variables.into_iter().filter_map(|name| name.into_string().ok());
        let unread = variables.filter(|name| !name.starts_with(PREFIX) && !known.contains(&name.as_str()));
        let pairs = unread.filter_map(|name| meant_by(&name, &names).map(|setting| (name, variable(&setting))));
        pairs.collect::<BTreeMap<_, _>>().into_iter().collect()
    }

    /// Returns the names of all settings that a variable can have.
    pub(super) fn names(&self) -> Vec<String> {
        let optional = OPTIONAL.iter().map(|name| (*name).to_owned());
        self.defaults.names().into_iter().chain(optional).collect()
    }

    /// Returns the place in words: the line of the file, the variable, the option. None for a default.
    pub(super) fn place(&self, origin: &Origin) -> Option<String> {
        match origin {
            Origin::Default => None,
            Origin::Line(line) => self.file.as_ref().map(|file| format!("{}:{line}", file.display())),
            Origin::Variable(name) => Some(name.clone()),
            Origin::Option(option) => Some((*option).to_owned()),
        }
    }

    fn start_paths_from(&mut self, layer: &mut Entry, folder: &Path) {
        let Some(folder_text) = folder.to_str() else {
            let why = "the path of this file is not UTF-8; move it to a folder whose path is".into();
            self.problems.push(Problem { place: Some(folder.display().to_string()), setting: String::new(), why });
            return;
        };
        layer.for_each_text("", &mut |name, text| {
            if PATHS.contains(&name) && Path::new(&text).is_relative() && !folder_text.is_empty() {
                // Both parts are UTF-8.
                *text = folder.join(&text).to_string_lossy().into_owned();
            }
        });
    }

    fn set_by_variable(&mut self, variable: &str, setting: &str, value: OsString) {
        let path: Vec<_> = setting.split("__").map(str::to_owned).collect();
        let origin = Origin::Variable(variable.to_owned());
        let default = self.defaults.get(path.iter().map(String::as_str));
        let in_file_only = path.first().is_some_and(|first| IN_FILES_ONLY.contains(&first.as_str()));
        let value = if in_file_only {
            Err("[[app]] and [[sink]] need a file: start with --config FILE".to_owned())
        } else {
            value
                .into_string()
                .map_err(|_| "the value is not UTF-8".to_owned())
                .and_then(|text| parsed(text, default, &origin))
        };
        match value {
            Ok(value) => self.root.set(&path, Entry { value, origin }),
            Err(why) => {
                let problem = Problem { place: Some(variable.into()), setting: String::new(), why };
                self.problems.push(problem);
            }
        }
    }

    fn problem(&self, misfit: &Misfit) -> Problem {
        let path = misfit.path();
        let setting = shown(path.iter().map(String::as_str));
        let origin = misfit.origin.as_ref().unwrap_or(&Origin::Default);
        let why = match &misfit.fault {
            Fault::Other(why) => why.clone(),
            Fault::UnknownKey { expected } => {
                let section = setting.rsplit_once('.').map(|(section, _)| format!("{section}.")).unwrap_or_default();
                let known = expected.iter().map(|key| format!("{section}{key}")).chain(self.names());
                let hint = match nearest(&setting, known) {
                    Some(name) if matches!(origin, Origin::Variable(_)) => {
                        format!("did you mean {}?", variable(&name))
                    }
                    Some(name) => format!("did you mean {name}?"),
                    None => format!("known here: {}", one_of(expected)),
                };
                format!("there is no such setting; {hint}")
            }
        };
        self.place_problem(origin, setting, why)
    }

    /// The problem at the first of its settings that is no default.
    fn located(&self, root: &Entry, unusable: Unusable) -> Problem {
        let set = unusable.settings.iter().filter_map(|setting| root.get(setting.split('.')));
        let origin = set.map(|entry| &entry.origin).find(|origin| **origin != Origin::Default);
        let setting = shown(unusable.setting().split('.'));
        self.place_problem(origin.unwrap_or(&Origin::Default), setting, unusable.why)
    }

    fn place_problem(&self, origin: &Origin, setting: String, why: String) -> Problem {
        let place = self.place(origin);
        // A variable names its setting.
        let is_said = place.as_deref().is_some_and(|place| place == variable(&setting));
        Problem { place, setting: if is_said { String::new() } else { setting }, why }
    }

    /// Takes out what does not fit, so that the next problem can be found. Returns whether that was possible.
    fn leave_out(&self, root: &mut Entry, misfit: &Misfit) -> bool {
        let path = misfit.path();
        let element = path.iter().position(|step| step.parse::<usize>().is_ok());
        let list = path.get(..element.unwrap_or(path.len())).unwrap_or_default();
        let default = self.defaults.get(list.iter().map(String::as_str));
        if let Some(default) = default.filter(|_| !list.is_empty()) {
            root.set(list, default.clone());
            return true;
        }
        // Of [[app]] and [[sink]], all that belongs together.
        let until = match misfit.fault {
            Fault::UnknownKey { .. } => path.len(),
            Fault::Other(_) => element.map_or(path.len(), |position| position + 1),
        };
        let path = path.get(..until).unwrap_or_default();
        let is_there = root.get(path.iter().map(String::as_str)).is_some() && !path.is_empty();
        root.remove(path);
        is_there
    }
}

/// Reads the value of a variable as what its default is.
fn parsed(text: String, default: Option<&Entry>, origin: &Origin) -> Result<Value, String> {
    match default.map(|default| &default.value) {
        Some(Value::Integer(_)) => text.trim().parse().map(Value::Integer).map_err(|_| "write a whole number".into()),
        Some(Value::Boolean(_)) => match text.trim().to_ascii_lowercase().as_str() {
            "true" | "1" | "yes" | "on" => Ok(Value::Boolean(true)),
            "false" | "0" | "no" | "off" => Ok(Value::Boolean(false)),
            _ => Err("write true or false".into()),
        },
        Some(Value::List(_)) => {
            let elements = text.split(',').map(str::trim).filter(|element| !element.is_empty());
            let entry = |element: &str| Entry { value: Value::Text(element.into()), origin: origin.clone() };
            Ok(Value::List(elements.map(entry).collect()))
        }
        Some(Value::Table(_)) => Err("this is a section: add `__` and the name of one of its settings".into()),
        Some(Value::Text(_) | Value::Float(_)) | None => Ok(Value::Text(text)),
    }
}

fn unreadable(file: &Path, line: usize, why: String) -> ConfigError {
    let place = Some(format!("{}:{line}", file.display()));
    ConfigError::Unusable(vec![Problem { place, setting: String::new(), why: format!("this is no TOML: {why}") }])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Config, app::AuthConfig};

    /// A file of settings in a folder of its own, with variables of the environment.
    struct Given {
        folder: tempfile::TempDir,
        variables: Vec<(OsString, OsString)>,
    }

    impl Given {
        fn file(text: &str) -> Self {
            let folder = tempfile::tempdir().unwrap();
            fs::write(folder.path().join("rtms.toml"), text).unwrap();
            Self { folder, variables: Vec::new() }
        }

        fn variable(mut self, name: &str, value: &str) -> Self {
            self.variables.push((name.into(), value.into()));
            self
        }

        fn settings(&self) -> Result<Settings, ConfigError> {
            Settings::with(Some(&self.folder.path().join("rtms.toml")), self.variables.clone())
        }

        fn config(&self) -> Result<Config, ConfigError> {
            Config::of(&self.settings()?)
        }

        /// The lines of the error, without the folder.
        fn refusal(&self) -> Vec<String> {
            let text = self.config().unwrap_err().to_string();
            let folder = format!("{}/", self.folder.path().display());
            text.lines().map(|line| line.replace(&folder, "").trim().to_owned()).collect()
        }
    }

    #[test]
    fn an_error_names_file_line_and_setting() {
        let cases = [
            (
                "[server]\n\nlisten = \"8080\"\n",
                "rtms.toml:3: server.listen: 8080 is a port without an address: write :8080",
            ),
            ("[store]\nkeep = 48\n", "rtms.toml:2: store.keep: integer `48` does not fit: write a duration, as in"),
            ("[store]\nkeep = \"1h\"\n", "rtms.toml:2: store.keep: must be at least 24h"),
            ("webhook = 1\n", "rtms.toml:1: webhook: integer `1` does not fit: write a table"),
            (
                "[recording]\nenabled = \"yes\"\n",
                "rtms.toml:2: recording.enabled: string \"yes\" does not fit: write true or false",
            ),
            (
                "[media.video]\nfps = -1\n",
                "rtms.toml:2: media.video.fps: integer `-1` does not fit: write a whole number",
            ),
            (
                "[media]\nwant = [\n  \"audio\",\n  \"sound\",\n]\n",
                "rtms.toml:4: media.want[1]: `sound` is none of the words",
            ),
            (
                "[zoom]\nallowed_hosts = [\n  \"zoom.us\",\n  \"*\",\n]\n",
                "rtms.toml:4: zoom.allowed_hosts[1]: \"*\" is not a domain",
            ),
            // Two settings that do not go together: the line is that of the one that was set.
            ("[media.audio]\ncodec = \"opus\"\n", "rtms.toml:2: media.audio.sample_rate: 16000 is not taken by Zoom"),
            ("[streams]\nlease_term = \"4s\"\n", "rtms.toml:2: streams.lease_renew_every: must be less than half"),
            ("[server]\ntls_key = \"key.pem\"\n", "rtms.toml:2: server.tls_certificate: name both"),
            ("[server]\nlisten = ", "rtms.toml:2: this is no TOML: "),
            ("[server]\nlisten = \"[::1]:1\"\nlisten = \"[::1]:2\"\n", "rtms.toml:3: this is no TOML: duplicate key"),
        ];
        for (text, expected) in cases {
            let lines = Given::file(text).refusal();

            assert!(lines.len() == 1 && lines[0].starts_with(expected), "{text}: {lines:?}");
        }
    }

    #[test]
    fn an_app_that_cannot_be_used_is_named_by_its_line() {
        let app = "[[app]]\nname = \"one\"\nsecret_token_files = [\"token\"]\nclient_id = \"id\"\nclient_secret_file = \"secret\"\n";
        let cases = [
            ("name = \"a/b\"", "rtms.toml:8: app.name: the app name \"a/b\" cannot end an address"),
            ("name = \"one\"", "rtms.toml:8: app.name: two apps are called \"one\""),
            ("name = 2", "rtms.toml:8: app.name: integer `2` does not fit"),
            ("", "rtms.toml:7: app[1]: `name` is missing here"),
            (
                "name = \"two\"\nclient_di = \"x\"",
                "rtms.toml:9: app.client_di: there is no such setting; did you mean app.client_id?",
            ),
            ("name = \"two\"\nauth.kind = \"magic\"", "rtms.toml:9: app.auth.kind: `magic` is none of the words"),
            (
                "name = \"two\"\nwebsocket.subscription_id = \"\"",
                "rtms.toml:9: app.websocket.subscription_id: subscription_id is empty",
            ),
        ];
        for (lines, expected) in cases {
            let second = format!(
                "{app}# another\n[[app]]\n{lines}\nsecret_token_files = [\"t\"]\nclient_id = \"id\"\nclient_secret_file = \"s\"\n"
            );
            let found = Given::file(&second).refusal();

            assert!(found.len() == 1 && found[0].starts_with(expected), "{lines}: {found:?}");
        }
        let without_token = "[[app]]\nname = \"one\"\nclient_id = \"id\"\nclient_secret_file = \"secret\"\n";
        let found = Given::file(without_token).refusal();
        assert!(found[0].starts_with("rtms.toml:1: app.secret_token_files: app \"one\" has no"), "{found:?}");
    }

    #[test]
    fn every_problem_is_reported_at_once_each_with_its_place() {
        let given = Given::file(
            "[server]\nlisten = \"8080\"\nlisen = \":1\"\n[webhok]\n[media]\nwant = [\"sound\"]\n[store]\nkeep = \"1h\"\n[[app]]\n",
        )
        .variable("RTMS__API__LISTEN", "0.0.0.0:1")
        .variable("RTMS__SERVER__LISEN", ":1")
        .variable("RTMS__WEBHOOK__MAX_BODY_BYTES", "many");

        let lines = given.refusal();

        let expected = [
            "8 settings cannot be used:",
            "RTMS__WEBHOOK__MAX_BODY_BYTES: write a whole number",
            "rtms.toml:2: server.listen: 8080 is a port",
            "RTMS__SERVER__LISEN: there is no such setting; did you mean RTMS__SERVER__LISTEN?",
            "RTMS__API__LISTEN: 0.0.0.0:1 is not a loopback address",
            "rtms.toml:6: media.want[0]: `sound` is none",
            "rtms.toml:4: webhok: there is no such setting; did you mean webhook?",
            "rtms.toml:9: app[0]: `name` is missing here",
            "rtms.toml:8: store.keep: must be at least 24h",
        ];
        assert_eq!(lines.len(), expected.len(), "{lines:#?}");
        for (line, expected) in lines.iter().zip(expected) {
            assert!(line.starts_with(expected), "{expected}: {lines:#?}");
        }
    }

    #[test]
    fn the_environment_is_over_the_file_and_the_command_line_over_both() {
        let given = Given::file("[server]\nlisten = \":1\"\n[api]\nlisten = \"off\"\n[webhook]\nmax_connections = 7\n")
            .variable("RTMS__SERVER__LISTEN", ":2")
            .variable("RTMS__API__LISTEN", "localhost:3")
            .variable("RTMS__MEDIA__WANT", "audio, chat")
            .variable("RTMS__MEDIA__BACKLOG", "false")
            .variable("RTMS__ZOOM__ALLOWED_HOSTS", "example.com")
            .variable("RTMS__SERVER__TLS_CERTIFICATE", "chain.pem")
            .variable("RTMS__SERVER__TLS_KEY", "key.pem")
            .variable("RTMS_LOG", "debug");
        let mut settings = given.settings().unwrap();
        settings.set("server.listen", "--listen", "127.0.0.1:4".into());

        let config = Config::of(&settings).unwrap();

        assert_eq!(config.server.listen, "127.0.0.1:4".parse().unwrap());
        assert_eq!(config.api.listen.to_string(), "127.0.0.1:3");
        assert_eq!(config.webhook.max_connections, 7);
        assert_eq!((config.media.want.len(), config.media.backlog), (2, false));
        assert_eq!(config.zoom.allowed_hosts, ["example.com"]);
        assert_eq!(config.server.tls_key, Some("key.pem".into()), "from the folder where the program runs");
    }

    #[test]
    fn a_variable_that_no_setting_has_is_refused() {
        for (name, value, expected) in [
            (
                "RTMS__SERVER__LISEN",
                "x",
                "RTMS__SERVER__LISEN: there is no such setting; did you mean RTMS__SERVER__LISTEN?",
            ),
            ("RTMS__LISTEN", "x", "RTMS__LISTEN: there is no such setting; did you mean RTMS__SERVER__LISTEN?"),
            ("RTMS__COLOUR", "x", "RTMS__COLOUR: there is no such setting; known here: `server`, `api`"),
            ("RTMS__SERVER", "x", "RTMS__SERVER: this is a section: add `__`"),
            ("RTMS__SERVER__LISTEN__X", "x", "RTMS__SERVER__LISTEN__X: "),
            ("RTMS__APP__NAME", "x", "RTMS__APP__NAME: [[app]] and [[sink]] need a file"),
            ("RTMS__MEDIA__WANT", "audio,sound", "RTMS__MEDIA__WANT: media.want[1]: `sound` is none of the words"),
            ("RTMS__MEDIA__BACKLOG", "maybe", "RTMS__MEDIA__BACKLOG: write true or false"),
            ("RTMS__MEDIA__AUDIO__CODEC", "opus", "RTMS__MEDIA__AUDIO__CODEC: media.audio.sample_rate: 16000 is not"),
        ] {
            let lines = Given::file("").variable(name, value).refusal();

            assert!(lines.len() == 1 && lines[0].starts_with(expected), "{name}: {lines:?}");
        }
    }

    #[test]
    fn variables_that_look_like_settings_are_found_unless_somebody_reads_them() {
        let names =
            ["RTMS_LISTEN", "RTMS_LOG", "RTMS_KEEP", "RTMS__SERVER__LISTEN", "PATH", "RTMS_DATA_DIR", "RTMS_PORT"];
        let found =
            Given::file("").settings().unwrap().lookalikes(names.map(OsString::from), &["RTMS_LOG", "RTMS_KEEP"]);

        let pair = |name: &str, meant: &str| (name.to_owned(), meant.to_owned());
        assert_eq!(
            found,
            [pair("RTMS_DATA_DIR", "RTMS__SERVER__DATA_DIR"), pair("RTMS_LISTEN", "RTMS__SERVER__LISTEN")]
        );
    }

    /// The settings with a path, each relative.
    const RELATIVE: &str = "
        server = { data_dir = \"rel\", tls_certificate = \"rel\", tls_key = \"rel\" }
        zoom.extra_ca = [\"rel\", \"/absolute\"]
        [[app]]
        name = \"basic\"
        secret_token_files = [\"rel\", \"rel\"]
        client_id = \"id\"
        client_secret_file = \"rel\"
        auth = { kind = \"basic\", user = \"u\", password_file = \"rel\" }
        [[app]]
        name = \"token\"
        secret_token_files = [\"rel\"]
        client_id = \"id\"
        client_secret_file = \"rel\"
        auth = { kind = \"token\", client_id = \"u\", client_secret_file = \"rel\" }
        [[app]]
        name = \"header\"
        secret_token_files = [\"rel\"]
        client_id = \"id\"
        client_secret_file = \"rel\"
        auth = { kind = \"header\", name = \"x-lock\", value_file = \"rel\" }
    ";

    #[test]
    fn paths_in_a_file_start_from_its_folder() {
        let given = Given::file(RELATIVE);
        let config = given.config().unwrap();

        let Config { server, zoom, app: apps, .. } = config;
        let mut paths = vec![server.data_dir, server.tls_certificate.unwrap(), server.tls_key.unwrap()];
        paths.extend(zoom.extra_ca);
        paths.extend(apps.iter().flat_map(|app| app.files().cloned()));
        assert!(apps.iter().all(|app| app.auth.as_ref().map(AuthConfig::file).is_some()));
        assert_eq!(paths.len(), RELATIVE.matches("\"rel\"").count() + 1);
        let expected = given.folder.path().join("rel");
        assert!(paths.iter().all(|path| *path == expected || path == Path::new("/absolute")), "{paths:?}");
        assert_eq!(Config::of(&Settings::with(None, []).unwrap()).unwrap().server.data_dir, Path::new("data"));
    }

    #[test]
    fn what_is_in_effect_is_printed_with_its_places_and_can_be_used_as_a_file() {
        let more = "[[sink]]\nkind = \"stdout\"\n[media]\nqueue_bytes = 0x10000\nwant = ['audio']\n";
        let given = Given::file(&format!("{RELATIVE}\n{more}"))
            .variable("RTMS__WEBHOOK__MAX_CONNECTIONS", "9")
            .variable("RTMS__ZOOM__ALLOWED_HOSTS", "zoom.us,example.com");
        let mut settings = given.settings().unwrap();
        settings.set("server.listen", "--listen", "127.0.0.1:4".into());

        let printed = settings.to_string();

        let file = given.folder.path().join("rtms.toml");
        for line in [
            "listen = \"127.0.0.1:4\"  # --listen",
            "max_connections = 9  # RTMS__WEBHOOK__MAX_CONNECTIONS",
            "allowed_hosts = [\"zoom.us\", \"example.com\"]  # RTMS__ZOOM__ALLOWED_HOSTS",
            "stop_within = \"10s\"",
            &format!("data_dir = \"{}/rel\"  # {}:2", given.folder.path().display(), file.display()),
            &format!("[[app]]  # {}:4", file.display()),
        ] {
            assert!(printed.lines().any(|printed| printed == line), "{line}:\n{printed}");
        }
        let again = Given::file(&printed).config().unwrap();
        assert_eq!(format!("{again:?}"), format!("{:?}", Config::of(&settings).unwrap()));
    }

    #[test]
    fn a_text_is_printed_so_that_it_is_read_the_same() {
        let mut settings = Settings::with(None, []).unwrap();
        let text = "a\"b\\c\n\u{7f}\u{85}é\t";
        settings.set("store.keep", "--keep", text.into());

        let again = Entry::parse(&settings.to_string(), None).unwrap();

        assert!(matches!(&again.get(["store", "keep"]).unwrap().value, Value::Text(read) if read == text));
    }
}
