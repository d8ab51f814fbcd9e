//! The tokens that apps of the Video SDK make themselves: JWT, signed with HMAC-SHA256 and the SDK secret.

use aws_lc_rs::hmac;
use rtms_sim::config::App;
use rtms_wire::{base64, time::UnixMillis};
use serde_json::Value;

/// Checks a token of this app at this time. The error says what is wrong.
///
/// Basis: reconstructed. Which claims Zoom wants is not in what is published of the call, so those are asked for that
/// every token of a Video SDK app for REST has: `iss` (or `app_key`), the SDK key, and `exp`.
pub(super) fn check(app: &App, token: &str, now: UnixMillis) -> Result<(), &'static str> {
    let (signed, signature) = token.rsplit_once('.').ok_or("it is no JWT")?;
    let (header, claims) = signed.split_once('.').ok_or("it is no JWT")?;
    if object(header).ok_or("its header is no JSON in base64url")?.get("alg") != Some(&Value::from("HS256")) {
        return Err("its alg is not HS256");
    }
    let key = hmac::Key::new(hmac::HMAC_SHA256, app.client_secret.expose());
    let signature = base64::decode_any_form(signature).map_err(|_| "its signature is no base64url")?;
    hmac::verify(&key, signed.as_bytes(), &signature).map_err(|_| "it is not signed with the SDK secret")?;
    let claims = object(claims).ok_or("its claims are no JSON in base64url")?;
    let issuer = claims.get("iss").or_else(|| claims.get("app_key"));
    if issuer.and_then(Value::as_str) != Some(&app.client_id) {
        return Err("neither iss nor app_key is the SDK key");
    }
    match claims.get("exp").and_then(Value::as_f64) {
        None => Err("it has no exp"),
        Some(exp) if exp <= now.as_secs() as f64 => Err("it has expired"),
        Some(_) => Ok(()),
    }
}

fn object(part: &str) -> Option<Value> {
    let bytes = base64::decode_any_form(part).ok()?;
    serde_json::from_slice(&bytes).ok().filter(Value::is_object)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const NOW: UnixMillis = UnixMillis(1_795_420_800_000);

    #[test]
    fn a_token_of_the_app_is_taken_with_either_claim_for_its_key() {
        for claim in ["iss", "app_key"] {
            let claims = json!({ claim: App::TEST_CLIENT_ID, "exp": NOW.as_secs() + 1 });
            assert_eq!(check(&App::default(), &token("HS256", &claims, App::TEST_CLIENT_SECRET), NOW), Ok(()));
        }
    }

    #[test]
    fn what_is_wrong_with_a_token_is_named() {
        let good = json!({ "iss": App::TEST_CLIENT_ID, "exp": NOW.as_secs() + 1 });
        let expired = json!({ "iss": App::TEST_CLIENT_ID, "exp": NOW.as_secs() });
        let endless = json!({ "iss": App::TEST_CLIENT_ID });
        let strange = json!({ "iss": "another", "exp": NOW.as_secs() + 1 });
        let secret = App::TEST_CLIENT_SECRET;
        for (token, why) in [
            ("sim+token/1==".to_owned(), "it is no JWT"),
            ("a.b.c".to_owned(), "its header is no JSON in base64url"),
            (token("none", &good, secret), "its alg is not HS256"),
            (token("HS256", &good, "another"), "it is not signed with the SDK secret"),
            (token("HS256", &strange, secret), "neither iss nor app_key is the SDK key"),
            (token("HS256", &endless, secret), "it has no exp"),
            (token("HS256", &expired, secret), "it has expired"),
        ] {
            assert_eq!(check(&App::default(), &token, NOW), Err(why), "{token}");
        }
    }

    fn token(alg: &str, claims: &Value, secret: &str) -> String {
        let url_safe = |bytes: &[u8]| base64::encode(bytes).replace('+', "-").replace('/', "_").replace('=', "");
        let header = json!({ "alg": alg, "typ": "JWT" });
        let signed = format!("{}.{}", url_safe(header.to_string().as_bytes()), url_safe(claims.to_string().as_bytes()));
        let signature = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes()), signed.as_bytes());
        format!("{signed}.{}", url_safe(signature.as_ref()))
    }
}
