//! The way to the media connections and back to each: after signaling, and alone.

use std::{collections::BTreeSet, time::Duration};

use rtms_wire::{
    codes::{message_type::MessageType, product::Product, status_code::StatusCode},
    media::{
        medium::{MediaTypes, Medium},
        params::MediaParams,
    },
    message::{Message, data_handshake::DataHandShakeResp, signaling_handshake::MediaUrls},
    wire_log::without_query_values,
};

use crate::{
    config::{MediaLayout, StreamConfig},
    connection::{Connection, Loss},
    error::StreamError,
    event::{Event, Interruption, Odd},
    keep_alive::{SUSPICIOUS_AFTER, UNDER_WAY},
    media::{Grant, MediaLink, data_handshake, differing, grant},
    output::ConnectionId,
    pace::Pace,
    reconnect::{MEDIA_WINDOW, Recovery},
    refusal::{self, Remedy},
    role::Role,
    signaling::{StreamStart, is_left_out, media_connections, no_server},
    stream::{
        due::{Deadline, Due},
        outputs::Outputs,
    },
    time::Moment,
};

/// Connections that were left and that Zoom has not closed yet: one for each medium, at eight moves within the second
/// for which a driver reads on.
const MAX_LEFT: usize = 40;

/// The media connections of a stream, and what Zoom grants of what is wanted.
#[derive(Debug)]
pub(super) struct Media {
    product: Product,
    wanted: MediaTypes,
    layout: MediaLayout,
    /// The form in which media are wanted.
    wanted_params: MediaParams,
    /// What is asked for: what is wanted, but for what Zoom refused to grant in that form.
    params: MediaParams,
    /// Media whose parameters are Zoom's defaults because ours were refused.
    fallen_back: BTreeSet<Medium>,
    /// Media that Zoom will not grant, however often it is asked.
    refused: BTreeSet<Medium>,
    /// Media whose `MediumUnavailable` was reported and that did not open since.
    unavailable: BTreeSet<Medium>,
    /// Whether one connection for several media was refused.
    must_split: bool,
    links: Vec<MediaLink>,
    /// Connections that were closed here, until Zoom has closed them too: what it sent before still comes.
    left: Vec<Connection>,
    /// Where the media is, as the last message 2 said.
    urls: MediaUrls,
    /// When Zoom said that some connection is interrupted, without saying which. The one that stays silent is.
    suspicion: Option<Moment>,
}

/// Whether an attempt led to a connection, or to the end of what can be tried.
#[derive(Debug)]
#[must_use]
pub(super) enum Progress {
    /// The connection stands.
    Open,
    /// Something is still tried, or stands.
    Pending,
    /// No medium is left, and why.
    NothingLeft(StreamError),
}

impl Media {
    pub(super) fn new(config: &StreamConfig, product: Product) -> Self {
        Self {
            product,
            wanted: config.media,
            layout: config.layout,
            wanted_params: config.params.clone(),
            params: config.params.clone(),
            fallen_back: BTreeSet::new(),
            refused: BTreeSet::new(),
            unavailable: BTreeSet::new(),
            must_split: false,
            links: Vec::new(),
            left: Vec::new(),
            urls: MediaUrls::default(),
            suspicion: None,
        }
    }

    // --- The connections ---

    fn connections(&self) -> impl Iterator<Item = &Connection> {
        self.links.iter().filter_map(|link| link.connection.as_ref())
    }

    /// The connection with this id, also if it was left.
    pub(super) fn connection_mut(&mut self, id: ConnectionId) -> Option<&mut Connection> {
        let connections = self.links.iter_mut().filter_map(|link| link.connection.as_mut());
        connections.chain(&mut self.left).find(|connection| connection.id == id)
    }

    /// Lets go of the connection with this id, which is gone.
    pub(super) fn forget(&mut self, id: ConnectionId) -> Option<Connection> {
        self.links.iter_mut().find_map(|link| link.connection.take_if(|connection| connection.id == id))
    }

    /// Whether the connection was closed here and not yet by Zoom.
    pub(super) fn is_left(&self, id: ConnectionId) -> bool {
        self.left.iter().any(|connection| connection.id == id)
    }

