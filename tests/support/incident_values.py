"""An incident made by hand: a canary of the shop that fails at the checkout, and the arrays behind it, from a fixed seed."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np

from pratique.incident.measures import Arms, Investigation, Measures, Placebos, Series, SuspectMeasures
from pratique.incident.model import Change, Incident, Onset, Place, Places, Span, Suspect, Unaffected

START = datetime(2026, 11, 20, 12, 40, tzinfo=UTC)
WINDOWS = 120
BEGAN = 82
"""The window in which it begins: 14:02."""


def at(minute):
    """A time, in minutes after the start of the range."""
    return START + timedelta(minutes=minute)


def sample_change(minute=81, service="shop", kind="release", revision="r42", **changes):
    found = Change(
        at(minute), service, kind, revision, "ann", "faster checkout", 214, "ledger", {"r41": 0.9, "r42": 0.1}
    )
    return replace(found, **changes)


def sample_suspect(grade="shown", change=None, **changes):
    found = Suspect(
        change or sample_change(),
        grade,
        "its requests fail 12x as often as those of r41 at the same moments: the release, or the hosts it runs on",
        1.2,
        12.0,
        6.0,
        25.0,
        0.02,
    )
    return replace(found, **changes)


def sample_place(**changes):
    found = Place(
        "r42", "POST /checkout", "503", None, 212, 1900, 9.0, 0.94, 23.6, "more", 0.0047, 0.1116, 3.1e9,
        "POST /checkout with 503 on revision r42: 212 bad of 1,900, 9 expected",
    )  # fmt: skip
    return replace(found, **changes)


def suspects():
    other = sample_change(74, "search", "release", "r7", number=212, who="bob", why="new index")
    flag = sample_change(40, "shop", "flag", "", number=None, why="new-cart", source="flags.jsonl", shares=None)
    late = sample_change(100, "shop", "weight", "r42", number=216, shares={"r41": 0.75, "r42": 0.25})
    blank = {"ratio": None, "ratio_low": None, "ratio_high": None}
    return (
        sample_suspect(),
        sample_suspect("in time only", other, reason="another service's, though in time", minutes_before=8.0, **blank),
        sample_suspect("elsewhere", flag, reason="the place does not contain it", minutes_before=42.0, **blank),
        sample_suspect("too late", late, reason="after the last possible start", minutes_before=-18.0, **blank),
    )


def sample_incident(**changes):
    """A canary that is shown to have caused the incident."""
    found = Incident(
        service="shop",
        outcome="5xx",
        start=START,
        end=at(WINDOWS),
        before=START - timedelta(days=1),
        answer="a release of ours",
        sentence="5xx of shop: since 14:02 (14:01–14:04), still going on. 94 % of it is POST /checkout with 503 on "
        "revision r42. r42 caused it: 12x [6, 25] what r41 has at the same moments.",
        undo="pratique rollback shop",
        onset=Onset(at(82), Span(at(81), at(84)), None, "step", 4.2, 231, 76_000, 54.0, 3.2e9, "4.2x since 14:02"),
        places=Places(
            (sample_place(), sample_place(revision=None, action="GET /search", code="504", host="web2", bad=30,
                                          requests=900, expected=12.0, part=0.03, ratio=2.5, effect="times",
                                          before=0.013, after=0.033, e_value=180.0)),
            2.0, 4.15, 26.0, 231, 76_000,
        ),
        suspects=suspects(),
        unaffected=(
            Unaffected("revision", "r41", 68_000, 1.1, True),
            Unaffected("host", "web1", 38_000, 1.2, True),
            Unaffected("service", "search", 9_000, 1.3, True),
            Unaffected("action", "GET /rare", 14, None, False),
        ),
        findings=("the collector dropped 12 lines between 14:10 and 14:12",),
        alpha=0.01,
        method="Poisson mixture over starts and shapes",
        version="0.1.0",
    )  # fmt: skip
    return replace(found, **changes)


def sample_series(rng, rate, share, factor=1.0):
    n = rng.poisson(rate, WINDOWS)
    level = np.where(np.arange(WINDOWS) >= BEGAN, factor, 1.0)
    bad = rng.binomial(n, np.minimum(share * level, 1.0))
    expected = n * share
    half = 1.96 * np.sqrt(expected) + 1
    return Series(n, bad, expected, np.maximum(0, expected - half), expected + half)


def sample_measures(incident=None):
    """The arrays of an incident; every release of the shop has a control."""
    incident = incident or sample_incident()
    rng = np.random.default_rng(11)
    windows = np.arange(WINDOWS)
    step = windows >= BEGAN
    others, own = sample_series(rng, 1800, 0.001), sample_series(rng, 200, 0.0012, 12.0)
    n = np.stack([others.n, np.where(step, own.n, 0)])
    bad = np.stack([others.bad, np.where(step, own.bad, 0)])
    arms = Arms(bad, n, np.cumsum(np.where(step, rng.normal(0.6, 0.2, WINDOWS), 0.0)))
    placebos = Placebos(1.4, np.datetime64("2026-11-19T12:00", "ms") + np.arange(60) * np.timedelta64(10, "m"),
                        rng.normal(0, 0.4, 60), 0)  # fmt: skip
    in_starts = (windows >= 81) & (windows <= 84) & (incident.onset is not None)
    known = {"shown": SuspectMeasures(arms=arms), "fits": SuspectMeasures(placebos=placebos)}
    return Measures(
        times=np.datetime64(START.replace(tzinfo=None), "ms") + windows * np.timedelta64(60, "s"),
        window_s=60,
        service=sample_series(rng, 2000, 0.0012, 3.0),
        requests_expected=np.full(WINDOWS, 2000.0),
        in_starts=in_starts,
        in_ends=np.zeros(WINDOWS, bool),
        start_support=np.where(in_starts, 0.0, -np.inf),
        places=tuple(sample_series(rng, 60, 0.005, 20.0) for _ in (incident.places.found if incident.places else ())),
        suspects=tuple(known.get(one.grade, SuspectMeasures()) for one in incident.suspects),
    )


def sample_investigation(incident=None):
    incident = incident or sample_incident()
    return Investigation(incident, sample_measures(incident), [one.change for one in incident.suspects])


def nothing_shown():
    """An analysis that shows no rise."""
    return sample_investigation(
        sample_incident(
            answer="nothing shown",
            sentence="No rise beyond 1.5x is shown since 12:40; a rise to 2x would have been seen within 9 minutes at this traffic.",
            undo="",
            onset=None,
            places=None,
            suspects=(),
            findings=(),
        )
    )


def hostile_investigation(texts):
    """Every name and text from the data is hostile."""
    change = sample_change(
        service=texts[0], kind=texts[1], revision=texts[2], who=texts[3], why=texts[4], source=texts[5]
    )
    place = sample_place(revision=texts[0], action=texts[5], code=texts[2], host=texts[6], reason=texts[1])
    incident = sample_incident()
    return sample_investigation(
        replace(
            incident,
            service=texts[1],
            sentence=" ".join(texts),
            undo=texts[3],
            places=replace(incident.places, found=(place, place)),
            suspects=(sample_suspect(change=change, reason=texts[4], lack=texts[3]),
                      sample_suspect("fits", change, reason=texts[0], ratio=None)),
            unaffected=tuple(Unaffected("host", text, 9, 1.1, True) for text in texts),
            findings=tuple(texts),
        )
    )  # fmt: skip
