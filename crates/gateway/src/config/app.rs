//! `[[app]]`: an app of Zoom's, where its secrets are, and what its webhooks must carry.

use std::path::PathBuf;

use serde::Deserialize;

use crate::config::{error::Unusable, websocket::WebSocketConfig};

/// The name of the app whose secrets come from the environment.
pub(crate) const DEFAULT_APP: &str = "default";

/// `[[app]]`: where an app's secrets are.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AppConfig {
    /// Its name in receipts, logs and metrics.
    pub name: String,
    /// Files with a secret token each; several while one replaces the other. None is needed with `websocket`.
    #[serde(default)]
    pub secret_token_files: Vec<PathBuf>,
    /// Client id, or SDK key.
    pub client_id: String,
    /// A file with the client secret, or SDK secret.
    pub client_secret_file: PathBuf,
    /// The authentication that this app's webhooks must carry beside the signature.
    #[serde(default)]
    pub auth: Option<AuthConfig>,
    /// The WebSocket over which its webhooks come too.
    #[serde(default)]
    pub websocket: Option<WebSocketConfig>,
    /// The credentials for Zoom's REST API, if they are not the app's own.
    #[serde(default)]
    pub api: Option<ApiConfig>,
}

/// `[app.api]`: the credentials for Zoom's REST API, as configured.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ApiConfig {
    /// The account of a Server-to-Server OAuth app.
    #[serde(default)]
    pub account_id: Option<String>,
    /// The client id of that app. The app's own, if it is left out.
    #[serde(default)]
    pub client_id: Option<String>,
    /// A file with its client secret.
    #[serde(default)]
    pub client_secret_file: Option<PathBuf>,
}

impl AppConfig {
    /// Every file with a secret.
    pub(crate) fn files(&self) -> impl Iterator<Item = &PathBuf> {
        let auth = self.auth.as_ref().map(AuthConfig::file);
        let api = self.api.as_ref().and_then(|api| api.client_secret_file.as_ref());
        self.secret_token_files.iter().chain([&self.client_secret_file]).chain(auth).chain(api)
    }
}

/// `[app.auth]`: the second lock, as configured.
#[derive(Clone, Debug, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum AuthConfig {
    /// `authorization: Basic …`.
    Basic {
        /// The user.
        user: String,
        /// A file with the password.
        password_file: PathBuf,
    },
    /// Zoom fetches a token from `/webhook/{app}/token` and sends it as `authorization: Bearer …`.
    Token {
        /// The id that Zoom fetches it with.
        client_id: String,
        /// A file with the secret that Zoom fetches it with.
        client_secret_file: PathBuf,
    },
    /// A header of one's own.
    Header {
        /// Its name.
        name: String,
        /// A file with its value.
        value_file: PathBuf,
    },
}

impl AuthConfig {
    /// The file that holds the secret.
    pub(crate) fn file(&self) -> &PathBuf {
        match self {
            Self::Basic { password_file: file, .. }
            | Self::Token { client_secret_file: file, .. }
            | Self::Header { value_file: file, .. } => file,
        }
    }
}

/// Finds what is wrong between apps, and in each beside its secrets.
pub(crate) fn check(apps: &[AppConfig]) -> Vec<Unusable> {
    let mut found = Vec::new();
    for (position, app) in apps.iter().enumerate() {
        let mut unusable = |setting: &str, why: String| {
            found.push(Unusable::new(&[&format!("app.{position}{setting}"), &format!("app.{position}")], why));
        };
        let name = &app.name;
        let may_stand = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
        if !name.bytes().all(may_stand) || name.bytes().all(|byte| byte == b'.') {
            let rule = "use letters, digits, `-`, `_` and `.`, as in /webhook/meetings";
            unusable(".name", format!("the app name {name:?} cannot end an address: {rule}"));
        }
        if name == DEFAULT_APP {
            unusable(".name", format!("{name} is the app of the environment: give this one another name"));
        } else if apps.iter().take(position).any(|other| other.name == *name) {
            unusable(".name", format!("two apps are called {name:?}: give each a name of its own"));
        }
        if app.secret_token_files.is_empty() && app.websocket.is_none() {
            let why = format!("app {name:?} has no secret_token_files: name at least one, or an [app.websocket]");
            unusable(".secret_token_files", why);
        }
        if app.api.as_ref().is_some_and(|api| api.client_id.is_some() != api.client_secret_file.is_some()) {
            unusable(".api", "client_id and client_secret_file go together: name both, or neither".to_owned());
        }
        if let Some(Err(why)) = app.websocket.as_ref().map(WebSocketConfig::check) {
            unusable(&format!(".websocket.{}", why.setting()), why.to_string());
        }
    }
    found
}
