//! What an event subscription makes Zoom send beside the signature, for an app with `[app.auth]`.

use bytes::Bytes;
use hyper::{
    Request, Uri,
    header::{AUTHORIZATION, HeaderName, HeaderValue},
};
use rtms_gateway::config::app::{AppConfig, AuthConfig};
use rtms_http::client::{HttpClient, Limits};
use rtms_wire::base64;
use serde::Deserialize;

use crate::doctor::{failure, probe::sibling};

#[derive(Deserialize)]
struct Token {
    access_token: String,
}

/// Returns the headers of each request; what is wrong and what to do, if they cannot be had.
pub(super) async fn headers(
    client: &HttpClient,
    url: &Uri,
    app: Option<&AppConfig>,
) -> Result<Vec<(HeaderName, HeaderValue)>, (String, String)> {
    let Some((app, auth)) = app.and_then(|app| Some((app, app.auth.as_ref()?))) else { return Ok(Vec::new()) };
    let unusable =
        |why: String| (format!("[app.auth] of app {:?}: {why}", app.name), "change [app.auth] of that app".to_owned());
    let read = |path: &std::path::Path| std::fs::read_to_string(path).map_err(|error| unusable(error.to_string()));
    let value = |text: &str| -> Result<HeaderValue, (String, String)> {
        let mut value = HeaderValue::from_str(text).map_err(|error| unusable(error.to_string()))?;
        value.set_sensitive(true);
        Ok(value)
    };
    let basic = |user: &str, password: &str| {
        value(&format!("Basic {}", base64::encode(format!("{user}:{}", password.trim()).as_bytes())))
    };
    match auth {
        AuthConfig::Basic { user, password_file } => Ok(vec![(AUTHORIZATION, basic(user, &read(password_file)?)?)]),
        AuthConfig::Header { name, value_file } => {
            let name = name.parse().map_err(|_| unusable(format!("{name:?} is not the name of a header")))?;
            Ok(vec![(name, value(read(value_file)?.trim())?)])
        }
        AuthConfig::Token { client_id, client_secret_file } => {
            let credentials = basic(client_id, &read(client_secret_file)?)?;
            let token = fetch(client, url, &app.name, credentials).await?;
            Ok(vec![(AUTHORIZATION, value(&format!("Bearer {token}"))?)])
        }
    }
}

/// Fetches a token as Zoom does.
async fn fetch(
    client: &HttpClient,
    url: &Uri,
    app: &str,
    credentials: HeaderValue,
) -> Result<String, (String, String)> {
    let path = format!("/webhook/{app}/token?grant_type=client_credentials");
    let unreachable = |why: &str| {
        let found = format!("no token can be fetched from /webhook/{app}/token: {why}");
        (found, "let the proxy pass /webhook/* on to rtms; id and secret must be those of [app.auth]".to_owned())
    };
    let url = sibling(url, &path).ok_or_else(|| unreachable("no URL"))?;
    let request = Request::post(url).header(AUTHORIZATION, credentials).body(Bytes::new());
    let request = request.map_err(|error| unreachable(&error.to_string()))?;
    let answer = client.send(request, Limits::default()).await.map_err(|error| {
        let (_, found, remedy) = failure::of(&error);
        (found, remedy)
    })?;
    if !answer.status().is_success() {
        return Err(unreachable(&format!("it is answered with {}", answer.status())));
    }
    let token = serde_json::from_slice::<Token>(answer.body()).map_err(|_| unreachable("the answer is no token"))?;
    Ok(token.access_token)
}
