//! Zoom's enumerations, a file each. They are open: a number that is not listed is kept, never an error.

pub mod chat;
pub mod event_type;
pub mod language;
pub mod media;
pub mod message_type;
pub mod open_enum;
pub mod product;
pub mod state;
pub mod status_code;
pub mod stop_reason;
