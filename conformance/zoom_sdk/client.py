"""Joins one stream with Zoom's SDK and writes down what the SDK hands over.

Runs as a process of its own, because the SDK is closed C++ code that may crash or hang: `judge.py` starts it, gives it a
deadline and reads the file it leaves. Standard input is the body of a `*.rtms_started` webhook; the credentials come
from `ZM_RTMS_CLIENT` and `ZM_RTMS_SECRET`, as the SDK reads them itself. Each callback becomes one JSON line.
"""

import hashlib
import json
import sys

import rtms

POLL_SECONDS = 0.005

# The events that a client may ask for and that every kind of meeting has.
EVENTS = [
    rtms.EVENT_ACTIVE_SPEAKER_CHANGE,
    rtms.EVENT_PARTICIPANT_JOIN,
    rtms.EVENT_PARTICIPANT_LEAVE,
    rtms.EVENT_SHARING_START,
    rtms.EVENT_SHARING_STOP,
]


def audio_params():
    """L16, 16 kHz, mono, one stream per participant, 20 ms a packet."""
    return rtms.AudioParams(
        content_type=int(rtms.AudioContentType.RAW_AUDIO),
        codec=int(rtms.AudioCodec.L16),
        sample_rate=int(rtms.AudioSampleRate.SR_16K),
        channel=int(rtms.AudioChannel.MONO),
        data_opt=int(rtms.DataOption.AUDIO_MULTI_STREAMS),
        duration=20,
        frame_size=320,
    )


def video_params():
    """H.264 in HD, the active speaker."""
    return rtms.VideoParams(
        content_type=int(rtms.VideoContentType.RAW_VIDEO),
        codec=int(rtms.VideoCodec.H264),
        resolution=int(rtms.VideoResolution.HD),
        data_opt=int(rtms.DataOption.VIDEO_SINGLE_ACTIVE_STREAM),
        fps=30,
    )


def deskshare_params():
    """H.264 in HD."""
    return rtms.DeskshareParams(
        content_type=int(rtms.VideoContentType.RAW_VIDEO),
        codec=int(rtms.VideoCodec.H264),
        resolution=int(rtms.VideoResolution.HD),
        fps=30,
    )


class Notes:
    """The file of JSON lines; every line is out of this process at once, so a crash loses none."""

    def __init__(self, path):
        self.file = open(path, "w", encoding="utf-8", buffering=1)

    def write(self, kind, **fields):
        self.file.write(json.dumps({"kind": kind, **fields}, ensure_ascii=False) + "\n")

    def media(self, kind):
        """A callback for bytes: size and digest stand for the payload."""

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


class SubscribingClient(rtms.Client):
    """Subscribes to what happens in the meeting as soon as it has joined.

    Not from the join callback: the SDK holds a lock there that a subscription waits for.
    """

    joined = False
    subscribed = False

    def poll(self):
        super().poll()
        if self.joined and not self.subscribed:
            self.subscribed = True
            self.subscribe_event(EVENTS)


def main():
    webhook = json.load(sys.stdin)
    notes = Notes(sys.argv[1])
    rtms.configure_logger({"level": "error"})

    # The SDK wants alloc, join and poll on one thread: an event loop run here is that thread.
    loop = rtms.EventLoop(poll_interval=POLL_SECONDS)
    client = SubscribingClient()
    client.set_audio_params(audio_params())
    client.set_video_params(video_params())
    client.set_deskshare_params(deskshare_params())
    client.set_transcript_params(rtms.TranscriptParams())

    def on_join(result):
        notes.write("joined", result=result)
        if result == 0:
            client.joined = True
        else:
            loop.stop()

    def on_leave(reason):
        notes.write("left", reason=reason)
        loop.stop()

    client.on_join_confirm(on_join)
    client.on_leave(on_leave)
    client.on_audio_data(notes.media("audio"))
    client.on_video_data(notes.media("video"))
    client.on_deskshare_data(notes.media("deskshare"))
    client.on_transcript_data(notes.transcript)
    client.on_event_ex(lambda event: notes.write("event", **json.loads(event)))

    loop.add(client)
    client.join(webhook["payload"])
    loop.run(stop_on_empty=True)
    notes.write("done")


if __name__ == "__main__":
    main()
