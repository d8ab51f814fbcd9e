//! The two formats of lines on standard error, and the lines that come from no event of the log.

use std::{sync::OnceLock, time::SystemTime};

use clap::ValueEnum;
use serde::Serialize;
use serde_json::{Map, Value};
use tracing::Level;

/// The format that was chosen at the start. One process has one standard error.
static CHOSEN: OnceLock<LogFormat> = OnceLock::new();

/// How a line on standard error is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum LogFormat {
    /// For people
    // An empty variable is as good as none.
    #[default]
    #[value(alias = "")]
    Text,
    /// A JSON object a line
    Json,
}

impl LogFormat {
    /// Sets the format of this process. The first call counts.
    pub(super) fn choose(self) {
        CHOSEN.get_or_init(|| self);
    }

    /// Returns the format of this process; text until one is chosen.
    pub(super) fn chosen() -> Self {
        CHOSEN.get().copied().unwrap_or_default()
    }
}

/// A line of the log as a JSON object. Scripts read the names: they are only ever added to.
#[derive(Serialize)]
pub(super) struct JsonLine<'a> {
    /// RFC 3339, in UTC, with microseconds.
    timestamp: String,
    level: &'static str,
    /// The module that logged it.
    target: &'a str,
    message: &'a str,
    #[serde(skip_serializing_if = "Map::is_empty")]
    fields: Map<String, Value>,
    /// The fields of all spans around it; of two with one name, that of the inner span.
    #[serde(skip_serializing_if = "Map::is_empty")]
    span: Map<String, Value>,
}

impl<'a> JsonLine<'a> {
    pub(super) fn new(level: Level, target: &'a str, message: &'a str) -> Self {
        let (fields, span) = (Map::new(), Map::new());
        Self { timestamp: now(), level: level.as_str(), target, message, fields, span }
    }

    pub(super) fn with(self, fields: Map<String, Value>, span: Map<String, Value>) -> Self {
        Self { fields, span, ..self }
    }

    /// The line with its end.
    pub(super) fn text(&self) -> String {
        // Text, numbers and maps of them: nothing of that fails.
        let mut text = serde_json::to_string(self).unwrap_or_default();
        text.push('\n');
        text
    }
}

/// A line of the log that is not an event, in the format of this process, with its end.
pub(super) fn log_line(level: Level, message: &str) -> String {
    match LogFormat::chosen() {
        LogFormat::Text => format!("{} {level:>5} rtms: {message}\n", now()),
        LogFormat::Json => JsonLine::new(level, "rtms", message).text(),
    }
}

/// Text that a command prints, in the format of this process, with its end.
pub(super) fn printed(level: Level, text: &str) -> String {
    match LogFormat::chosen() {
        LogFormat::Text => format!("{text}\n"),
        LogFormat::Json => JsonLine::new(level, "rtms", text).text(),
    }
}

fn now() -> String {
    humantime::format_rfc3339_micros(SystemTime::now()).to_string()
}
