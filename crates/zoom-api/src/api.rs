//! The API of one app: a token that is kept, and the calls.

use std::sync::Arc;

use bytes::Bytes;
use hyper::{Request, StatusCode, header};
use rtms_http::client::{HttpClient, Limits};
use rtms_wire::{codes::product::Product, secret::AccessToken, time::UnixMillis};
use serde::Deserialize;
use tokio::{sync::Mutex, time::Instant};

use crate::{
    control::Control,
    credentials::Credentials,
    error::ControlError,
    jwt,
    token::{self, NoToken, TOKEN_URL, Token, short},
};

/// Zoom's address for calls. Basis: documented.
pub const API_URL: &str = "https://api.zoom.us/v2";

/// The addresses of Zoom's API.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoints {
    /// Where calls go, without a slash at its end.
    pub api_url: String,
    /// Where access tokens come from.
    pub token_url: String,
}

impl Default for Endpoints {
    fn default() -> Self {
        Self { api_url: API_URL.into(), token_url: TOKEN_URL.into() }
    }
}

/// The API for one app. Clones share the token.
#[derive(Clone, Debug)]
pub struct ZoomApi {
    http: HttpClient,
    endpoints: Endpoints,
    credentials: Credentials,
    token: Arc<Mutex<Option<Token>>>,
}

/// Zoom's words for a refusal. Basis: documented.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Refusal {
    code: Option<i64>,
    message: String,
}

impl ZoomApi {
    /// Makes the API of an app. Nothing is asked for yet.
    pub fn new(http: HttpClient, endpoints: Endpoints, credentials: Credentials) -> Self {
        Self { http, endpoints, credentials, token: Arc::default() }
    }

    /// Starts, stops, pauses or resumes a stream. Returns Zoom's status, any 2xx; what follows is announced by webhook or on
    /// signaling.
    ///
    /// A token that Zoom no longer accepts is replaced once.
    ///
    /// # Errors
    /// [`ControlError`], which knows whether a retry is worth it.
    pub async fn control(&self, control: &Control, now: UnixMillis) -> Result<StatusCode, ControlError> {
        let token = self.token_for(control.product, now).await?;
        match self.call(control, &token).await {
            Err(ControlError::Refused { status: StatusCode::UNAUTHORIZED, .. })
                if control.product != Product::Session =>
            {
                *self.token.lock().await = None;
                let token = self.token_for(control.product, now).await?;
                self.call(control, &token).await
            }
            done => done,
        }
    }

    async fn token_for(&self, product: Product, now: UnixMillis) -> Result<AccessToken, NoToken> {
        if product == Product::Session {
            return jwt::sign(&self.credentials, now);
        }
        let mut kept = self.token.lock().await;
        match &*kept {
            Some(token) if token.renew_at > Instant::now() => Ok(token.secret.clone()),
            Some(_) | None => {
                let token = token::fetch(&self.http, &self.endpoints.token_url, &self.credentials).await?;
                Ok(kept.insert(token).secret.clone())
            }
        }
    }

    async fn call(&self, control: &Control, token: &AccessToken) -> Result<StatusCode, ControlError> {
        let bearer = [b"Bearer ", token.expose()].concat();
        let mut authorization = header::HeaderValue::from_bytes(&bearer).map_err(hyper::http::Error::from)?;
        authorization.set_sensitive(true);
        let request = Request::builder()
            .method(control.method())
            .uri(format!("{}{}", self.endpoints.api_url.trim_end_matches('/'), control.path()))
            .header(header::AUTHORIZATION, authorization)
            .header(header::ACCEPT, "application/json")
            .header(header::CONTENT_TYPE, "application/json")
            .body(Bytes::from(control.body().to_string()))?;
        let (head, body) = self.http.send(request, Limits::default()).await?.into_parts();
        if head.status.is_success() {
            return Ok(head.status);
        }
        let said: Refusal = serde_json::from_slice(&body).unwrap_or_default();
        let message = if said.message.is_empty() { "it gives no reason".to_owned() } else { short(&said.message) };
        Err(ControlError::Refused { status: head.status, code: said.code, message })
    }
}
