//! What may come of version 2 of the protocol, of which Zoom has published little: each switch is off unless asked for. A
//! scenario has the same under `[temper]`.

use clap::Args;
use rtms_sim::fault::{EventCode, OrMask, Temper};
use rtms_wire::media::medium::Medium;
use serde::de::DeserializeOwned;

/// The switches.
#[derive(Args, Debug)]
#[command(next_help_heading = "Version 2 of the protocol")]
#[group(id = "version_two", multiple = true)]
pub(crate) struct VersionTwoArgs {
    /// What becomes of a `media_type` of several media that is not 32: by_product (Phone refuses it), accepted or refused (with 14)
    #[arg(long, value_name = "WHAT", value_parser = word::<OrMask>)]
    or_mask: Option<OrMask>,
    /// Give events a number: off, code_only (in place of `event_type`) or both
    #[arg(long, value_name = "WHERE", value_parser = word::<EventCode>)]
    event_code: Option<EventCode>,
    /// Name version 2 in messages 2 and 4, for any client
    #[arg(long)]
    answers_version_2: bool,
    /// Send binary frames that are no JSON before messages 2 and 4
    #[arg(long)]
    stray_binary: bool,
    /// Give people, packets and message 2 fields that nobody knows
    #[arg(long)]
    extra_fields: bool,
    /// Say in message 4 for these media, such as audio, that payloads are encrypted, and send noise
    #[arg(long, value_name = "MEDIA", value_delimiter = ',')]
    encrypted_unasked: Vec<Medium>,
    /// Name an `srt://` URL for these media in message 2; `all` stays. Zoom's SDK dials it again and again
    #[arg(long, value_name = "MEDIA", value_delimiter = ',')]
    srt_url: Vec<Medium>,
}

impl VersionTwoArgs {
    /// How Zoom behaves then.
    pub(super) fn temper(self) -> Temper {
        Temper {
            or_mask: self.or_mask.unwrap_or_default(),
            event_code: self.event_code.unwrap_or_default(),
            answers_version_2: self.answers_version_2,
            stray_binary: self.stray_binary,
            extra_fields: self.extra_fields,
            encrypted_unasked: self.encrypted_unasked,
            srt_url: self.srt_url,
            ..Temper::default()
        }
    }
}

/// Reads a word as a scenario has it, also with hyphens.
fn word<T: DeserializeOwned>(text: &str) -> Result<T, String> {
    serde_json::from_value(text.replace('-', "_").into()).map_err(|error| error.to_string())
}
