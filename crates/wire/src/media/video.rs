//! What pictures are asked for and granted: `media_params.video` and `media_params.deskshare`.

use serde::{Deserialize, Serialize};

use crate::{
    codes::media::{MediaContentType, MediaDataOption, MediaPayloadType, MediaResolution},
    media::medium::Medium,
};

/// `media_params.video` or `.deskshare` as it stands on the wire; what is missing takes Zoom's default. Basis: documented.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct VideoParams {
    /// Default raw video.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub content_type: Option<MediaContentType>,
    /// JPG, PNG or H264; default JPG. Fixed for the session.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub codec: Option<MediaPayloadType>,
    /// An upper wish; what comes may change size at any time. Default HD for video, FHD for deskshare.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resolution: Option<MediaResolution>,
    /// Active speaker (the default) or one person of choice; deskshare has no such field.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub data_opt: Option<MediaDataOption>,
    /// Pictures a second, at most 30; default 5 for video, 1 for deskshare.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fps: Option<u32>,
}

impl VideoParams {
    /// Fills what is missing with Zoom's defaults for this medium.
    ///
    /// Without a codec, a rate above what JPG allows becomes JPG at the default rate: documented as Zoom's fallback.
    pub fn format(&self, medium: Medium) -> VideoFormat {
        let deskshare = medium == Medium::Deskshare;
        let (default_fps, jpg_up_to, default_resolution) =
            if deskshare { (1, 5, MediaResolution::Fhd) } else { (5, 5, MediaResolution::Hd) };
        let fps = match (self.codec, self.fps) {
            (None, Some(fps)) if fps <= jpg_up_to => fps,
            (Some(_), Some(fps)) => fps,
            (None, Some(_)) | (_, None) => default_fps,
        };
        VideoFormat {
            content_type: self.content_type.unwrap_or(MediaContentType::RawVideo),
            codec: self.codec.unwrap_or(MediaPayloadType::Jpg),
            resolution: self.resolution.unwrap_or(default_resolution),
            data_opt: (!deskshare).then(|| self.data_opt.unwrap_or(MediaDataOption::VideoSingleActiveStream)),
            fps,
        }
    }
}

/// The pictures that a connection carries, complete.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct VideoFormat {
    /// Raw video.
    pub content_type: MediaContentType,
    /// JPG, PNG or H264 (Annex B).
    pub codec: MediaPayloadType,
    /// An upper wish.
    pub resolution: MediaResolution,
    /// Whose picture; none for deskshare.
    pub data_opt: Option<MediaDataOption>,
    /// Pictures a second.
    pub fps: u32,
}

impl From<VideoFormat> for VideoParams {
    fn from(format: VideoFormat) -> Self {
        Self {
            content_type: Some(format.content_type),
            codec: Some(format.codec),
            resolution: Some(format.resolution),
            data_opt: format.data_opt,
            fps: Some(format.fps),
        }
    }
}
