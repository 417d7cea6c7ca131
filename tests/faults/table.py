"""Run every fault in every place, print a table, and write it to docs/explanation/faults.md.

python tests/faults/table.py [--place PLACE]… [--only PATTERN] [--no-write]
"""

import argparse
import os
import re
import sys
from datetime import UTC, datetime
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from faults.catalogue import faults
from faults.harness import RATE, ROOT, Trial, place

PLACES = (
    "process+embedded",
    "process+haproxy",
    "docker+haproxy",
    "process+embedded+influxdb",
    "process+embedded+clock",
)
HEAD = ("fault", "at", "requests", "failed", "on one revision after", "the run ended", "same id again", "left over")

PAGE = ROOT / "docs/explanation/faults.md"
INTRODUCTION = f"""\
We measured the impact of a failure at every step of a release. Each row is one release of `examples/shop` under {RATE} user
requests a second, with one fault. `python tests/faults/table.py` runs all of them again and writes this page.

- *failed*: user requests that got a 5xx or no answer, from the start of the release to the end of the second run.
- *on one revision after*: the time from the fault to the last request that the losing revision answered.
- *same id again*: the outcome of a second run with the same run id, after the cause was repaired where that is possible. A
  release that crashes or never becomes healthy cannot be repaired under its name.
- *left over*: instances beside those that serve.
- *paused*: stopped for three times the lease, then continued. The lease expires, and the stage begins again; see
  [Leases](leases.md#time-that-passed-is-not-time-observed)."""


def measure(places, only):
    """Run them; yield each row."""
    for name in places:
        with place(name) as found:
            for number, fault in enumerate(faults(found)):
                if re.search(only, f"{fault.name}: {fault.step}"):
                    yield Trial(found, fault, number).go()


def cells(row):
    """One row as a person reads it."""
    ended = row.first if len(row.first) <= 140 else row.first[:140] + "…"
    failed = f"{row.failed} ({row.why})" if row.failed else "0"
    return (row.fault, row.step, f"{row.requests:,}", failed, f"{row.back_s:.1f} s", ended, row.second,
            ", ".join(row.left) or "nothing")  # fmt: skip


def plain(cell):
    """A cell as Markdown that means nothing but its text."""
    return " ".join(cell.split()).replace("|", "/").replace("[", "\\[").replace("<", "&lt;")


def line(row):
    """One row of a table."""
    return "| " + " | ".join(map(plain, cells(row))) + " |"


def section(name, rows, before=""):
    """The table of one place: the rows measured now, in place of the same rows of the section before, or after them."""
    measured = {identity(line(row)): line(row) for row in rows}
    kept = [text for text in before.split("\n") if text.startswith("| ")][2:]
    lines = [measured.pop(identity(text), text) for text in kept] + list(measured.values())
    notes = [text for text in before.split("\n") if text.startswith("Measured on")] if len(rows) < len(lines) else []
    notes.append(
        f"Measured on {datetime.now(UTC):%Y-%m-%d} with {os.cpu_count()} cores{f': {len(rows)} of {len(lines)} rows' if notes else ''}."
    )
    head = [f"## {name}", "", "| " + " | ".join(HEAD) + " |", "|" + " --- |" * len(HEAD)]
    return "\n".join([*head, *lines, "", *notes])


def identity(text):
    """The fault and the step of a row, by which it is found again."""
    return tuple(cell.strip() for cell in text.split("|")[1:3])


def page(rows, before=""):
    """The page: the rows measured now, and everything else of the page before."""
    sections = {text.partition("\n")[0]: f"## {text.strip()}" for text in before.split("\n## ")[1:]}
    for name in dict.fromkeys(row.place for row in rows):
        sections[name] = section(name, [row for row in rows if row.place == name], sections.get(name, ""))
    return "\n\n".join([f"# The impact of faults\n\n{INTRODUCTION}", *sections.values()]) + "\n"


def main():
    """0 when every fault ended as it must."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--place", action="append", choices=PLACES)
    parser.add_argument("--only", default="", help="only faults in whose 'name: step' this regular expression is found")
    parser.add_argument("--no-write", action="store_true")
    arguments = parser.parse_args()
    before, every = PAGE.read_text() if PAGE.exists() else "", []
    for row in measure(arguments.place or PLACES, arguments.only):
        every.append(row)
        print(("ok   " if row.good else "BAD  ") + str(row), flush=True)
        if not arguments.no_write:
            # after each row, so that an interrupted measurement keeps what it has
            PAGE.write_text(page(every, before))
    return 0 if every and all(row.good for row in every) else 1


if __name__ == "__main__":
    sys.exit(main())
