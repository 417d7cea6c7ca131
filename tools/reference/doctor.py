"""The page of the checks of `pratique doctor`, from their table."""

from __future__ import annotations

from pratique.doctor.checks.table import CHECKS
from pratique.doctor.finding import RISKS
from pratique.doctor.score import WEIGHTS
from tools.reference.markdown import cell, plain, table

THEMES = {
    "container": "Containers",
    "image": "Images",
    "engine": "The engine",
    "host": "The host",
    "records": "Our own records",
}
BY = {"engine": "engine", "host": "host", "records": "records"}
SHOWN = {"real": "a real engine", "recorded": "recorded facts"}
TEXT = f"""# Checks of hosts

`pratique doctor` runs {len(CHECKS)} checks. [Examine your hosts](../how-to/doctor.md) shows how to use it.

- *by*: where the facts come from. *engine*: the API of the engine. *host*: one script that only reads, run on the host. *records*: ledger, outcomes
  and status of Pratique.
- *shown by*: how the tests make it good and bad. *a real engine*: for real, on a Docker engine that the tests start. *recorded facts*: on what a
  real engine or host once reported, changed where it matters, because a test cannot bring it about on a machine.
- Weights in the score: {", ".join(f"{risk} {WEIGHTS[risk]:g}" for risk in RISKS)}.
"""


def page() -> str:
    """The page."""
    return "\n".join([TEXT, *(_theme(theme, title) for theme, title in THEMES.items())])


def _theme(theme: str, title: str) -> str:
    checks = sorted(
        (check for check in CHECKS if check.theme == theme), key=lambda check: (RISKS.index(check.risk), check.id)
    )
    rows = [
        (
            f"`{check.id}`",
            check.risk,
            cell(check.finds),
            f"{cell(check.why)} [Source]({check.source})",
            cell(check.remedy),
            ", ".join(BY[source] for source in check.by),
            SHOWN[check.shown],
        )
        for check in checks
    ]
    head = ("check", "risk", "finds", "why", "remedy", "by", "shown by")
    return f"## {plain(title)}\n\n{table(head, rows)}"
