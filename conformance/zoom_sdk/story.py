"""What a story is, and what all stories are written with."""

from collections.abc import Callable
from dataclasses import dataclass, field

import runs

# `seed` is what fixes who speaks, when, and which languages are there.
SEED = 7

# How long most meetings last: everybody comes and goes, and somebody shares.
SHORT_SECONDS = 5

# When something happens to a stream.
INCIDENT_SECONDS = 4

ALL_MEDIA = ["audio", "video", "deskshare", "transcript"]

# Numbers of Zoom's: RTP 1, RAW_AUDIO 2; L16 1, G711 2, OPUS 4; 8 kHz 0, 16 kHz 1, 48 kHz 3; mixed 1, of each speaker 2.
L16 = dict(content_type=2, codec=1, sample_rate=1, channel=1, data_opt=2, duration=20, frame_size=320)
MIXED = {**L16, "data_opt": 1}
H264 = dict(content_type=3, codec=7, resolution=2, fps=30)
ACTIVE_SPEAKER = {**H264, "data_opt": 3}
INDIVIDUAL = {**H264, "data_opt": 4}


@dataclass
class Story:
    """One simulator and one client.

    name: of the folder that its files stay in
    judge: from the run to its checks
    simulator: arguments for `rtms simulate`
    scenario: for the simulator to play, as TOML
    seconds: how long the stream lasts
    wishes: the client's, see `client.py`
    client_secret: what the client signs with
    trusted_ca: the file in the folder that `ZM_RTMS_CA` names
    by_webhook: whether the simulator posts to the SDK's own server in place of printing
    ends_by_itself: whether the simulator is waited for; else it is interrupted when the client has ended
    spotless: whether the client does nothing wrong, so that a finding would be the simulator's mistake
    """

    name: str
    judge: Callable
    simulator: list = field(default_factory=list)
    scenario: str | None = None
    seconds: int = SHORT_SECONDS
    wishes: dict = field(default_factory=lambda: {"media": {"audio": L16}})
    client_secret: str = runs.CLIENT_SECRET
    trusted_ca: str | None = None
    by_webhook: bool = False
    ends_by_itself: bool = True
    spotless: bool = True


def meeting(product="meeting", seconds=SHORT_SECONDS, media=ALL_MEDIA):
    """A plain stream, by the simulator's options."""
    return [
        *("--product", product),
        *("--participants", "3"),
        *("--duration", f"{seconds}s"),
        *("--seed", str(SEED)),
        *("--media", ",".join(media)),
    ]


def scenario(name, seconds, incidents, ended=6, temper="", timing=""):
    """A stream with trouble in it: (time in seconds, what happens as TOML)."""
    happens = "".join(f'\n[[incident]]\nat = "{at}s"\nwhat = {what}\n' for at, what in incidents)
    return f"""name = "{name}"
what = "Written by the judge."
client = "Zoom's SDK."

[meeting]
duration = "{seconds}s"
seed = {SEED}

[timing]
{timing}

[temper]
{temper}
{happens}
[expect]
ended = {ended}
"""
