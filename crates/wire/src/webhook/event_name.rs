//! The names of webhook events, with their aliases made one.

use smol_str::SmolStr;

use crate::codes::product::Product;

/// The canonical name of an event, for example `meeting.rtms_started`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EventName(SmolStr);

/// What sort of event a name stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// `*.rtms_started`.
    Started,
    /// `*.rtms_stopped`.
    Stopped,
    /// `*.rtms_interrupted`.
    Interrupted,
    /// `rtms.concurrency_near_limit`.
    ConcurrencyNearLimit,
    /// `rtms.concurrency_limited`.
    ConcurrencyLimited,
    /// `rtms.start_failed`.
    StartFailed,
    /// `rtms.request_status`.
    RequestStatus,
    /// `endpoint.url_validation`.
    UrlValidation,
    /// The fields that are not named here.
    Other,
}

impl Kind {
    /// The name in our own files and answers.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Started => "started",
            Self::Stopped => "stopped",
            Self::Interrupted => "interrupted",
            Self::ConcurrencyNearLimit => "concurrency_near_limit",
            Self::ConcurrencyLimited => "concurrency_limited",
            Self::StartFailed => "start_failed",
            Self::RequestStatus => "request_status",
            Self::UrlValidation => "url_validation",
            Self::Other => "other",
        }
    }
}

impl EventName {
    /// Maps the aliases that documents and samples use to one name.
    ///
    /// `meeting.rtms.started` → `meeting.rtms_started`, `phone.call_rtms_*` → `phone.rtms_*`,
    /// `contactcenter.rtms_*` → `contact_center.voice_rtms_*`, `meeting.rtms_concurrency_*` → `rtms.concurrency_*`.
    pub fn canonical(name: &str) -> Self {
        let dotted = ["started", "stopped", "interrupted"].into_iter().find_map(|end| {
            name.strip_suffix(end)?.strip_suffix(".rtms.").map(|prefix| format!("{prefix}.rtms_{end}"))
        });
        let name = dotted.as_deref().unwrap_or(name);
        let alias = [
            ("phone.call_rtms_", "phone.rtms_"),
            ("contactcenter.rtms_", "contact_center.voice_rtms_"),
            ("meeting.rtms_concurrency_", "rtms.concurrency_"),
        ]
        .into_iter()
        .find_map(|(from, to)| name.strip_prefix(from).map(|rest| [to, rest].concat()));
        Self(SmolStr::new(alias.as_deref().unwrap_or(name)))
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The product in front of the dot, if it is one.
    pub fn product(&self) -> Option<Product> {
        self.0.split_once('.').and_then(|(product, _)| product.parse().ok())
    }

    /// What sort of event this is.
    pub fn kind(&self) -> Kind {
        match self.as_str() {
            "rtms.concurrency_near_limit" => return Kind::ConcurrencyNearLimit,
            "rtms.concurrency_limited" => return Kind::ConcurrencyLimited,
            "rtms.start_failed" => return Kind::StartFailed,
            "rtms.request_status" => return Kind::RequestStatus,
            "endpoint.url_validation" => return Kind::UrlValidation,
            _ => {}
        }
        let Some((product, what)) = self.0.split_once('.') else {
            return Kind::Other;
        };
        let prefix = match product.parse() {
            Ok(Product::ContactCenter) => "voice_rtms_",
            Ok(Product::Meeting | Product::Webinar | Product::Session | Product::Phone) => "rtms_",
            Err(_) => return Kind::Other,
        };
        match what.strip_prefix(prefix) {
            Some("started") => Kind::Started,
            Some("stopped") => Kind::Stopped,
            Some("interrupted") => Kind::Interrupted,
            Some(_) | None => Kind::Other,
        }
    }
}

impl std::fmt::Display for EventName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}
