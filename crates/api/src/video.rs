//! One person's camera: the choice of it, and what became of that.

use rtms_wire::{codes::status_code::StatusCode, ids::UserId, time::UnixMillis};
use serde::{Deserialize, Serialize};

/// Whose camera is meant.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct VideoChoice {
    /// The number inside the session, as media and events carry it; quoted or not.
    pub user_id: UserId,
}

/// What became of the choice of a camera.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct VideoAnswer {
    /// The camera; null if none was chosen.
    pub video: Option<VideoLine>,
}

/// One person's camera, and what became of the wish for it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct VideoLine {
    /// Whose.
    pub user_id: UserId,
    /// What became of it.
    pub standing: VideoStanding,
    /// Since when it is wished for, or not any more, on our clock.
    pub since: UnixMillis,
    /// Zoom's number for its last answer; null if it gave none.
    pub status: Option<StatusCode>,
    /// Zoom's constant for it.
    pub status_name: Option<String>,
    /// Pictures of this camera since it was wished for.
    pub frames: u64,
    /// When the last one came, on our clock; null if none did.
    pub last_frame_at: Option<UnixMillis>,
}

/// What became of the wish for one person's camera.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum VideoStanding {
    /// It is asked for as soon as signaling and video stand.
    Wished,
    /// Zoom was asked, and did not answer yet.
    Asked,
    /// Zoom said no. It is asked again when this person's camera goes on.
    Refused,
    /// Zoom said yes; no picture yet.
    Granted,
    /// Pictures come.
    Frames,
    /// The camera went off, or the person left. It is asked for again when it is on again.
    Void,
    /// Zoom was told that it is not wanted any more, and did not answer yet.
    Dropping,
    /// It is not wanted any more.
    Off,
}

impl VideoStanding {
    /// The word in answers.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Wished => "wished",
            Self::Asked => "asked",
            Self::Refused => "refused",
            Self::Granted => "granted",
            Self::Frames => "frames",
            Self::Void => "void",
            Self::Dropping => "dropping",
            Self::Off => "off",
        }
    }
}

impl VideoStanding {
    /// Whether it is wished for, and asking again would change nothing.
    pub fn is_wished(self) -> bool {
        match self {
            Self::Wished | Self::Asked | Self::Granted | Self::Frames | Self::Void => true,
            Self::Refused | Self::Dropping | Self::Off => false,
        }
    }

    /// Whether it is not wished for any more.
    pub fn is_dropped(self) -> bool {
        matches!(self, Self::Dropping | Self::Off)
    }
}

impl VideoLine {
    /// Returns a camera that is wished for since now.
    pub fn wished(user_id: UserId, now: UnixMillis) -> Self {
        let (standing, since) = (VideoStanding::Wished, now);
        Self { user_id, standing, since, status: None, status_name: None, frames: 0, last_frame_at: None }
    }

    /// Takes Zoom's answer.
    pub fn answered(&mut self, status: StatusCode) {
        let granted = matches!(status, StatusCode::Ok | StatusCode::DuplicateVideoSubscription);
        self.standing = match self.standing {
            VideoStanding::Wished | VideoStanding::Asked | VideoStanding::Refused | VideoStanding::Granted
                if granted =>
            {
                VideoStanding::Granted
            }
            VideoStanding::Wished | VideoStanding::Asked | VideoStanding::Granted | VideoStanding::Refused => {
                VideoStanding::Refused
            }
            // Whatever Zoom says to it, it is not wanted.
            VideoStanding::Dropping | VideoStanding::Off => VideoStanding::Off,
            VideoStanding::Frames | VideoStanding::Void => self.standing,
        };
        (self.status, self.status_name) = (Some(status), Some(status.name().to_owned()));
    }

    /// Notes that it is not wished for any more.
    pub fn drop(&mut self, now: UnixMillis) {
        let zoom_knows = matches!(self.standing, VideoStanding::Asked | VideoStanding::Granted | VideoStanding::Frames);
        self.standing = if zoom_knows { VideoStanding::Dropping } else { VideoStanding::Off };
        self.since = now;
        (self.status, self.status_name) = (None, None);
    }
}
