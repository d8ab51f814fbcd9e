//! What a check comes to, and how it is shown.

use serde::Serialize;

use crate::output::paragraph;

/// How a check went.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Verdict {
    /// As it should be.
    Ok,
    /// Nothing to mend, but worth knowing when the result is read.
    Note,
    /// It works, and somebody should mend it.
    Warning,
    /// Something does not work, or will not.
    Fault,
}

impl Verdict {
    fn label(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Note => "note",
            Self::Warning => "WARNING",
            Self::Fault => "FAULT",
        }
    }
}

/// One check's result.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Finding {
    /// What was checked, in a word or two. These words are for scripts too, and stay.
    pub(super) check: &'static str,
    pub(super) verdict: Verdict,
    /// What was found, without any secret.
    pub(super) found: String,
    /// What to do about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) remedy: Option<String>,
}

/// All results, in the order of the checks.
#[derive(Debug, Default)]
pub(super) struct Findings(Vec<Finding>);

/// The whole as JSON. Words and fields are only ever added.
#[derive(Serialize)]
struct Whole<'a> {
    healthy: bool,
    faults: usize,
    warnings: usize,
    findings: &'a [Finding],
}

impl Findings {
    pub(super) fn ok(&mut self, check: &'static str, found: impl Into<String>) {
        self.0.push(Finding { check, verdict: Verdict::Ok, found: found.into(), remedy: None });
    }

    pub(super) fn note(&mut self, check: &'static str, found: impl Into<String>) {
        self.0.push(Finding { check, verdict: Verdict::Note, found: found.into(), remedy: None });
    }

    pub(super) fn warning(&mut self, check: &'static str, found: impl Into<String>, remedy: impl Into<String>) {
        let remedy = Some(remedy.into());
        self.0.push(Finding { check, verdict: Verdict::Warning, found: found.into(), remedy });
    }

    pub(super) fn fault(&mut self, check: &'static str, found: impl Into<String>, remedy: impl Into<String>) {
        let remedy = Some(remedy.into());
        self.0.push(Finding { check, verdict: Verdict::Fault, found: found.into(), remedy });
    }

    /// The worst verdict of a check; none if it has no result yet.
    pub(super) fn worst(&self, check: &str) -> Option<Verdict> {
        self.0.iter().filter(|finding| finding.check == check).map(|finding| finding.verdict).max()
    }

    pub(super) fn is_healthy(&self) -> bool {
        self.count(Verdict::Fault) == 0
    }

    fn count(&self, verdict: Verdict) -> usize {
        self.0.iter().filter(|finding| finding.verdict == verdict).count()
    }

    /// For people: what is well in a line, what is not with its remedy, and a last line with the sum.
    pub(super) fn text(&self) -> String {
        let mut text = String::new();
        for Finding { check, verdict, found, remedy } in &self.0 {
            text += &paragraph(&format!("{:<8} {check:<14} ", verdict.label()), found);
            if let Some(remedy) = remedy {
                text += &paragraph(&format!("{:24}remedy: ", ""), remedy);
            }
        }
        let (faults, warnings) = (self.count(Verdict::Fault), self.count(Verdict::Warning));
        let some = |count: usize, what: &str| format!("{count} {what}{}", if count == 1 { "" } else { "s" });
        text + &format!("\n{}, {}\n", some(faults, "fault"), some(warnings, "warning"))
    }

    /// The same as one JSON object.
    pub(super) fn json(&self) -> serde_json::Result<String> {
        let (faults, warnings) = (self.count(Verdict::Fault), self.count(Verdict::Warning));
        let whole = Whole { healthy: faults == 0, faults, warnings, findings: &self.0 };
        Ok(serde_json::to_string(&whole)? + "\n")
    }
}
