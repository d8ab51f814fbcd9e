//! The fields of an object that no document names, and how they keep apart from fields of ours.

use serde_json::Value;

/// Fields that no document names; they are kept and sent on.
pub type Extra = serde_json::Map<String, Value>;

/// What the name of a field gets that is called like one of ours.
pub(crate) const APART: &str = "zoom_";

/// Puts fields of the sender's that have a name of ours under another, so that no object has a name twice.
///
/// The other name has `zoom_` before it, once more if that is there too.
pub fn set_apart(fields: &mut Extra, is_ours: impl Fn(&str) -> bool) {
    let names: Vec<String> = fields.keys().filter(|name| is_ours(name)).cloned().collect();
    for name in names {
        let Some(value) = fields.remove(&name) else { continue };
        let mut other = format!("{APART}{name}");
        while fields.contains_key(&other) {
            other.insert_str(0, APART);
        }
        fields.insert(other, value);
    }
}
