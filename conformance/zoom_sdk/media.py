"""Sound, pictures and words: what must hold between what was sent and what arrived."""

from collections import Counter

from checks import UNJUDGED, Check, differences, of_kind, same_list


def whole(name, run, kind):
    """Each packet or frame once, unchanged, and in order for each participant."""
    wanted = [payload(entry) for entry in of_kind(run.sent, kind)]
    got = [payload(entry) for entry in of_kind(run.received, kind)]
    missing, extra = differences(wanted, got)
    disordered = sum(per_user(wanted, user) != per_user(got, user) for user in {entry[0] for entry in wanted})
    cut = sum(entry["bytes"] != entry["length"] for entry in of_kind(run.received, kind))
    ok = bool(wanted) and not missing and not extra and not disordered and not cut
    users = len({entry[0] for entry in wanted})
    size = sum(entry[2] for entry in wanted)
    expected = f"{len(wanted) or 'some'} of {users} participants, {size} bytes, each once, unchanged and in order"
    seen = f"{len(got)}: {missing} missing, {extra} altered or extra, {disordered} participants out of order"
    return Check(name, ok, expected, seen)


def mixed_audio(name, run):
    """Sound of everybody together is nobody's for Zoom (0). The SDK says whose turn it is, or -1."""
    wanted = [payload(entry)[1:] for entry in of_kind(run.sent, "audio")]
    got = [payload(entry)[1:] for entry in of_kind(run.received, "audio")]
    turns = {entry["user_ids"][0] for entry in of_kind(run.sent, "event") if entry["event_type"] == 2}
    strangers = {entry["user_id"] for entry in of_kind(run.received, "audio")} - turns - {-1}
    ok = bool(wanted) and wanted == got and not strangers
    expected = f"{len(wanted) or 'some'} packets, of active speakers or -1"
    same = "" if wanted == got else ", not the same"
    return Check(name, ok, expected, f"{len(got)}{same}, of {len(strangers) or 'no'} others")


def transcript(name, run):
    """Each line once, in order, byte for byte, with its speaker and times."""
    wanted = [line(entry, entry["text"].encode("utf-8").hex()) for entry in of_kind(run.sent, "transcript")]
    got = [line(entry, entry["utf8_hex"]) for entry in of_kind(run.received, "transcript")]
    return same_list(name, wanted, got, "lines, byte for byte and in order")


def words(name, run):
    """Each line once, in order, byte for byte; whose it is does not matter."""
    wanted = [entry["text"].encode("utf-8").hex() for entry in of_kind(run.sent, "transcript")]
    got = [entry["utf8_hex"] for entry in of_kind(run.received, "transcript")]
    return same_list(name, wanted, got, "lines, byte for byte and in order")


def beyond_ascii(name, run):
    """A transcript of plain ASCII would prove nothing about text."""
    lines = [bytes.fromhex(entry["utf8_hex"]) for entry in of_kind(run.received, "transcript")]
    beyond = sum(not text.isascii() for text in lines)
    return Check(name, beyond > 0, "at least 1 line", f"{beyond} of {len(lines)} lines")


def alone(name, run, kind):
    """One media connection, for this medium, and nothing of any other."""
    connections = [entry["medium"] for entry in of_kind(run.sent, "data_handshake")]
    others = [it for it in ["audio", "video", "deskshare", "transcript"] if it != kind and of_kind(run.received, it)]
    seen = f"connections for {' '.join(connections) or 'nothing'}, {' '.join(others) or 'nothing'} besides"
    return Check(name, connections == [kind] and not others, f"connections for {kind}, nothing besides", seen)


