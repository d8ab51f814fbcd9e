//! The wish for one person's camera: remembered for the life of the stream, and asked for whenever Zoom can grant it.
//!
//! Message 28 goes out on signaling once a connection that carries video stands. A new connection of either kind has
//! forgotten it, so it is asked again. A camera that goes off, or a person who leaves, makes the choice void; it is asked
//! again when event 8 names the person. Basis: documented, but for the repetition after a reconnection.

use rtms_wire::{
    codes::status_code::StatusCode,
    ids::UserId,
    message::{Message, event_update::Participant},
    time::UnixMillis,
};

use crate::{signaling, time::Moment};

/// Whose camera is wanted, if anybody's.
#[derive(Clone, Debug, Default)]
pub(crate) struct VideoWish {
    wish: Option<Wish>,
}

#[derive(Clone, Debug)]
struct Wish {
    user_id: UserId,
    /// The caller's time, and when it was that: message 28 carries a time, and there is no clock here.
    timestamp: UnixMillis,
    at: Moment,
    standing: Standing,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Standing {
    /// To be asked for as soon as can be.
    Unasked,
    /// Asked for on the connections that stand.
    Asked,
    /// It cannot be had until event 8 names the person.
    Void,
}

impl VideoWish {
    pub(crate) fn want(&mut self, user_id: UserId, timestamp: UnixMillis, now: Moment) {
        self.wish = Some(Wish { user_id, timestamp, at: now, standing: Standing::Unasked });
    }

    /// The wish is over. Returns whether Zoom knows of it; another wish has replaced it there, as it has here.
    pub(crate) fn forget(&mut self, user_id: &UserId) -> bool {
        let wish = self.wish.take_if(|wish| wish.user_id == *user_id);
        wish.is_some_and(|wish| wish.standing == Standing::Asked)
    }

    /// Message 28 and whom it is for, if it is to be sent on connections that can take it.
    pub(crate) fn request(&mut self, now: Moment) -> Option<(UserId, Message)> {
        let wish = self.wish.as_mut().filter(|wish| wish.standing == Standing::Unasked)?;
        wish.standing = Standing::Asked;
        let timestamp = wish.timestamp + now.since(wish.at);
        let user_id = wish.user_id.clone();
        Some((user_id.clone(), signaling::video_subscription(user_id, true, timestamp)))
    }

    /// The connection that was asked, or the one that the pictures came on, is gone.
    pub(crate) fn connection_lost(&mut self) {
        self.restand(Standing::Asked, Standing::Unasked);
    }

    /// Signaling was gone for a while, and with it the news of cameras: what was void may be there.
    pub(crate) fn signaling_back(&mut self) {
        self.connection_lost();
        self.restand(Standing::Void, Standing::Unasked);
    }

    /// Zoom answered.
    pub(crate) fn answered(&mut self, user_id: &UserId, status: StatusCode) {
        let granted = matches!(status, StatusCode::Ok | StatusCode::DuplicateVideoSubscription);
        if !granted && self.is_for(user_id) {
            self.restand(Standing::Asked, Standing::Void);
        }
    }

    /// Cameras went off, or people left; returns whom the wish was for if it is void now.
    pub(crate) fn off(&mut self, people: &[Participant]) -> Option<UserId> {
        let wish = self.wish.as_mut()?;
        let named = people.iter().any(|person| person.user_id == wish.user_id);
        let voided = named && wish.standing != Standing::Void;
        if voided {
            wish.standing = Standing::Void;
        }
        voided.then(|| wish.user_id.clone())
    }

    /// Cameras went on.
    pub(crate) fn on(&mut self, people: &[Participant]) {
        if people.iter().any(|person| self.is_for(&person.user_id)) {
            self.restand(Standing::Void, Standing::Unasked);
        }
    }

    fn is_for(&self, user_id: &UserId) -> bool {
        self.wish.as_ref().is_some_and(|wish| wish.user_id == *user_id)
    }

    fn restand(&mut self, from: Standing, to: Standing) {
        if let Some(wish) = self.wish.as_mut().filter(|wish| wish.standing == from) {
            wish.standing = to;
        }
    }
}
