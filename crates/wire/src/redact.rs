//! Which keys of a JSON object hold secrets, and how a message is freed of them before anything can pass it on.

use serde_json::Value;

use crate::extra::Extra;

/// Parts of keys under which secrets travel, in lower case and without separators: signatures, tokens, the passphrase of SRT,
/// the SRTP keys of old mock servers. A length or a type of a key is none.
const WORDS: [&str; 16] = [
    "signature",
    "secret",
    "token",
    "password",
    "passwd",
    "passphrase",
    "credential",
    "authorization",
    "cookie",
    "srtpkey",
    "apikey",
    "accesskey",
    "privatekey",
    "masterkey",
    "encryptionkey",
    "decryptionkey",
];

/// Whether what stands under this key is a secret, in any spelling: `srt_passphrase`, `srtPassphrase`, `SRT-Passphrase`.
pub(crate) fn names_a_secret(key: &str) -> bool {
    let key = letters_of(key);
    WORDS.iter().any(|word| key.contains(word))
}

/// Whether it is the secret of a transport that is never dialed: the passphrase of SRT, the keys of SRTP.
pub(crate) fn names_a_passphrase(key: &str) -> bool {
    let key = letters_of(key);
    ["passphrase", "srtpkey"].iter().any(|word| key.contains(word))
}

fn letters_of(key: &str) -> String {
    let letters = key.chars().filter(|letter| !matches!(letter, '_' | '-' | '.' | ' '));
    letters.map(|letter| letter.to_ascii_lowercase()).collect()
}

/// Empties texts and numbers under keys that name a secret, at any depth.
pub(crate) fn empty_secrets(fields: &mut Extra) {
    for (key, value) in fields {
        if names_a_secret(key) {
            empty(value);
        } else {
            look_into(value);
        }
    }
}

fn look_into(value: &mut Value) {
    match value {
        Value::Object(fields) => empty_secrets(fields),
        Value::Array(entries) => entries.iter_mut().for_each(look_into),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

fn empty(value: &mut Value) {
    match value {
        Value::String(text) => text.clear(),
        Value::Number(number) => *number = 0.into(),
        Value::Object(fields) => fields.values_mut().for_each(empty),
        Value::Array(entries) => entries.iter_mut().for_each(empty),
        Value::Null | Value::Bool(_) => {}
    }
}

#[cfg(test)]
mod tests {
    use super::names_a_secret;

    #[test]
    fn keys_of_secrets_are_known_in_every_spelling_and_others_stay() {
        for key in
            ["srt_passphrase", "srtPassphrase", "SRT-PASSPHRASE", "x_signature", "apiKey", "client_secret", "srtp_keys"]
        {
            assert!(names_a_secret(key), "{key}");
        }
        for key in ["srt_pbkey_length", "key", "session_key", "pass", "user_name", "sign", "keyframe"] {
            assert!(!names_a_secret(key), "{key}");
        }
    }
}
