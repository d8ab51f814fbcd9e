//! The checklists. Names of scopes and titles of boxes are Zoom's; `tests/fixtures/products.md` has the same facts for comparison.

use rtms_wire::{codes::product::Product, media::medium::Medium};

use crate::{
    checklist::list::{
        Checklist, Credentials, Fact, Scope,
        Scopes::{self, Listed, NoneListed, NotSeen, NotStreamed},
        Subscription,
    },
    explain::entry::Basis::{self, Documented, ThirdParty, VendorCode},
};

impl Checklist {
    /// Returns the checklist of a product.
    pub fn of(product: Product) -> &'static Self {
        match product {
            Product::Meeting => &MEETING,
            Product::Webinar => &WEBINAR,
            Product::Session => &SESSION,
            Product::ContactCenter => &CONTACT_CENTER,
            Product::Phone => &PHONE,
        }
    }
}

/// The events about the account, which any app may subscribe to beside its own.
pub const ACCOUNT_SUBSCRIPTIONS: &[Subscription] = &[
    Subscription { event: "rtms.concurrency_near_limit", title: Some("RTMS Concurrency Near Limit") },
    Subscription { event: "rtms.concurrency_limited", title: Some("RTMS Concurrency Limited") },
];

/// Their scopes.
pub const ACCOUNT_SCOPES: Scopes = Listed(&[
    with_admin("rtms:read:rtms_concurrency_near_limit", Documented),
    with_admin("rtms:read:rtms_concurrency_limited", Documented),
]);

const CLIENT: Credentials = Credentials { id: "Client ID", secret: "Client Secret" };

/// Meetings and webinars share their event scopes.
const EVENT_SCOPES: Scopes = Listed(&[
    Scope { name: "rtms:read", has_admin: false, basis: Documented },
    with_admin("rtms:read:rtms_started", Documented),
    with_admin("rtms:read:rtms_stopped", Documented),
    with_admin("rtms:read:rtms_interrupted", Documented),
]);

const MEETING_CALL: &str = "PATCH /v2/live_meetings/{meetingId}/rtms_app/status";

const ADD_TO_ONESELF: Fact = Fact {
    text: "Add the app to yourself: Marketplace, Manage, your app, Local Test, \"Add app now\", and allow it. Do so again \
           after each change of the scopes.",
    basis: ThirdParty,
};

const ADD_FOR_OTHERS: Fact = Fact {
    text: "Other users of the account add it too, or an administrator adds it for users and groups.",
    basis: Documented,
};

static MEETING: Checklist = Checklist {
    product: Product::Meeting,
    title: "Zoom Meetings",
    app_type: Fact { text: "General app, user-managed (required)", basis: Documented },
    credentials: CLIENT,
    instance_id: ("meeting_uuid", &[]),
    subscriptions: &[
        Subscription { event: "meeting.rtms_started", title: Some("RTMS started in Meeting") },
        Subscription { event: "meeting.rtms_stopped", title: Some("RTMS stopped in Meeting") },
        Subscription { event: "meeting.rtms_interrupted", title: Some("RTMS interrupted in Meeting") },
    ],
    event_scopes: EVENT_SCOPES,
    media: [
        (Medium::Audio, Listed(&[one("meeting:read:meeting_audio", VendorCode)])),
        (Medium::Video, Listed(&[one("meeting:read:meeting_video", VendorCode)])),
        (Medium::Deskshare, Listed(&[one("meeting:read:meeting_screenshare", ThirdParty)])),
        (Medium::Transcript, Listed(&[one("meeting:read:meeting_transcript", VendorCode)])),
        (Medium::Chat, Listed(&[one("meeting:read:meeting_chat", VendorCode)])),
    ],
    control_scopes: Listed(&[with_admin("meeting:update:participant_rtms_app_status", VendorCode)]),
    control_call: MEETING_CALL,
    starts: &[
        Fact {
            text: "Auto-start: in Zoom's web portal, Account Management (or your own Settings), Account Settings, Zoom Apps, turn \
                   on \"Share realtime meeting content with apps\", and under \"Auto-start apps that access shared realtime \
                   meeting content\" choose the app. Then each meeting of its users starts a stream.",
            basis: Documented,
        },
        Fact {
            text: "By REST, with the token of the host: the call below, or `rtms zoom start`. Since January 2026 the host \
                   need not be in the meeting.",
            basis: Documented,
        },
        Fact { text: "From a Zoom App in the meeting: startRTMS() of the Zoom Apps SDK.", basis: Documented },
        Fact {
            text: "In a meeting of another account the host is asked first, and its administrator can forbid it.",
            basis: Documented,
        },
    ],
    adding: &[ADD_TO_ONESELF, ADD_FOR_OTHERS],
};

