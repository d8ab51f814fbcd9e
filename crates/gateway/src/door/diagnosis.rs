//! Why a signature is wrong: the usual suspects, each tried. For the log and a counter; the sender learns nothing of
//! it.

use std::sync::Mutex;

use rtms_wire::{
    secret::SecretToken, signature::webhook_signature_matches, time::UnixMillis, webhook::verify::Delivery,
};

use crate::{apps::secrets::App, label::Suspect};

/// Bodies longer than this are not looked into: a webhook has a few hundred bytes, and each try is an HMAC.
const MAX_BODY_BYTES: usize = 64 << 10;

/// The least time between two diagnoses. A flood of wrong signatures must not keep the server busy.
const EVERY_MS: u64 = 200;

/// Returns what to do about a suspect.
pub(crate) fn advice(suspect: Suspect) -> &'static str {
    match suspect {
        Suspect::Reserialised => "a proxy rewrites the JSON: let it pass the body through byte for byte",
        Suspect::Newline => {
            "a proxy or script adds or strips a newline at the end of the body: pass it through as it is"
        }
        Suspect::OtherApp => "the signature is right for another app: check the path in that app's event subscription",
        Suspect::ClientSecret => {
            "the signature is made with what is configured as client secret: the secret token goes there"
        }
        Suspect::VerificationToken => {
            "it has the old verification token: if that is configured as secret token, put the secret token in its place; \
             otherwise a proxy drops the x-zm-* headers, or the app predates them"
        }
        Suspect::Unknown => "nobody we know signed it: a wrong secret token, or not Zoom",
    }
}

/// Finds suspects, now and then.
#[derive(Default)]
pub(crate) struct Diagnosis {
    last: Mutex<Option<UnixMillis>>,
}

impl Diagnosis {
    /// The first suspect that fits; none if the last diagnosis was a moment ago.
    ///
    /// `only` is the app that the path named, `authorization` what the header of that name holds.
    pub(crate) fn of(
        &self,
        delivery: &Delivery<'_>,
        apps: &[App],
        only: Option<&str>,
        authorization: Option<&[u8]>,
        now: UnixMillis,
    ) -> Option<Suspect> {
        if !self.is_due(now) {
            return None;
        }
        let (Some(timestamp), Some(signature)) = (delivery.timestamp, delivery.signature) else {
            return Some(if authorization.is_some() { Suspect::VerificationToken } else { Suspect::Unknown });
        };
        let body = delivery.body.get(..MAX_BODY_BYTES).unwrap_or(delivery.body);
        if body.len() < delivery.body.len() || delivery.body.len() > MAX_BODY_BYTES {
            return Some(Suspect::Unknown);
        }
        let named = |app: &&App| only.is_none_or(|name| app.name == name);
        let signed = |app: &App, body: &[u8]| {
            app.secret_tokens.iter().any(|token| webhook_signature_matches(token, timestamp, body, signature))
        };
        let by_named = |body: &[u8]| apps.iter().filter(named).any(|app| signed(app, body));

        let is_token = |token: &SecretToken| authorization == Some(token.expose());
        let has_old_token = apps.iter().filter(named).any(|app| app.secret_tokens.iter().any(is_token));
        let trimmed = body.trim_ascii_end();
        let with_newline = [body, b"\n"].concat();
        let reserialised = reserialise(body);
        let tries = [
            (Suspect::VerificationToken, has_old_token),
            (Suspect::Newline, trimmed.len() != body.len() && by_named(trimmed) || by_named(&with_newline)),
            (Suspect::Reserialised, reserialised.is_some_and(|body| by_named(&body))),
            (Suspect::OtherApp, apps.iter().filter(|app| !named(app)).any(|app| signed(app, body))),
            (
                Suspect::ClientSecret,
                apps.iter().any(|app| {
                    app.client_secret_as_token()
                        .is_some_and(|token| webhook_signature_matches(&token, timestamp, body, signature))
                }),
            ),
        ];
        Some(tries.into_iter().find(|(_, fits)| *fits).map_or(Suspect::Unknown, |(suspect, _)| suspect))
    }

