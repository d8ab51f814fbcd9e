//! What time brings: webhooks, windows, the meeting's course, media, keep-alives.

use std::sync::Arc;

use rtms_wire::{
    codes::stop_reason::StopReason,
    extra::Extra,
    media::medium::Medium,
    message::{Message, keep_alive::KeepAliveReq},
    time::UnixMillis,
};

use crate::{
    fault::KeepAliveForm,
    findings::mistake::Mistake,
    keep_alive,
    meeting::happening::Change,
    sent::What,
    signaling,
    zoom::{connections::Role, machine::Zoom, phase::Phase, stream_media::Packet},
};

impl Zoom {
    /// Does everything whose time has come.
    pub(super) fn pass_time(&mut self, now: UnixMillis) {
        self.pass_webhooks(now);
        if self.phase == Phase::Announced && now >= self.webhooks.announced_at() + self.config.timing.join_within {
            // The stream is gone. No document says which reason its webhook carries; this is the one that fits.
            if !self.faults.was_down_until(now)
                && !self.notes.client.was_refused()
                && !self.notes.client.was_turned_away_for_good()
            {
                self.notes.find_unless_hindered(now, Mistake::NeverJoined);
            }
            self.end(StopReason::ConnectionTimeout, now);
        }
        self.pass_incidents(now);
        self.pass_windows(now);
        self.pass_meeting(now);
        self.pass_handshakes(now);
        self.pass_media(now);
        self.pass_keep_alives(now);
        self.watch_time(now);
        self.is_meeting_over |= self.since_start(now) >= self.meeting.duration_ms;
        match self.phase {
            Phase::Announced | Phase::Joined if self.is_meeting_over => self.end_meeting(now),
            Phase::Ending { reason, .. } if self.is_parting() && self.connections.is_empty() => {
                self.finish(reason, now)
            }
            Phase::Ending { until, reason } if until <= now && self.is_parting() => self.finish(reason, now),
            Phase::Ending { until, reason } if until <= now => self.end(reason, now),
            Phase::Announced | Phase::Joined | Phase::Ending { .. } | Phase::Ended => {}
        }
    }

    fn pass_windows(&mut self, now: UnixMillis) {
        if let Some((until, reason)) = self.signaling.window()
            && now >= until
        {
            self.window_missed(None, until, reason, now);
        }
        let missed = self.media.windows().find(|(_, until, _)| now >= *until);
        if let Some((medium, until, reason)) = missed {
            self.window_missed(Some(medium), until, reason, now);
        }
    }

    fn window_missed(&mut self, medium: Option<Medium>, until: UnixMillis, reason: StopReason, now: UnixMillis) {
        if !self.faults.was_down_until(until) && !self.notes.client.asked_to_close() {
            self.notes.find_unless_hindered(now, Mistake::WindowMissed { medium });
        }
        self.close_windows();
        self.end(reason, now);
    }

    fn pass_meeting(&mut self, now: UnixMillis) {
        let meeting = Arc::clone(&self.meeting);
        let now_ms = self.since_start(now).min(meeting.duration_ms);
        while let Some(happening) = self.signaling.due_change(&meeting, now_ms) {
            match happening.what {
                // Who goes or switches off is nobody's choice any more. Basis: documented.
                Change::Leave(index) | Change::CameraOff(index) => {
                    self.media.selected = self.media.selected.filter(|it| *it != index)
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

    fn pass_handshakes(&mut self, now: UnixMillis) {
        let within = self.config.timing.handshake_within;
        for connection in self.connections.overdue_handshakes(within, now) {
            // What the network loses is nobody's mistake.
            if !self.connections.is_void(connection)
                && !self.is_over()
                && let Some(mistake) = self.notes.client.idle(connection)
            {
                self.notes.find(now, Some(connection), mistake);
            }
            self.close(connection);
        }
    }

    fn pass_media(&mut self, now: UnixMillis) {
        if self.phase != Phase::Joined {
            return;
        }
        let now_ms = self.since_start(now).min(self.meeting.duration_ms);
        self.media.miss(now_ms, &mut self.notes.client.tally.missed);
        for Packet { connection, due: (message, what), is_repeated } in
            self.media.due(&mut self.connections, now_ms, now)
        {
            if is_repeated {
                self.send(connection, &message, what.clone(), now);
            }
            self.send(connection, &message, what, now);
        }
    }

    fn pass_keep_alives(&mut self, now: UnixMillis) {
        for connection in self.connections.ids() {
            if self.connections.is_frozen(connection) {
                continue;
            }
            let Some(known) = self.connections.get_mut(connection) else { continue };
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
                    self.notes.client.tally.keep_alives.asked += 1;
                    self.send(connection, &request, What::KeepAlive { sequence, timestamp: now }, now);
                }
                Some(keep_alive::Due::GiveUp(missed)) => {
                    // Whoever answers wrongly has that finding already.
                    if !self.connections.is_void(connection) && !is_answered_wrongly {
                        self.notes.find(now, Some(connection), Mistake::KeepAliveMissed { missed });
                    }
                    self.notes.is_close_lost = self.connections.is_void(connection);
                    match self.close(connection) {
                        Some(Role::Signaling(_)) => self.signaling_lost(StopReason::KeepAliveTimeout, now),
                        Some(Role::Media(media)) => self.media_lost(&media, StopReason::KeepAliveTimeout, now),
                        Some(Role::SignalingNew | Role::MediaNew) | None => {}
                    }
                }
            }
        }
    }

    /// Notes what only time shows.
    fn watch_time(&mut self, now: UnixMillis) {
        self.notes.judge_doubles(&self.connections, now);
        self.notes.judge_doubts(&mut self.connections, false, now);
        self.watch_ready(now);
    }
}
