"""Stories in which nothing goes wrong: ids, media, callbacks, states, cameras, webhooks, TLS."""

import cameras
import events
import joining
import media
import states
from checks import known_names, no_such_thing, values
from story import ACTIVE_SPEAKER, ALL_MEDIA, H264, INCIDENT_SECONDS, INDIVIDUAL, L16, MIXED, Story, meeting, scenario

# Long enough for three keep-alives at Zoom's own pace of one in ten seconds, and some time to join.
WHOLE_SECONDS = 40

# Every event that is subscribed to: active speaker, join, leave, sharing, cameras, chat groups.
EVENTS = [2, 3, 4, 5, 6, 8, 9, 10, 11, 12, 13, 14]

# The events of a call in the Contact Center.
VOICE_EVENTS = list(range(8, 30))

# What this SDK can tell an application. Each of them is judged below.
CALLBACKS = [
    "on_active_speaker_event",
    "on_audio_data",
    "on_deskshare_data",
    "on_event_ex",
    "on_join_confirm",
    "on_leave",
    "on_media_connection_interrupted",
    "on_participant_event",
    "on_participant_video",
    "on_session_update",
    "on_sharing_event",
    "on_transcript_data",
    "on_user_update",
    "on_video_data",
    "on_video_subscribed",
    "on_webhook_event",
]


# Ids


def ids():
    """By what each product names its stream."""

    def webinar(run):
        return [joining.joined_by("webinar id", run, "webinar_uuid"), media.whole("webinar audio", run, "audio")]

    def session(run):
        return [
            joining.joined_by("session id", run, "session_id"),
            media.whole("session audio", run, "audio"),
            media.transcript("session transcript", run),
        ]

    def engagement(run):
        return [
            joining.joined_by("engagement id", run, "engagement_id"),
            media.mixed_audio("engagement audio, mixed", run),
            media.words("engagement transcript", run),
            events.voice_events("engagement events", run),
        ]

    def channels(run):
        return [media.of_channels("engagement audio, of each channel", run)]

    def call(run):
        names = [name for found in values(run.received, "sdk", "ids") for name in found]
        return [
            no_such_thing("call id", names, "call", "the SDK joins by " + ", ".join(names)),
            joining.refuses_by_itself("call id refused", run, "or engagement_id is required"),
        ]

    two = {"audio": L16, "transcript": None}
    return [
        Story("webinar", webinar, meeting("webinar")),
        Story("session", session, meeting("session", media=list(two)), wishes={"media": two}),
        Story(
            "engagement",
            engagement,
            meeting("contact_center", media=list(two)),
            wishes={"media": {"audio": MIXED, "transcript": None}, "events": VOICE_EVENTS},
        ),
        Story("engagement-channels", channels, meeting("contact_center", media=list(two))),
        Story("call", call, meeting("phone", media=list(two)), ends_by_itself=False, spotless=False),
    ]


# A whole meeting


def whole_meeting():
    """Every medium at once, every event, and keep-alives at Zoom's pace."""

    def judge(run):
        names = [name for found in values(run.received, "sdk", "callbacks") for name in found]
        return [
            joining.joined_by("meeting id", run, "meeting_uuid"),
            *(media.whole(f"all media: {kind}", run, kind) for kind in ["audio", "video", "deskshare"]),
            media.transcript("all media: transcript", run),
            media.beyond_ascii("transcript beyond ascii", run),
            known_names("callbacks", names, CALLBACKS),
            joining.join_result("on_join_confirm", run, 0),
            events.raw("on_event_ex", run),
            events.participants("on_participant_event", run),
            events.speakers("on_active_speaker_event", run),
            events.sharing("on_sharing_event", run),
            events.cameras_on_and_off("on_participant_video", run),
            events.users_join("on_user_update, join", run),
            events.users_leave("on_user_update, leave", run),
            events.first_packet("first packet timestamp", run),
            no_such_thing("chat callback", names, "chat", "the SDK has no callback for chat, and asks for none"),
            no_such_thing("stream state callback", names, "stream", "Python is not told; the SDK's log is read below"),
            states.keep_alive("keep-alive", run, ["signaling", *ALL_MEDIA]),
            joining.leave_reason("on_leave", run, 6),
            joining.one_line("simulator stdout", run),
        ]

    wishes = {
        "media": {"audio": L16, "video": ACTIVE_SPEAKER, "deskshare": H264, "transcript": None},
        "events": EVENTS,
    }
    keep_alive = ["--keep-alive-interval", "10s"]
    arguments = [*meeting(seconds=WHOLE_SECONDS), *keep_alive]
    return Story("whole-meeting", judge, arguments, seconds=WHOLE_SECONDS, wishes=wishes)


