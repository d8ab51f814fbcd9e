//! Zoom's voice over HTTP: webhooks as they are posted, when they are posted again, and what Zoom thinks of the
//! answers.

pub(crate) mod answer;
pub(crate) mod delivery;
pub(crate) mod forgery;
pub(crate) mod identity;
pub(crate) mod post;
mod probe;
mod validation;
pub(crate) mod webhooks;

pub use self::{
    answer::{ANSWER_WITHIN, LISTEN_ON_FOR, WebhookAnswer},
    delivery::{Deliveries, Delivery, Outcome},
    forgery::Forgery,
    post::{Purpose, WebhookId, WebhookPost},
    probe::Probe,
    validation::{DISABLE_AFTER, VALIDATE_EVERY, WARN_AFTER},
    webhooks::RETRY_AFTER,
};
