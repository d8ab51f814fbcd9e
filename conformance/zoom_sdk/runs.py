"""One run: a simulator and a client of Zoom's SDK, each a process with deadlines, and the files that they leave.

A crash or a hang of either is something to be seen in a run's result, never the end of the judge.
"""

import json
import os
import shutil
import signal
import subprocess
import sys
import threading
from pathlib import Path

import sdk_log

CLIENT_ID = "judge-client-id"
CLIENT_SECRET = "judge-client-secret"
SECRET_TOKEN = "judge-secret-token"

# Deadlines are there to end a hang, not to time anything: far longer than a slow machine needs.
READY_SECONDS = 120
SPARE_SECONDS = 120
EXIT_SECONDS = 60

# How much of a failed run's logs is shown.
SHOWN_LINES = 30


class Run:
    """A run and what came of it.

    webhook: the line that the simulator printed; none if it printed nothing, or posts its webhooks
    stdout: all lines that the simulator printed
    sdk_end, simulator_end: how the processes ended
    crash: how the SDK ended in the run before, if that was a crash
    sent: what the simulator says it sent
    received: what the SDK handed over
    said: what the simulator said on standard error, line by line
    sdk_log: what the SDK wrote about itself
    """

    def __init__(self, name):
        self.name = name
        self.webhook = None
        self.stdout = []
        self.sdk_end = self.simulator_end = "not started"
        self.crash = None
        self.sent = []
        self.received = []
        self.said = []
        self.client_said = []
        self.sdk_log = ""

    def findings(self):
        """What the simulator noted against the client, but for one warning: the SDK sends `meeting_uuid` whatever is streamed."""
        known = "with the instance id under the key of another product"
        return [text for text in self.said if text.startswith("finding at ") and known not in text]

    def show(self):
        """What may explain a failure, on standard error."""
        for title, lines in [
            ("the simulator said", self.said),
            ("the client said", self.client_said),
            ("the SDK's log complains", sdk_log.complaints(self.sdk_log)),
        ]:
            if lines:
                print(f"--- {self.name}: {title} (last {SHOWN_LINES} lines at most)", file=sys.stderr)
                print("\n".join(lines[-SHOWN_LINES:]), file=sys.stderr)


def play(rtms, folder, story):
    """Plays a story in an empty folder, and once more if the SDK, which is native code, crashed. `crash` then says how it did, and
    the judge allows it once in all stories."""
    run = play_once(rtms, folder, story)
    if not run.sdk_end.startswith("killed by signal"):
        return run
    run.show()
    again = play_once(rtms, folder, story)
    again.crash = run.sdk_end
    return again


def play_once(rtms, folder, story):
    """Plays a story in an empty folder, whatever becomes of it."""
    shutil.rmtree(folder, ignore_errors=True)
    # The SDK writes its log into a folder `logs`, if there is one.
    (folder / "logs").mkdir(parents=True)
    run = Run(story.name)
    with Process(client_command(story), folder, "client.log", client_environment(folder, story)) as client:
        # First, so that loading the SDK takes nothing of the meeting.
        ready = client.first_line(READY_SECONDS)
        with Process(simulator_command(rtms, folder, story, ready), folder, "simulator.log") as simulator:
            if not story.by_webhook:
                run.webhook = simulator.first_line(READY_SECONDS)
                client.tell(run.webhook or "")
            run.sdk_end = client.wait(story.seconds + SPARE_SECONDS)
            if not story.ends_by_itself:
                simulator.interrupt()
            run.simulator_end = simulator.wait(EXIT_SECONDS)
        run.stdout = simulator.lines
    run.sent = json_lines(folder / "sent.jsonl")
    run.received = json_lines(folder / "received.jsonl")
    run.said = text_lines(folder / "simulator.log")
    run.client_said = text_lines(folder / "client.log")
    run.sdk_log = sdk_log.read(folder / "logs")
    return run


def simulator_command(rtms, folder, story, ready):
    """The scenario is written where the simulator reads it."""
    if story.by_webhook:
        port = (ready or "ready 0").split()[1]
        announce = ["--webhook", f"http://127.0.0.1:{port}/"]
    else:
        announce = ["--print-webhook"]
    arguments = list(story.simulator)
    if story.scenario:
        (folder / "scenario.toml").write_text(story.scenario, encoding="utf-8")
        arguments += ["--scenario", "scenario.toml"]
    return [
        rtms,
        "simulate",
        *announce,
        *("--listen", "127.0.0.1:0"),
        *("--secret-token", SECRET_TOKEN),
        *("--client-id", CLIENT_ID),
        *("--client-secret", CLIENT_SECRET),
        *("--sent", "sent.jsonl"),
        *arguments,
    ]


def client_command(story):
    client = Path(__file__).with_name("client.py").resolve()
    wishes = {**story.wishes, **({"by_webhook": True} if story.by_webhook else {})}
    return [sys.executable, "-B", str(client), "received.jsonl", json.dumps(wishes)]


def client_environment(folder, story):
    """What the SDK reads by itself, and nothing of that from the outside."""
    outside = {name: value for name, value in os.environ.items() if not name.startswith("ZM_RTMS_")}
    sdk = {"ZM_RTMS_CLIENT": CLIENT_ID, "ZM_RTMS_SECRET": story.client_secret, "ZM_RTMS_PORT": "0"}
    if story.trusted_ca:
        sdk["ZM_RTMS_CA"] = str(folder / story.trusted_ca)
    # If native code crashes, the log has where Python was.
    return {**outside, **sdk, "PYTHONFAULTHANDLER": "1"}


class Process:
    """A process whose standard output is read and whose complaints go to a file. It does not outlive its block."""

    def __init__(self, command, folder, log, environment=None):
        self.log = open(folder / log, "wb")
        self.process = subprocess.Popen(
            command,
            cwd=folder,
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self.log,
            encoding="utf-8",
        )
        self.lines = []
        self.has_line = threading.Event()
        self.reader = threading.Thread(target=self.read_lines, daemon=True)
        self.reader.start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        self.reader.join(EXIT_SECONDS)
        self.log.close()

    def read_lines(self):
        for text in self.process.stdout:
            self.lines.append(text.rstrip("\n"))
            self.has_line.set()
        self.has_line.set()

    def first_line(self, seconds):
        """Or nothing, if the process has ended or the time is over."""
        self.has_line.wait(seconds)
        return self.lines[0] if self.lines else None

    def tell(self, line):
        try:
            self.process.stdin.write(line + "\n")
            self.process.stdin.close()
        except BrokenPipeError:
            # It has ended already; `wait` says how.
            pass

    def interrupt(self):
        """As if by Ctrl-C: the simulator ends the stream and says what it has to say."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)

    def wait(self, seconds):
        """Lets it end by itself. Returns how it ended."""
        try:
            code = self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            return f"still running after {seconds} s"
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