    /// Zoom has closed a connection that was left.
    pub(super) fn forget_left(&mut self, id: ConnectionId) {
        self.left.retain(|left| left.id != id);
    }

    /// Keeps a connection that was closed here: Zoom may not know yet.
    pub(super) fn read_on(&mut self, connection: Connection) {
        if connection.is_open() && matches!(connection.role, Role::Media(_)) {
            if self.left.len() >= MAX_LEFT {
                self.left.remove(0);
            }
            self.left.push(connection);
        }
    }

    /// Closes a connection for another one. The media that Zoom sent before it knows are still taken.
    fn leave(&mut self, connection: Connection, outputs: &mut Outputs) {
        outputs.disconnect(connection.id);
        self.read_on(connection);
    }

    pub(super) fn all_open(&self) -> bool {
        self.links.iter().all(MediaLink::is_open)
    }

    /// Whether every connection has stood for so long that Zoom must have noticed.
    pub(super) fn all_stable(&self, now: Moment) -> bool {
        self.links.iter().all(|link| link.connection.as_ref().is_some_and(|connection| connection.is_stable(now)))
    }

    /// Whether a connection that carries video stands.
    pub(super) fn has_video(&self) -> bool {
        self.links.iter().any(|link| link.is_open() && link.types.contains(Medium::Video))
    }

    /// Whether there is no connection, and none that is still read.
    pub(super) fn is_drained(&self) -> bool {
        self.connections().next().is_none() && self.left.is_empty()
    }

    /// Message 3 for these media.
    pub(super) fn handshake(&self, start: &StreamStart, types: MediaTypes) -> Message {
        data_handshake(start, &self.params.only(self.wanted), types)
    }

    // --- After signaling ---

    /// Signaling stands: every media connection is made anew.
    ///
    /// One that survived the loss of signaling belongs to a session that Zoom has given up, and a handshake beside it
    /// would be a second one for its medium (status 16), so it goes first.
    pub(super) fn plan(
        &mut self,
        urls: MediaUrls,
        lost_at: Option<Moment>,
        outputs: &mut Outputs,
        now: Moment,
    ) -> Progress {
        let mut before: Vec<_> = self.links.drain(..).collect();
        for link in &mut before {
            let survivor = link.connection.take();
            let why = "signaling was lost";
            let given_up = survivor.as_ref().and_then(|connection| connection.loss(Interruption::SignalingLost, why));
            if let Some(connection) = survivor {
                self.leave(connection, outputs);
            }
            if let Some(loss) = link.unreported.clone().or(given_up) {
                outputs.report_loss(loss, now);
            }
        }
        let wanted = MediaTypes::of(self.wanted.iter().filter(|medium| !self.refused.contains(medium)));
        let layout = (!self.must_split).then_some(self.layout);
        self.use_urls(urls, outputs);
        for (types, url) in self.connections_for(wanted, layout, outputs) {
            // A window that is open already keeps its end.
            let open_window = before.iter().filter(|link| types.iter().any(|medium| link.types.contains(medium)));
            let open_window = open_window.filter_map(|link| Some(link.recovery.as_ref()?.until)).min();
            let until = open_window.unwrap_or(lost_at.unwrap_or(now) + MEDIA_WINDOW);
            self.links.push(MediaLink::new(types, url, Recovery::until(until)));
            self.dial(self.links.len() - 1, outputs, now);
        }
        self.progress(StreamError::NothingGranted)
    }

    fn progress(&self, error: StreamError) -> Progress {
        if self.links.is_empty() { Progress::NothingLeft(error) } else { Progress::Pending }
    }

    /// Takes the URLs of a message 2, and reports those that are not dialed, once for each set of them.
    fn use_urls(&mut self, urls: MediaUrls, outputs: &mut Outputs) {
        if self.urls == urls {
            return;
        }
        for (key, url) in urls.skipped() {
            let url = without_query_values(url).into_owned();
            outputs.report(Event::Odd(Odd::SkippedUrl { key: key.to_owned(), url }));
        }
        self.urls = urls;
    }