    /// Whether there is anything to be said yet, which then counts as said.
    pub(crate) fn is_due(&self, now: UnixMillis) -> bool {
        let Ok(mut last) = self.last.try_lock() else { return false };
        if last.is_some_and(|last| now.0.abs_diff(last.0) < EVERY_MS) {
            return false;
        }
        *last = Some(now);
        true
    }
}

/// The body as JavaScript would write it after reading it: compact, keys in their order. Zoom's own example signs that.
fn reserialise(body: &[u8]) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(body.len());
    let mut from = serde_json::Deserializer::from_slice(body);
    serde_transcode::transcode(&mut from, &mut serde_json::Serializer::new(&mut out)).ok()?;
    from.end().ok()?;
    Some(out)
}

#[cfg(test)]
mod tests {
    use rtms_wire::{secret::ClientSecret, signature::webhook_signature};

    use super::*;

    const BODY: &[u8] = br#"{"b":"gPkqeuK3m0UGeK+QdgAH/Q==","a":[1,{"z":null}]}"#;

    #[test]
    fn each_usual_suspect_is_named() {
        let escaped = br#"{"b":"gPkqeuK3m0UGeK+QdgAH\/Q==", "a":[1,{"z":null}]}"#.as_slice();
        let newline = [BODY, b"\n"].concat();
        for (signed_with, signed_over, received, suspect) in [
            ("one", BODY, escaped, Suspect::Reserialised),
            ("one", BODY, newline.as_slice(), Suspect::Newline),
            ("one", newline.as_slice(), BODY, Suspect::Newline),
            ("two", BODY, BODY, Suspect::OtherApp),
            ("one's client secret", BODY, BODY, Suspect::ClientSecret),
            ("nobody's", BODY, BODY, Suspect::Unknown),
        ] {
            let signature = webhook_signature(&SecretToken::new(signed_with).unwrap(), "1795428001", signed_over);
            let delivery = Delivery { timestamp: Some("1795428001"), signature: Some(&signature), body: received };

            let found = Diagnosis::default().of(&delivery, &apps(), Some("one"), None, UnixMillis(1));

            assert_eq!(found, Some(suspect), "{signed_with}");
        }
    }

    #[test]
    fn an_old_verification_token_without_signature_is_named() {
        let delivery = Delivery { timestamp: None, signature: None, body: BODY };
        assert_eq!(
            Diagnosis::default().of(&delivery, &apps(), None, Some(b"old token"), UnixMillis(1)),
            Some(Suspect::VerificationToken)
        );
    }

    #[test]
    fn an_old_verification_token_in_the_place_of_the_secret_token_is_named() {
        let signature = webhook_signature(&SecretToken::new("the real one").unwrap(), "1795428001", BODY);
        let delivery = Delivery { timestamp: Some("1795428001"), signature: Some(&signature), body: BODY };
        for (authorization, suspect) in
            [(&b"one"[..], Suspect::VerificationToken), (b"Basic em9vbTp4", Suspect::Unknown)]
        {
            let found = Diagnosis::default().of(&delivery, &apps(), Some("one"), Some(authorization), UnixMillis(1));
            assert_eq!(found, Some(suspect));
        }
    }

    #[test]
    fn a_flood_of_wrong_signatures_is_not_diagnosed_one_by_one() {
        let diagnosis = Diagnosis::default();
        let delivery = Delivery { timestamp: Some("1795428001"), signature: Some("v0=00"), body: BODY };
        let at = |ms| diagnosis.of(&delivery, &apps(), None, None, UnixMillis(ms)).is_some();

        assert_eq!([at(1000), at(1001), at(1000 + EVERY_MS - 1), at(1000 + EVERY_MS)], [true, false, false, true]);
    }

    fn apps() -> Vec<App> {
        ["one", "two"]
            .map(|name| {
                let secret = ClientSecret::new(&format!("{name}'s client secret")).unwrap();
                App::new(name, vec![SecretToken::new(name).unwrap()], "id", secret)
            })
            .into()
    }
}
