//! The way to the media connections and back to each: after signaling, and alone.

use std::time::Duration;

use rtms_wire::{
    capture::without_query_values,
    codes::{message_type::MessageType, status_code::StatusCode},
    media::medium::{MediaTypes, Medium},
    message::{data_handshake::DataHandShakeResp, signaling_handshake::MediaUrls},
};

use super::{Stage, Stream};
use crate::{
    config::MediaLayout,
    connection::{Connection, Loss},
    error::StreamError,
    event::{Event, Interruption, Odd},
    keep_alive::UNDER_WAY,
    media::{self, Grant, MediaLine},
    output::{ConnectionId, Output},
    pace::Pace,
    reconnect::{MEDIA_WINDOW, Recovery, STABLE_AFTER},
    refusal::{self, Remedy},
    role::Role,
    signaling::{is_left_out, media_connections, no_server},
    time::Moment,
};

impl Stream {
    // --- After signaling ---

    /// Signaling stands: every media connection is made anew.
    ///
    /// One that survived the loss of signaling belongs to a session that Zoom has given up, and a handshake beside it
    /// would be a second one for its medium (status 16), so it goes first.
    pub(super) fn plan_media(&mut self, urls: MediaUrls, now: Moment) {
        if !self.wants_back() {
            return;
        }
        let lost_at = self.signaling.lost_at.take();
        let mut before: Vec<_> = self.media.drain(..).collect();
        for line in &mut before {
            let survivor = line.connection.take();
            let why = "signaling was lost";
            let given_up = survivor.as_ref().and_then(|connection| connection.loss(Interruption::SignalingLost, why));
            if let Some(connection) = survivor {
                self.leave(connection);
            }
            if let Some(loss) = line.untold.clone().or(given_up) {
                self.tell_loss(loss, now);
            }
        }
        let wanted = MediaTypes::of(self.config.media.iter().filter(|medium| !self.refused.contains(medium)));
        let layout = (!self.must_split).then_some(self.config.layout);
        self.use_urls(urls);
        for (types, url) in self.connections_for(wanted, layout) {
            // A window that is open already keeps its end.
            let open_window = before.iter().filter(|line| types.iter().any(|medium| line.types.contains(medium)));
            let open_window = open_window.filter_map(|line| Some(line.recovery.as_ref()?.until)).min();
            let until = open_window.unwrap_or(lost_at.unwrap_or(now) + MEDIA_WINDOW);
            self.media.push(MediaLine::new(types, url, Recovery::until(until)));
            self.dial_media(self.media.len() - 1, now);
        }
        self.end_without_media(StreamError::NothingGranted);
    }

    /// Takes the URLs of a message 2, and tells of those that are not dialed, once for each set of them.
    fn use_urls(&mut self, urls: MediaUrls) {
        if self.media_urls == urls {
            return;
        }
        for (key, url) in urls.skipped() {
            let url = without_query_values(url).into_owned();
            self.outputs.push_back(Output::Event(Event::Odd(Odd::SkippedUrl { key: key.to_owned(), url })));
        }
        self.media_urls = urls;
    }

    /// The connections to make for these media. Those that no server is named for are told as unavailable.
    fn connections_for(&mut self, wanted: MediaTypes, layout: Option<MediaLayout>) -> Vec<(MediaTypes, String)> {
        let planned = media_connections(&self.media_urls, self.start.product, wanted, layout);
        for medium in wanted.iter().filter(|medium| !planned.iter().any(|(types, _)| types.contains(*medium))) {
            let role = Role::Signaling;
            let error = if is_left_out(&self.media_urls, medium, self.start.product) {
                StreamError::LeftOut { role }
            } else {
                no_server(&self.media_urls, medium)
            };
            self.tell_unavailable(medium, error);
        }
        planned
    }