def over_a_cut(name, run, kinds):
    """Of a connection that is cut, the last may be lost on its way. All else arrives once, unchanged and in order."""
    wanted = [(entry["connection"], entry["kind"], payload(entry)) for entry in run.sent if entry["kind"] in kinds]
    got = Counter((entry["kind"], payload(entry)) for entry in run.received if entry["kind"] in kinds)
    # The connection that carried a medium last is the one that nobody cut.
    last = {kind: connection for connection, kind, _ in wanted}
    lost, missing = 0, 0
    for kind in kinds:
        for connection in {it for it, of, _ in wanted if of == kind}:
            arrived = [got[of, it] > 0 for at, of, it in wanted if (at, of) == (connection, kind)]
            gone = arrived.count(False)
            # Lost is what nothing came after.
            if connection != last[kind] and not any(arrived[len(arrived) - gone :]):
                lost += gone
            else:
                missing += gone
    extra = (got - Counter((kind, it) for _, kind, it in wanted)).total()
    back = sorted(kind for kind in kinds if len({it for it, of, _ in wanted if of == kind}) > 1)
    ok = bool(wanted) and not missing and not extra and back == sorted(kinds)
    expected = f"{' '.join(sorted(kinds))} after the cut, {len(wanted)} altogether, but for the last before it"
    arrived = f"{' '.join(back) or 'nothing'} after the cut, {got.total()}"
    seen = f"{arrived}: {lost} lost in the cut, {missing} missing, {extra} altered or extra"
    return Check(name, ok, expected, seen)


def of_channels(name, run):
    """Sound of a call has a channel and no name, by Zoom's documents. The SDK wants a name and drops what has none."""
    sent = len(of_kind(run.sent, "audio"))
    complaints = run.sdk_log.count("handle_audio_data, get user_name failed")
    got = len(of_kind(run.received, "audio"))
    expected = f"{UNJUDGED}: 0 of {sent or 'some'} packets, {sent} complaints in the SDK's log"
    return Check(name, sent > 0 and (got, complaints) == (0, sent), expected, f"{got} packets, {complaints} complaints")


def answers_about_cameras(name, run, wanted):
    """`on_video_subscribed`, in order: who, by their place in the meeting, and with which status."""
    asked = [it["user_id"] for it in of_kind(run.received, "asked_for_video")]
    got = [(it["user_id"], it["status"]) for it in of_kind(run.received, "video_subscribed")]
    statuses = [status for _, status in got]
    seen = f"statuses {statuses}{'' if [user for user, _ in got] == asked else ', not of those who were asked for'}"
    return Check(name, [user for user, _ in got] == asked and statuses == wanted, f"statuses {wanted}", seen)


def only_chosen_cameras(name, run, enough):
    """Pictures of the cameras that were granted, one after the other, and as they were sent."""
    granted = [it["user_id"] for it in of_kind(run.received, "video_subscribed") if it["status"] == 0]
    pictures = [payload(it) for it in of_kind(run.sent, "video")]
    shown = [user for index, (user, *_) in enumerate(pictures) if index == 0 or pictures[index - 1][0] != user]
    fewest = min((len(per_user(pictures, user)) for user in shown), default=0)
    same = pictures == [payload(it) for it in of_kind(run.received, "video")]
    # Granted are the first, the second, and at the end the wish to see nobody.
    ok = shown == granted[:2] and fewest >= enough and same
    expected = f"those of {granted[:2]} in turn, at least {enough} each, as sent"
    seen = f"those of {shown}, at least {fewest} each{', as sent' if same else ', not as sent'}"
    return Check(name, ok, expected, seen)


def no_picture_after_the_last_answer(name, run):
    answers = [index for index, it in enumerate(run.sent) if it["kind"] == "answer" and it["msg_type"] == 29]
    after = len([it for it in run.sent[answers[-1] :] if it["kind"] == "video"])
    seconds = (run.sent[-1]["at"] - run.sent[answers[-1]]["at"]) / 1000
    return Check(name, after == 0 and seconds > 1, "no picture in more than 1 s", f"{after} in {seconds:.1f} s")


def payload(entry):
    return (entry["user_id"], entry["timestamp"], entry["length"], entry["sha256"])


def per_user(entries, user):
    return [entry for entry in entries if entry[0] == user]


def line(entry, text):
    return (entry["user_id"], entry["user_name"], entry["start_time"], entry["end_time"], text)
