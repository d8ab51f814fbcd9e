"""Reads the log that Zoom's SDK writes about itself: what it was told, what it did about it, and what it disliked."""

import json
from pathlib import Path

ANSWER = "handle_keepalive_req, send resp: "


def read(folder):
    """All of the SDK's log files in a folder, as one text."""
    files = sorted(Path(folder).glob("*.log"))
    return "".join(file.read_text(encoding="utf-8", errors="replace") for file in files)


def keep_alive_answers(log):
    """Every message 13 that the SDK sent, as (sequence, timestamp), in order."""
    decoder = json.JSONDecoder()
    answers = []
    for part in log.split(ANSWER)[1:]:
        answer, _ = decoder.raw_decode(part)
        answers.append((answer.get("sequence"), answer.get("timestamp")))
    return answers


def reads(log, beginning):
    """How many messages on signaling the SDK read that begin so, after the brace."""
    return log.count("signal resp: {" + beginning)


def complaints(log):
    """The lines in which the SDK's protocol layer reports an error."""
    return [line for line in log.splitlines() if "ZSSGW_SDK" in line and "\tERROR\t" in line]
