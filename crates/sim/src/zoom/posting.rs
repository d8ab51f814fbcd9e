//! Webhooks: what is posted when, and how their answers are taken.

use rtms_wire::time::UnixMillis;

use crate::{
    webhook::{answer::WebhookAnswer, post::WebhookId, webhooks::News},
    zoom::{machine::Zoom, output::Output},
};

impl Zoom {
    /// Posts a webhook.
    pub(super) fn announce(&mut self, news: News<'_>, now: UnixMillis) {
        self.webhooks.announce(news, &self.identity, now);
        self.pass_webhooks(now);
    }

    /// Posts the start webhook, with the URLs of the server that is the stream's now.
    pub(super) fn announce_start(&mut self, now: UnixMillis) {
        let signaling_url = self.faults.server().signaling_url;
        self.notes.client.has_news();
        self.announce(News::Started { signaling_url: &signaling_url }, now);
    }

    /// Posts what is due.
    pub(super) fn pass_webhooks(&mut self, now: UnixMillis) {
        while let Some((posted, mistake)) = self.webhooks.posts.never_answered(now) {
            if !self.faults.is_client_away(posted) {
                self.notes.find(now, None, mistake);
            }
        }
        while let Some(post) = self.webhooks.posts.due(now) {
            self.notes.record_post(&post, now);
            self.outputs.push_back(Output::Webhook(post));
        }
    }

    /// Takes the result of a webhook.
    pub(super) fn webhook_answered(&mut self, webhook: WebhookId, answer: &WebhookAnswer, now: UnixMillis) {
        if self.webhooks.are_posted() && answer.is_accepted() && self.webhooks.posts.tells_the_end(webhook) {
            self.notes.client.end_was_told(now);
        }
        let mistakes = self.webhooks.posts.answered(webhook, answer, now);
        // Where its process was killed, nobody listens.
        let is_excused = matches!(answer, WebhookAnswer::Failed(_)) && self.faults.is_client_away(now);
        for mistake in mistakes.into_iter().filter(|_| !is_excused) {
            self.notes.find(now, None, mistake);
        }
    }
}