    /// The connections to make for these media. Those that no server is named for are reported as unavailable.
    fn connections_for(
        &mut self,
        wanted: MediaTypes,
        layout: Option<MediaLayout>,
        outputs: &mut Outputs,
    ) -> Vec<(MediaTypes, String)> {
        let planned = media_connections(&self.urls, self.product, wanted, layout);
        for medium in wanted.iter().filter(|medium| !planned.iter().any(|(types, _)| types.contains(*medium))) {
            let role = Role::Signaling;
            let error = if is_left_out(&self.urls, medium, self.product) {
                StreamError::LeftOut { role }
            } else {
                no_server(&self.urls, medium)
            };
            self.report_unavailable(medium, error, outputs);
        }
        planned
    }

    /// Signaling is gone: attempts at media lead nowhere until it is back, and nothing is suspected.
    pub(super) fn stop_dialing(&mut self, outputs: &mut Outputs) {
        let mut pending = Vec::new();
        for link in &mut self.links {
            pending.extend(link.connection.take_if(|connection| !connection.is_open()));
            if let Some(recovery) = &mut link.recovery {
                recovery.next = None;
            }
        }
        self.suspicion = None;
        for connection in pending {
            outputs.disconnect(connection.id);
        }
    }

    /// Reports losses that waited until it was known that signaling has to be dialed anew.
    pub(super) fn report_losses(&mut self, outputs: &mut Outputs, now: Moment) {
        for loss in self.links.iter_mut().filter_map(|link| link.unreported.take()) {
            outputs.report_loss(loss, now);
        }
    }

    // --- One of them ---

    fn dial(&mut self, position: usize, outputs: &mut Outputs, now: Moment) {
        let Some(link) = self.links.get_mut(position) else { return };
        let role = link.role();
        let Some(recovery) = &mut link.recovery else { return };
        recovery.next = None;
        recovery.tries += 1;
        link.connection = Some(outputs.dial(role, link.url.clone(), recovery.until, now));
    }

    /// The next try of a link is due, or its window has closed; then the others go on.
    pub(super) fn due(&mut self, position: usize, outputs: &mut Outputs, now: Moment) -> Progress {
        let recovery = self.links.get(position).and_then(|link| link.recovery.as_ref());
        match recovery {
            Some(Recovery { until, .. }) if *until <= now => self.window_closed(position, outputs, now),
            Some(_) => {
                self.dial(position, outputs, now);
                Progress::Pending
            }
            None => Progress::Pending,
        }
    }

    fn window_closed(&mut self, position: usize, outputs: &mut Outputs, now: Moment) -> Progress {
        let link = self.links.remove(position);
        if let Some(connection) = &link.connection {
            outputs.disconnect(connection.id);
        }
        let role = link.role();
        if let Some(loss) = link.unreported {
            outputs.report_loss(loss, now);
        }
        let error = link.recovery.and_then(|recovery| recovery.error).unwrap_or(StreamError::TimedOut { role });
        self.give_up(link.types, &error, outputs)
    }

    /// An attempt came to nothing; another follows if it fits into the window.
    pub(super) fn failed(&mut self, types: MediaTypes, error: StreamError, outputs: &mut Outputs, now: Moment) {
        self.again(types, error, Pace::Backoff, outputs, now);
    }

    fn again(&mut self, types: MediaTypes, error: StreamError, pace: Pace, outputs: &mut Outputs, now: Moment) {
        let Some(link) = self.links.iter_mut().find(|link| link.types == types) else { return };
        let Some(recovery) = &mut link.recovery else { return };
        let again_in = recovery.again(pace, now, &mut outputs.jitter);
        recovery.error = Some(error.clone());
        outputs.report(Event::AttemptFailed { role: Role::Media(types), error, again_in });
    }