    /// Signaling is gone: attempts at media lead nowhere until it is back.
    pub(super) fn stop_dialing_media(&mut self) {
        let mut pending = Vec::new();
        for line in &mut self.media {
            pending.extend(line.connection.take_if(|connection| !connection.is_open()));
            if let Some(recovery) = &mut line.recovery {
                recovery.next = None;
            }
        }
        for connection in pending {
            self.disconnect(connection.id);
        }
    }

    // --- One of them ---

    pub(super) fn dial_media(&mut self, position: usize, now: Moment) {
        let Some(line) = self.media.get_mut(position) else { return };
        let (role, url) = (line.role(), line.url.clone());
        let Some(recovery) = &mut line.recovery else { return };
        recovery.next = None;
        recovery.tries += 1;
        let window = recovery.until;
        let connection = self.dial(role, url, window, now);
        if let Some(line) = self.media.get_mut(position) {
            line.connection = Some(connection);
        }
    }

    pub(super) fn media_failed(&mut self, types: MediaTypes, error: StreamError, now: Moment) {
        self.media_again(types, error, Pace::Backoff, now);
    }

    fn media_again(&mut self, types: MediaTypes, error: StreamError, pace: Pace, now: Moment) {
        let Some(line) = self.media.iter_mut().find(|line| line.types == types) else { return };
        let Some(recovery) = &mut line.recovery else { return };
        let again_in = recovery.again(pace, now, &mut self.jitter);
        recovery.error = Some(error.clone());
        self.tell(Event::AttemptFailed { role: Role::Media(types), error, again_in });
    }

    /// The window of a medium closed; the others go on.
    pub(super) fn media_window_closed(&mut self, position: usize, now: Moment) {
        let line = self.media.remove(position);
        if let Some(connection) = &line.connection {
            self.disconnect(connection.id);
        }
        let role = line.role();
        if let Some(loss) = line.untold {
            self.tell_loss(loss, now);
        }
        let error = line.recovery.and_then(|recovery| recovery.error).unwrap_or(StreamError::TimedOut { role });
        self.unavailable(line.types, &error);
    }

    pub(super) fn media_answered(
        &mut self,
        id: ConnectionId,
        types: MediaTypes,
        response: DataHandShakeResp,
        now: Moment,
    ) {
        let is_it = |connection: &Connection| connection.id == id && !connection.is_open();
        let Some(line) = self.media.iter_mut().find(|line| line.connection.as_ref().is_some_and(is_it)) else {
            return self.odd(MessageType::DataHandShakeResp);
        };
        let (version, is_encrypted) = (response.protocol_version, response.payload_encrypted == Some(true));
        let role = Role::Media(types);
        if response.status_code == StatusCode::Ok && is_encrypted {
            line.connection = None;
            self.disconnect(id);
            self.watch_version(role, version);
            return self.never(types, StreamError::Encrypted { role });
        }
        let Grant { params, media, left_out } = match media::grant(response, &self.params, types) {
            Ok(grant) => grant,
            Err((status, reason)) => {
                line.connection = None;
                self.disconnect(id);
                return self.media_refused(types, status, reason, now);
            }
        };
        if let Some(connection) = &mut line.connection {
            connection.open(now);
        }
        line.tries = line.recovery.take().map_or(0, |recovery| recovery.tries);
        self.watch_version(role, version);
        let media = self.wanted_of(media);
        for medium in media::differing(&params, &self.config.params, media) {
            self.tell(Event::GrantDiffers { medium });
        }
        self.unavailable.retain(|medium| !media.contains(*medium));
        self.tell(Event::MediaOpen { media, granted: params });
        for medium in left_out.into_iter().filter(|medium| self.config.media.contains(*medium)).collect::<Vec<_>>() {
            self.tell_unavailable(medium, StreamError::LeftOut { role: Role::Media(types) });
        }
        // Once per media handshake: Zoom's documents and libraries disagree, and repeats are harmless.
        self.say(self.start.client_ready());
        if !std::mem::replace(&mut self.signaling.subscribed, true)
            && let Some(subscription) = self.start.event_subscription(&self.config)
        {
            self.say(subscription);
        }
        self.ask_for_video(now);
    }

