//! What time brings: webhooks, windows, the meeting's course, media, keep-alives.

use std::sync::Arc;

use rtms_wire::{
    codes::stop_reason::StopReason,
    media::medium::Medium,
    message::{Extra, Message, keep_alive::KeepAliveReq},
    time::UnixMillis,
};

use crate::{
    fault::KeepAliveForm,
    findings::mistake::Mistake,
    keep_alive,
    meeting::happening::Change,
    sent::What,
    signaling,
    zoom::{live::Role, machine::Zoom, phase::Phase},
};

impl Zoom {
    pub(super) fn pass_time(&mut self, now: UnixMillis) {
        self.pass_webhooks(now);
        if self.phase == Phase::Announced && now >= self.announced_at + self.config.timing.join_within {
            // The stream is gone. No document says which reason its webhook carries; this is the one that fits.
            if !self.was_down_until(now) && !self.conduct.was_refused() && !self.conduct.was_turned_away_for_good() {
                self.find_unless_hindered(Mistake::NeverJoined, now);
            }
            self.end(StopReason::ConnectionTimeout, now);
        }
        self.pass_incidents(now);
        self.pass_windows(now);
        self.pass_meeting(now);
        self.pass_handshakes(now);
        self.pass_media(now);
        self.pass_keep_alives(now);
        self.pass_conduct(now);
        match self.phase {
            Phase::Announced | Phase::Joined if self.since_start(now) >= self.meeting.duration_ms => {
                self.tell_everybody_leaves(now);
                self.begin_end(StopReason::MeetingEnded, now);
            }
            Phase::Ending { reason, .. } if self.is_parting() && self.connections.is_empty() => {
                self.finish(reason, now)
            }
            Phase::Ending { until, reason } if until <= now && self.is_parting() => self.finish(reason, now),
            Phase::Ending { until, reason } if until <= now => self.end(reason, now),
            Phase::Announced | Phase::Joined | Phase::Ending { .. } | Phase::Ended => {}
        }
    }

    pub(super) fn pass_webhooks(&mut self, now: UnixMillis) {
        while let Some((posted, mistake)) = self.webhooks.never_answered(now) {
            if !self.is_client_away(posted) {
                self.find(now, None, mistake);
            }
        }
        while let Some(post) = self.webhooks.due(now) {
            self.post(post, now);
        }
    }

    pub(super) fn pass_windows(&mut self, now: UnixMillis) {
        if let Some((until, reason)) = self.signaling_window
            && now >= until
        {
            if !self.was_down_until(until) && !self.conduct.asked_to_close() {
                self.find_unless_hindered(Mistake::WindowMissed { medium: None }, now);
            }
            self.nobody_is_awaited();
            self.end(reason, now);
        }
        let missed = self.media_windows.iter().find(|(_, (until, _))| now >= *until);
        if let Some((medium, (until, reason))) = missed.map(|(medium, window)| (*medium, *window)) {
            if !self.was_down_until(until) && !self.conduct.asked_to_close() {
                self.find_unless_hindered(Mistake::WindowMissed { medium: Some(medium) }, now);
            }
            self.nobody_is_awaited();
            self.end(reason, now);
        }
    }

    pub(super) fn pass_meeting(&mut self, now: UnixMillis) {
        let meeting = Arc::clone(&self.meeting);
        let now_ms = self.since_start(now).min(meeting.duration_ms);
        while let Some(happening) = meeting.happenings.get(self.told).filter(|it| it.at_ms <= now_ms) {
            self.told += 1;
            match happening.what {
                // Who goes or switches off is nobody's choice any more. Basis: documented.
                Change::Leave(index) | Change::CameraOff(index) => {
                    self.selected = self.selected.filter(|it| *it != index)
                }
                Change::Join(_)
                | Change::CameraOn(_)
                | Change::ActiveSpeaker(_)
                | Change::SharingStart(_)
                | Change::SharingStop(_)
                | Change::ChatGroup(_)
                | Change::Call(_) => {}
            }
            let at = self.at(happening.at_ms);
            if let Some(event) = signaling::change(self.config.product, &meeting, happening.what, at) {
                self.send_event_if_wanted(event, now);
            }
        }
    }