# Each medium


def media_alone():
    """One medium at a time, as the SDK asks for it when nobody says more."""

    def one(kind):
        def judge(run):
            name = f"{kind} alone"
            arrived = media.transcript(name, run) if kind == "transcript" else media.whole(name, run, kind)
            return [arrived, media.alone(f"{name}, connections", run, kind)]

        return Story(f"{kind}-alone", judge, meeting(), wishes={"media": {kind: None}})

    def mixed(run):
        return [media.mixed_audio("audio of everybody, mixed", run)]

    return [*map(one, ALL_MEDIA), Story("audio-mixed", mixed, meeting(), wishes={"media": {"audio": MIXED}})]


# States


def pause_and_sessions():
    """A pause, and sessions that start and stop inside the stream."""
    seconds = 10
    story = scenario(
        "states",
        seconds,
        [
            (INCIDENT_SECONDS, '"pause"'),
            (INCIDENT_SECONDS + 1, '"resume"'),
            (INCIDENT_SECONDS + 2, '"session_starts"'),
            (INCIDENT_SECONDS + 3, "{ session_stops = { session = 1, reason = 3 } }"),
        ],
        temper="more_sessions = 1",
    )

    def judge(run):
        def session(state, words, log_line):
            return states.read(f"session state {state}, {words}", run, "session_state", state, log_line)

        def stream(state, words, log_line):
            return states.read(f"stream state {state}, {words}", run, "stream_state", state, log_line)

        unknown, told = "handle_stream_update, unsupport state: {},", states.session_state
        return [
            states.never_sent("session state 0, inactive", run, "session_state", 0),
            session(1, "initialize", "handle_session_update, unsupported state: 1,"),
            told("session state 2, started", run, 2, 1),
            told("session state 3, paused", run, 3, 3),
            told("session state 4, resumed", run, 4, 4),
            told("session state 5, stopped", run, 5, 2),
            states.never_sent("stream state 0, inactive", run, "stream_state", 0),
            stream(1, "active", "on_stream_active"),
            # State 2 follows a loss and is judged there.
            stream(3, "terminating", unknown.format(3)),
            stream(4, "terminated", "on_stream_terminate, reason: 6"),
            stream(5, "paused", unknown.format(5)),
            stream(6, "resumed", unknown.format(6)),
            media.whole("audio around a pause", run, "audio"),
            joining.leave_reason("leave after a pause", run, 6),
        ]

    return Story("states", judge, scenario=story, seconds=seconds)


# One person's camera


def camera_of_choice():
    """From camera to camera by message 28, as `cameras.py` has it."""
    seconds = 10

    def judge(run):
        return [
            # Granted, had already, nobody there, granted, given up.
            media.answers_about_cameras("on_video_subscribed", run, [0, 44, 4, 0, 0]),
            media.only_chosen_cameras("subscribe_video, pictures", run, cameras.ENOUGH),
            media.no_picture_after_the_last_answer("subscribe_video, given up", run),
            joining.leave_reason("leave with a camera", run, 6),
        ]

    wishes = {"media": {"video": INDIVIDUAL}, "choose_cameras": True}
    # It asks for somebody who is not there, which is to be found.
    return Story("camera", judge, meeting(seconds=seconds), seconds=seconds, wishes=wishes, spotless=False)


# Webhooks and TLS


def webhooks():
    def judge(run):
        return [joining.webhooks("on_webhook_event", run)]

    return Story("webhooks", judge, meeting(), by_webhook=True)


def tls():
    """`wss://`, with the authority that `ZM_RTMS_CA` names, and without."""

    def by_name(run):
        return [
            joining.joined_by("wss with ZM_RTMS_CA", run, "meeting_uuid"),
            *(media.whole(f"wss: {kind}", run, kind) for kind in ["audio", "video", "deskshare"]),
            media.transcript("wss: transcript", run),
            joining.leave_reason("wss: leave", run, 6),
        ]

    def by_address(run):
        # The certificate has the address; the SDK looks for it among the names.
        return [joining.join_result("wss by address", run, 610)]

    def unknown(run):
        return [joining.join_result("wss with an unknown authority", run, 610)]

    served = [*meeting(), "--tls", "--ca-out", "ca.pem"]
    named = [*served, "--host", "localhost"]
    everything = {"media": {kind: None for kind in ALL_MEDIA}}
    refused = {"ends_by_itself": False, "spotless": False}
    return [
        Story("wss", by_name, named, wishes=everything, trusted_ca="ca.pem"),
        Story("wss-by-address", by_address, served, trusted_ca="ca.pem", **refused),
        Story("wss-unknown-authority", unknown, named, **refused),
    ]
