//! The webhooks of one stream: their bodies, the headers that sign them, when they are posted again, and what Zoom
//! thinks of the answers.

use std::{collections::BTreeMap, time::Duration};

use bytes::Bytes;
use rtms_wire::{
    codes::{product::Product, stop_reason::StopReason},
    ids::StreamId,
    signature::webhook_signature,
    time::UnixMillis,
};
use serde_json::{Map, Value, json};

use crate::{
    config::{App, WebhookOptions},
    findings::mistake::Mistake,
    seed::Seed,
    webhook::{
        answer::{LISTEN_ON_FOR, WebhookAnswer},
        delivery::{Deliveries, Delivery, Outcome},
        forgery::{self, Forged, Forgery},
        identity::Identity,
        post::{Purpose, WebhookId, WebhookPost},
        probe::Probe,
        validation::{self, DISABLE_AFTER, Question, VALIDATE_EVERY, WARN_AFTER},
    },
};

/// Pauses before the second, third and fourth attempt, so 5, 25 and 85 minutes after the first; then Zoom gives up.
/// Basis: documented.
pub const RETRY_AFTER: [Duration; 3] =
    [Duration::from_secs(5 * 60), Duration::from_secs(20 * 60), Duration::from_secs(60 * 60)];

/// Zoom's name for what starts and stops on a product.
fn event_name(product: Product, what: &str) -> String {
    match product {
        Product::Meeting | Product::Webinar | Product::Session | Product::Phone => format!("{product}.rtms_{what}"),
        Product::ContactCenter => format!("{product}.voice_rtms_{what}"),
    }
}

