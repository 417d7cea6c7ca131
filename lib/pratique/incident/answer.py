"""The answer in words: one sentence, and the command that takes a guilty release back.

"Caused" is said only of a change that a comparison at the same moments shows; "since" is always followed by both ends.
"""

from __future__ import annotations

import math
import shlex
from collections.abc import Sequence
from datetime import datetime, timedelta

from pratique.incident.model import Answer, Onset, Places, Suspect
from pratique.incident.text import onset_text, part_of_excess, place_name, short
from pratique.number_text import count, factor, interval, percent, plural

MIX = 0.5
"""Part of the excess from which a shift of traffic is named in the sentence."""


def answer_of(onset: Onset | None, suspects: Sequence[Suspect], *, known: bool) -> Answer:
    """Return the answer. known: whether there was a history and traffic to compare."""
    if onset is None:
        return "nothing shown" if known else "cannot tell"
    grades = {suspect.grade for suspect in suspects}
    if "shown" in grades:
        return "a release of ours"
    if "fits" in grades:
        return "a change fits"
    return "cannot tell" if any(map(undecided, suspects)) else "no change of ours explains it"


def undecided(suspect: Suspect) -> bool:
    """Whether a change came at the time of the start and its comparison tells nothing yet."""
    return suspect.grade == "cannot tell" and suspect.in_time


def sentence_of(
    service: str,
    outcome: str,
    onset: Onset,
    places: Places | None,
    suspects: Sequence[Suspect],
    end: datetime,
    also: str = "",
) -> str:
    """Return the answer in words: since when, where, how much, and whose change. also: what other services show."""
    words = [f"{outcome} of {short(service)}: {onset_text(onset, end)}."]
    if places is not None and places.found:
        first = places.found[0]
        whole = place_name(first) == "the whole service"
        where = "The whole service is hit" if whole else f"{part_of_excess(first)} of it is {place_name(first)}"
        numbers = f"{count(first.bad)} bad of {count(first.requests)}, {count(round(first.expected))} expected"
        words.append(f"{where}: {numbers}.")
    else:
        words.append(f"{count(onset.bad)} bad of {count(onset.requests)}, {count(round(onset.expected))} expected.")
    excess = places.bad - places.expected if places is not None else 0.0
    if places is not None and excess > 0 and places.mix > MIX * excess:
        words.append(f"{percent(min(places.mix / excess, 1.0))} of it is a shift of traffic, which breaks nothing.")
    return " ".join([*words, *([also] if also else []), _whose(suspects)])


def _whose(suspects: Sequence[Suspect]) -> str:
    best = suspects[0] if suspects else None
    if best is None or best.grade not in ("shown", "fits"):
        if open_ones := [suspect for suspect in suspects if undecided(suspect)]:
            name = short(open_ones[0].change.revision)
            return f"{name} came at that time; it is not known yet whether its requests fare worse."
        near = [suspect for suspect in suspects if suspect.grade == "alike in time"]
        beside = (
            f"; {short(near[0].change.revision)} came at that time, and its requests fare no worse than the others'"
            if near
            else ""
        )
        return f"No change of ours explains it{beside or _worse(suspects)}."
    name = short(best.change.revision or best.change.kind)
    if best.grade == "shown":
        ratio = f"{factor(best.ratio)} {interval(best.ratio_low, best.ratio_high)}"
        return f"{name} caused it, or the hosts it runs on: its requests fail {ratio} as often as the others' requests at the same moments."
    made = (
        f"{best.change.kind} of {name}"
        if best.change.revision
        else short(f"{best.change.kind} {best.change.why}".strip())
    )
    chance = f"some change is that near by chance in {percent(best.coincidence)} of cases"
    return f"{made} fits in time and place; nothing ran beside it to compare with, and {chance}."


def _worse(suspects: Sequence[Suspect]) -> str:
    """The words for a revision whose requests fail more often, though its change is not the cause."""
    for suspect in suspects:
        if suspect.grade in ("too late", "cannot tell") and suspect.ratio_low is not None and suspect.ratio_low > 1.0:
            ratio = f"{factor(suspect.ratio)} {interval(suspect.ratio_low, suspect.ratio_high)}"
            but = "it came later" if suspect.grade == "too late" else "it served before the start"
            return f"; the requests of {short(suspect.change.revision)} fail {ratio} as often as the others' at the same moments, but {but}"
    return ""


def undo_of(service: str, suspects: Sequence[Suspect], serving: Sequence[str]) -> str:
    """Return the command that takes the guilty release back; "" where none is shown, it no longer serves, or a newer one does.

    serving: revisions with requests in the last windows, the newest last. A rollback takes back the newest one.
    """
    guilty = [suspect for suspect in suspects if suspect.grade == "shown" and suspect.change.revision in serving]
    if not guilty:
        return ""
    # a rollback would wait for the run that holds the service
    if run := guilty[0].change.active_run:
        return f"pratique abort {shlex.quote(run)}"
    newest = guilty[0].change.revision == serving[-1]
    return f"pratique rollback {shlex.quote(service)}" if newest else ""


def nothing_sentence(
    service: str, outcome: str, start: datetime, *, tolerated: float, windows: float, window_s: int, is_old: bool
) -> str:
    """Return what is said where no rise is shown, with what would have been seen.

    windows: until a rise to twice is shown. is_old: whether the data ended long ago, so that the start needs its date.
    """
    began = f"{start:%Y-%m-%d %H:%M}" if is_old else f"{start:%H:%M}"
    since = f"No rise of {outcome} of {short(service)} beyond {tolerated:g}x is shown since {began}"
    larger = f"{math.ceil(tolerated * 4 / 3 - 1e-9):d}"
    if not math.isfinite(windows) or windows * window_s > 86_400:
        return f"{since}; with this traffic a rise to {larger}x would not have been seen either."
    length = timedelta(seconds=math.ceil(windows) * window_s)
    minutes = max(math.ceil(length.total_seconds() / 60), 1)
    return f"{since}; a rise to {larger}x would have been seen within {plural(minutes, 'minute')} at this traffic."