    pub(super) fn pass_handshakes(&mut self, now: UnixMillis) {
        let within = self.config.timing.handshake_within;
        let late: Vec<_> = self
            .connections
            .iter()
            .filter(|(connection, known)| known.keep_alive.is_none() && !self.frozen.contains_key(connection))
            .filter(|(_, known)| now >= known.opened + within)
            .map(|(connection, _)| *connection)
            .collect();
        for connection in late {
            // What the network loses is nobody's mistake.
            if !self.is_void(connection)
                && !self.is_over()
                && let Some(mistake) = self.conduct.idle(connection)
            {
                self.find(now, Some(connection), mistake);
            }
            self.close(connection);
        }
    }

    pub(super) fn pass_media(&mut self, now: UnixMillis) {
        if self.phase != Phase::Joined {
            return;
        }
        let now_ms = self.since_start(now).min(self.meeting.duration_ms);
        self.pass_missed(now_ms);
        let mut due = Vec::new();
        for (connection, known) in &mut self.connections {
            if let Role::Media(media) = &mut known.role
                && !self.frozen.contains_key(connection)
            {
                due.extend(media.due(&mut self.studio, now_ms, self.selected).into_iter().map(|it| (*connection, it)));
                self.audio_sent_ms = self.audio_sent_ms.max(media.audio_sent_ms());
            }
        }
        self.gaps.retain(|(_, until)| *until > now);
        self.repeats.retain(|(_, until)| *until > now);
        for (connection, (message, what)) in due {
            let medium = what.medium();
            let is_in = |times: &[(Medium, UnixMillis)]| times.iter().any(|(it, _)| Some(*it) == medium);
            // What happens while the stream is paused is not taken down.
            if self.is_paused || is_in(&self.gaps) {
                continue;
            }
            if is_in(&self.repeats) {
                self.send(connection, &message, what.clone(), now);
            }
            self.send(connection, &message, what, now);
        }
    }

    pub(super) fn pass_keep_alives(&mut self, now: UnixMillis) {
        let connections: Vec<_> = self.connections.keys().copied().collect();
        for connection in connections {
            if self.frozen.contains_key(&connection) {
                continue;
            }
            let Some(known) = self.connections.get_mut(&connection) else { continue };
            let is_busy =
                self.config.temper.keep_alive_when_idle && now < known.sent_at + self.config.timing.keep_alive;
            let is_mute = is_busy || known.mute_until.is_some_and(|until| now < until);
            let Some(keep_alive) = known.keep_alive.as_mut() else { continue };
            let is_answered_wrongly = keep_alive.is_answered_wrongly();
            match if is_mute { keep_alive.skip(now) } else { keep_alive.tick(now) } {
                None => {}
                Some(keep_alive::Due::Ask(sequence)) => {
                    let form = self.config.temper.keep_alive;
                    let request = Message::KeepAliveReq(KeepAliveReq {
                        timestamp: (form != KeepAliveForm::Bare).then(|| now.0.into()),
                        sequence: (form == KeepAliveForm::Both).then(|| sequence.into()),
                        extra: Extra::new(),
                    });
                    self.conduct.tally.keep_alives.asked += 1;
                    self.send(connection, &request, What::KeepAlive { sequence, timestamp: now }, now);
                }
                Some(keep_alive::Due::GiveUp(missed)) => {
                    // Whoever answers wrongly has that finding already.
                    if !self.is_void(connection) && !is_answered_wrongly {
                        self.find(now, Some(connection), Mistake::KeepAliveMissed { missed });
                    }
                    self.lost_unheard = self.is_void(connection);
                    match self.close(connection) {
                        Some(Role::Signaling(_)) => self.signaling_lost(StopReason::KeepAliveTimeout, now),
                        Some(Role::Media(media)) => self.media_lost(&media, StopReason::KeepAliveTimeout, now),
                        Some(Role::SignalingNew | Role::MediaNew) | None => {}
                    }
                }
            }
        }
    }
}
