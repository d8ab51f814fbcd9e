//! Finds entries by number or name, and names that are near.

use rtms_wire::webhook::event_name::EventName;

use crate::explain::{all, entry::Entry, kind::Kind};

/// How alike two names must be to be suggested, from 0 to 1. Found by trying: typos of a letter or two in a name are above it.
const ALIKE: f64 = 0.82;

/// Suggestions at most.
const SUGGESTIONS: usize = 6;

/// Prefixes of Zoom's constants that people leave out.
const PREFIXES: [&str; 2] = ["STATUS_", "STOP_BC_"];

/// Returns every entry with this number or name, of one kind or of all.
///
/// A name is found with or without Zoom's prefix, in any case, with `_`, `-` or spaces between its words, or as one word
/// in camel case. An event is found by its aliases too.
pub fn find(query: &str, kind: Option<Kind>) -> Vec<&'static Entry> {
    let of_kind = |entry: &&Entry| kind.is_none_or(|kind| kind == entry.kind);
    let query = query.trim();
    if let Ok(number) = query.parse::<i64>() {
        return all().filter(of_kind).filter(|entry| entry.number == Some(number)).collect();
    }
    let event = EventName::canonical(query);
    let wanted = key(query);
    let fits = |entry: &&Entry| {
        let is_event = entry.kind == Kind::Event;
        if is_event { entry.name.eq_ignore_ascii_case(event.as_str()) } else { key(entry.name) == wanted }
    };
    all().filter(of_kind).filter(fits).collect()
}

/// Returns names that contain the query or are spelled alike, the most alike first.
pub fn near(query: &str, kind: Option<Kind>) -> Vec<&'static str> {
    let wanted = key(query.trim());
    if wanted.len() < 3 {
        return Vec::new();
    }
    let of_kind = |entry: &&Entry| kind.is_none_or(|kind| kind == entry.kind);
    let mut found: Vec<(f64, &str)> = Vec::new();
    for entry in all().filter(of_kind) {
        let name = key(entry.name);
        let to = |text: &str| strsim::normalized_damerau_levenshtein(text, &wanted);
        // A word of the name is enough: people remember one.
        let words = entry.name.split(['_', '.']).map(|word| to(&key(word)));
        let alike = if name.contains(&wanted) { 1.0 } else { words.fold(to(&name), f64::max) };
        if alike >= ALIKE && !found.iter().any(|(_, known)| *known == entry.name) {
            found.push((alike, entry.name));
        }
    }
    found.sort_by(|one, other| other.0.total_cmp(&one.0));
    found.into_iter().map(|(_, name)| name).take(SUGGESTIONS).collect()
}

/// A name without prefix, case and separators.
fn key(name: &str) -> String {
    let upper = name.to_ascii_uppercase().replace(['-', ' '], "_");
    let bare = PREFIXES.iter().find_map(|prefix| upper.strip_prefix(prefix)).unwrap_or(&upper);
    bare.chars().filter(char::is_ascii_alphanumeric).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_found_however_it_is_written() {
        for name in ["STATUS_INVALID_SIGNATURE", "invalid_signature", "InvalidSignature", "invalid signature"] {
            let found: Vec<_> = find(name, None).iter().map(|entry| (entry.kind, entry.number)).collect();
            assert_eq!(found, [(Kind::StatusCode, Some(3)), (Kind::LegacyStatusCode, Some(15))], "{name}");
        }
        assert_eq!(find("phone.call_rtms_started", None)[0].name, "phone.rtms_started");
    }

    #[test]
    fn a_number_is_every_kind_that_has_it_and_the_old_list_comes_last() {
        let kinds: Vec<_> = find("3", None).iter().map(|entry| entry.kind).collect();
        assert_eq!(kinds.first(), Some(&Kind::StatusCode));
        assert_eq!(kinds.last(), Some(&Kind::LegacyStatusCode));
        assert!(kinds.contains(&Kind::StopReason) && kinds.contains(&Kind::SessionState), "{kinds:?}");
        assert_eq!(find("19", Some(Kind::StopReason))[0].name, "STOP_BC_AWAIT_RECONNECTION_TIMEOUT");
        assert!(find("99", None).is_empty() && find("-99", None).is_empty());
    }

    #[test]
    fn a_misspelled_name_is_answered_with_its_neighbours() {
        assert_eq!(near("INVALID_SIGNTURE", None).first(), Some(&"STATUS_INVALID_SIGNATURE"));
        assert_eq!(near("revokd", None), ["STOP_BC_STREAM_REVOKED", "TOKEN_REVOKED"], "by one word");
        assert!(near("revoked", None).contains(&"STOP_BC_STREAM_REVOKED"));
        assert!(near("xq", None).is_empty() && near("nothing_like_it_at_all", None).is_empty());
    }
}
