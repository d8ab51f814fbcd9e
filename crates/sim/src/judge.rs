//! The judge: what a client did well and badly in a run.

pub(crate) mod client_record;
pub(crate) mod report;
pub(crate) mod tally;

pub use self::{
    report::{Judged, REPORT_VERSION, Report, ScenarioReport, StreamReport, Summary, Verdict, WebhookLine},
    tally::{KeepAlives, Missed},
};
