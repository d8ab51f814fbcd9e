//! Stories as files: what happens in a meeting and to its connections, what a client should do, and what holds at the
//! end.
//!
//! A [`Scenario`] is read from TOML; the [`catalogue`](Scenario::catalogue) is in the program. What must hold is said
//! of Zoom's side alone, so that it can be asked of any client: how often it joined, whether all sound of the meeting
//! was sent to it, why the stream ended, and which findings the judge has.
//!
//! ```
//! use rtms_sim::scenario::Scenario;
//!
//! let story = Scenario::parse(
//!     "mine.toml",
//!     r#"
//!     name = "mine"
//!     what = "Signaling is cut after ten seconds."
//!     client = "Connects again at once, signaling first and then all media, and misses no sound."
//!
//!     [meeting]
//!     duration = "30s"
//!
//!     [[incident]]
//!     at = "10s"
//!     what = { cut = { target = "signaling" } }
//!
//!     [expect]
//!     joins = 2
//!     ended = 6
//!     media_complete = ["audio"]
//!     "#,
//! )?;
//! assert_eq!(story.config().incidents.len(), 1);
//! # Ok::<(), rtms_sim::scenario::ScenarioError>(())
//! ```

mod catalogue;
pub(crate) mod definition;
mod expect;
mod outcome;
pub(crate) mod witness;

pub use self::{
    definition::{Camera, Delays, Operator, Posting, Scenario, ScenarioError, Story, TimingOverrides},
    expect::{Count, Expect},
    witness::Witness,
};