    /// Message 4 came.
    pub(super) fn answered(
        &mut self,
        id: ConnectionId,
        types: MediaTypes,
        response: DataHandShakeResp,
        outputs: &mut Outputs,
        now: Moment,
    ) -> Progress {
        let is_it = |connection: &Connection| connection.id == id && !connection.is_open();
        let Some(link) = self.links.iter_mut().find(|link| link.connection.as_ref().is_some_and(is_it)) else {
            outputs.report_misplaced(MessageType::DataHandShakeResp);
            return Progress::Pending;
        };
        let (version, is_encrypted) = (response.protocol_version, response.payload_encrypted == Some(true));
        let role = Role::Media(types);
        if response.status_code == StatusCode::Ok && is_encrypted {
            link.connection = None;
            outputs.disconnect(id);
            outputs.watch_version(role, version);
            return self.never(types, StreamError::Encrypted { role }, outputs);
        }
        let Grant { params, media, left_out } = match grant(response, &self.params, types) {
            Ok(grant) => grant,
            Err((status, reason)) => {
                link.connection = None;
                outputs.disconnect(id);
                return self.status_refused(types, status, reason, outputs, now);
            }
        };
        if let Some(connection) = &mut link.connection {
            connection.open(now);
        }
        link.tries = link.recovery.take().map_or(0, |recovery| recovery.tries);
        outputs.watch_version(role, version);
        let media = outputs.wanted_of(media);
        for medium in differing(&params, &self.wanted_params, media) {
            outputs.report(Event::GrantDiffers { medium });
        }
        self.unavailable.retain(|medium| !media.contains(*medium));
        outputs.report(Event::MediaOpen { media, granted: params });
        for medium in left_out.into_iter().filter(|medium| self.wanted.contains(*medium)).collect::<Vec<_>>() {
            self.report_unavailable(medium, StreamError::LeftOut { role }, outputs);
        }
        Progress::Open
    }

    fn status_refused(
        &mut self,
        types: MediaTypes,
        status: StatusCode,
        reason: String,
        outputs: &mut Outputs,
        now: Moment,
    ) -> Progress {
        let error = StreamError::Refused { role: Role::Media(types), status, reason };
        match refusal::of_media(status) {
            Remedy::Retry(pace) => {
                self.again(types, error, pace, outputs, now);
                Progress::Pending
            }
            Remedy::FallBack(medium) => {
                let suspects = medium.map_or(types, |medium| MediaTypes::of([medium]));
                let suspects = suspects.iter().filter(|medium| types.contains(*medium));
                let untried: Vec<_> = suspects.filter(|medium| self.fallen_back.insert(*medium)).collect();
                if untried.is_empty() {
                    return match medium {
                        Some(medium) => self.go_without(types, medium, error, outputs, now),
                        None => self.never(types, error, outputs),
                    };
                }
                let asked = self.params.clone();
                refusal::fall_back(&mut self.params, MediaTypes::of(untried), status);
                match medium {
                    // The same again brings no other answer.
                    Some(medium) if self.params == asked => self.go_without(types, medium, error, outputs, now),
                    Some(_) | None => self.at_once(types, types, error, outputs, now),
                }
            }
            Remedy::Without(medium) => self.go_without(types, medium, error, outputs, now),
            Remedy::Split if types.iter().count() > 1 => self.split(types, types, error, outputs, now),
            Remedy::Split | Remedy::OtherId | Remedy::Never => self.never(types, error, outputs),
        }
    }

    /// The same connection again at once, now for these media.
    fn at_once(
        &mut self,
        types: MediaTypes,
        now_for: MediaTypes,
        error: StreamError,
        outputs: &mut Outputs,
        now: Moment,
    ) -> Progress {
        if let Some(position) = self.links.iter().position(|link| link.types == types) {
            outputs.report(Event::AttemptFailed { role: Role::Media(types), error, again_in: Some(Duration::ZERO) });
            if let Some(link) = self.links.get_mut(position) {
                link.types = now_for;
            }
            self.dial(position, outputs, now);
        }
        Progress::Pending
    }

