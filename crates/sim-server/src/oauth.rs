//! Zoom's OAuth as the simulator plays it: tokens for the app's client id and secret.

use std::{
    collections::BTreeMap,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use aws_lc_rs::constant_time;
use hyper::StatusCode;
use rtms_sim::config::App;
use rtms_wire::{base64, time::UnixMillis};
use serde_json::{Value, json};

use crate::clock::Clock;

/// The path of the token endpoint.
pub(crate) const TOKEN_PATH: &str = "/oauth/token";

/// What is around the number of a token: signs that a bearer token may have and that mean something in a query, so that
/// a client has to escape them there.
const PREFIX: &str = "sim+token/";
const SUFFIX: &str = "==";

/// Tokens that are valid at a time; the oldest are forgotten before there are more.
const MOST: usize = 10_000;

/// A token endpoint.
#[derive(Debug)]
pub(crate) struct Tokens {
    app: App,
    /// The account that a request with `account_credentials` has to name.
    account_id: String,
    life: Duration,
    /// What tokens are said to be for; left out of the answer if there is nothing.
    scopes: Vec<String>,
    clock: Clock,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    given: u64,
    refused: u64,
    /// Each token by its number, and when it ends.
    valid: BTreeMap<u64, UnixMillis>,
}

impl Tokens {
    pub(crate) fn new(app: App, account_id: String, life: Duration, scopes: Vec<String>) -> Self {
        Self { app, account_id, life, scopes, clock: Clock::start(), state: Mutex::default() }
    }

    /// Answers a request for a token. `authorization` is its header, `fields` those of its query and its body.
    ///
    /// Basis: both grants and the answer are documented, the errors observed in public clients.
    pub(crate) fn grant(&self, authorization: Option<&str>, fields: &BTreeMap<String, String>) -> (StatusCode, Value) {
        let pair = [self.app.client_id.as_bytes(), b":", self.app.client_secret.expose()].concat();
        let expected = format!("Basic {}", base64::encode(&pair));
        let is_the_app = authorization
            .is_some_and(|it| constant_time::verify_slices_are_equal(it.as_bytes(), expected.as_bytes()).is_ok());
        let field = |name: &str| fields.get(name).map(String::as_str);
        let refusal = if is_the_app {
            match (field("grant_type"), field("account_id")) {
                (Some("client_credentials"), _) => None,
                (Some("account_credentials"), Some(account)) if account == self.account_id => None,
                (Some("account_credentials") | None, _) => {
                    Some(json!({ "reason": "Bad Request", "error": "invalid_request" }))
                }
                (Some(_), _) => Some(json!({ "reason": "unsupported grant type", "error": "unsupported_grant_type" })),
            }
        } else {
            Some(json!({ "reason": "Invalid client_id or client_secret", "error": "invalid_client" }))
        };
        let mut state = self.state();
        if let Some(refusal) = refusal {
            state.refused += 1;
            return (StatusCode::BAD_REQUEST, refusal);
        }
        state.given += 1;
        let now = self.clock.now();
        state.valid.retain(|_, ends| *ends > now);
        if state.valid.len() >= MOST {
            state.valid.pop_first();
        }
        let number = state.given;
        state.valid.insert(number, now + self.life);
        let seconds = self.life.as_secs() + u64::from(self.life.subsec_nanos() > 0);
        let mut answer = json!({ "access_token": format!("{PREFIX}{number}{SUFFIX}"), "token_type": "bearer", "expires_in": seconds });
        if let Some(answer) = answer.as_object_mut().filter(|_| !self.scopes.is_empty()) {
            answer.insert("scope".to_owned(), self.scopes.join(" ").into());
        }
        (StatusCode::OK, answer)
    }

    /// Whether a token was given out and has not ended.
    pub(crate) fn is_valid(&self, presented: &str) -> bool {
        let number = presented.strip_prefix(PREFIX).and_then(|rest| rest.strip_suffix(SUFFIX)?.parse().ok());
        let ends = number.and_then(|number: u64| self.state().valid.get(&number).copied());
        ends.is_some_and(|ends| self.clock.now() < ends)
    }

    /// Ends all tokens that were given out so far.
    pub(crate) fn revoke(&self) {
        self.state().valid.clear();
    }

    /// How many tokens were given out.
    pub(crate) fn given(&self) -> u64 {
        self.state().given
    }

    /// How many requests were refused.
    pub(crate) fn refused(&self) -> u64 {
        self.state().refused
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // What is behind the lock is whole after every statement, so a panic elsewhere does not spoil it.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The fields of a query or a form.
pub(crate) fn fields(text: &[u8]) -> impl Iterator<Item = (String, String)> {
    form_urlencoded::parse(text).into_owned()
}
