"""Zoom's SDK as a judge of `rtms simulate`: joins the simulator with it and compares what was sent with what arrived.

    judge.py --rtms PROGRAM --work FOLDER [--json FILE] [--only WORD]

Run by `cargo xtask sdk` with the Python that has `requirements.txt` installed. Plays all of `stories.py`, several at a
time, prints a line per check and exits with 1 if one failed. What the processes wrote stays in the work folder.
"""

import argparse
import json
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import runs
import stories
from checks import UNJUDGED, Check

# So many runs at a time. They wait for the clock most of the time, so this may be more than there are cores.
AT_ONCE = 8


def judge(rtms, work, chosen):
    """All stories; their checks in order, as soon as they are known."""
    verdicts, played = [], []
    # The longest first, so that nothing is waited for alone in the end.
    by_length = sorted(chosen, key=lambda story: -story.seconds)
    with ThreadPoolExecutor(AT_ONCE) as pool:
        playing = {story.name: pool.submit(runs.play, rtms, work / story.name, story) for story in by_length}
        for story in chosen:
            run = playing[story.name].result()
            found = judged(story, run)
            for check in found:
                print(check, flush=True)
            if not all(check.ok for check in found):
                run.show()
            verdicts += found
            played.append((story, run))
    for check in overall(played):
        print(check, flush=True)
        verdicts.append(check)
    return verdicts


def judged(story, run):
    """A record without the fields that a check reads is that story's failure, not the judge's."""
    try:
        return story.judge(run)
    except (KeyError, TypeError, ValueError, AttributeError, IndexError) as error:
        seen = f"{type(error).__name__}: {error}"
        return [Check(story.name, False, "records that can be compared", seen)]


def overall(played):
    """What must hold of every run."""
    ended = [f"{story.name} {run.sdk_end}" for story, run in played if run.sdk_end != "exit 0"]
    crashed = [f"{story.name} {run.crash} in its first run" for story, run in played if run.crash]
    ends = [(story, run.simulator_end) for story, run in played]
    hung = [f"{story.name} {end}" for story, end in ends if end not in simulator_ends(story)]
    spotless = [(story, run) for story, run in played if story.spotless]
    found = [f"{story.name}: {text}" for story, run in spotless for text in run.findings()]
    return [
        Check(
            "sdk processes",
            not ended and len(crashed) <= 1,
            f"{len(played)} with exit 0, and one crash at most before that",
            listed(ended + crashed, len(played)),
        ),
        Check("simulator processes", not hung, f"{len(played)} ended in order", listed(hung, len(played))),
        # Zoom's own client does nothing wrong, so a finding is the simulator's mistake.
        Check("findings", not found, "none against Zoom's SDK", "; ".join(found) or f"none in {len(spotless)} runs"),
    ]


def simulator_ends(story):
    """It says with 1 that nobody joined, which some stories are about."""
    return ["exit 0"] if story.ends_by_itself else ["exit 0", "exit 1"]


def listed(others, of):
    return "; ".join(others) or f"all {of}"


def main():
    arguments = argparse.ArgumentParser(description="Zoom's SDK as a judge of rtms simulate.")
    arguments.add_argument("--rtms", required=True, type=Path, help="the program under test")
    arguments.add_argument("--work", required=True, type=Path, help="folder for what the runs write")
    arguments.add_argument("--json", type=Path, help="where to write the verdicts as JSON")
    arguments.add_argument("--only", default="", help="play only the stories with this word in their names")
    given = arguments.parse_args()

    begun = time.monotonic()
    chosen = [story for story in stories.all_stories() if given.only in story.name]
    verdicts = judge(str(given.rtms.resolve()), given.work.resolve(), chosen)
    failed = sum(not check.ok for check in verdicts)
    if given.json:
        text = json.dumps({"checks": [vars(check) for check in verdicts]}, ensure_ascii=False, indent=1)
        given.json.write_text(text + "\n", encoding="utf-8")
    took = time.monotonic() - begun
    unjudged = sum(check.expected.startswith(UNJUDGED) for check in verdicts)
    print(
        f"zoom sdk judge: {len(verdicts) - failed} checks held, {failed} did not; "
        f"{unjudged} name what this SDK cannot be asked; {len(chosen)} runs in {took:.0f} s"
    )
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
