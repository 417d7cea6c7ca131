"""Seeded traffic of a baseline r1 and a canary r2 after bad outcomes that users of other tools reported.

30 minutes of r1 alone, then 60 minutes of both; 10 requests a second, canary 10 %, unless a case says otherwise.
"""

import random
from collections.abc import Callable, Iterator

T0_S = 1_760_000_000.0
ACTIONS = [
    ("GET", "/", 0.40, 4),
    ("GET", "/search", 0.30, 15),
    ("GET", "/product/7", 0.20, 8),
    ("POST", "/cart", 0.07, 6),
    ("GET", "/checkout", 0.01, 9),
    ("POST", "/checkout", 0.02, 12),
]
CASES: dict[str, tuple[Callable[..., bool | None], dict]] = {}


def case(**options):
    def keep(change):
        CASES[change.__name__.replace("_", "-")] = (change, options)
        return change

    return keep


@case()
def redirect_all(line, minute, canary, rng):
    """A login loop: spinnaker 5622."""
    if canary:
        line["code"] = 302


@case(failing=0.0)
def no_answer(line, minute, canary, rng):
    """5 % of the canary's requests get no answer: envoy 3798, istio 9292."""
    if canary and rng.random() < 0.05:
        line["code"] = 0


@case()
def only_post(line, minute, canary, rng):
    """One method of one path is broken."""
    if canary and line["method"] == "POST" and line["path"] == "/checkout" and rng.random() < 0.2:
        line["code"] = 500


@case(rate=0.7, share=0.3)
def low_traffic_bad(line, minute, canary, rng):
    """42 requests a minute, 6 % of the canary's fail: flagger 1035."""
    if canary and rng.random() < 0.055:
        line["code"] = 500


@case()
def both_failing(line, minute, canary, rng):
    """From the canary's start both fail at 30 %."""
    if minute >= 0 and rng.random() < 0.3:
        line["code"] = 503


@case(share=lambda minute: 0.3 if minute < 20 else 1.0, failing=0.0)
def all_traffic_then_bad(line, minute, canary, rng):
    """Nothing is left to compare with: flagger 869, argo-rollouts 1029."""
    if canary and minute >= 20 and rng.random() < 0.15:
        line["code"] = 500


@case()
def canary_falls_silent(line, minute, canary, rng):
    """Kayenta 700, flagger 1090."""
    return not (canary and minute > 12)


@case()
def shared_outage_skew(line, minute, canary, rng):
    """Both fail for 3 minutes, and the clock of the canary's host is 4 minutes ahead."""
    if 20 <= minute < 23 and rng.random() < 0.4:
        line["code"] = 503
    if canary:
        line["time"] += 240_000


@case()
def rejected_lines(line, minute, canary, rng):
    """The canary's slow requests are written in a way that the import refuses."""
    if canary and rng.random() < 0.1:
        line["code"] = "-"


@case(failing=0.003, rate=20.0)
def nothing(line, minute, canary, rng):
    """No difference at all."""


@case(failing=0.003)
def dies_half_way(line, minute, canary, rng):
    """The canary's lines stop after 30 minutes."""
    return not (canary and minute > 30)


@case()
def baseline_down(line, minute, canary, rng):
    """The canary fails at 4 %; from minute 20 on the baseline fails at 60 %: flagger 1898."""
    if not canary and minute >= 20 and rng.random() < 0.6:
        line["code"] = 503
    if canary and rng.random() < 0.035:
        line["code"] = 500


@case()
def warm_up(line, minute, canary, rng):
    """The canary is three times as slow for 2 minutes: argo-rollouts 3888."""
    if canary and minute < 2:
        line["duration_ms"] *= 3


@case()
def empty_answers(line, minute, canary, rng):
    """The canary answers 204 instead of 200."""
    if canary:
        line["code"] = 204


@case()
def login_asked(line, minute, canary, rng):
    """The canary answers 401 to everything."""
    if canary:
        line["code"] = 401


@case()
def throttled(line, minute, canary, rng):
    """The canary throttles a fifth of its requests."""
    if canary and rng.random() < 0.2:
        line["code"] = 429


@case()
def slow_cart(line, minute, canary, rng):
    """One action of the canary is three times as slow."""
    if canary and line["path"] == "/cart":
        line["duration_ms"] *= 3


@case()
def other_action_rules(line, minute, canary, rng):
    """The canary's actions have other names."""
    if canary:
        line["path"] = "/v2" + line["path"]


@case()
def both_failing_canary_less(line, minute, canary, rng):
    """Both fail from minute 20 on, the canary half as often."""
    if minute >= 20 and rng.random() < (0.15 if canary else 0.3):
        line["code"] = 503


@case()
def canary_silent_in_the_middle(line, minute, canary, rng):
    """The canary has no request for 15 minutes and returns."""
    return not (canary and 20 < minute < 35)


@case()
def baseline_silent_at_the_end(line, minute, canary, rng):
    """The baseline has no request in the last 10 minutes."""
    return not (not canary and minute > 50)


@case(rate=5 / 60, share=0.3, before=90)
def low_traffic(line, minute, canary, rng):
    """Five requests a minute, and no difference."""


@case(share=lambda minute: 0.05 if minute < 15 else 0.25 if minute < 40 else 0.5)
def weight_changes(line, minute, canary, rng):
    """The weight rises in three stages, and there is no difference."""


def lines(name: str, seed: int = 1) -> Iterator[dict]:
    """Yield the lines of a case as they would be in a JSON log."""
    change, options = CASES[name]
    return _traffic(f"{name}-{seed}", change, **options)


def _traffic(seed, change, *, rate=10.0, share=0.10, failing=0.005, before=30, after=60):
    rng = random.Random(seed)
    times = sorted(rng.random() * (before + after) for _ in range(int(rate * 60 * (before + after))))
    for time in times:
        minute = time - before
        canary = minute >= 0 and rng.random() < (share(minute) if callable(share) else share)
        method, path, _, median_ms = rng.choices(ACTIONS, [action[2] for action in ACTIONS])[0]
        line = {
            "time": int((T0_S + time * 60) * 1000),
            "service": "s",
            "revision": "r2" if canary else "r1",
            "method": method,
            "path": path,
            "code": 500 if rng.random() < failing else 200,
            "duration_ms": round(median_ms * rng.lognormvariate(0, 0.4), 3),
            "host": f"{'c' if canary else 'b'}{rng.randrange(4)}",
        }
        if change(line, minute, canary, rng) is not False:
            yield line
