"""Stories in which something goes wrong: connections that are lost, ends for every reason, refusals."""

import events
import joining
import media
import runs
import states
from story import ACTIVE_SPEAKER, INCIDENT_SECONDS, L16, Story, meeting, scenario

# The SDK tries again one, two and so on seconds after a connection was cut.
AFTER_CUT_SECONDS = 8

# So long a client is watched that has been told of its end, to see whether it comes back.
STAY_SECONDS = 4

STOP_REASONS = range(1, 27)

# Audio that Zoom does not allow, with the status that says why.
UNSUPPORTED = [
    ("L16 as RTP", {**L16, "content_type": 1}, 19),
    ("G.711 at 16 kHz", {**L16, "codec": 2}, 20),
    ("G.711 in stereo", {**L16, "codec": 2, "sample_rate": 0, "channel": 2, "frame_size": 160}, 21),
    ("OPUS in packets of 40 ms", dict(L16, codec=4, sample_rate=3, duration=40, frame_size=1920), 24),
]


# Connections that are lost


def cuts():
    """A connection that the network cuts without a close frame: the SDK makes all of them anew."""
    wanted = {"audio": L16, "video": ACTIVE_SPEAKER}
    seconds = INCIDENT_SECONDS + AFTER_CUT_SECONDS

    def one(target, toml):
        def judge(run):
            return [
                joining.comes_back(f"{target} cut", run),
                media.over_a_cut(f"{target} cut, media", run, list(wanted)),
            ]

        story = scenario(f"{target}-cut", seconds, [(INCIDENT_SECONDS, f"{{ cut = {{ target = {toml} }} }}")])
        return Story(f"{target}-cut", judge, scenario=story, seconds=seconds, wishes={"media": wanted})

    return [
        one("signaling", '"signaling"'),
        one("audio", '{ medium = "audio" }'),
        one("media", '"media"'),
        one("everything", '"everything"'),
    ]


def interrupted():
    """A media connection that the network loses without a word to the SDK: Zoom misses its keep-alives and says so."""
    # Three are missed and a fourth is due within four seconds.
    seconds = INCIDENT_SECONDS + 6
    vanish = '{ vanish = { target = { medium = "audio" } } }'
    story = scenario("interrupted", seconds, [(INCIDENT_SECONDS, vanish)], timing='keep_alive = "1s"')

    def judge(run):
        return [
            # Nothing in the log says what the SDK makes of it, only that it was read.
            states.read("stream state 2, interrupted", run, "stream_state", 2, 'signal resp: {"msg_type":8,"state":2,'),
            events.interruptions("on_media_connection_interrupted", run),
            joining.leave_reason("leave after an interruption", run, 6),
        ]

    return Story("interrupted", judge, scenario=story, seconds=seconds)


def closes():
    """A connection that Zoom closes in order: the SDK takes it for the end."""

    def one(target, toml, code):
        def judge(run):
            return [joining.stays_away(f"{target} closed with {code}", run)]

        close = f"{{ close = {{ target = {toml}, code = {code} }} }}"
        seconds = INCIDENT_SECONDS + 2 * STAY_SECONDS
        story = scenario(f"{target}-closed", seconds, [(INCIDENT_SECONDS, close)])
        wishes = {"media": {"audio": L16, "video": ACTIVE_SPEAKER}, "stay_seconds": STAY_SECONDS}
        # That it stays away is a fault by Zoom's documents, and what Zoom's SDK does.
        how = {"ends_by_itself": False, "spotless": False}
        return Story(f"{target}-closed-{code}", judge, scenario=story, seconds=seconds, wishes=wishes, **how)

    return [
        one("signaling", '"signaling"', 1000),
        one("signaling", '"signaling"', 1011),
        one("audio", '{ medium = "audio" }', 1000),
        one("media", '"media"', 1011),
        one("everything", '"everything"', 1000),
    ]


# Ends and refusals


def stop_reasons():
    def one(reason):
        def judge(run):
            return [joining.leave_reason(f"stop reason {reason}", run, reason)]

        stop = f"{{ stop = {{ reason = {reason} }} }}"
        story = scenario("stop", 2 * INCIDENT_SECONDS, [(INCIDENT_SECONDS, stop)], ended=reason)
        return Story(f"stop-{reason}", judge, scenario=story, seconds=2 * INCIDENT_SECONDS)

    return [one(reason) for reason in STOP_REASONS]


def wrong_secret():
    def judge(run):
        return [joining.join_result("wrong secret", run, 3)]

    wrong = f"not-{runs.CLIENT_SECRET}"
    return Story("wrong-secret", judge, meeting(), client_secret=wrong, ends_by_itself=False, spotless=False)


def unsupported_audio():
    """Refused by Zoom with a status that becomes the join result, or by the SDK before it asks."""

    def one(what, params, status):
        def judge(run):
            return [joining.join_result(f"unsupported audio: {what}", run, status)]

        name = f"unsupported-{status}"
        wishes = {"media": {"audio": params}}
        # Zoom was seen to grant what documents forbid.
        return Story(name, judge, [*meeting(), "--strict"], wishes=wishes, ends_by_itself=False, spotless=False)

    def by_itself(run):
        why = "OPUS codec requires 48kHz sample rate"
        return [joining.refuses_by_itself("unsupported audio: OPUS at 16 kHz", run, why)]

    opus = {"media": {"audio": dict(L16, codec=4)}}
    return [
        *(one(*it) for it in UNSUPPORTED),
        Story("unsupported-by-sdk", by_itself, meeting(), wishes=opus, ends_by_itself=False, spotless=False),
    ]
