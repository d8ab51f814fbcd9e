"""The states of a stream and its sessions, and the keep-alives of its connections."""

from collections import Counter

import sdk_log
from checks import UNJUDGED, Check, differences, of_kind

KEEP_ALIVE_ROUNDS = 3

# `SESSION_EVENT_*` of the SDK.
OPERATIONS = {1: "add", 2: "stop", 3: "pause", 4: "resume"}


def session_state(name, run, state, operation):
    """A state of a session that the SDK tells the application, for each session in the order of the messages."""
    # The record has no ids, so it is the number of calls that is compared.
    wanted = len([it for it in of_kind(run.sent, "session_state") if it["state"] == state])
    calls = [it["session_id"] for it in of_kind(run.received, "session") if it["operation"] == operation]
    expected = f"{wanted or 'some'} calls with {OPERATIONS[operation]}, {wanted} sessions"
    seen = f"{len(calls)} calls with {OPERATIONS[operation]}, {len(set(calls))} sessions"
    return Check(name, 0 < wanted == len(calls) == len(set(calls)), expected, seen)


def read(name, run, kind, state, log_line):
    """A state that reaches no callback of Python: for each there is this in the SDK's log."""
    sent = len([it for it in of_kind(run.sent, kind) if it["state"] == state])
    logged = run.sdk_log.count(log_line)
    return Check(name, 0 < sent == logged, f"{sent or 'some'} times {log_line!r} in the SDK's log", f"{logged}")


def never_sent(name, run, kind, state):
    sent = len([it for it in of_kind(run.sent, kind) if it["state"] == state])
    expected = f"{UNJUDGED}: it is what is before the first word, and never sent"
    return Check(name, sent == 0 and bool(of_kind(run.sent, kind)), expected, f"sent: {sent}")


def keep_alive(name, run, connections):
    """Enough requests on every connection, and for each the SDK's answer with the same `sequence` and `timestamp`."""
    requests = of_kind(run.sent, "keep_alive")
    answers = sdk_log.keep_alive_answers(run.sdk_log)
    rounds = Counter(entry["medium"] for entry in requests)
    fewest = min(rounds[connection] for connection in connections)
    unanswered, unasked = differences([(entry["sequence"], entry["timestamp"]) for entry in requests], answers)
    ok = fewest >= KEEP_ALIVE_ROUNDS and not unanswered and not unasked
    expected = f"at least {KEEP_ALIVE_ROUNDS} rounds on {len(connections)} connections, all answered"
    seen = f"{fewest} rounds, {len(requests)} requests, {len(answers)} answers, {unanswered} requests unanswered"
    return Check(name, ok, expected, seen)