static WEBINAR: Checklist = Checklist {
    product: Product::Webinar,
    title: "Zoom Webinars",
    app_type: Fact { text: "General app, user-managed (required)", basis: Documented },
    credentials: CLIENT,
    instance_id: ("webinar_uuid", &["meeting_uuid"]),
    subscriptions: &[
        Subscription { event: "webinar.rtms_started", title: Some("RTMS started in Webinar") },
        Subscription { event: "webinar.rtms_stopped", title: Some("RTMS stopped in Webinar") },
        Subscription { event: "webinar.rtms_interrupted", title: Some("RTMS interrupted in Webinar") },
    ],
    event_scopes: EVENT_SCOPES,
    media: [
        (Medium::Audio, Listed(&[one("webinar:read:webinar_audio", VendorCode)])),
        (Medium::Video, Listed(&[one("webinar:read:webinar_video", VendorCode)])),
        (Medium::Deskshare, NotSeen),
        (Medium::Transcript, Listed(&[one("webinar:read:webinar_transcript", VendorCode)])),
        (Medium::Chat, Listed(&[one("webinar:read:webinar_chat", VendorCode)])),
    ],
    control_scopes: NotSeen,
    control_call: MEETING_CALL,
    starts: &[
        Fact {
            text: "Auto-start: as for meetings, with \"Share realtime webinar content with apps\" and \"Auto-start apps that \
                   access shared realtime webinar content\".",
            basis: Documented,
        },
        Fact { text: "By REST: the call for meetings serves webinars too; or `rtms zoom start`.", basis: VendorCode },
        Fact { text: "Only host and panelists start a stream.", basis: Documented },
    ],
    adding: &[ADD_TO_ONESELF, ADD_FOR_OTHERS],
};

static SESSION: Checklist = Checklist {
    product: Product::Session,
    title: "Video SDK sessions",
    app_type: Fact { text: "Video SDK app", basis: VendorCode },
    credentials: Credentials { id: "SDK Key", secret: "SDK Secret" },
    instance_id: ("session_id", &[]),
    subscriptions: &[
        Subscription { event: "session.rtms_started", title: Some("RTMS Started") },
        Subscription { event: "session.rtms_stopped", title: Some("RTMS Stopped") },
        Subscription { event: "session.rtms_interrupted", title: Some("RTMS Interrupted") },
    ],
    event_scopes: NoneListed,
    media: [
        (Medium::Audio, NoneListed),
        (Medium::Video, NotStreamed),
        (Medium::Deskshare, NotStreamed),
        (Medium::Transcript, NoneListed),
        (Medium::Chat, NotStreamed),
    ],
    control_scopes: NotSeen,
    control_call: "PATCH /v2/videosdk/sessions/{sessionId}/rtms_app/status",
    starts: &[
        Fact { text: "The session's host calls startRealTimeMediaStreams() of the Video SDK.", basis: Documented },
        Fact { text: "By REST: the call below, or `rtms zoom start`.", basis: VendorCode },
    ],
    adding: &[Fact { text: "Nothing: a Video SDK app has no users in Zoom.", basis: Basis::Reconstructed }],
};

