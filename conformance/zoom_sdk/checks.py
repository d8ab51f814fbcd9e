"""A verdict, and what all kinds of checks are made of.

A check takes its name and a run and returns one `Check`. It starts nothing and waits for nothing: it compares what the
simulator says it sent with what the SDK handed over, and with what the SDK wrote into its log.
"""

from collections import Counter
from dataclasses import dataclass

# How the expectation begins of what this SDK cannot be asked.
UNJUDGED = "cannot be judged"


@dataclass
class Check:
    """One verdict."""

    name: str
    ok: bool
    expected: str
    seen: str

    def __str__(self):
        return f"{'ok' if self.ok else 'FAILED'} {self.name}: expected {self.expected}, seen {self.seen}"


def no_such_thing(name, names, word, why):
    """What this SDK has no name for cannot be judged with it. If it ever has one, this says so."""
    found = [it for it in names if word in it]
    seen = f"{' '.join(found) or 'no such name'} among {len(names)}"
    return Check(name, bool(names) and not found, f"{UNJUDGED}: {why}", seen)


def known_names(name, names, judged):
    """What an SDK has that is not judged here would be left out silently."""
    new, gone = sorted(set(names) - set(judged)), sorted(set(judged) - set(names))
    expected = f"the {len(judged)} that are judged here"
    seen = f"{len(names)}, {' '.join(new) or 'none'} new, {' '.join(gone) or 'none'} gone"
    return Check(name, not new and not gone, expected, seen)


def same_list(name, wanted, got, of_what, types=None):
    missing, extra = differences([str(it) for it in wanted], [str(it) for it in got])
    kinds = f" ({' '.join(str(it) for it in types)})" if types else ""
    expected = f"{len(wanted)} {of_what}{kinds}" if wanted else f"some {of_what}"
    seen = f"{len(got)}: {missing} missing, {extra} altered or extra{'' if wanted == got else ', not the same list'}"
    return Check(name, bool(wanted) and wanted == got, expected, seen)


def differences(wanted, got):
    """How many are missing and how many should not be there."""
    return (Counter(wanted) - Counter(got)).total(), (Counter(got) - Counter(wanted)).total()


def of_kind(record, kind):
    return [entry for entry in record if entry["kind"] == kind]


def values(record, kind, key):
    return [entry[key] for entry in of_kind(record, kind)]


def told(text, found):
    return " and ".join(text.format(it) for it in found) or f"no {text.format('').strip()}"
