//! The apps and their secrets, from the environment or from files, never from the settings.

use std::{fmt, path::PathBuf, sync::Arc};

use rtms_wire::{
    SmolStr,
    ids::{InstanceId, StreamId},
    secret::{ClientSecret, EmptySecret, SecretToken},
    signature::HandshakeSignature,
};
use rtms_zoom_api::credentials::Credentials;

use crate::{
    apps::auth::{Auth, AuthUnusable},
    config::{
        app::{self, ApiConfig, AppConfig, DEFAULT_APP},
        error::ConfigError,
        websocket::WebSocketConfig,
    },
};

/// The variables that may hold the secret token; the first that is set counts, here and below.
pub const SECRET_TOKEN: &[&str] = &["ZOOM_SECRET_TOKEN"];
/// The variables that may hold the client id, or the SDK key.
pub const CLIENT_ID: &[&str] = &["ZOOM_CLIENT_ID", "ZM_RTMS_CLIENT", "ZOOM_VIDEO_SDK_KEY"];
/// The variables that may hold the client secret, or the SDK secret, in the same order as those of the id.
pub const CLIENT_SECRET: &[&str] = &["ZOOM_CLIENT_SECRET", "ZM_RTMS_SECRET", "ZOOM_VIDEO_SDK_SECRET"];
const ACCOUNT_ID: &[&str] = &["ZOOM_ACCOUNT_ID"];
const API_CLIENT_ID: &[&str] = &["ZOOM_API_CLIENT_ID"];
const API_CLIENT_SECRET: &[&str] = &["ZOOM_API_CLIENT_SECRET"];

/// An app with its secrets.
#[derive(Clone)]
pub struct App {
    /// Its name.
    pub name: SmolStr,
    /// The secret tokens with which its webhooks may be signed.
    pub secret_tokens: Vec<SecretToken>,
    client_id: String,
    client_secret: ClientSecret,
    /// The authentication that its webhooks must carry beside the signature.
    pub(crate) auth: Option<Auth>,
    /// The WebSocket over which its webhooks come too.
    pub(crate) websocket: Option<Arc<WebSocketConfig>>,
    /// The credentials for Zoom's REST API, if they are not the app's own.
    api: Option<Credentials>,
}

impl fmt::Debug for App {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("App").field("name", &self.name).finish_non_exhaustive()
    }
}

impl App {
    /// Puts an app together.
    pub fn new(
        name: &str,
        secret_tokens: Vec<SecretToken>,
        client_id: impl Into<String>,
        client_secret: ClientSecret,
    ) -> Self {
        Self {
            name: name.into(),
            secret_tokens,
            client_id: client_id.into(),
            client_secret,
            auth: None,
            websocket: None,
            api: None,
        }
    }

    /// Signs the handshakes of one stream.
    pub fn sign(&self, instance: &InstanceId, stream: &StreamId) -> HandshakeSignature {
        HandshakeSignature::sign(&self.client_id, &self.client_secret, instance, stream)
    }

    /// Returns its client id, or SDK key.
    pub fn client_id(&self) -> &str {
        &self.client_id
    }

    /// Returns the app's own credentials, for a token of this account if one is named.
    pub(crate) fn credentials(&self, account_id: Option<String>) -> Credentials {
        Credentials { client_id: self.client_id.clone(), client_secret: self.client_secret.clone(), account_id }
    }

    /// Returns the credentials for Zoom's REST API.
    pub fn api_credentials(&self) -> Credentials {
        self.api.clone().unwrap_or_else(|| self.credentials(None))
    }

    /// Sets the credentials for Zoom's REST API: those of another app if it has a secret, and the account.
    fn with_api(self, api: &ApiConfig, secret: Option<ClientSecret>) -> Self {
        let own = self.credentials(api.account_id.as_ref().map(|id| id.trim().to_owned()));
        let api = match (&api.client_id, secret) {
            (Some(client_id), Some(client_secret)) => {
                Credentials { client_id: client_id.trim().to_owned(), client_secret, ..own }
            }
            (_, _) => own,
        };
        Self { api: Some(api), ..self }
    }

