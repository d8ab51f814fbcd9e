//! The errors of unusable settings.

/// Why the settings cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// A file, a variable or a value is wrong.
    #[error("configuration: {0}")]
    Unreadable(#[from] config::ConfigError),
    /// A value is right by itself but not here.
    #[error("configuration: {setting}: {why}")]
    Unusable {
        /// The setting.
        setting: &'static str,
        /// The fault, and a value that would do.
        why: String,
    },
}
