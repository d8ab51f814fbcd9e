"""What happens in a meeting, by each of the callbacks that tell of it."""

import sdk_log
from checks import UNJUDGED, Check, of_kind, same_list, values

# Events that are told of people by their numbers; those from 10 on are about chat groups.
FIRST_CHAT_GROUP_EVENT = 10


def raw(name, run, first=2, last=14):
    """Every event as it was sent, in order, with its people."""
    wanted = [
        (entry["event_type"], entry["timestamp"], entry["user_ids"])
        for entry in of_kind(run.sent, "event")
        if first <= entry["event_type"] <= last
    ]
    got = [
        (event["event_type"], event["timestamp"], people(event))
        for event in (entry["event"] for entry in of_kind(run.received, "event"))
        if first <= event["event_type"] <= last
    ]
    wanted, got = [without_group(it) for it in wanted], [without_group(it) for it in got]
    return same_list(name, wanted, got, "events, in order", types=sorted({it[0] for it in wanted}))


def voice_events(name, run):
    """The events of a call, which have numbers and keys of their own."""
    wanted = [(it["event_type"], it["timestamp"]) for it in of_kind(run.sent, "event") if it["event_type"] > 7]
    got = [
        (event["event_type"], event["event_ts"])
        for event in (entry["event"] for entry in of_kind(run.received, "event"))
        if event["event_type"] > 7
    ]
    return same_list(name, wanted, got, "events, in order", types=sorted({it[0] for it in wanted}))


def first_packet(name, run):
    """Event 1 comes before the join callback and has no callback of its own."""
    read = sdk_log.reads(run.sdk_log, '"msg_type":6,"event":{"event_type":1,')
    told_of = [it for it in of_kind(run.received, "event") if it["event"].get("event_type") == 1]
    seen = f"read: {read}, told: {len(told_of)}"
    return Check(name, (read, len(told_of)) == (1, 0), "read: 1, told: 0", seen)


def participants(name, run):
    wanted = [
        ({3: "join", 4: "leave"}[entry["event_type"]], entry["timestamp"], entry["user_ids"])
        for entry in of_kind(run.sent, "event")
        if entry["event_type"] in (3, 4)
    ]
    got = [(it["change"], it["timestamp"], it["user_ids"]) for it in of_kind(run.received, "participants")]
    return same_list(name, wanted, got, "calls", types=sorted({it[0] for it in wanted}))


def speakers(name, run):
    wanted = [(it["timestamp"], it["user_ids"][0]) for it in of_kind(run.sent, "event") if it["event_type"] == 2]
    got = [(it["timestamp"], it["user_id"]) for it in of_kind(run.received, "speaker")]
    return same_list(name, wanted, got, "calls")


def sharing(name, run):
    wanted = [
        ({5: "start", 6: "stop"}[it["event_type"]], it["timestamp"], (it["user_ids"] or [None])[0])
        for it in of_kind(run.sent, "event")
        if it["event_type"] in (5, 6)
    ]
    got = [(it["change"], it["timestamp"], it["user_id"]) for it in of_kind(run.received, "sharing")]
    return same_list(name, wanted, got, "calls", types=sorted({it[0] for it in wanted}))


def cameras_on_and_off(name, run):
    wanted = [
        (it["event_type"] == 8, it["user_ids"]) for it in of_kind(run.sent, "event") if it["event_type"] in (8, 9)
    ]
    got = [(it["is_on"], it["user_ids"]) for it in of_kind(run.received, "participant_video")]
    return same_list(name, wanted, got, "calls", types=sorted({"on" if it[0] else "off" for it in wanted}))


def users_join(name, run):
    joins = [it["user_ids"] for it in of_kind(run.sent, "event") if it["event_type"] == 3]
    wanted = [user for users in joins for user in users]
    got = [it["user_id"] for it in of_kind(run.received, "user") if it["operation"] == 0]
    return same_list(name, wanted, got, "calls")


def users_leave(name, run):
    """The SDK cannot read event 4 and has no call of this kind; `on_participant_event` tells of it all the same."""
    leaves = len([it for it in of_kind(run.sent, "event") if it["event_type"] == 4])
    complaints = run.sdk_log.count("handle_participant_leave, get participants failed")
    calls = len([it for it in of_kind(run.received, "user") if it["operation"] != 0])
    expected = f"{UNJUDGED}: 0 calls, {leaves} complaints in the SDK's log"
    ok = leaves > 0 and (calls, complaints) == (0, leaves)
    return Check(name, ok, expected, f"{calls} calls, {complaints} complaints")


def interruptions(name, run):
    wanted = [it["timestamp"] for it in of_kind(run.sent, "event") if it["event_type"] == 7]
    got = values(run.received, "interrupted", "timestamp")
    return same_list(name, wanted, got, "calls")


def people(event):
    if event.get("participants"):
        return [int(person["user_id"]) for person in event["participants"]]
    return [event["user_id"]] if event.get("user_id") else []


def without_group(event):
    """The people of a chat group stand in other keys, whose form is known from vendor code alone."""
    return event if event[0] < FIRST_CHAT_GROUP_EVENT else (*event[:2], None)
