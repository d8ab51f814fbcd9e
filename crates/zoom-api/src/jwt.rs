//! The token for Video SDK's API: a JSON Web Token that the app signs itself with its SDK secret.
//!
//! Basis: reconstructed. `iss` is the key, `exp` the end; no stored page shows the claims for the call that controls streams.

use std::time::Duration;

use aws_lc_rs::hmac;
use data_encoding::BASE64URL_NOPAD;
use rtms_wire::{secret::AccessToken, time::UnixMillis};
use serde_json::json;

use crate::{credentials::Credentials, token::NoToken};

/// How long a token opens the API. It is made for one call.
const LIFE: Duration = Duration::from_secs(600);

/// The time for which a token is dated back: clocks differ.
const BACKDATED: Duration = Duration::from_secs(30);

/// Makes a token at this time, signed with HMAC-SHA256.
///
/// # Errors
/// [`NoToken::Unreadable`], which cannot happen: a token is never empty.
pub fn sign(credentials: &Credentials, now: UnixMillis) -> Result<AccessToken, NoToken> {
    let seconds = |time: u64| time / 1000;
    let millis = |duration: Duration| u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
    let head = json!({ "alg": "HS256", "typ": "JWT" });
    let claims = json!({
        "iss": credentials.client_id,
        "iat": seconds(now.0.saturating_sub(millis(BACKDATED))),
        "exp": seconds(now.0.saturating_add(millis(LIFE))),
    });
    let [head, claims] = [head, claims].map(|part| BASE64URL_NOPAD.encode(part.to_string().as_bytes()));
    let text = format!("{head}.{claims}");
    let key = hmac::Key::new(hmac::HMAC_SHA256, credentials.client_secret.expose());
    let signature = BASE64URL_NOPAD.encode(hmac::sign(&key, text.as_bytes()).as_ref());
    AccessToken::new(&format!("{text}.{signature}")).map_err(|_| NoToken::Unreadable)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "in a test, a panic is the answer")]

    use rtms_wire::secret::ClientSecret;
    use serde_json::Value;

    use super::*;

    #[test]
    fn a_token_names_the_key_and_its_end_and_is_signed_over_both() {
        let secret = ClientSecret::new("sdk-secret").unwrap();
        let credentials = Credentials { client_id: "sdk-key".into(), client_secret: secret, account_id: None };

        let token = sign(&credentials, UnixMillis(1_795_428_000_412)).unwrap();

        let token = String::from_utf8(token.expose().to_vec()).unwrap();
        let (text, signature) = token.rsplit_once('.').unwrap();
        let key = hmac::Key::new(hmac::HMAC_SHA256, b"sdk-secret");
        hmac::verify(&key, text.as_bytes(), &BASE64URL_NOPAD.decode(signature.as_bytes()).unwrap()).unwrap();
        let part = |text: &str| -> Value {
            serde_json::from_slice(&BASE64URL_NOPAD.decode(text.as_bytes()).unwrap()).unwrap()
        };
        let (head, claims) = text.split_once('.').unwrap();
        assert_eq!(part(head), json!({ "alg": "HS256", "typ": "JWT" }));
        assert_eq!(part(claims), json!({ "iss": "sdk-key", "iat": 1_795_427_970, "exp": 1_795_428_600 }));
    }
}
