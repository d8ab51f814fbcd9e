"""Joins one stream with Zoom's SDK and writes down what the SDK hands over.

    client.py NOTES WISHES

Runs as a process of its own, because the SDK is closed C++ code that may crash or hang: `runs.py` starts it, gives it a
deadline and reads the file it leaves. WISHES is JSON: the keywords of `Visit`. Once the SDK is loaded a line is written
to standard output, and then the body of a `*.rtms_started` webhook is awaited on standard input, or as a webhook at the
SDK's own server, so that a slow start costs nothing of the meeting. The credentials come from `ZM_RTMS_CLIENT` and
`ZM_RTMS_SECRET`, as the SDK reads them itself. Each callback becomes one JSON line.
"""

import hashlib
import inspect
import json
import queue
import sys
import time

import rtms
from cameras import Tour

POLL_SECONDS = 0.005

# A stop webhook follows the end of the stream at once; this is there to end a hang.
STOP_WEBHOOK_SECONDS = 60

# What the SDK has to set parameters by; a medium that is not here has none.
PARAMS = {
    "audio": (rtms.AudioParams, rtms.Client.set_audio_params),
    "video": (rtms.VideoParams, rtms.Client.set_video_params),
    "deskshare": (rtms.DeskshareParams, rtms.Client.set_deskshare_params),
}


class Notes:
    """The file of JSON lines; every line is out of this process at once, so a crash loses none."""

    def __init__(self, path):
        self.file = open(path, "w", encoding="utf-8", buffering=1)

    def write(self, kind, **fields):
        self.file.write(json.dumps({"kind": kind, **fields}, ensure_ascii=False) + "\n")

    def media(self, kind, on_packet=None):
        """A callback for bytes: size and digest stand for the payload. `on_packet` is told whose it is."""

        def on_data(data, size, timestamp, metadata):
            self.write(
                kind,
                user_id=metadata.userId,
                user_name=metadata.userName,
                timestamp=timestamp,
                length=size,
                bytes=len(data),
                sha256=hashlib.sha256(data).hexdigest(),
            )
            if on_packet:
                on_packet(metadata.userId)

        return on_data

    def transcript(self, data, size, timestamp, metadata):
        """Text is kept as hexadecimal bytes: the judge compares bytes, not a decoder's reading of them."""
        self.write(
            "transcript",
            user_id=metadata.userId,
            user_name=metadata.userName,
            timestamp=timestamp,
            start_time=metadata.startTs,
            end_time=metadata.endTs,
            length=size,
            utf8_hex=bytes(data).hex(),
        )

    def session(self, operation, session):
        """Only the id: the SDK leaves other texts of a session pointing at memory that is gone."""
        self.write("session", operation=operation, session_id=session.sessionId)

    def user(self, operation, participant):
        self.write("user", operation=operation, user_id=participant.id, user_name=participant.name)

    def participants(self, change, timestamp, people):
        self.write("participants", change=change, timestamp=timestamp, user_ids=[it["user_id"] for it in people])

    def speaker(self, timestamp, user_id, user_name):
        self.write("speaker", timestamp=timestamp, user_id=user_id, user_name=user_name)

    def sharing(self, change, timestamp, user_id=None, user_name=None):
        self.write("sharing", change=change, timestamp=timestamp, user_id=user_id, user_name=user_name)

    def interrupted(self, timestamp):
        self.write("interrupted", timestamp=timestamp)

    def event(self, text):
        # What is sent decides the keys, so they stay apart from ours.
        self.write("event", event=json.loads(text))