    /// Returns its name and what it has, for the log: how many secrets, and none of them.
    pub(crate) fn described(&self) -> String {
        let tokens = match self.secret_tokens.len() {
            1 => "1 secret token".to_owned(),
            count => format!("{count} secret tokens"),
        };
        let auth = if self.auth.is_some() { ", authentication of webhooks" } else { "" };
        let websocket = if self.websocket.is_some() { ", event WebSocket" } else { "" };
        format!("{} ({tokens}{auth}{websocket})", self.name)
    }

    /// The client secret in the place of the secret token: a mistake that [`crate::door::diagnosis`] looks for.
    pub(crate) fn client_secret_as_token(&self) -> Option<SecretToken> {
        SecretToken::new(std::str::from_utf8(self.client_secret.expose()).ok()?).ok()
    }
}

/// Why an app's secrets cannot be loaded.
#[derive(Debug, thiserror::Error)]
pub enum SecretsError {
    /// There are neither variables nor files.
    #[error(
        "no {what}: set the environment variable {} or name an [[app]] with files for its secrets in the configuration",
        variables.join(" or ")
    )]
    Missing {
        /// The missing secret.
        what: &'static str,
        /// The variables that may hold it.
        variables: &'static [&'static str],
    },
    /// A variable or file is there but empty.
    #[error("{place} is empty: put the {what} there")]
    Empty {
        /// The expected secret.
        what: &'static str,
        /// The variable or file.
        place: String,
    },
    /// A file cannot be read.
    #[error("cannot read the {what} of app {app} from {path}: {source}", path = path.display())]
    File {
        /// The expected secret.
        what: &'static str,
        /// The name of the app.
        app: String,
        /// The file.
        path: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
    /// `[app.auth]` cannot be used.
    #[error("app {app}: auth: {why}")]
    Auth {
        /// The name of the app.
        app: String,
        /// The fault.
        why: AuthUnusable,
    },
    /// An `[[app]]` cannot be used, whatever its secrets are.
    #[error(transparent)]
    Settings(#[from] ConfigError),
    /// Several apps are configured, and none is named.
    #[error("there are several apps, {0} and {1} among them: name one with --app")]
    SeveralApps(String, String),
    /// The settings have no such app.
    #[error("there is no app {0} in the settings")]
    NoApp(String),
    /// The secret that matches says which app is meant.
    #[error("the apps {0} and {1} have one secret token: each app of Zoom's has a token of its own")]
    SameToken(String, String),
}

/// Reads the secrets of every app: those that the settings name, and the one of the environment.
///
/// # Errors
/// [`SecretsError`], which says what to set.
pub fn load(apps: &[AppConfig], environment: impl Fn(&str) -> Option<String>) -> Result<Vec<App>, SecretsError> {
    if let Some(unusable) = app::check(apps).into_iter().next() {
        return Err(ConfigError::from(unusable).into());
    }
    let mut loaded = apps.iter().map(from_files).collect::<Result<Vec<_>, _>>()?;
    let find = |names| find(names, &environment);
    if loaded.is_empty() || find(SECRET_TOKEN).is_some() {
        let need = |what, variables| find(variables).ok_or(SecretsError::Missing { what, variables });
        let (place, token) = need("secret token (it verifies webhooks)", SECRET_TOKEN)?;
        let token =
            SecretToken::new(&token).map_err(|EmptySecret| SecretsError::Empty { what: "secret token", place })?;
        let (place, client_id) = need("client id (it signs handshakes)", CLIENT_ID)?;
        if client_id.trim().is_empty() {
            return Err(SecretsError::Empty { what: "client id", place });
        }
        let (place, secret) = need("client secret (it signs handshakes)", CLIENT_SECRET)?;
        let secret =
            ClientSecret::new(&secret).map_err(|EmptySecret| SecretsError::Empty { what: "client secret", place })?;
        let app = App::new(DEFAULT_APP, vec![token], client_id.trim(), secret);
        let api = ApiConfig {
            account_id: account_id(&environment),
            client_id: find(API_CLIENT_ID).map(|(_, id)| id),
            client_secret_file: None,
        };
        let secret = find(API_CLIENT_SECRET).map(|(place, secret)| api_secret(&secret, place)).transpose()?;
        match (&api.client_id, &secret) {
            (Some(_), None) => need("client secret for Zoom's API", API_CLIENT_SECRET).map(|_| ())?,
            (None, Some(_)) => need("client id for Zoom's API", API_CLIENT_ID).map(|_| ())?,
            (Some(_), Some(_)) | (None, None) => {}
        }
        loaded.push(app.with_api(&api, secret));
    }
    one_token_each(&loaded)?;
    Ok(loaded)
}

/// What a call of Zoom's REST API needs.
#[derive(Clone, Debug)]
pub struct ApiAccess {
    /// The client id of the app that receives streams, or its SDK key.
    pub client_id: String,
    /// The credentials that the call is made with.
    pub credentials: Credentials,
}

/// Finds what is needed to ask Zoom's REST API for an app: the one with this name, or the only one. That of the environment needs no
/// secret token for it.
///
/// # Errors
/// [`SecretsError`], which says what to set.
pub fn for_api(
    apps: &[AppConfig],
    name: Option<&str>,
    environment: impl Fn(&str) -> Option<String>,
) -> Result<ApiAccess, SecretsError> {
    let is_named = |app: &&AppConfig| name.is_none_or(|name| app.name == name);
    let mut named = apps.iter().filter(is_named);
    let app = match (named.next(), named.next()) {
        (Some(only), None) => from_files(only)?,
        (Some(one), Some(other)) => return Err(SecretsError::SeveralApps(one.name.clone(), other.name.clone())),
        (None, _) if name.is_none_or(|name| name == DEFAULT_APP) => return api_of_environment(environment),
        (None, _) => return Err(SecretsError::NoApp(name.unwrap_or_default().to_owned())),
    };
    Ok(ApiAccess { client_id: app.client_id().to_owned(), credentials: app.api_credentials() })
}

/// Finds what is needed in the environment. The app's own secret is not, if another app asks.
fn api_of_environment(environment: impl Fn(&str) -> Option<String>) -> Result<ApiAccess, SecretsError> {
    let find = |names| find(names, &environment);
    let need = |what, variables| find(variables).ok_or(SecretsError::Missing { what, variables });
    let (_, client_id) = need("client id of the app that receives the stream", CLIENT_ID)?;
    let client_id = client_id.trim().to_owned();
    let account_id = account_id(&environment);
    let (asking, (place, secret)) = match (find(API_CLIENT_ID), find(API_CLIENT_SECRET)) {
        (Some((_, id)), Some(secret)) => (id.trim().to_owned(), secret),
        (None, None) => (client_id.clone(), need("client secret (it opens Zoom's API)", CLIENT_SECRET)?),
        (Some(_), None) => {
            need("client secret for Zoom's API", API_CLIENT_SECRET).map(|secret| (String::new(), secret))?
        }
        (None, Some(_)) => need("client id for Zoom's API", API_CLIENT_ID).map(|id| (String::new(), id))?,
    };
    let credentials = Credentials { client_id: asking, client_secret: api_secret(&secret, place)?, account_id };
    Ok(ApiAccess { client_id, credentials })
}

/// The first of these variables that is set, with its value.
fn find(names: &[&str], environment: &impl Fn(&str) -> Option<String>) -> Option<(String, String)> {
    names.iter().find_map(|name| environment(name).map(|value| ((*name).to_owned(), value)))
}

/// The account for Zoom's API. An empty variable is as good as none.
fn account_id(environment: &impl Fn(&str) -> Option<String>) -> Option<String> {
    let (_, account_id) = find(ACCOUNT_ID, environment)?;
    Some(account_id.trim().to_owned()).filter(|account_id| !account_id.is_empty())
}

fn api_secret(text: &str, place: String) -> Result<ClientSecret, SecretsError> {
    ClientSecret::new(text).map_err(|EmptySecret| SecretsError::Empty { what: "client secret for Zoom's API", place })
}

/// Finds two apps with one secret token.
pub(crate) fn one_token_each(apps: &[App]) -> Result<(), SecretsError> {
    for (position, app) in apps.iter().enumerate() {
        let is_mine = |token: &SecretToken| app.secret_tokens.iter().any(|mine| mine.expose() == token.expose());
        let has_one_of = |other: &&App| other.secret_tokens.iter().any(is_mine);
        if let Some(other) = apps.iter().take(position).find(has_one_of) {
            return Err(SecretsError::SameToken(other.name.to_string(), app.name.to_string()));
        }
    }
    Ok(())
}

/// Reads the secrets of one app from its files.
pub(crate) fn from_files(app: &AppConfig) -> Result<App, SecretsError> {
    let read = |what: &'static str, path: &PathBuf| {
        std::fs::read_to_string(path).map_err(|source| SecretsError::File {
            what,
            app: app.name.clone(),
            path: path.clone(),
            source,
        })
    };
    let empty = |what, path: &PathBuf| SecretsError::Empty { what, place: path.display().to_string() };
    let tokens = app
        .secret_token_files
        .iter()
        .map(|path| SecretToken::new(&read("secret token", path)?).map_err(|EmptySecret| empty("secret token", path)))
        .collect::<Result<Vec<_>, _>>()?;
    let path = &app.client_secret_file;
    let secret =
        ClientSecret::new(&read("client secret", path)?).map_err(|EmptySecret| empty("client secret", path))?;
    let auth = app
        .auth
        .as_ref()
        .map(|auth| {
            let secret = read("auth secret", auth.file())?;
            Auth::new(auth, &secret).map_err(|why| SecretsError::Auth { app: app.name.clone(), why })
        })
        .transpose()?;
    let websocket = app.websocket.clone().map(Arc::new);
    let loaded = App { auth, websocket, ..App::new(&app.name, tokens, app.client_id.trim(), secret) };
    let Some(api) = &app.api else { return Ok(loaded) };
    let secret = api
        .client_secret_file
        .as_ref()
        .map(|path| api_secret(&read("client secret for Zoom's API", path)?, path.display().to_string()));
    Ok(loaded.with_api(api, secret.transpose()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_missing_is_named_with_the_variable_to_set() {
        let error = load(&[], |_| None).unwrap_err().to_string();
        assert!(error.contains("ZOOM_SECRET_TOKEN"), "{error}");

        let only_token = |name: &str| (name == "ZOOM_SECRET_TOKEN").then(|| "t".to_string());
        let error = load(&[], only_token).unwrap_err().to_string();
        assert!(error.contains("ZOOM_CLIENT_ID or ZM_RTMS_CLIENT or ZOOM_VIDEO_SDK_KEY"), "{error}");
    }

    #[test]
    fn the_names_of_zooms_samples_are_taken_too() {
        for names in [
            ["ZOOM_SECRET_TOKEN", "ZM_RTMS_CLIENT", "ZM_RTMS_SECRET"],
            ["ZOOM_SECRET_TOKEN", "ZOOM_VIDEO_SDK_KEY", "ZOOM_VIDEO_SDK_SECRET"],
        ] {
            let apps = load(&[], |name| names.contains(&name).then(|| "value".to_string())).unwrap();
            assert_eq!(apps.len(), 1);
        }
    }

    #[test]
    fn an_empty_secret_is_no_secret() {
        let error = load(&[], |_| Some(" ".into())).unwrap_err().to_string();
        assert!(error.contains("ZOOM_SECRET_TOKEN is empty"), "{error}");
    }
}
