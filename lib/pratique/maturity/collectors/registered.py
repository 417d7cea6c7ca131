"""The registry of collectors, and asking one of them so that no input can break a review."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from pratique.errors import PratiqueError
from pratique.maturity.evidence import Evidence, Strength, unknown

if TYPE_CHECKING:
    from pratique.maturity.model import Rule
    from pratique.maturity.sources import Sources

Collector = Callable[["Sources", "Rule"], Evidence]


@dataclass(frozen=True)
class Registered:
    """A collector and its properties.

    needs: its sources. presence: whether it looks for something that may also exist where it cannot look, so that the team's
    yes counts where nothing is found. A collector that counts cases has the last word.
    """

    name: str
    function: Collector
    strength: Strength
    needs: tuple[str, ...]
    presence: bool


COLLECTORS: dict[str, Registered] = {}


def collector(
    name: str, *needs: str, strength: Strength = "recorded", presence: bool = False
) -> Callable[[Collector], Collector]:
    """Register a collector under a name. needs: names of its sources."""

    def register(function: Collector) -> Collector:
        COLLECTORS[name] = Registered(name, function, strength, needs, presence)
        return function

    return register


def collect(sources: Sources, rule: Rule) -> Evidence:
    """Ask the collector of a rule. Whatever fails in it is unknown, with the reason, and never met."""
    known = COLLECTORS[rule.collector]
    lacking = next((why for source in known.needs if (why := sources.missing(source))), "")
    try:
        found = unknown(lacking) if lacking else known.function(sources, rule)
    except PratiqueError as error:
        found = unknown(str(error))
    except Exception as error:  # noqa: BLE001 - what others wrote is read; one input must not hide the rest of the review
        found = unknown(f"{known.name} could not read its input: {type(error).__name__}: {str(error)[:150]}")
    return replace(found, strength=known.strength, collector=known.name, supports=rule.supports)