static CONTACT_CENTER: Checklist = Checklist {
    product: Product::ContactCenter,
    title: "Contact Center voice",
    app_type: Fact { text: "General app (user- or admin-managed) or Server-to-Server OAuth app", basis: Documented },
    credentials: CLIENT,
    instance_id: ("engagement_id", &["session_id"]),
    subscriptions: &[
        Subscription { event: "contact_center.voice_rtms_started", title: Some("RTMS started in ZCC Voice") },
        Subscription { event: "contact_center.voice_rtms_stopped", title: Some("RTMS stopped in ZCC Voice") },
        Subscription { event: "contact_center.voice_rtms_interrupted", title: Some("RTMS interrupted in ZCC Voice") },
    ],
    event_scopes: NotSeen,
    media: [
        (Medium::Audio, Listed(&[one("contact_center:read:zcc_voice_audio", VendorCode)])),
        (Medium::Video, NotStreamed),
        (Medium::Deskshare, NotStreamed),
        (Medium::Transcript, Listed(&[one("contact_center:read:zcc_voice_transcript", ThirdParty)])),
        (Medium::Chat, NotStreamed),
    ],
    control_scopes: Listed(&[with_admin("contact_center:update:engagement_rtms_app_status", VendorCode)]),
    control_call: "PUT /v2/contact_center/{engagementId}/rtms_app/status",
    starts: &[
        Fact {
            text: "By itself when an agent or a customer connects, once the app is assigned to the queue (or to the flow, \
                   with IVR streaming).",
            basis: Documented,
        },
        Fact { text: "By REST: the call below, or `rtms zoom start`.", basis: VendorCode },
    ],
    adding: &[
        Fact { text: "Assign the app to the queue in the Contact Center's settings.", basis: Documented },
        Fact {
            text: "With admin scopes, choose \"admin-managed\" on the app's page; activate a Server-to-Server app.",
            basis: Documented,
        },
    ],
};

static PHONE: Checklist = Checklist {
    product: Product::Phone,
    title: "Zoom Phone",
    app_type: Fact { text: "General app, user-managed in Zoom's sample", basis: VendorCode },
    credentials: CLIENT,
    instance_id: ("call_id", &[]),
    subscriptions: &[
        Subscription { event: "phone.rtms_started", title: None },
        Subscription { event: "phone.rtms_stopped", title: None },
        Subscription { event: "phone.rtms_interrupted", title: None },
    ],
    event_scopes: NotSeen,
    media: [
        (Medium::Audio, PHONE_SCOPES),
        (Medium::Video, NotStreamed),
        (Medium::Deskshare, NotStreamed),
        (Medium::Transcript, PHONE_SCOPES),
        (Medium::Chat, NotStreamed),
    ],
    control_scopes: PHONE_SCOPES,
    control_call: "PATCH /v2/phone/calls/{callId}/rtms_app/status",
    starts: &[
        Fact { text: "By itself with each call, if the administrator has turned that on.", basis: Documented },
        Fact { text: "By REST: the call below, or `rtms zoom start`.", basis: Documented },
    ],
    adding: &[
        ADD_TO_ONESELF,
        Fact {
            text: "The events may be named phone.call_rtms_started, phone.call_rtms_stopped and phone.call_rtms_interrupted \
                   instead, probably the later names. rtms accepts both.",
            basis: VendorCode,
        },
    ],
};

/// Zoom's sample names both, without saying which is needed for what.
const PHONE_SCOPES: Scopes =
    Listed(&[one("phone:read:rtms_session", VendorCode), one("phone:write:rtms_session", VendorCode)]);

/// What holds for every product.
pub const FOR_ALL: &[Fact] = &[
    Fact {
        text: "The account has Zoom Developer Pack credits, or its trial; a Basic account does not stream.",
        basis: Documented,
    },
    Fact {
        text: "The event notification endpoint is https://YOUR-HOST/webhook: https, a host name, a certificate of a public \
               authority, TLS 1.2 or newer. Press \"Validate\" while rtms runs, then save.",
        basis: Documented,
    },
    Fact {
        text: "The app uses granular scopes; of the event scopes, `rtms:read` is the classic form of the others. There is no switch for streaming besides events and scopes.",
        basis: Documented,
    },
    Fact {
        text: "The Secret Token (Features, Access) verifies webhooks: ZOOM_SECRET_TOKEN. It is neither the client secret nor \
               the old verification token.",
        basis: Documented,
    },
];

const fn one(name: &'static str, basis: Basis) -> Scope {
    Scope { name, has_admin: false, basis }
}

const fn with_admin(name: &'static str, basis: Basis) -> Scope {
    Scope { name, has_admin: true, basis }
}
