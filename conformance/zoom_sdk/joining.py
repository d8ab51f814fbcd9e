"""Joining, leaving, coming back: what must hold of a run's beginning and its end."""

from checks import Check, of_kind, told, values


def joined_by(name, run, key):
    """Joined once, by the id that the webhook names under this key."""
    results = values(run.received, "joined", "result")
    has_id = f'"{key}":' in (run.webhook or "")
    seen = f"{told('join result {}', results)}{'' if has_id else f', and no {key} in the webhook'}"
    return Check(name, results == [0] and has_id, f"join result 0 by {key}", seen)


def join_result(name, run, wanted):
    results = values(run.received, "joined", "result")
    return Check(name, results == [wanted], f"join result {wanted}", told("join result {}", results))


def leave_reason(name, run, wanted):
    """Joined, and left once for that reason."""
    joins, leaves = values(run.received, "joined", "result"), values(run.received, "left", "reason")
    seen = f"{told('join result {}', joins)}, {told('leave reason {}', leaves)}"
    return Check(name, (joins, leaves) == ([0], [wanted]), f"join result 0, leave reason {wanted}", seen)


def comes_back(name, run):
    """Connections that were cut are made anew, and the application hears nothing of it until the end."""
    handshakes = [entry["at"] for entry in of_kind(run.sent, "signaling_handshake") if entry["status"] == 0]
    joins, leaves = values(run.received, "joined", "result"), values(run.received, "left", "reason")
    ok = len(handshakes) == 2 and joins == [0] and leaves == [6]
    seen = f"{told('join result {}', joins)}, handshakes: {len(handshakes)}, {told('leave reason {}', leaves)}"
    return Check(name, ok, "join result 0, handshakes: 2, leave reason 6 at the end", seen)


def stays_away(name, run):
    """A connection that Zoom closes is the end for the SDK, which says so and tries nothing."""
    handshakes = len([entry for entry in of_kind(run.sent, "signaling_handshake") if entry["status"] == 0])
    leaves = values(run.received, "left", "reason")
    seen = f"{told('leave reason {}', leaves)}, handshakes: {handshakes}"
    return Check(name, leaves == [960] and handshakes == 1, "leave reason 960, handshakes: 1", seen)


def refuses_by_itself(name, run, words):
    """The SDK raises an error before it connects to anybody."""
    said = [text for text in run.client_said if words in text]
    asked = [entry["kind"] for entry in run.sent if entry["kind"] != "webhook"]
    seen = f"{'that' if said else 'no such'} error, {'nothing' if not asked else ' '.join(asked)} sent"
    return Check(name, bool(said) and not asked, f"an error with {words!r}, nothing sent", seen)


def webhooks(name, run):
    """The simulator posts, the SDK's own server takes, and the client joins by what it was handed."""
    wanted = ["meeting.rtms_started", "meeting.rtms_stopped"]
    got = values(run.received, "webhook", "event")
    results = values(run.received, "joined", "result")
    posts = [entry["event"] for entry in of_kind(run.sent, "webhook")]
    seen = f"{' '.join(got) or 'none'}, posted {len(posts)} times, {told('join result {}', results)}"
    expected = f"{' '.join(wanted)}, posted 2 times, join result 0"
    return Check(name, got == posts == wanted and results == [0], expected, seen)


def one_line(name, run):
    return Check(name, len(run.stdout) == 1, "the webhook's line alone", f"{len(run.stdout)} lines")
