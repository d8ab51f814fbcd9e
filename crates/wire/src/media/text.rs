//! What words are asked for and granted: `media_params.transcript` and `media_params.chat`.

use serde::{Deserialize, Serialize};

use crate::{
    codes::{language::TranscriptLanguage, media::MediaContentType},
    lenient::{in_order, unite},
};

/// `media_params.transcript`. Basis: documented.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(remote = "Self")]
pub struct TranscriptParams {
    /// The type of content, which is always text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub content_type: Option<MediaContentType>,
    /// What is spoken in the first 30 s, default English. Older senders call it `language`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub src_language: Option<TranscriptLanguage>,
    /// Whether the language is detected after that, default true; false also switches corrections of lines off.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub enable_lid: Option<bool>,
}

in_order!(TranscriptParams, |fields| unite::<TranscriptLanguage>(fields, &["src_language", "language"]));

impl TranscriptParams {
    /// Fills what is missing with Zoom's defaults.
    pub fn with_defaults(&self) -> Self {
        Self {
            content_type: Some(self.content_type.unwrap_or(MediaContentType::Text)),
            src_language: Some(self.src_language.unwrap_or(TranscriptLanguage::English)),
            enable_lid: Some(self.enable_lid.unwrap_or(true)),
        }
    }
}

/// `media_params.chat`. Basis: documented.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChatParams {
    /// The type of content, which is always text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub content_type: Option<MediaContentType>,
}

impl ChatParams {
    /// Fills what is missing with Zoom's defaults.
    pub fn with_defaults(&self) -> Self {
        Self { content_type: Some(self.content_type.unwrap_or(MediaContentType::Text)) }
    }
}
