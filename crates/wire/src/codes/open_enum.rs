//! What all of Zoom's enumerations have in common: numbers on the wire, names in code, unknown numbers kept.

use crate::text_or_number::text_or_number;

/// The number that stands, inside the program, for a name that Zoom's lists do not have, in the old forms that send names
/// for numbers. It is written as the text `UNKNOWN`.
pub const UNLISTED_NAME: i64 = i64::MIN;

/// Makes an enumeration of Zoom's: numbers on the wire, names in code, unknown numbers kept.
macro_rules! open_enum {
    ($(#[$doc:meta])* $name:ident { $($variant:ident = $number:literal, $zoom:literal;)+ }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum $name {
            $(
                #[doc = concat!("`", $zoom, "`, ", stringify!($number), ".")]
                $variant,
            )+
            /// A number that is not in the list.
            Unknown(i64),
        }

        impl $name {
            /// Every listed value, by number.
            pub const ALL: &[Self] = &[$(Self::$variant),+];

            /// The value with this number.
            pub const fn from_code(code: i64) -> Self {
                match code {
                    $($number => Self::$variant,)+
                    other => Self::Unknown(other),
                }
            }

            /// The number on the wire; [`UNLISTED_NAME`](crate::codes::open_enum::UNLISTED_NAME) where there was a name that is not listed.
            pub const fn code(self) -> i64 {
                match self {
                    $(Self::$variant => $number,)+
                    Self::Unknown(code) => code,
                }
            }

            /// Zoom's constant for it.
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$variant => $zoom,)+
                    Self::Unknown(_) => "UNKNOWN",
                }
            }

            fn from_name(name: &str) -> Self {
                match name {
                    $($zoom => Self::$variant,)+
                    _ => Self::Unknown($crate::codes::open_enum::UNLISTED_NAME),
                }
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                match self.code() {
                    $crate::codes::open_enum::UNLISTED_NAME => f.write_str("UNKNOWN (a name that is not listed)"),
                    code => write!(f, "{} ({code})", self.name()),
                }
            }
        }

        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                match self.code() {
                    // No number of Zoom's, and nobody should take it for one.
                    $crate::codes::open_enum::UNLISTED_NAME => serializer.serialize_str(self.name()),
                    code => serializer.serialize_i64(code),
                }
            }
        }

        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                $crate::codes::open_enum::code_or_name(deserializer, Self::from_code, Self::from_name)
            }
        }
    };
}
pub(crate) use open_enum;

/// Reads a number, a number in quotes, or one of Zoom's names.
pub(crate) fn code_or_name<'de, D: serde::Deserializer<'de>, T>(
    deserializer: D,
    from_code: fn(i64) -> T,
    from_name: fn(&str) -> T,
) -> Result<T, D::Error> {
    let text = text_or_number(deserializer)?;
    Ok(match text.parse() {
        Ok(code) => from_code(code),
        Err(_) => from_name(&text),
    })
}
