//! Words of labels in the metrics that another room has the cause of.

/// The change that would have made a wrong signature right.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Suspect {
    /// Something on the way parsed the body and wrote it again.
    Reserialised,
    /// Something on the way added a newline at the end, or took one away.
    Newline,
    /// It is signed with the secret token of another app than the path says.
    OtherApp,
    /// The client secret is configured where the secret token belongs, or the other way round.
    ClientSecret,
    /// There is no signature, but an `authorization` header; or what it holds is configured as the secret token: the
    /// old verification token.
    VerificationToken,
    /// None of these.
    Unknown,
}

/// Why an event WebSocket is over, or never was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum IntakeEnd {
    /// There is no access token.
    NoToken,
    /// It cannot be connected to.
    NotConnected,
    /// Zoom refused it.
    Refused,
    /// Nothing was heard.
    Silent,
    /// Zoom closed it.
    Closed,
    /// The connection broke.
    Broken,
    /// A newer one has taken its place.
    Replaced,
    /// The server stops.
    Stopping,
}

/// What became of a request for a new stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NewStreamRequest {
    /// Zoom accepted it.
    Accepted,
    /// It was not sent: the stream came back, another one started, or the meeting is over.
    Needless,
    /// Zoom refused it for good, or it could not be sent.
    Failed,
}

impl NewStreamRequest {
    /// All of them.
    pub(crate) const ALL: [Self; 3] = [Self::Accepted, Self::Needless, Self::Failed];

    /// Returns the word in the counter.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Accepted => "accepted",
            Self::Needless => "needless",
            Self::Failed => "failed",
        }
    }
}

impl Suspect {
    /// All suspects.
    pub(crate) const ALL: [Self; 6] =
        [Self::Reserialised, Self::Newline, Self::OtherApp, Self::ClientSecret, Self::VerificationToken, Self::Unknown];

    /// Returns the word in the log and in the counter.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Reserialised => "reserialised",
            Self::Newline => "newline",
            Self::OtherApp => "other_app",
            Self::ClientSecret => "client_secret",
            Self::VerificationToken => "verification_token",
            Self::Unknown => "unknown",
        }
    }
}

impl IntakeEnd {
    /// All ends.
    pub(crate) const ALL: [Self; 8] = [
        Self::NoToken,
        Self::NotConnected,
        Self::Refused,
        Self::Silent,
        Self::Closed,
        Self::Broken,
        Self::Replaced,
        Self::Stopping,
    ];

    /// Returns the word in the counter.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::NoToken => "no_token",
            Self::NotConnected => "not_connected",
            Self::Refused => "refused",
            Self::Silent => "silent",
            Self::Closed => "closed",
            Self::Broken => "broken",
            Self::Replaced => "replaced",
            Self::Stopping => "stopping",
        }
    }
}
