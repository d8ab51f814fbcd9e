"""What must hold between what the simulator says it sent and what Zoom's SDK says it received.

Every function takes the two records and returns one `Check`, or one per medium. Nothing here starts or waits for anything.
"""

from collections import Counter
from dataclasses import dataclass

CONNECTIONS = ["signaling", "audio", "video", "deskshare", "transcript"]
KEEP_ALIVE_ROUNDS = 3
REASON_MEETING_ENDED = 6

# The SDK asked for these: active speaker, join, leave, sharing start and stop.
SUBSCRIBED_EVENTS = {2, 3, 4, 5, 6}


@dataclass
class Check:
    """One verdict."""

    name: str
    ok: bool
    expected: str
    seen: str

    def __str__(self):
        return f"{'ok' if self.ok else 'FAILED'} {self.name}: expected {self.expected}, seen {self.seen}"


def of_kind(record, kind):
    return [entry for entry in record if entry["kind"] == kind]


def join_result(name, received, wanted):
    results = [entry["result"] for entry in of_kind(received, "joined")]
    return Check(name, results == [wanted], f"join result {wanted}", or_nothing(results, "join result {}"))


def leave_reason(received):
    reasons = [entry["reason"] for entry in of_kind(received, "left")]
    wanted = REASON_MEETING_ENDED
    return Check("leave", reasons == [wanted], f"leave reason {wanted}", or_nothing(reasons, "leave reason {}"))


def media(kind, sent, received):
    """Each packet or frame once, unchanged, and in order for each participant."""
    wanted = [payload(entry) for entry in of_kind(sent, kind)]
    got = [payload(entry) for entry in of_kind(received, kind)]
    missing, extra = differences(wanted, got)
    disordered = sum(per_user(wanted, user) != per_user(got, user) for user in {entry[0] for entry in wanted})
    cut = sum(entry["bytes"] != entry["length"] for entry in of_kind(received, kind))
    ok = bool(wanted) and not missing and not extra and not disordered and not cut
    users = len({entry[0] for entry in wanted})
    size = sum(entry[2] for entry in wanted)
    expected = f"{len(wanted)} of {users} participants, {size} bytes, each once, unchanged and in order" if wanted else "some"
    seen = f"{len(got)}: {missing} missing, {extra} altered or extra, {disordered} participants out of order"
    return Check(kind, ok, expected, seen)


def transcript(sent, received):
    """Each line once, in order, byte for byte, with its speaker and times."""
    wanted = [line(entry, entry["text"].encode("utf-8").hex()) for entry in of_kind(sent, "transcript")]
    got = [line(entry, entry["utf8_hex"]) for entry in of_kind(received, "transcript")]
    missing, extra = differences(wanted, got)
    expected = f"{len(wanted)} lines, byte for byte and in order" if wanted else "some lines"
    seen = f"{len(got)}: {missing} missing, {extra} altered or extra{'' if wanted == got else ', not the same list'}"
    return Check("transcript", bool(wanted) and wanted == got, expected, seen)


def transcript_beyond_ascii(received):
    """A transcript of plain ASCII would prove nothing about text."""
    lines = [bytes.fromhex(entry["utf8_hex"]) for entry in of_kind(received, "transcript")]
    beyond = sum(not text.isascii() for text in lines)
    return Check("transcript beyond ascii", beyond > 0, "at least 1 line", f"{beyond} of {len(lines)} lines")


def events(sent, received):
    """What happens in the meeting: the events asked for, in order, with their people."""
    wanted = [
        (entry["event_type"], entry["timestamp"], entry["user_ids"])
        for entry in of_kind(sent, "event")
        if entry["event_type"] in SUBSCRIBED_EVENTS
    ]
    got = [
        (entry["event_type"], entry["timestamp"], people(entry))
        for entry in of_kind(received, "event")
        if entry["event_type"] in SUBSCRIBED_EVENTS
    ]
    missing, extra = differences([str(it) for it in wanted], [str(it) for it in got])
    expected = f"{len(wanted)}, in order" if wanted else "some"
    seen = f"{len(got)}: {missing} missing, {extra} altered or extra{'' if wanted == got else ', not the same list'}"
    return Check("events", bool(wanted) and wanted == got, expected, seen)


def keep_alive(sent, answers):
    """Enough requests on every connection, and for each the SDK's answer with the same `sequence` and `timestamp`."""
    requests = of_kind(sent, "keep_alive")
    rounds = Counter(entry["medium"] for entry in requests)
    fewest = min(rounds[connection] for connection in CONNECTIONS)
    unanswered, unasked = differences([(entry["sequence"], entry["timestamp"]) for entry in requests], answers)
    ok = fewest >= KEEP_ALIVE_ROUNDS and not unanswered and not unasked
    expected = f"at least {KEEP_ALIVE_ROUNDS} rounds on {len(CONNECTIONS)} connections, all answered"
    seen = f"{fewest} rounds, {len(requests)} requests, {len(answers)} answers, {unanswered} requests unanswered"
    return Check("keep-alive", ok, expected, seen)


def findings(lines):
    """The simulator notes what a client does wrong. Zoom's own client does nothing wrong, so a finding is the simulator's mistake."""
    found = [text for text in lines if text.startswith("finding at ")]
    return Check("findings", not found, "none against Zoom's SDK", "; ".join(found) or "none")


def payload(entry):
    return (entry["user_id"], entry["timestamp"], entry["length"], entry["sha256"])


def per_user(entries, user):
    return [entry for entry in entries if entry[0] == user]


def line(entry, text):
    return (entry["user_id"], entry["user_name"], entry["start_time"], entry["end_time"], text)


def people(event):
    if event.get("participants"):
        return [int(person["user_id"]) for person in event["participants"]]
    return [event["user_id"]] if event.get("user_id") else []


def differences(wanted, got):
    """How many are missing and how many should not be there."""
    return (Counter(wanted) - Counter(got)).total(), (Counter(got) - Counter(wanted)).total()


def or_nothing(values, text):
    return " and ".join(text.format(value) for value in values) or "none"