    /// One medium is refused; what else the connection was to carry is asked for without it.
    fn go_without(
        &mut self,
        types: MediaTypes,
        medium: Medium,
        error: StreamError,
        outputs: &mut Outputs,
        now: Moment,
    ) -> Progress {
        let others = types.iter().filter(|other| *other != medium && self.wanted.contains(*other));
        // What Zoom has not granted it leaves out where everything is asked for, and refuses by name.
        let (left_out, others): (Vec<_>, Vec<_>) =
            others.partition(|other| is_left_out(&self.urls, *other, self.product));
        let others = MediaTypes::of(others);
        if !types.contains(medium) || !others.is_valid() {
            return self.never(types, error, outputs);
        }
        self.refused.insert(medium);
        self.report_unavailable(medium, error.clone(), outputs);
        for medium in left_out {
            self.report_unavailable(medium, StreamError::LeftOut { role: Role::Signaling }, outputs);
        }
        // One that is left can be named; several are asked for one by one.
        if others.is_single_or_all() {
            self.at_once(types, others, error, outputs, now)
        } else {
            self.split(types, others, error, outputs, now)
        }
    }

    /// One connection for several media is refused: one for each of these.
    fn split(
        &mut self,
        types: MediaTypes,
        now_for: MediaTypes,
        error: StreamError,
        outputs: &mut Outputs,
        now: Moment,
    ) -> Progress {
        self.must_split = true;
        let Some(position) = self.links.iter().position(|link| link.types == types) else { return Progress::Pending };
        let Some(Recovery { until, .. }) = self.links.remove(position).recovery else { return Progress::Pending };
        outputs.report(Event::AttemptFailed { role: Role::Media(types), error, again_in: Some(Duration::ZERO) });
        let wanted = outputs.wanted_of(now_for);
        for (types, url) in self.connections_for(wanted, None, outputs) {
            self.links.push(MediaLink::new(types, url, Recovery::until(until)));
            self.dial(self.links.len() - 1, outputs, now);
        }
        self.progress(StreamError::NothingGranted)
    }

    fn never(&mut self, types: MediaTypes, error: StreamError, outputs: &mut Outputs) -> Progress {
        self.links.retain(|link| link.types != types);
        self.refused.extend(types.iter());
        self.give_up(types, &error, outputs)
    }

    /// These media are given up; if none is left, so is the stream.
    fn give_up(&mut self, types: MediaTypes, error: &StreamError, outputs: &mut Outputs) -> Progress {
        for medium in types.iter().filter(|medium| self.wanted.contains(*medium)).collect::<Vec<_>>() {
            self.report_unavailable(medium, error.clone(), outputs);
        }
        let says_most = error.is_retryable() || matches!(error, StreamError::Encrypted { .. });
        self.progress(if says_most { error.clone() } else { StreamError::NothingGranted })
    }

    /// Once, until the medium opens again.
    fn report_unavailable(&mut self, medium: Medium, error: StreamError, outputs: &mut Outputs) {
        if self.unavailable.insert(medium) {
            outputs.report_duplicates(medium);
            outputs.report(Event::MediumUnavailable { medium, error });
        }
    }

    // --- Lost ---

    /// A connection that stood is gone while the stream runs. It comes back by itself, unless signaling is away (since
    /// `signaling_lost_at`), which brings all of them back. `waits` is whether the loss of signaling is still to be
    /// explained.
    ///
    /// Returns whether it is a loss for the camera that is wished for.
    pub(super) fn gone(
        &mut self,
        connection: &Connection,
        loss: Loss,
        signaling_lost_at: Option<Moment>,
        waits: bool,
        outputs: &mut Outputs,
        now: Moment,
    ) -> bool {
        let Some(position) = self.links.iter().position(|link| link.role() == connection.role) else { return false };
        let Some(link) = self.links.get_mut(position) else { return false };
        let tries = if connection.is_stable(now) { 0 } else { link.tries };
        if let Some(lost_at) = signaling_lost_at {
            // Zoom interrupts media with signaling, and takes them back after it.
            link.recovery = Some(Recovery::until(lost_at + MEDIA_WINDOW));
            let loss = Loss { cause: Interruption::SignalingLost, ..loss };
            if waits {
                link.unreported = Some(loss);
            } else {
                outputs.report_loss(loss, now);
            }
            return false;
        }
        let mut recovery = Recovery { tries, ..Recovery::until(now + MEDIA_WINDOW) };
        // One that came and went just before is not dialed without a pause.
        let flickers = tries > 1;
        if flickers {
            recovery.again(Pace::Backoff, now, &mut outputs.jitter);
        }
        link.recovery = Some(recovery);
        let has_video = link.types.contains(Medium::Video);
        outputs.report_loss(loss, now);
        if !flickers {
            self.dial(position, outputs, now);
        }
        has_video
    }

