//! The form of a checklist. What no source shows is [`Scopes::NotSeen`] or a title of none, never a guess.

use rtms_wire::{codes::product::Product, media::medium::Medium};

use crate::explain::entry::Basis;

/// What an app needs to receive streams of one product.
#[derive(Debug)]
pub struct Checklist {
    /// The product.
    pub product: Product,
    /// Its name for people.
    pub title: &'static str,
    /// The type of the app.
    pub app_type: Fact,
    /// What signs handshakes, as the Marketplace names it.
    pub credentials: Credentials,
    /// The field of webhooks and handshakes that names what is streamed, and other names for it that are accepted.
    pub instance_id: (&'static str, &'static [&'static str]),
    /// The events to subscribe to.
    pub subscriptions: &'static [Subscription],
    /// The scopes for the events.
    pub event_scopes: Scopes,
    /// The scopes for each medium, in the order of [`Medium::ALL`].
    pub media: [(Medium, Scopes); 5],
    /// The scopes for starting and stopping streams by REST.
    pub control_scopes: Scopes,
    /// The REST call that starts and stops a stream.
    pub control_call: &'static str,
    /// How a stream starts, the usual way first.
    pub starts: &'static [Fact],
    /// What the user whose meetings are streamed has to do once.
    pub adding: &'static [Fact],
}

/// A sentence and how sure it is.
#[derive(Clone, Copy, Debug)]
pub struct Fact {
    /// The sentence.
    pub text: &'static str,
    /// How sure it is.
    pub basis: Basis,
}

/// The names of the keys on the page of the app's credentials. The secret token, which verifies webhooks, stands on the page of the
/// app's features and is needed for every product.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Credentials {
    /// The name of the id.
    pub id: &'static str,
    /// The name of the secret.
    pub secret: &'static str,
}

/// An event to subscribe to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Subscription {
    /// The event.
    pub event: &'static str,
    /// The title of its box in the Marketplace; none if no source shows it.
    pub title: Option<&'static str>,
}

/// A scope of an app.
#[derive(Clone, Copy, Debug)]
pub struct Scope {
    /// Its name, without `:admin`.
    pub name: &'static str,
    /// Whether it exists with `:admin` at the end too, for apps that an administrator manages.
    pub has_admin: bool,
    /// How sure the name is.
    pub basis: Basis,
}

/// The scopes for one purpose.
#[derive(Clone, Copy, Debug)]
pub enum Scopes {
    /// These.
    Listed(&'static [Scope]),
    /// None: the sources list none, or say that none is needed.
    NoneListed,
    /// No source shows them.
    NotSeen,
    /// The product does not stream this medium, as far as is published.
    NotStreamed,
}
