"""Zoom's SDK as a judge of `rtms simulate`: joins the simulator with it and compares what was sent with what arrived.

    judge.py --rtms PROGRAM --work FOLDER [--json FILE]

Run by `cargo xtask sdk` with the Python that has `requirements.txt` installed. Two runs: a whole meeting, then a wrong
secret. Prints a line per check and exits with 1 if one failed. Simulator and SDK are processes of their own with
deadlines, so that a crash or a hang is a failed check. What they wrote stays in the work folder.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import threading
from pathlib import Path

import checks
import sdk_log
from checks import Check

CLIENT_ID = "judge-client-id"
CLIENT_SECRET = "judge-client-secret"
SECRET_TOKEN = "judge-secret-token"

# Long enough for four keep-alives at Zoom's own pace of one in ten seconds.
MEETING_SECONDS = 45
REFUSED_SECONDS = 5

# Deadlines are there to end a hang, not to time anything: far longer than a slow machine needs.
WEBHOOK_SECONDS = 60
SPARE_SECONDS = 60
EXIT_SECONDS = 30

# How much of a failed run's logs is shown.
SHOWN_LINES = 30


class Run:
    """One simulator with one SDK client; its files are in a folder of their own."""

    def __init__(self, rtms, folder, seconds):
        self.folder = folder
        self.seconds = seconds
        shutil.rmtree(folder, ignore_errors=True)
        # The SDK writes its log into a folder `logs`, if there is one.
        (folder / "logs").mkdir(parents=True)
        self.simulator_log = open(folder / "simulator.log", "wb")
        self.simulator = subprocess.Popen(
            [
                rtms,
                "simulate",
                "--print-webhook",
                *("--listen", "127.0.0.1:0"),
                *("--secret-token", SECRET_TOKEN),
                *("--client-id", CLIENT_ID),
                *("--client-secret", CLIENT_SECRET),
                *("--product", "meeting"),
                *("--participants", "3"),
                *("--duration", f"{seconds}s"),
                *("--seed", "7"),
                *("--media", "audio,video,deskshare,transcript"),
                *("--keep-alive-interval", "10s"),
                *("--sent", str(folder / "sent.jsonl")),
            ],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=self.simulator_log,
            encoding="utf-8",
        )
        self.lines = []
        self.first_line = threading.Event()
        self.reader = threading.Thread(target=self.read_lines, daemon=True)
        self.reader.start()

    def read_lines(self):
        for text in self.simulator.stdout:
            self.lines.append(text)
            self.first_line.set()
        self.first_line.set()

    def webhook(self):
        """The line that the simulator prints, or nothing."""
        self.first_line.wait(WEBHOOK_SECONDS)
        return self.lines[0] if self.lines else None

    def join(self, client_secret):
        """Runs the SDK to its end. Returns how that end was."""
        client = Path(__file__).with_name("client.py").resolve()
        environment = {name: value for name, value in os.environ.items() if not name.startswith("ZM_RTMS_")}
        environment |= {"ZM_RTMS_CLIENT": CLIENT_ID, "ZM_RTMS_SECRET": client_secret}
        with open(self.folder / "client.log", "wb") as log:
            try:
                ended = subprocess.run(
                    [sys.executable, str(client), "received.jsonl"],
                    cwd=self.folder,
                    env=environment,
                    input=self.lines[0].encode("utf-8"),
                    stdout=log,
                    stderr=log,
                    timeout=self.seconds + SPARE_SECONDS,
                )
            except subprocess.TimeoutExpired:
                return f"stopped after {self.seconds + SPARE_SECONDS} s"
        return how_it_ended(ended.returncode)

    def wait_for_simulator(self):
        """Lets the simulator end by itself. Returns how it ended."""
        try:
            how = how_it_ended(self.simulator.wait(EXIT_SECONDS))
        except subprocess.TimeoutExpired:
            how = f"still running {EXIT_SECONDS} s after the SDK's end"
        self.stop()
        return how

    def stop(self):
        """Nothing outlives a run."""
        if self.simulator.poll() is None:
            self.simulator.kill()
            self.simulator.wait()
        self.reader.join(EXIT_SECONDS)
        self.simulator_log.close()

    def sent(self):
        return json_lines(self.folder / "sent.jsonl")

    def received(self):
        return json_lines(self.folder / "received.jsonl")

    def sdk_log(self):
        return sdk_log.read(self.folder / "logs")

    def show(self):
        """What may explain a failure, on standard error."""
        complaints = sdk_log.complaints(self.sdk_log())
        for title, lines in [
            ("the simulator said", text_lines(self.folder / "simulator.log")),
            ("the client said", text_lines(self.folder / "client.log")),
            ("the SDK's log complains", complaints),
        ]:
            if lines:
                print(f"--- {self.folder.name}: {title} (last {SHOWN_LINES} lines at most)", file=sys.stderr)
                print("\n".join(lines[-SHOWN_LINES:]), file=sys.stderr)


def whole_meeting(run):
    """The run with the right secret, from the webhook to the end of the meeting."""
    first = webhook_check(run.webhook())
    if not first.ok:
        return [first, Check("join", False, "join result 0", "no webhook to join with")]
    client_end = run.join(CLIENT_SECRET)
    simulator_end = run.wait_for_simulator()
    sent, received = run.sent(), run.received()
    answers = sdk_log.keep_alive_answers(run.sdk_log())
    return [
        first,
        checks.join_result("join", received, 0),
        attempt("audio", checks.media, "audio", sent, received),
        attempt("transcript", checks.transcript, sent, received),
        attempt("transcript beyond ascii", checks.transcript_beyond_ascii, received),
        attempt("video", checks.media, "video", sent, received),
        attempt("deskshare", checks.media, "deskshare", sent, received),
        attempt("events", checks.events, sent, received),
        attempt("keep-alive", checks.keep_alive, sent, answers),
        checks.leave_reason(received),
        checks.findings(text_lines(run.folder / "simulator.log")),
        Check("sdk process", client_end == "exit 0", "exit 0", client_end),
        Check("simulator process", simulator_end == "exit 0", "exit 0 by itself", simulator_end),
        Check("simulator stdout", len(run.lines) == 1, "the webhook's line alone", f"{len(run.lines)} lines"),
    ]


def wrong_secret(run):
    """The run that must be refused."""
    name = "wrong secret"
    if not webhook_check(run.webhook()).ok:
        return [Check(name, False, "join result 3", "no webhook to join with")]
    run.join(f"not-{CLIENT_SECRET}")
    return [checks.join_result(name, run.received(), 3)]


def webhook_check(text):
    """One line of JSON: a flat `meeting.rtms_started` with what a join needs."""
    expected = "a meeting.rtms_started in the flat form"
    if text is None:
        return Check("webhook", False, expected, "no line on stdout")
    try:
        body = json.loads(text)
        payload = body["payload"]
        fields = ["meeting_uuid", "rtms_stream_id", "server_urls"]
        missing = [field for field in fields if not isinstance(payload.get(field), str)]
        ok = body["event"] == "meeting.rtms_started" and not missing
        seen = body["event"] + (f" without {', '.join(missing)}" if missing else "")
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        ok, seen = False, f"{text!r} ({error})"
    return Check("webhook", ok, expected, seen)


def judge(rtms, work):
    """Both runs, one after the other; all checks in order."""
    verdicts = []
    for name, seconds, story in [
        ("whole-meeting", MEETING_SECONDS, whole_meeting),
        ("wrong-secret", REFUSED_SECONDS, wrong_secret),
    ]:
        run = Run(rtms, work / name, seconds)
        try:
            found = story(run)
        finally:
            run.stop()
        for check in found:
            print(check, flush=True)
        if not all(check.ok for check in found):
            run.show()
        verdicts += found
    return verdicts


def attempt(name, check, *records):
    """A record without the fields that a check reads is that check's failure, not the judge's."""
    try:
        return check(*records)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        return Check(name, False, "records that can be compared", f"{type(error).__name__}: {error}")


def how_it_ended(code):
    return f"exit {code}" if code >= 0 else f"killed by signal {-code}"


def json_lines(path):
    """The objects of a file of JSON lines; a last line that a crash cut off is left out."""
    found = []
    for text in text_lines(path):
        try:
            found.append(json.loads(text))
        except ValueError:
            break
    return found


def text_lines(path):
    # Not `splitlines`: a transcript may hold characters that it takes for line ends.
    text = path.read_text(encoding="utf-8", errors="replace").strip("\n") if path.exists() else ""
    return text.split("\n") if text else []


def main():
    arguments = argparse.ArgumentParser(description="Zoom's SDK as a judge of rtms simulate.")
    arguments.add_argument("--rtms", required=True, type=Path, help="the program under test")
    arguments.add_argument("--work", required=True, type=Path, help="folder for what the runs write")
    arguments.add_argument("--json", type=Path, help="where to write the verdicts as JSON")
    given = arguments.parse_args()

    verdicts = judge(str(given.rtms.resolve()), given.work.resolve())
    failed = sum(not check.ok for check in verdicts)
    if given.json:
        text = json.dumps({"checks": [vars(check) for check in verdicts]}, ensure_ascii=False, indent=1)
        given.json.write_text(text + "\n", encoding="utf-8")
    print(f"zoom sdk judge: {len(verdicts) - failed} checks held, {failed} did not")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
