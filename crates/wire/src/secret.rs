//! Secrets that cannot be printed, compared by accident or left in memory.

use std::fmt;

use zeroize::Zeroizing;

macro_rules! secret {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone)]
        pub struct $name(Zeroizing<Box<str>>);

        impl $name {
            /// Takes the secret, without the white space that a file or a shell leaves around it.
            ///
            /// # Errors
            /// [`EmptySecret`] when nothing is left: an empty key would verify anything that an attacker signs with it.
            pub fn new(text: &str) -> Result<Self, EmptySecret> {
                let text = text.trim();
                if text.is_empty() { Err(EmptySecret) } else { Ok(Self(Zeroizing::new(text.into()))) }
            }

            /// The secret itself, for an HMAC or for Zoom, and nothing else.
            pub fn expose(&self) -> &[u8] {
                self.0.as_bytes()
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(concat!(stringify!($name), "(…)"))
            }
        }
    };
}

secret! {
    /// The webhook **secret token** of an app: signs webhooks and answers the URL validation.
    SecretToken
}
secret! {
    /// The **client secret** of an app (Video SDK: SDK secret): signs handshakes.
    ClientSecret
}
secret! {
    /// An OAuth **access token** of an app: opens the event WebSocket for about an hour.
    AccessToken
}

/// A secret that is empty.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the secret is empty")]
pub struct EmptySecret;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_do_not_show_themselves() {
        let token = SecretToken::new(" canary-7 \n").unwrap();

        assert_eq!(token.expose(), b"canary-7");
        assert!(!format!("{token:?}").contains("canary"));
    }

    #[test]
    fn an_empty_secret_is_refused() {
        assert_eq!(ClientSecret::new(" \n").unwrap_err(), EmptySecret);
    }
}
