//! The meetings of the service: making them, finding them, forgetting them.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
};

use hyper::StatusCode;
use rtms_sim::zoom::{Control, NotNow};
use rtms_wire::{codes::product::Product, time::UnixMillis};

use crate::{
    clock::Clock,
    config::SimulatorConfig,
    playing::{self, Playing, Stage, Streams},
    post,
    service::{
        config::ServiceConfig,
        problem::Problem,
        wanted::{RestRefusal, Wanted},
    },
    start_error::StartError,
};

/// All meetings that the service knows.
#[derive(Debug)]
pub(super) struct Meetings {
    stage: Stage,
    /// What a meeting is like unless its request says otherwise.
    usual: SimulatorConfig,
    most_meetings: usize,
    most_finished: usize,
    most_streams: usize,
    clock: Clock,
    last: AtomicUsize,
    is_closing: AtomicBool,
    /// One is made at a time, so that the bound holds.
    making: tokio::sync::Mutex<()>,
    known: Mutex<BTreeMap<usize, Arc<Meeting>>>,
}

/// One meeting of the service.
#[derive(Debug)]
pub(super) struct Meeting {
    /// Its number in paths, from 1 on.
    pub(super) number: usize,
    pub(super) product: Product,
    pub(super) playing: Playing,
    /// Where the first server has its signaling.
    pub(super) signaling_url: String,
    most_streams: usize,
    /// How Zoom's REST refuses the next calls about it.
    refusals: Mutex<VecDeque<RestRefusal>>,
}

/// Why a control was not carried out.
#[derive(Clone, Copy, Debug, thiserror::Error)]
pub(super) enum Refused {
    /// It cannot be done in the present state.
    #[error(transparent)]
    NotNow(#[from] NotNow),
    /// The meeting has had as many streams as it may have.
    #[error("this meeting has had {most} streams, and may have no more")]
    TooManyStreams {
        /// How many it may have.
        most: usize,
    },
}

impl Meetings {
    /// # Errors
    /// [`StartError::WebhookUrl`] if the usual webhook URL cannot be posted to.
    pub(super) fn new(stage: Stage, config: ServiceConfig) -> Result<Self, StartError> {
        let ServiceConfig { meetings: usual, most_meetings, most_finished, most_streams, .. } = config;
        usual.webhook_url.clone().map(|url| post::Target::new(url, &usual.webhook_ca)).transpose()?;
        Ok(Self {
            stage,
            usual,
            most_meetings,
            most_finished,
            most_streams,
            clock: Clock::start(),
            last: AtomicUsize::new(0),
            is_closing: AtomicBool::new(false),
            making: tokio::sync::Mutex::default(),
            known: Mutex::default(),
        })
    }

    pub(super) fn stage(&self) -> &Stage {
        &self.stage
    }

    pub(super) fn usual(&self) -> &SimulatorConfig {
        &self.usual
    }

    pub(super) fn now(&self) -> UnixMillis {
        self.clock.now()
    }

    /// Makes a meeting. Its stream, if it begins with one, is announced when this returns.
    pub(super) async fn make(&self, wanted: Wanted) -> Result<Arc<Meeting>, Problem> {
        let number = self.last.fetch_add(1, Ordering::Relaxed) + 1;
        let mut usual = self.usual.clone();
        // The first meeting is that of the seed itself.
        usual.meeting.seed = playing::seed_of(usual.meeting.seed, number - 1);
        let streams = Streams::OnRequest { first_at_once: wanted.stream };
        let refusals = Mutex::new(wanted.refuse_rest.clone().into());
        let config = wanted.config(usual, self.stage.door.servers.len())?;

        let _making = self.making.lock().await;
        if self.is_closing.load(Ordering::Acquire) {
            let cause = "the service is stopping";
            return Err(Problem::new(StatusCode::SERVICE_UNAVAILABLE, cause, "start it again"));
        }
        let running = self.forget_finished();
        if running >= self.most_meetings {
            let cause = format!("there are {running} meetings, as many as there may be at once");
            return Err(Problem::new(StatusCode::TOO_MANY_REQUESTS, cause, "end some, or let them come to their end"));
        }
        let playing = self.stage.play(&config, streams, number, None).await.map_err(|error| {
            Problem::bad_request(error.to_string(), "name a URL that the simulator can post to, or \"webhook\": null")
        })?;
        let signaling_url = self.stage.door.first().signaling_url(self.stage.door.in_paths(number));
        let (product, most_streams) = (config.product, self.most_streams);
        let meeting = Arc::new(Meeting { number, product, playing, signaling_url, most_streams, refusals });
        self.known().insert(number, Arc::clone(&meeting));
        Ok(meeting)
    }

    /// The meeting of this number.
    pub(super) fn get(&self, number: usize) -> Option<Arc<Meeting>> {
        self.known().get(&number).cloned()
    }

    /// All of them, oldest first.
    pub(super) fn all(&self) -> Vec<Arc<Meeting>> {
        self.known().values().cloned().collect()
    }

    /// Ends a meeting in order, waits until it is finished, and forgets it.
    pub(super) async fn delete(&self, meeting: &Meeting) {
        meeting.end().await;
        self.known().remove(&meeting.number);
    }

    /// Ends all meetings in order, and lets none start any more.
    pub(super) async fn end_all(&self) {
        self.is_closing.store(true, Ordering::Release);
        // One that is just being made is ended, too.
        drop(self.making.lock().await);
        futures_util::future::join_all(self.all().iter().map(|meeting| meeting.end())).await;
    }

    /// Forgets the oldest finished meetings beyond the bound. Returns how many are not finished.
    fn forget_finished(&self) -> usize {
        let mut known = self.known();
        let finished: Vec<_> = known.values().filter(|it| it.playing.is_finished()).map(|it| it.number).collect();
        for number in finished.iter().take(finished.len().saturating_sub(self.most_finished)) {
            known.remove(number);
        }
        known.len() - finished.len().min(self.most_finished)
    }

    fn known(&self) -> MutexGuard<'_, BTreeMap<usize, Arc<Meeting>>> {
        // What is behind the lock is whole after every statement, so a panic elsewhere does not spoil it.
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Meeting {
    /// Does what is asked of it.
    pub(super) async fn control(&self, control: Control) -> Result<(), Refused> {
        if control == Control::Start && self.playing.progress().streams.len() >= self.most_streams {
            return Err(Refused::TooManyStreams { most: self.most_streams });
        }
        Ok(self.playing.control(control).await?)
    }

    /// Returns how Zoom's REST refuses the next call about it, if it does.
    pub(super) fn next_refusal(&self) -> Option<RestRefusal> {
        self.refusals.lock().unwrap_or_else(PoisonError::into_inner).pop_front()
    }

    async fn end(&self) {
        // A meeting that is over already needs no word.
        let _ = self.playing.control(Control::EndMeeting).await;
        self.playing.until(|progress| progress.is_finished).await;
    }
}