class Visit(rtms.Client):
    """One stream, joined once, from the webhook to the leave callback.

    media: the media to have, each with its parameters, or null for the SDK's own
    events: the numbers of the events to subscribe to
    choose_cameras: whether to go from camera to camera as `cameras.py` has it
    stay_seconds: how long to stay after the leave callback, to see whether the SDK comes back by itself
    """

    def __init__(self, notes, media, events=(), choose_cameras=False, stay_seconds=0):
        super().__init__()
        self.notes = notes
        self.events = list(events)
        self.tour = Tour(self, notes) if choose_cameras else None
        self.webhooks = queue.Queue()
        self.stay_seconds = stay_seconds
        self.must_subscribe = False
        self.stay_until = None
        # The SDK wants alloc, join and poll on one thread: an event loop run by `main` is that thread.
        self.loop = rtms.EventLoop(poll_interval=POLL_SECONDS)
        self.loop.add(self)
        self.listen(media)

    def listen(self, media):
        for medium, params in media.items():
            if params is not None:
                make, set_params = PARAMS[medium]
                set_params(self, make(**params))
        # The SDK asks for the media that there are callbacks for.
        if "audio" in media:
            self.on_audio_data(self.notes.media("audio"))
        if "video" in media:
            self.on_video_data(self.notes.media("video", self.tour and self.tour.on_frame))
        if "deskshare" in media:
            self.on_deskshare_data(self.notes.media("deskshare"))
        if "transcript" in media:
            self.on_transcript_data(self.notes.transcript)
        self.on_join_confirm(self.joined)
        self.on_leave(self.left)
        self.on_session_update(self.notes.session)
        self.on_user_update(self.notes.user)
        self.on_participant_video(self.participant_video)
        self.on_video_subscribed(self.video_subscribed)
        self.on_event_ex(self.notes.event)
        self.on_participant_event(self.notes.participants)
        self.on_active_speaker_event(self.notes.speaker)
        self.on_sharing_event(self.notes.sharing)
        self.on_media_connection_interrupted(self.notes.interrupted)

    def poll(self):
        super().poll()
        if self.must_subscribe:
            # Not from the join callback: the SDK holds a lock there that a subscription waits for.
            self.must_subscribe = False
            self.subscribe_event(self.events)
        if self.stay_until is not None and time.monotonic() >= self.stay_until:
            self.loop.stop()

    def joined(self, result):
        self.notes.write("joined", result=result)
        if result == 0:
            self.must_subscribe = bool(self.events)
        else:
            self.loop.stop()

    def left(self, reason):
        self.notes.write("left", reason=reason)
        self.stay_until = time.monotonic() + self.stay_seconds

    def participant_video(self, users, is_on):
        self.notes.write("participant_video", user_ids=users, is_on=is_on)
        if self.tour and is_on:
            self.tour.on_cameras(users)

    def video_subscribed(self, user_id, status, error):
        self.notes.write("video_subscribed", user_id=user_id, status=status, error=error)


    def webhook(self, body):
        self.notes.write("webhook", event=body["event"])
        self.webhooks.put(body)

    def listen_for_webhooks(self):
        """Starts the SDK's own server for webhooks and returns its port, which `ZM_RTMS_PORT` leaves to the system."""
        self.on_webhook_event(self.webhook)
        return self._webhook_server.server.server_address[1]


def main():
    notes = Notes(sys.argv[1])
    wishes = json.loads(sys.argv[2])
    by_webhook = wishes.pop("by_webhook", False)
    rtms.configure_logger({"level": "error"})
    notes.write("sdk", callbacks=callbacks(), ids=ids())
    visit = Visit(notes, **wishes)
    if by_webhook:
        print(f"ready {visit.listen_for_webhooks()}", flush=True)
        start = visit.webhooks.get()
    else:
        print("ready", flush=True)
        start = json.loads(sys.stdin.readline())
    visit.join(start["payload"])
    visit.loop.run(stop_on_empty=True)
    if by_webhook:
        visit.webhooks.get(timeout=STOP_WEBHOOK_SECONDS)
    notes.write("done")


def callbacks():
    """What this SDK can tell an application."""
    return sorted(name for name in dir(rtms.Client) if name.startswith("on_"))


def ids():
    """What this SDK can join by."""
    names = inspect.signature(rtms.Client.join).parameters
    return [name for name in names if name.endswith(("_id", "_uuid")) and name != "rtms_stream_id"]


if __name__ == "__main__":
    main()