    /// Zoom says that a media connection is interrupted, by event 7 or state 2, and not which one.
    ///
    /// Mostly its socket is closed as well, before or after that word, and the socket is what tells. If none is, the
    /// interrupted one is the one that stays silent for longer than a keep-alive takes. So the three signs of one
    /// interruption are one, and a connection that has just come back is not taken down for its predecessor.
    pub(super) fn suspect(&mut self, now: Moment) {
        self.suspicion.get_or_insert(now);
    }

    pub(super) fn is_suspicious(&self) -> bool {
        self.suspicion.is_some()
    }

    /// Nothing is suspected any more. Returns since when something was.
    pub(super) fn take_suspicion(&mut self) -> Option<Moment> {
        self.suspicion.take()
    }

    /// Closes a connection that was silent since something was suspected, now that time enough has passed.
    pub(super) fn hang_up_silent(&mut self, since: Moment, outputs: &mut Outputs) -> Option<Connection> {
        let is_silent = |connection: &mut Connection| {
            let liveness = connection.liveness();
            liveness.is_some_and(|liveness| liveness.opened() <= since && liveness.last_heard() <= since + UNDER_WAY)
        };
        let connection = self.links.iter_mut().find_map(|link| link.connection.take_if(is_silent))?;
        outputs.disconnect(connection.id);
        Some(connection)
    }

    /// How long the connection that Zoom calls interrupted since then has to be silent.
    fn proof_of_silence(&self, since: Moment) -> Duration {
        let stood = |link: &MediaLink| {
            let liveness = link.connection.as_ref().and_then(Connection::liveness);
            liveness.is_some_and(|liveness| since.since(liveness.opened()) >= SUSPICIOUS_AFTER)
        };
        match self.links.as_slice() {
            // There is no doubt which: only what is on its way is waited for.
            [link] if stood(link) => 2 * UNDER_WAY,
            _ => SUSPICIOUS_AFTER,
        }
    }

    pub(super) fn deadlines(&self) -> impl Iterator<Item = Deadline> {
        let connections = self.connections().map(|connection| (connection.deadline(), Due::Connection(connection.id)));
        let suspicion = self.suspicion.map(|since| (since + self.proof_of_silence(since), Due::Suspicion));
        let links = self.links.iter().enumerate();
        let recoveries =
            links.filter_map(|(position, link)| link.recovery.as_ref().map(|it| (it.deadline(), Due::Media(position))));
        connections.chain(suspicion).chain(recoveries)
    }

    // --- The end ---

    /// A newer start came: all connections are left. Returns what was lost before and what is lost by it.
    pub(super) fn fail_over(&mut self, why: &str, outputs: &mut Outputs) -> Vec<Loss> {
        self.suspicion = None;
        let links: Vec<_> = self.links.drain(..).collect();
        let mut losses: Vec<_> = links.iter().filter_map(|link| link.unreported.clone()).collect();
        for connection in links.into_iter().filter_map(|link| link.connection) {
            losses.extend(connection.loss(Interruption::Failover, why));
            self.leave(connection, outputs);
        }
        losses
    }

    /// Nothing is dialed any more: attempts and what waits for its turn go, and nothing is suspected.
    pub(super) fn drop_pending(&mut self, outputs: &mut Outputs) {
        self.suspicion = None;
        for link in &mut self.links {
            if let Some(connection) = link.connection.take_if(|connection| !connection.is_open()) {
                outputs.disconnect(connection.id);
            }
        }
        self.links.retain(|link| link.connection.is_some());
    }

    /// The stream is over: all connections are closed and nothing is waited for.
    pub(super) fn end(&mut self, outputs: &mut Outputs) {
        for connection in self.links.drain(..).filter_map(|link| link.connection) {
            outputs.disconnect(connection.id);
        }
        self.left.clear();
        self.suspicion = None;
    }
}
