//! The names of settings and of variables, and which of them was probably meant.

/// The prefix of environment variables; `__` stands for the dot of a table.
pub(super) const PREFIX: &str = "RTMS__";

/// Returns the variable of a setting.
pub(super) fn variable(setting: &str) -> String {
    format!("{PREFIX}{}", setting.replace('.', "__").to_ascii_uppercase())
}

/// Returns the known setting that a wrong name was probably meant to be: a misspelling, or one of another section.
pub(super) fn nearest(name: &str, known: impl IntoIterator<Item = String>) -> Option<String> {
    let distance = |known: &str| {
        let elsewhere = strsim::osa_distance(last(name), last(known));
        // Another section is as much as one letter.
        let elsewhere = if section(name) == section(known) { elsewhere } else { elsewhere + 1 };
        elsewhere.min(strsim::osa_distance(name, known))
    };
    let known = known.into_iter().map(|known| (distance(&known), known));
    known
        .filter(|(distance, _)| *distance <= 1 + last(name).len() / 4)
        .min_by_key(|(distance, _)| *distance)
        .map(|it| it.1)
}

/// Returns the setting that a variable with one underscore for two was probably meant to be, as `RTMS_LISTEN` and
/// `RTMS_SERVER_LISTEN` for `server.listen`.
pub(super) fn meant_by(variable: &str, known: &[String]) -> Option<String> {
    let name = variable.strip_prefix("RTMS_")?.replace("__", "_").to_ascii_lowercase();
    let distance = |known: &str| {
        strsim::osa_distance(&name, &known.replace('.', "_")).min(strsim::osa_distance(&name, last(known)))
    };
    known.iter().filter(|known| distance(known) <= 1).min_by_key(|known| distance(known)).cloned()
}

fn last(name: &str) -> &str {
    name.rsplit_once('.').map_or(name, |(_, last)| last)
}

fn section(name: &str) -> &str {
    name.rsplit_once('.').map_or("", |(section, _)| section)
}

#[cfg(test)]
mod tests {
    use super::*;

    const KNOWN: [&str; 6] =
        ["server.listen", "server.data_dir", "api.listen", "webhook.tolerance", "store.keep", "media.audio.codec"];

    #[test]
    fn a_misspelt_setting_is_recognised_and_one_of_another_section_too() {
        let of = |name: &str| nearest(name, KNOWN.map(str::to_owned));
        for (name, meant) in [
            ("server.lisen", "server.listen"),
            ("api.lsiten", "api.listen"),
            ("servr.listen", "server.listen"),
            ("webhook.tolerence", "webhook.tolerance"),
            ("server.tolerance", "webhook.tolerance"),
            ("keep", "store.keep"),
            ("media.codec", "media.audio.codec"),
        ] {
            assert_eq!(of(name).as_deref(), Some(meant), "{name}");
        }
        assert_eq!([of("server.colour"), of("log"), of("")], [None, None, None]);
    }

    #[test]
    fn a_variable_that_looks_like_a_setting_is_recognised_and_no_other() {
        let of = |name: &str| meant_by(name, &KNOWN.map(str::to_owned));
        for (name, meant) in [
            ("RTMS_LISTEN", "server.listen"),
            ("RTMS_SERVER_LISTEN", "server.listen"),
            ("RTMS_SERVER__LISTEN", "server.listen"),
            ("RTMS_API_LISTEN", "api.listen"),
            ("RTMS_DATA_DIR", "server.data_dir"),
            ("RTMS_DATADIR", "server.data_dir"),
        ] {
            assert_eq!(of(name).as_deref(), Some(meant), "{name}");
        }
        // Kubernetes sets such ones for a service that is called rtms.
        for name in ["RTMS_PORT", "RTMS_SERVICE_HOST", "RTMS_PORT_8080_TCP_ADDR", "RTMS_HOME", "RTMS_", "LISTEN"] {
            assert_eq!(of(name), None, "{name}");
        }
    }
}
