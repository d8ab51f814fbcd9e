//! What Zoom's numbers and words mean, and what an app of Zoom's needs. Tables and look-up, nothing else.
//!
//! - [`explain`]: status codes, stop reasons, states, close codes, errors and event names, each with its meaning, causes,
//!   remedy and source.
//! - [`checklist`]: app type, credentials, event subscriptions and scopes for each product and medium.
//!
//! A number alone is ambiguous: 3 is a status code, a stop reason, two states and a code of an older list. So a look-up
//! returns every entry that fits, and [`explain::kind::Kind`] tells them apart.
//!
//! ```
//! use rtms_guide::explain::lookup;
//!
//! let found = lookup::find("invalid_signature", None);
//! assert_eq!(found[0].number, Some(3));
//! assert!(found[0].remedy.contains("client secret"));
//! ```

pub mod checklist;
pub mod explain;