    fn media_refused(&mut self, types: MediaTypes, status: StatusCode, reason: String, now: Moment) {
        let error = StreamError::Refused { role: Role::Media(types), status, reason };
        match refusal::of_media(status) {
            Remedy::Retry(pace) => self.media_again(types, error, pace, now),
            Remedy::FallBack(medium) => {
                let suspects = medium.map_or(types, |medium| MediaTypes::of([medium]));
                let suspects = suspects.iter().filter(|medium| types.contains(*medium));
                let untried: Vec<_> = suspects.filter(|medium| self.fallen_back.insert(*medium)).collect();
                if untried.is_empty() {
                    return match medium {
                        Some(medium) => self.go_without(types, medium, error, now),
                        None => self.never(types, error),
                    };
                }
                let asked = self.params.clone();
                refusal::fall_back(&mut self.params, MediaTypes::of(untried), status);
                match medium {
                    // The same again brings no other answer.
                    Some(medium) if self.params == asked => self.go_without(types, medium, error, now),
                    Some(_) | None => self.media_at_once(types, types, error, now),
                }
            }
            Remedy::Without(medium) => self.go_without(types, medium, error, now),
            Remedy::Split if types.iter().count() > 1 => self.split(types, types, error, now),
            Remedy::Split | Remedy::OtherId | Remedy::Never => self.never(types, error),
        }
    }

    /// The same connection again at once, now for these media.
    fn media_at_once(&mut self, types: MediaTypes, now_for: MediaTypes, error: StreamError, now: Moment) {
        let Some(position) = self.media.iter().position(|line| line.types == types) else { return };
        self.tell(Event::AttemptFailed { role: Role::Media(types), error, again_in: Some(Duration::ZERO) });
        if let Some(line) = self.media.get_mut(position) {
            line.types = now_for;
        }
        self.dial_media(position, now);
    }

    /// One medium is refused; what else the connection was to carry is asked for without it.
    fn go_without(&mut self, types: MediaTypes, medium: Medium, error: StreamError, now: Moment) {
        let others = types.iter().filter(|other| *other != medium && self.config.media.contains(*other));
        // What Zoom has not granted it leaves out where everything is asked for, and refuses by name.
        let (left_out, others): (Vec<_>, Vec<_>) =
            others.partition(|other| is_left_out(&self.media_urls, *other, self.start.product));
        let others = MediaTypes::of(others);
        if !types.contains(medium) || !others.is_valid() {
            return self.never(types, error);
        }
        self.refused.insert(medium);
        self.tell_unavailable(medium, error.clone());
        for medium in left_out {
            self.tell_unavailable(medium, StreamError::LeftOut { role: Role::Signaling });
        }
        // One that is left can be named; several are asked for one by one.
        if others.is_single_or_all() {
            self.media_at_once(types, others, error, now);
        } else {
            self.split(types, others, error, now);
        }
    }

    /// One connection for several media is refused: one for each of these.
    fn split(&mut self, types: MediaTypes, now_for: MediaTypes, error: StreamError, now: Moment) {
        self.must_split = true;
        let Some(position) = self.media.iter().position(|line| line.types == types) else { return };
        let Some(Recovery { until, .. }) = self.media.remove(position).recovery else { return };
        self.tell(Event::AttemptFailed { role: Role::Media(types), error, again_in: Some(Duration::ZERO) });
        let wanted = self.wanted_of(now_for);
        for (types, url) in self.connections_for(wanted, None) {
            self.media.push(MediaLine::new(types, url, Recovery::until(until)));
            self.dial_media(self.media.len() - 1, now);
        }
        self.end_without_media(StreamError::NothingGranted);
    }

    fn never(&mut self, types: MediaTypes, error: StreamError) {
        self.media.retain(|line| line.types != types);
        self.refused.extend(types.iter());
        self.unavailable(types, &error);
    }

