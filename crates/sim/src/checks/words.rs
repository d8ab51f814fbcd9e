//! The words that go with a status: `reason` of messages 2, 4, 22 and 29.
//!
//! Programs read them: Zoom's own libraries try again when they find "duplicate signal request". The words of 8, 14 and
//! 22 were observed; those of the others are reconstructed from the constants' names by the same pattern.

use rtms_wire::codes::status_code::StatusCode;

/// What a real gateway says of this status.
pub(crate) fn of(status: StatusCode) -> String {
    if let StatusCode::Unknown(code) = status {
        return format!("Status {code}");
    }
    let mut words = status.name().trim_start_matches("STATUS_").to_lowercase().replace('_', " ");
    // "Invalid audio codec" is STATUS_INVALID_MEDIA_AUDIO_CODEC.
    for medium in ["audio", "video", "deskshare", "transcript", "chat"] {
        words = words.replace(&format!("invalid media {medium} "), &format!("invalid {medium} "));
    }
    if let Some(first) = words.get_mut(..1) {
        first.make_ascii_uppercase();
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_words_are_those_that_were_seen() {
        assert_eq!(of(StatusCode::DuplicateSignalRequest), "Duplicate signal request");
        assert_eq!(of(StatusCode::MediaTypeInvalidValue), "Media type invalid value");
        assert_eq!(of(StatusCode::InvalidMediaAudioCodec), "Invalid audio codec");
    }

    #[test]
    fn every_status_has_words_of_its_own() {
        let mut seen = std::collections::BTreeSet::new();
        for code in 0..=47 {
            let words = of(StatusCode::from_code(code));
            assert!(words.chars().all(|it| it.is_ascii_alphabetic() || it == ' '), "{words}");
            assert!(seen.insert(words.clone()), "{words}");
        }
        assert_eq!(of(StatusCode::from_code(4711)), "Status 4711");
    }
}