/// What a webhook reports.
#[derive(Clone, Copy, Debug)]
pub(crate) enum News<'a> {
    /// A stream starts; signaling is at this URL.
    Started { signaling_url: &'a str },
    /// Signaling broke and the stream waits; some say where signaling is now.
    Interrupted { signaling_url: Option<&'a str> },
    /// The stream is over.
    Stopped { reason: StopReason },
}

/// The webhooks of one stream: makes them, remembers which are not delivered yet, judges the answers.
#[derive(Debug)]
pub(crate) struct Webhooks {
    product: Product,
    app: App,
    options: WebhookOptions,
    /// Whether ids stand in `payload.object`.
    is_nested: bool,
    /// The first start webhook, which may have to come again.
    start_body: Option<Bytes>,
    chance: Seed,
    last_id: u64,
    open: BTreeMap<WebhookId, Undelivered>,
    /// The streams of forged start webhooks; none before the first start, or if nothing is forged.
    forged: Vec<Forged>,
    /// Repeats that were not accepted, by the first copy, whose answer says whether they were known already.
    unaccepted_repeats: BTreeMap<WebhookId, Mistake>,
    /// Attempts that Zoom has given up and whose answer may still come.
    late: BTreeMap<(WebhookId, u32), Late>,
    /// When the URL is validated next; none while a validation is under way, or if it never is.
    validate_at: Option<UnixMillis>,
    /// Validations that failed since the last good one.
    failed_in_a_row: u32,
    deliveries: Deliveries,
}

#[derive(Debug)]
struct Undelivered {
    event: String,
    question: Option<Question>,
    body: Bytes,
    purpose: Purpose,
    /// What it is a repeat of, if it is one.
    first: Option<WebhookId>,
    attempts: u32,
    /// When the last attempt was made.
    posted: UnixMillis,
    /// None while an attempt is under way.
    again_at: Option<UnixMillis>,
}

#[derive(Debug)]
struct Late {
    event: String,
    purpose: Purpose,
    posted: UnixMillis,
    until: UnixMillis,
}

impl Webhooks {
    /// Whatever is asked before the first webhook is due at once.
    pub(crate) fn new(
        product: Product,
        app: App,
        options: WebhookOptions,
        is_nested: bool,
        seed: &Seed,
        now: UnixMillis,
    ) -> Self {
        let mut webhooks = Self {
            product,
            app,
            is_nested,
            start_body: None,
            chance: seed.fork("webhooks", 0),
            last_id: 0,
            open: BTreeMap::new(),
            forged: Vec::new(),
            unaccepted_repeats: BTreeMap::new(),
            late: BTreeMap::new(),
            validate_at: options.validate_url.then_some(now),
            failed_in_a_row: 0,
            deliveries: Deliveries::default(),
            options,
        };
        webhooks.validate(now);
        if webhooks.options.probe_oracle {
            for probe in Probe::ALL {
                let question = match probe {
                    Probe::Unsigned | Probe::WronglySigned => Question::ordinary(&mut webhooks.chance, now),
                    Probe::SigningOracle => Question::forgery(&mut webhooks.chance, now),
                };
                webhooks.ask(Purpose::Probe(probe), question, now);
            }
        }
        webhooks
    }

    /// Adds a webhook that is due at once.
    pub(crate) fn announce(&mut self, news: News<'_>, identity: &Identity, event_ts: UnixMillis, now: UnixMillis) {
        let (what, payload) = match news {
            News::Started { signaling_url } => ("started", self.started(identity, signaling_url)),
            News::Interrupted { signaling_url } => {
                let mut payload = self.common(identity);
                if let Some(signaling_url) = signaling_url {
                    payload.insert("server_urls".into(), signaling_url.into());
                }
                ("interrupted", payload)
            }
            News::Stopped { reason } => {
                let mut payload = self.common(identity);
                payload.insert("stop_reason".into(), reason.code().into());
                ("stopped", payload)
            }
        };
        let event = event_name(self.product, what);
        let body = self.body(&event, event_ts, payload);
        if let News::Started { signaling_url } = news {
            self.start_body.get_or_insert_with(|| body.clone());
            self.forge_starts(signaling_url, now);
        }
        self.submit(event, body, now);
    }

    fn body(&self, event: &str, event_ts: UnixMillis, payload: Map<String, Value>) -> Bytes {
        let payload = if self.is_nested { json!({ "object": payload }) } else { Value::Object(payload) };
        json!({ "event": event, "event_ts": event_ts.0, "payload": payload }).to_string().into()
    }

    /// Has forged start webhooks posted a little later, if that is wanted and was not done yet. They lead here, so that
    /// it shows whether somebody follows.
    fn forge_starts(&mut self, signaling_url: &str, now: UnixMillis) {
        if !self.options.forged_starts || !self.forged.is_empty() {
            return;
        }
        let posted = now + forgery::AFTER_THE_START;
        for (number, forgery) in (0..).zip(Forgery::ALL) {
            let identity = Identity::new(self.product, &self.chance.fork("forged", number), now);
            let event = event_name(self.product, "started");
            let payload = self.started(&identity, signaling_url);
            let body = self.body(&event, forgery.sent_at(posted), payload);
            self.forged.push(Forged { stream: identity.stream, forgery, is_joined: false });
            self.open(Purpose::Forged(forgery), format!("{event} (forged, {})", forgery.how()), body, None, posted);
        }
    }

    /// The forged start webhook of this stream, if it has one.
    pub(crate) fn forged(&mut self, stream: &StreamId) -> Option<&mut Forged> {
        self.forged.iter_mut().find(|forged| forged.stream == *stream)
    }

    /// The first start webhook again, byte for byte, as if its answer had never come.
    pub(crate) fn repeat_start(&mut self, now: UnixMillis) {
        if let Some(body) = self.start_body.clone() {
            self.submit(event_name(self.product, "started"), body, now);
        }
    }

    fn submit(&mut self, event: String, body: Bytes, now: UnixMillis) {
        if self.is_disabled() {
            let webhook = self.next_id();
            let (purpose, outcome) = (Purpose::Event, Outcome::Withheld);
            self.deliveries.begin(Delivery { webhook, event, purpose, attempt: 0, at: now, outcome, took: None });
            return;
        }
        let first = self.open(Purpose::Event, event.clone(), body.clone(), None, now);
        if self.options.deliver_twice {
            let repeat = self.open(Purpose::Again, event, body, None, now);
            if let Some(repeat) = self.open.get_mut(&repeat) {
                repeat.first = Some(first);
            }
        }
    }

    /// Returns the next attempt that is due. The signature is made anew: whether Zoom does so is not documented.
    pub(crate) fn due(&mut self, now: UnixMillis) -> Option<WebhookPost> {
        self.validate(now);
        let (id, undelivered) = self.open.iter_mut().find(|(_, it)| it.again_at.is_some_and(|at| at <= now))?;
        undelivered.again_at = None;
        undelivered.attempts += 1;
        undelivered.posted = now;
        let secret = &self.app.secret_token;
        let mut timestamp = now.as_secs().to_string();
        let signature = match (&undelivered.question, undelivered.purpose) {
            (Some(question), purpose) => question.signature(purpose, secret, &timestamp),
            (None, Purpose::Forged(forgery)) => {
                timestamp = forgery.sent_at(now).as_secs().to_string();
                forgery.signature(secret, &timestamp, &undelivered.body)
            }
            (None, Purpose::Event | Purpose::Again | Purpose::Validation | Purpose::Probe(_)) => {
                Some(webhook_signature(secret, &timestamp, &undelivered.body))
            }
        };
        let request_id = self.chance.hex(32);
        let mut headers = vec![
            ("content-type", "application/json; charset=utf-8".to_owned()),
            ("user-agent", "Zoom Marketplace/1.0a".to_owned()),
            ("accept-encoding", "gzip".to_owned()),
            ("clientid", self.app.client_id.clone()),
            ("x-zm-request-id", request_id),
        ];
        if let Some(signature) = signature {
            headers.push(("x-zm-request-timestamp", timestamp));
            headers.push(("x-zm-signature", signature));
        }
        headers.push(("x-zm-trackingid", format!("sim_{}", self.chance.hex(20))));
        self.deliveries.begin(Delivery {
            webhook: *id,
            event: undelivered.event.clone(),
            purpose: undelivered.purpose,
            attempt: undelivered.attempts,
            at: now,
            outcome: Outcome::UnderWay,
            took: None,
        });
        Some(WebhookPost {
            id: *id,
            event: undelivered.event.clone(),
            purpose: undelivered.purpose,
            attempt: undelivered.attempts,
            body: undelivered.body.clone(),
            headers,
        })
    }

    /// Takes the result of an attempt. Returns the receiver's mistakes.
    pub(crate) fn answered(&mut self, id: WebhookId, answer: &WebhookAnswer, now: UnixMillis) -> Vec<Mistake> {
        let Some(undelivered) = self.open.get_mut(&id).filter(|it| it.again_at.is_none()) else { return Vec::new() };
        let (event, attempt, purpose) = (undelivered.event.clone(), undelivered.attempts, undelivered.purpose);
        let posted = undelivered.posted;
        self.deliveries.end(id, attempt, answer.outcome(), now);
        let mut mistakes = Vec::new();
        match purpose {
            Purpose::Event => {
                let pause = usize::try_from(attempt).ok().and_then(|it| RETRY_AFTER.get(it.saturating_sub(1)));
                let is_over = match pause {
                    Some(pause) if answer.is_retried() && self.failed_in_a_row < DISABLE_AFTER => {
                        // From post to post, so that the time of the answers does not add up.
                        undelivered.again_at = Some((undelivered.posted + self.options.compressed(*pause)).max(now));
                        false
                    }
                    Some(_) | None => self.open.remove(&id).is_some(),
                };
                mistakes.extend(refusal(&event, answer));
                mistakes.extend(self.unaccepted_repeats.remove(&id).filter(|_| answer.is_accepted()));
                if is_over && answer.is_retried() {
                    mistakes.push(Mistake::WebhookLost { event: event.clone(), attempts: attempt });
                }
            }
            Purpose::Again => {
                let first = self.open.remove(&id).and_then(|it| it.first);
                if let (Some(first), Some(mistake)) = (first, refused_repeat(&event, answer)) {
                    match self.deliveries.of_first_attempt(first) {
                        Some(Outcome::UnderWay) => drop(self.unaccepted_repeats.insert(first, mistake)),
                        Some(Outcome::Status(200..=299)) => mistakes.push(mistake),
                        // Where the first copy came to nothing, nothing is known already.
                        Some(
                            Outcome::Status(_)
                            | Outcome::Late(_)
                            | Outcome::TimedOut
                            | Outcome::Failed(_)
                            | Outcome::Withheld,
                        )
                        | None => {}
                    }
                }
            }
            Purpose::Forged(forgery) => {
                self.open.remove(&id);
                mistakes.extend(answer.is_accepted().then(|| Mistake::ForgedStartAccepted { how: forgery.how() }));
            }
            Purpose::Validation => {
                let question = self.open.remove(&id).and_then(|it| it.question);
                mistakes.extend(self.validated(question.as_ref(), answer, posted, now));
            }
            Purpose::Probe(probe) => {
                let question = self.open.remove(&id).and_then(|it| it.question);
                if question.is_some_and(|question| question.gave_away(answer, &self.app)) {
                    mistakes.push(match probe {
                        Probe::Unsigned => Mistake::UnverifiedValidationAnswered { how: "without any signature" },
                        Probe::WronglySigned => Mistake::UnverifiedValidationAnswered { how: "with a wrong signature" },
                        Probe::SigningOracle => Mistake::SignedForAStranger,
                    });
                }
                return mistakes;
            }
        }
        if *answer == WebhookAnswer::TimedOut {
            self.late.insert((id, attempt), Late { event, purpose, posted, until: now + LISTEN_ON_FOR });
        }
        mistakes
    }

    /// Whether a webhook that waits for its answer says that the stream is over.
    pub(crate) fn tells_the_end(&self, id: WebhookId) -> bool {
        self.open.get(&id).is_some_and(|it| it.event.ends_with("rtms_stopped"))
    }

    /// Takes an answer that came after [`WebhookAnswer::TimedOut`].
    pub(crate) fn answered_late(
        &mut self,
        id: WebhookId,
        attempt: u32,
        status: u16,
        now: UnixMillis,
    ) -> Option<Mistake> {
        let late = self.late.remove(&(id, attempt))?;
        let took = self.deliveries.end(id, attempt, Outcome::Late(status), now);
        let after_ms = took.and_then(|took| u64::try_from(took.as_millis()).ok());
        if let Purpose::Forged(forgery) = late.purpose {
            return (200..=299).contains(&status).then(|| Mistake::ForgedStartAccepted { how: forgery.how() });
        }
        Some(Mistake::WebhookAnsweredTooLate {
            event: late.event,
            status: Some(status),
            after_ms,
            repeated_needlessly: late.purpose == Purpose::Event && (200..=299).contains(&status),
        })
    }

    /// What is not even late: the receiver never answered. With the time of the post.
    pub(crate) fn never_answered(&mut self, now: UnixMillis) -> Option<(UnixMillis, Mistake)> {
        let key = self.late.iter().find(|(_, late)| late.until <= now).map(|(key, _)| *key)?;
        let Late { event, posted, purpose, .. } = self.late.remove(&key)?;
        if matches!(purpose, Purpose::Forged(_)) {
            // Nobody need answer it.
            return self.never_answered(now);
        }
        let (status, after_ms) = (None, None);
        Some((posted, Mistake::WebhookAnsweredTooLate { event, status, after_ms, repeated_needlessly: false }))
    }

    /// Stops waiting for retries.
    pub(crate) fn wait_no_longer(&mut self) {
        self.options.wait_for_retries = false;
    }

    /// The stream is over, and with it the validations.
    pub(crate) fn finish(&mut self) {
        self.validate_at = None;
    }

    pub(crate) fn next_at(&self) -> Option<UnixMillis> {
        let again = self.open.values().filter_map(|undelivered| undelivered.again_at);
        again.chain(self.late.values().map(|late| late.until)).chain(self.validate_at).min()
    }

    /// Whether something is under way whose answer is not known, or, if that is wanted, is to be tried again.
    pub(crate) fn is_waiting(&self) -> bool {
        let wait_for_retries = self.options.wait_for_retries;
        !self.late.is_empty() || self.open.values().any(|it| it.again_at.is_none() || wait_for_retries)
    }

    pub(crate) fn deliveries(&self) -> &Deliveries {
        &self.deliveries
    }

    fn is_disabled(&self) -> bool {
        self.failed_in_a_row >= DISABLE_AFTER
    }

    fn next_id(&mut self) -> WebhookId {
        self.last_id += 1;
        WebhookId(self.last_id)
    }

    fn open(
        &mut self,
        purpose: Purpose,
        event: String,
        body: Bytes,
        question: Option<Question>,
        now: UnixMillis,
    ) -> WebhookId {
        let id = self.next_id();
        let (first, again_at) = (None, Some(now));
        self.open.insert(id, Undelivered { event, question, body, purpose, first, attempts: 0, posted: now, again_at });
        id
    }

    fn ask(&mut self, purpose: Purpose, question: Question, now: UnixMillis) {
        self.open(purpose, validation::EVENT.to_owned(), question.body.clone(), Some(question), now);
    }

    fn validate(&mut self, now: UnixMillis) {
        if self.validate_at.take_if(|at| *at <= now).is_some() {
            let question = Question::ordinary(&mut self.chance, now);
            self.ask(Purpose::Validation, question, now);
        }
    }

    /// A failed validation is not tried again before the next one is due. Basis: documented.
    fn validated(
        &mut self,
        question: Option<&Question>,
        answer: &WebhookAnswer,
        posted: UnixMillis,
        now: UnixMillis,
    ) -> Vec<Mistake> {
        let mut mistakes = Vec::new();
        match question.map_or(Ok(()), |question| question.check(answer, &self.app)) {
            Ok(()) => {
                self.failed_in_a_row = 0;
                if let WebhookAnswer::Body { content_type, .. } = answer
                    && !content_type.as_deref().is_some_and(is_json)
                {
                    mistakes.push(Mistake::ValidationNotAsJson { content_type: content_type.clone() });
                }
            }
            Err(why) => {
                self.failed_in_a_row += 1;
                let in_a_row = self.failed_in_a_row;
                mistakes.push(Mistake::ValidationFailed { why, in_a_row });
                if WARN_AFTER.contains(&in_a_row) {
                    mistakes.push(Mistake::ValidationsFailedSoOften { in_a_row });
                }
            }
        }
        if self.is_disabled() {
            mistakes.push(Mistake::UrlDisabled { in_a_row: self.failed_in_a_row });
            // What is under way ends as it may.
            self.open.retain(|_, it| it.again_at.is_none());
        } else if self.options.validate_url {
            self.validate_at = Some((posted + self.options.compressed(VALIDATE_EVERY)).max(now));
        }
        mistakes
    }

    fn common(&self, identity: &Identity) -> Map<String, Value> {
        let mut payload = Map::new();
        payload.insert(identity.instance.field.as_str().into(), identity.instance.value.as_str().into());
        if self.product == Product::Session {
            payload.insert("session_key".into(), identity.session_key.as_str().into());
        }
        payload.insert("rtms_stream_id".into(), identity.stream.as_str().into());
        payload
    }

    fn started(&self, identity: &Identity, signaling_url: &str) -> Map<String, Value> {
        let mut payload = self.common(identity);
        payload.insert("server_urls".into(), signaling_url.into());
        match self.product {
            Product::Meeting => {
                payload.insert("account_id".into(), identity.account_id.as_str().into());
                payload.insert("meeting_id".into(), identity.meeting_number.as_str().into());
                payload.insert("operator_id".into(), identity.operator_id.as_str().into());
                payload.insert("is_original_host".into(), true.into());
            }
            Product::Webinar => {
                payload.insert("account_id".into(), identity.account_id.as_str().into());
                payload.insert("webinar_id".into(), identity.meeting_number.as_str().into());
                payload.insert("operator_id".into(), identity.operator_id.as_str().into());
                payload.insert("is_original_host".into(), true.into());
            }
            Product::Session => {
                payload.insert("account_id".into(), identity.account_id.as_str().into());
            }
            // Nothing more is documented.
            Product::ContactCenter | Product::Phone => {}
        }
        payload
    }
}

/// Returns what is wrong with an answer to an event. An answer that came too late is found when it is known how late.
fn refusal(event: &str, answer: &WebhookAnswer) -> Option<Mistake> {
    let event = event.to_owned();
    match answer {
        WebhookAnswer::TimedOut => None,
        WebhookAnswer::Failed(why) => Some(Mistake::WebhookNotAnswered { event, why: why.clone() }),
        WebhookAnswer::Status(status) | WebhookAnswer::Body { status, .. } => match *status {
            200..=299 => None,
            status @ 300..=399 => Some(Mistake::WebhookRedirected { event, status }),
            status @ 500.. => Some(Mistake::WebhookNotAccepted { event, why: format!("status {status}") }),
            status => {
                let why = format!("status {status}, after which Zoom does not try again: the event is lost");
                Some(Mistake::WebhookNotAccepted { event, why })
            }
        },
    }
}

/// Returns what is wrong with the answer to a repeat.
fn refused_repeat(event: &str, answer: &WebhookAnswer) -> Option<Mistake> {
    let event = event.to_owned();
    match answer {
        WebhookAnswer::TimedOut => None,
        WebhookAnswer::Failed(why) => Some(Mistake::WebhookNotAnswered { event, why: why.clone() }),
        WebhookAnswer::Status(status) | WebhookAnswer::Body { status, .. } => {
            (!answer.is_accepted()).then(|| Mistake::RepeatNotAccepted { event, why: format!("status {status}") })
        }
    }
}

fn is_json(content_type: &str) -> bool {
    content_type.split(';').next().is_some_and(|it| it.trim().eq_ignore_ascii_case("application/json"))
}
