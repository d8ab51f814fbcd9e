//! The webhooks of a stream: when its start was posted, and whether its end is still to be.

use rtms_wire::{codes::stop_reason::StopReason, time::UnixMillis};

use crate::{
    config::{WebhookOptions, ZoomConfig},
    seed::Seed,
    webhook::{
        identity::Identity,
        webhooks::{News, Webhooks},
    },
};

/// The webhooks of one stream.
#[derive(Debug)]
pub(super) struct StreamWebhooks {
    /// Those that were posted or are to be.
    pub(super) posts: Webhooks,
    /// When the first start webhook of the stream was posted: with the meeting's start, unless the stream is not its
    /// first.
    announced_at: UnixMillis,
    /// Whether the end is still to be posted.
    is_end_due: bool,
    are_posted: bool,
}

impl StreamWebhooks {
    pub(super) fn new(config: &ZoomConfig, ids: &Seed, now: UnixMillis) -> Self {
        // Where nothing is posted, nobody can refuse it.
        let forged_starts = config.webhooks.forged_starts && config.webhooks_are_posted;
        let options = WebhookOptions { forged_starts, ..config.webhooks.clone() };
        let is_nested = config.temper.nested_webhooks;
        Self {
            posts: Webhooks::new(config.product, config.app.clone(), options, is_nested, ids, now),
            announced_at: now,
            is_end_due: true,
            are_posted: config.webhooks_are_posted,
        }
    }

    /// Begins another stream of the same meeting.
    pub(super) fn restart(&mut self, now: UnixMillis) {
        (self.announced_at, self.is_end_due) = (now, true);
    }

    /// Returns when the first start webhook of the stream was posted.
    pub(super) fn announced_at(&self) -> UnixMillis {
        self.announced_at
    }

    /// Whether anybody gets the webhooks.
    pub(super) fn are_posted(&self) -> bool {
        self.are_posted
    }

    /// Prepares a webhook that is due at once.
    pub(super) fn announce(&mut self, news: News<'_>, identity: &Identity, now: UnixMillis) {
        self.posts.announce(news, identity, now, now);
    }

    /// Leaves the end of the stream out, because it was posted already or never is.
    pub(super) fn leave_out_the_end(&mut self) {
        self.is_end_due = false;
    }

    /// Ends the validations, and prepares the webhook of the stream's end, unless that is left out. Returns whether
    /// there is one.
    pub(super) fn finish(&mut self, reason: StopReason, identity: &Identity, now: UnixMillis) -> bool {
        self.posts.finish();
        let is_due = std::mem::replace(&mut self.is_end_due, false);
        if is_due {
            self.announce(News::Stopped { reason }, identity, now);
        }
        is_due
    }
}
