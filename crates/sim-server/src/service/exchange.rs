//! A request to the service, and its answer.

use std::collections::BTreeMap;

use bytes::Bytes;
use http_body_util::Full;
use hyper::{
    Method, Response, StatusCode,
    header::{self, HeaderValue},
};
use serde_json::Value;

use crate::oauth;

/// A request that was read to its end.
#[derive(Debug)]
pub(super) struct Asked {
    pub(super) method: Method,
    /// As it was sent, percent-encoded.
    pub(super) path: String,
    pub(super) query: Option<String>,
    pub(super) authorization: Option<String>,
    pub(super) body: Bytes,
}

impl Asked {
    /// The fields of the query.
    pub(super) fn query(&self) -> BTreeMap<String, String> {
        oauth::fields(self.query.as_deref().unwrap_or_default().as_bytes()).collect()
    }

    /// The fields of the query and of a body that is a form.
    pub(super) fn form(&self) -> BTreeMap<String, String> {
        self.query().into_iter().chain(oauth::fields(&self.body)).collect()
    }
}

/// What a request is answered.
#[derive(Debug)]
pub(super) struct Answer {
    status: StatusCode,
    content_type: &'static str,
    body: Bytes,
}

impl Answer {
    pub(super) fn json(status: StatusCode, body: &Value) -> Self {
        Self { status, content_type: "application/json", body: body.to_string().into() }
    }

    pub(super) fn problem(status: StatusCode, body: &Value) -> Self {
        Self { content_type: "application/problem+json", ..Self::json(status, body) }
    }

    pub(super) fn text(text: &'static str) -> Self {
        Self { status: StatusCode::OK, content_type: "text/plain", body: Bytes::from_static(text.as_bytes()) }
    }

    pub(super) fn no_content() -> Self {
        Self { status: StatusCode::NO_CONTENT, content_type: "", body: Bytes::new() }
    }

    pub(super) fn into_response(self) -> Response<Full<Bytes>> {
        let mut response = Response::new(Full::new(self.body));
        *response.status_mut() = self.status;
        if !self.content_type.is_empty() {
            response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(self.content_type));
        }
        response
    }
}
