"""The sentence about the content of a release, before its canary starts. It is for people: nothing depends on it."""

from __future__ import annotations

from pratique.config import Config
from pratique.runbook.engine.console import describe, plain, say_detail

BUDGET_S = 10.0
"""How long a release may wait for it. Its directory or image was read before, so this is no new way to hang."""


def print_difference(config: Config, service: str, baseline: str, revision: str) -> None:
    """Print the difference of a revision to the baseline; a comparison that fails, or finds nothing in time, stops no release."""
    try:
        say_detail(f"content compared with {baseline}: {_sentence(config, service, baseline, revision)}")
    except Exception as error:  # noqa: BLE001 - whatever an image contains, the release goes on
        say_detail(f"content not compared with {baseline}: {plain(describe(error))}")
    else:
        say_detail(f"details: pratique diff {service} {baseline} {revision}")


def _sentence(config: Config, service: str, baseline: str, revision: str) -> str:
    from pratique.release.difference_text import sentence  # noqa: PLC0415 - slow to load
    from pratique.release.open_difference import Asked, compare_revisions  # noqa: PLC0415 - slow to load

    return plain(sentence(compare_revisions(config, service, baseline, revision, Asked(BUDGET_S))))