    // --- Lost ---

    /// A media connection that stood is gone. Signaling stays, and only this one comes back.
    pub(super) fn media_gone(&mut self, connection: &Connection, loss: Loss, now: Moment) {
        match &self.stage {
            Stage::Running => {}
            Stage::Closing { .. } => return,
            Stage::Draining { .. } => return self.end_if_drained(),
            Stage::Ended => return,
        }
        if self.terminating.is_some() {
            // The end is near, and this is how it begins.
            return;
        }
        let Some(position) = self.media.iter().position(|line| line.role() == connection.role) else { return };
        let Some(line) = self.media.get_mut(position) else { return };
        let lasted = connection.liveness().is_some_and(|liveness| now.since(liveness.opened()) >= STABLE_AFTER);
        let tries = if lasted { 0 } else { line.tries };
        if let Some(lost_at) = self.signaling.lost_at {
            // Zoom interrupts media with signaling, and takes them back after it.
            line.recovery = Some(Recovery::until(lost_at + MEDIA_WINDOW));
            let loss = Loss { cause: Interruption::SignalingLost, ..loss };
            if self.signaling.untold.is_some() {
                line.untold = Some(loss);
            } else {
                self.tell_loss(loss, now);
            }
            return;
        }
        let mut recovery = Recovery { tries, ..Recovery::until(now + MEDIA_WINDOW) };
        // One that came and went just before is not dialed without a pause.
        let flickers = tries > 1;
        if flickers {
            recovery.again(Pace::Backoff, now, &mut self.jitter);
        }
        line.recovery = Some(recovery);
        if line.types.contains(Medium::Video) {
            self.video.connection_lost();
        }
        self.tell_loss(loss, now);
        if !flickers {
            self.dial_media(position, now);
        }
    }

    /// Zoom says that a media connection is interrupted, by event 7 or state 2, and not which one.
    ///
    /// Mostly its socket is closed as well, before or after that word, and the socket is what tells. If none is, the
    /// interrupted one is the one that stays silent for longer than a keep-alive takes. So the three signs of one
    /// interruption are one, and a connection that has just come back is not taken down for its predecessor.
    pub(super) fn media_interrupted(&mut self, now: Moment) {
        if !self.wants_back() || !self.signaling.is_open() {
            return;
        }
        self.suspicion.get_or_insert(now);
    }

    /// Time for the interrupted one to be silent has passed.
    pub(super) fn suspicion_over(&mut self, since: Moment, now: Moment) {
        let is_silent = |line: &MediaLine| {
            let liveness = line.connection.as_ref().and_then(Connection::liveness);
            liveness.is_some_and(|liveness| liveness.opened() <= since && liveness.last_heard() <= since + UNDER_WAY)
        };
        while let Some(position) = self.media.iter().position(is_silent) {
            self.give_up_media(position, now);
        }
    }

    fn give_up_media(&mut self, position: usize, now: Moment) {
        let connection = self.media.get_mut(position).and_then(|line| line.connection.take());
        let Some(connection) = connection else { return };
        self.disconnect(connection.id);
        if let Some(loss) =
            connection.loss(Interruption::ToldByZoom, "Zoom says that a media connection is interrupted")
        {
            self.media_gone(&connection, loss, now);
        }
        self.read_on(connection);
    }

    // --- One person's camera ---

    /// Asks for the camera that is wished for, if it is to be asked for and there is a connection for its pictures.
    pub(super) fn ask_for_video(&mut self, now: Moment) {
        let stands = |line: &MediaLine| line.is_open() && line.types.contains(Medium::Video);
        if !matches!(self.stage, Stage::Running) || !self.signaling.is_open() || !self.media.iter().any(stands) {
            return;
        }
        if let Some((user_id, message)) = self.video.request(now) {
            self.say(message);
            self.tell(Event::VideoAsked { user_id });
        }
    }
}
