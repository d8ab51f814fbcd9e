//! The webhook decoder: any body, signed by the target; and any text as headers, as URL, as token.

use rtms_wire::{
    secret::SecretToken,
    signature::webhook_signature,
    time::UnixMillis,
    webhook::{
        Webhook, WebhookBody, WebhookUnreadable,
        server_url::{ServerUrlPolicy, region},
        url_validation::UrlValidationAnswer,
        verify::{DEFAULT_TOLERANCE, Delivery, NotFromZoom, Verified},
    },
};
use serde_json::Value;

const TIMESTAMP: &str = "1795428001";
const NOW: UnixMillis = UnixMillis(1_795_428_001_000);

/// Reads the input as a body.
pub fn run(body: &[u8]) {
    let secrets = ["an older token", "the current token"].map(|secret| SecretToken::new(secret).expect("not empty"));
    let signature = webhook_signature(&secrets[1], TIMESTAMP, body);
    let delivery = Delivery { timestamp: Some(TIMESTAMP), signature: Some(&signature), body };
    let verified = delivery.verify(&secrets, NOW, DEFAULT_TOLERANCE).expect("the target signed it");
    assert_eq!(verified.secret_position(), 1);
    assert_eq!(verified.body(), body);
    nothing_else_is_verified(&delivery, &secrets);

    let decoded = Webhook::decode(body);
    refuses_only_what_is_none(body, &decoded);
    if let Ok(webhook) = decoded {
        means_one_thing(body, &webhook);
        acts_on_little(&webhook, &verified);
    }
    if let Ok(text) = std::str::from_utf8(body) {
        leads_to_zoom_only(text);
    }
}

/// Another body under the same signature, and the first two lines of the body as headers.
fn nothing_else_is_verified(delivery: &Delivery<'_>, secrets: &[SecretToken; 2]) {
    let verify = |delivery: Delivery<'_>| {
        Delivery { ..delivery }.verify(secrets, NOW, DEFAULT_TOLERANCE).map(|verified| verified.secret_position())
    };
    let longer = [delivery.body, b"\n"].concat();
    let by_itself = Delivery { body: &longer, ..*delivery }.verify(secrets, NOW, DEFAULT_TOLERANCE).map(drop);
    assert_eq!(by_itself, Err(NotFromZoom::BadSignature));

    let Ok(text) = std::str::from_utf8(delivery.body) else { return };
    let mut lines = text.lines();
    let (timestamp, signature) = (lines.next(), lines.next());
    assert!(verify(Delivery { timestamp, signature, ..*delivery }).is_err());
    assert!(verify(Delivery { signature: timestamp, ..*delivery }).is_err());
    if timestamp != delivery.timestamp {
        assert!(verify(Delivery { timestamp, ..*delivery }).is_err());
    }
}

/// Whatever is JSON and has an event name is a webhook. Only a key that comes twice makes it none.
fn refuses_only_what_is_none(body: &[u8], decoded: &Result<Webhook, WebhookUnreadable>) {
    let Err(why) = decoded else { return };
    let names_an_event = serde_json::from_slice::<Value>(body).is_ok_and(|body| body["event"].is_string());
    let twice = matches!(why, WebhookUnreadable::NotJson(why) if why.to_string().contains("duplicate field"));
    assert!(!names_an_event || twice, "{why:?}");
}

fn means_one_thing(body: &[u8], webhook: &Webhook) {
    let spaced = [b" \n", body, b"\t\r\n"].concat();
    assert_eq!(Webhook::decode(body).ok().as_ref(), Some(webhook), "read again");
    assert_eq!(Webhook::decode(&spaced).ok().as_ref(), Some(webhook), "with white space around it");
}

fn acts_on_little(webhook: &Webhook, verified: &Verified<'_>) {
    let _ = webhook.product();
    match &webhook.body {
        WebhookBody::RtmsStarted(started) => started.server_urls.iter().for_each(|url| leads_to_zoom_only(url)),
        WebhookBody::RtmsInterrupted(interrupted) => {
            interrupted.server_urls.iter().for_each(|url| leads_to_zoom_only(url));
        }
        WebhookBody::UrlValidation { plain_token } => is_no_signing_oracle(verified, plain_token),
        WebhookBody::RtmsStopped(_)
        | WebhookBody::ConcurrencyNearLimit(_)
        | WebhookBody::ConcurrencyLimited(_)
        | WebhookBody::StartFailed
        | WebhookBody::RequestStatus
        | WebhookBody::Other => {}
    }
}

/// What is signed over begins with `v0:`, so a token without a colon is none of it.
fn is_no_signing_oracle(verified: &Verified<'_>, plain_token: &str) {
    if let Ok(answer) = UrlValidationAnswer::new(verified, plain_token) {
        assert_eq!(answer.plain_token, plain_token);
        assert!(!plain_token.is_empty() && plain_token.len() <= 256 && !plain_token.contains(':'), "{plain_token:?}");
        assert!(plain_token.is_ascii() && !plain_token.contains(|it: char| it.is_control() || it == '"'));
    }
}

/// The host is judged here by the text alone, not by the parser that the policy has.
fn leads_to_zoom_only(url: &str) {
    if let Some(region) = region(url) {
        assert!(region.len() == 3 && region.bytes().all(|byte| byte.is_ascii_uppercase()), "{url:?}: {region:?}");
    }
    for allow_loopback in [false, true] {
        let policy = ServerUrlPolicy { allow_loopback, ..ServerUrlPolicy::default() };
        let Ok(uri) = policy.check(url) else { continue };
        let (scheme, rest) = url.split_once("://").expect("it has a scheme");
        let authority = rest.split(['/', '?', '#', '\\']).next().unwrap_or_default().to_ascii_lowercase();
        assert!(!authority.contains('@') && !url.contains('#'), "{url:?}");
        let host = match (authority.find(']'), authority.split_once(':')) {
            (Some(bracket), _) => &authority[..=bracket],
            (None, Some((host, _))) => host,
            (None, None) => authority.as_str(),
        };
        assert_eq!(uri.host().map(str::to_ascii_lowercase).as_deref(), Some(host), "{url:?}");
        let of_zoom =
            ["zoom.us", "zoomgov.com"].iter().any(|zoom| host == *zoom || host.ends_with(&format!(".{zoom}")));
        let is_near = host.ends_with("localhost") || host.starts_with("127.") || host.starts_with('[');
        assert!(of_zoom || allow_loopback && is_near, "{url:?}");
        assert!(scheme.eq_ignore_ascii_case("wss") || allow_loopback && is_near, "{url:?}");
    }
}
