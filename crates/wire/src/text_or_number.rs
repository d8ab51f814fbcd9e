//! Ids and codes come as text or as numbers; both are read as text.

use serde::{Deserializer, de};
use smol_str::SmolStr;

/// Reads text, or a number whose digits become the text.
pub(crate) fn text_or_number<'de, D: Deserializer<'de>>(deserializer: D) -> Result<SmolStr, D::Error> {
    struct TextOrNumber;

    impl de::Visitor<'_> for TextOrNumber {
        type Value = SmolStr;

        fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("text or a whole number")
        }

        fn visit_str<E: de::Error>(self, text: &str) -> Result<SmolStr, E> {
            Ok(SmolStr::new(text))
        }

        fn visit_u64<E: de::Error>(self, number: u64) -> Result<SmolStr, E> {
            Ok(smol_str::format_smolstr!("{number}"))
        }

        fn visit_i64<E: de::Error>(self, number: i64) -> Result<SmolStr, E> {
            Ok(smol_str::format_smolstr!("{number}"))
        }

        fn visit_f64<E: de::Error>(self, number: f64) -> Result<SmolStr, E> {
            // Whole numbers above 2^64 come as floats; what is left of their digits is better than no message.
            Ok(smol_str::format_smolstr!("{number:.0}"))
        }
    }

    deserializer.deserialize_any(TextOrNumber)
}
